"""Geometry of points: bounding boxes, surface normals, connected components."""
