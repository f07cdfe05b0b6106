"""The part of sensor_msgs_py that the examples use, for environments without it."""
