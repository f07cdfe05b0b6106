"""Geometry of points: boxes, normals, connected components."""
