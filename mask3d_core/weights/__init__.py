"""The weights file: the model and its facts, and the one that ships with the package."""
