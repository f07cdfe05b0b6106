"""
Benchmarks (`mask3d bench`): seconds, memory and floating-point operations of each stage.

- `inference`: the pipeline from scan to instances; `busy`: beside other busy processes.
- `updates`: the same map again, and a map of which one tile changed.
- `training`: one training step.
- `flops`: floating-point operations of U-Net and decoder, for lower bounds of the time.
- `clustering`: clustering of masks against scikit-learn's DBSCAN.
- `gpu`, `conv_libraries`: a GPU, and other libraries on it (`tools/check_gpu.py`).
- `evaluation`: speed of the evaluation (`mask3d evaluate --benchmark`).
"""
