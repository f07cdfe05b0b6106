"""Exact DBSCAN of masks (paper, Table VII), by cells instead of neighbor lists."""
