"""Data sets: labelled scans, how they are prepared, checked and read in training."""
