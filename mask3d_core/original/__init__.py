"""Checkpoints of the original Mask3D: read without running pickled code, and converted."""
