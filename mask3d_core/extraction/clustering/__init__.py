"""
Exact DBSCAN of masks (paper, Table VII), by cells instead of neighbor lists.

dbscan             clusters of points, or of many masks over the same points
touching           fast test for masks that are one cluster: their cells touch
cells              points in small cubes, and bounds on the distances between cubes
cores              core and border points, for min_points above 1
neighbors          exact tests which points are within eps
device_dbscan      clusters of many masks that are on a GPU
device_components  connected components on a GPU
"""
