"""Readers of raw data sets: one module per format as its authors distribute it."""
