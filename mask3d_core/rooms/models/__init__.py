"""Furniture from 3D models that people made, as an addition to our own pieces."""
