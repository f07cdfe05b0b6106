"""Images of scans and instances, and line charts, with numpy and Pillow only."""
