"""`mask3d export`: weights as an ONNX file, for ONNX Runtime."""

from __future__ import annotations

import argparse
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.progress import log

SUMMARY = 'export weights as an ONNX file'
DESCRIPTION = """\
Write the network of some weights as an ONNX graph of standard operators, for ONNX Runtime and
other runtimes (docs/engines.md). The file also holds the classes, the voxel size and all other
facts of the weights: it can be given wherever a weights file is expected.
"""
EXAMPLES = """\
example:
  mask3d export rooms.weights rooms.onnx
  mask3d export scannet.weights scannet16.onnx --precision float16
  mask3d segment scan.ply --weights rooms.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('weights', type=Path, metavar='WEIGHTS', help='weights file to export')
    parser.add_argument('out', type=Path, metavar='OUT.onnx', help='ONNX file to write')
    parser.add_argument('--precision', choices=('float32', 'float16'), default='float32',
                        help='floating-point type of the U-Net; the decoder uses float32 '
                             '(default: float32)')


def run(options: argparse.Namespace) -> None:
    """Export, check and write."""
    from mask3d_core.files.target import check_target
    from mask3d_core.weights.onnx_file import INSTALL_ONNX, SUFFIX
    from mask3d_core.weights.weights_path import check_weights_path

    if options.out.suffix.lower() != SUFFIX:
        raise InputError(f'expected a file name that ends with {SUFFIX}, got {options.out.name}')
    check_target(options.out, options.weights)
    check_weights_path(options.weights)
    from mask3d_core.engines.onnx_engine import DTYPES
    from mask3d_core.weights.checkpoint import load_weights
    import torch

    weights = load_weights(options.weights)
    if weights.graph is not None:
        raise InputError(f'{options.weights.name} is an ONNX file already')
    try:
        from mask3d_core.onnx_graph.export import export, save_onnx
    except ImportError as error:
        raise InputError(f'ONNX files need another package: {INSTALL_ONNX}') from error
    log('exporting …')
    model = export(weights, DTYPES[getattr(torch, options.precision)])
    save_onnx(options.out, model)
    operators = sorted({node.op_type for node in model.graph.node})
    print(f'{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, opset '
          f'{model.opset_import[0].version}, {len(model.graph.node)} nodes of {len(operators)} '
          f'operators: {", ".join(operators)}')
