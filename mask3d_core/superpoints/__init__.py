"""Superpoints: segments of a mesh or a cloud, of which masks are made."""
