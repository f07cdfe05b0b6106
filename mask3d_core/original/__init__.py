"""The original's checkpoints: read without running their pickled code, and converted."""
