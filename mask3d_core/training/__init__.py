"""Training: from labelled scans to a weights file."""
