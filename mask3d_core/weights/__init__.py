"""
Weights files.

checkpoint  reading, writing and checking them; untrained weights
shipped     the file that ships with the package
"""
