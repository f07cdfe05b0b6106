"""`mask3d bench`: how long each stage takes, and how far that is from the floor."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = 'measure how long each stage takes'
DESCRIPTION = """\
Measure how long each stage takes on some scans: the median time of voxels, pyramid,
U-Net, decoder, instances and clustering, the peak memory, the arithmetic, and the
floor: that arithmetic at the rate of torch's own matrix product in the same run.
"""
EXAMPLES = """\
example:
  mask3d bench room.ply
  mask3d bench room.ply office.pcd --device cuda --json bench.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('files', type=Path, nargs='+', metavar='FILE',
                        help='scans, or rooms with voxels (.npz with coords)')
    parser.add_argument('--device', default='auto', metavar='D',
                        help='auto, cpu, cuda or cuda:1 (default: auto)')
    parser.add_argument('--json', type=Path, metavar='OUT', help='also write the numbers here')
    parser.add_argument('--clustering', action='store_true',
                        help='also compare the clustering with scikit-learn')


def run(options: argparse.Namespace) -> None:
    """Measure and print a table."""
    from mask3d_core.bench import run_bench

    run_bench(options.files, device=options.device, json_path=options.json,
              clustering=options.clustering)
