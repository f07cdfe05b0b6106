"""Furniture and objects: functions that make a random piece from a random generator."""
