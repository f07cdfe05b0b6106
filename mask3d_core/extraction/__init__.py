"""
Post-processing: predictions of the network in, instances of the scan out.

postprocess        the steps in order: thresholds, clustering, scores, suppression, measurements
measures           centroid and boxes of masks
regions            the binary masks of a prediction and their clusters
clustered_regions  masks split by DBSCAN; on a GPU before they come to the host
clustering/        exact DBSCAN of many masks
point_masks        from masks of voxels to those of points and superpoints; their intersections
group_masks        the points and measures of masks of overlaid clouds
"""
