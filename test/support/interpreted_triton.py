"""Triton in its interpreter, where there is no GPU; importing this skips the tests of a file."""

import os

import pytest
import torch

if torch.cuda.is_available():
    pytest.skip('Triton compiles its kernels for the GPU here: run tools/check_gpu.py',
                allow_module_level=True)
os.environ['TRITON_INTERPRET'] = '1'  # read where Triton is first imported
pytest.importorskip('triton', reason='Triton is not installed: pip install triton (Linux)')

from triton.errors import TritonError  # noqa: E402

__all__ = ['TritonError']
