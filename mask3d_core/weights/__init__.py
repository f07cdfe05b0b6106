"""
Weights files.

checkpoint    reading, writing and checking them; untrained weights
onnx_file     their facts in the metadata of an ONNX file
shipped       the file that ships with the package
weights_path  whether a file is there and is a weights file, without torch
"""
