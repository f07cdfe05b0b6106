"""Pictures of scans, instances and curves, in numpy and Pillow."""
