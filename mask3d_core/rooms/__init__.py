"""Generate furnished rooms from a seed and scan them with a simulated RGB-D camera."""
