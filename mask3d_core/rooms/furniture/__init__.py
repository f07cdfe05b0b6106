"""Furniture and things, each by a function of a random generator."""
