"""Furnished rooms by the seed, and a camera that scans them: training data without a licence."""
