"""
Superpoints: over-segmentation of a cloud or mesh into pieces of surface.

superpoints         of clouds, by voxel normals and colours; of meshes, as ScanNet's segmentator
graph_segmentation  the algorithm of Felzenszwalb and Huttenlocher, vectorized
"""
