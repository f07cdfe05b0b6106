"""Benchmarks: seconds, memory and arithmetic of each stage (`mask3d bench`)."""
