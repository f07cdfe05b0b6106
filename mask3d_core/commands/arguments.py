"""Arguments and output that several commands share."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from mask3d_core.conventions import Conventions, parse_unit, ROTATED_AXES
from mask3d_core.errors import InputError
from mask3d_core.progress import warn

if TYPE_CHECKING:
    from mask3d_core.scan import Scan
    from mask3d_core.tiling.settings import TileSettings

SHIPPED_VOXEL_SIZE = 0.03
"""Of the shipped weights, metres."""


def warn_of_doubts(scan: Scan, voxel_size: float = SHIPPED_VOXEL_SIZE) -> None:
    """Print to stderr what is probably wrong with a scan, given the voxel size in metres."""
    from mask3d_core.scan_checks import describe_doubts

    for doubt in describe_doubts(scan, voxel_size):
        warn(f'the scan {doubt}')


def add_input_arguments(parser: argparse.ArgumentParser, bags: bool = True) -> None:
    """Add how a scan is read: topic and cloud of a bag, axis and unit of any file."""
    if bags:
        parser.add_argument('--topic', help='PointCloud2 topic of a bag, if it has several')
        parser.add_argument('--cloud', metavar='C',
                            help='cloud of the topic: last (with points), largest, its index '
                                 'from 0 or from the end below 0 (--cloud=-2), or a time such as '
                                 '12.5, seconds from the first one or a stamp (default: last)')
    parser.add_argument('--up', choices=tuple(ROTATED_AXES),
                        help='axis of the file that points up; results have z up. Write --up=-y '
                             '(default: z, of .glb y)')
    parser.add_argument('--unit', type=unit, default=1.0, metavar='U',
                        help='unit of the file: mm, cm, dm, m, ft, in, or its metres, such as '
                             '0.1; results are in metres (default: m)')


def conventions(options: argparse.Namespace) -> Conventions:
    """Return what `--up` and `--unit` say."""
    return Conventions(options.up, options.unit)


def unit(text: str) -> float:
    """Parse a unit of length; argparse reports the error as wrong usage."""
    try:
        return parse_unit(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_quiet_argument(parser: argparse.ArgumentParser) -> None:
    """Add --quiet, which may be given before a command, after it, or after its KIND."""
    parser.add_argument('-q', '--quiet', action='store_true', default=argparse.SUPPRESS,
                        help='print no progress; results, warnings and errors stay')


def add_model_arguments(parser: argparse.ArgumentParser,
                        weights: str = 'the shipped ones, docs/weights.md',
                        num_queries: str = 'as trained') -> None:
    """Add the arguments of `load_segmenter`; `weights` and `num_queries` describe defaults."""
    parser.add_argument('--weights', type=Path, metavar='W',
                        help=f'weights file (default: {weights})')
    parser.add_argument('--num-queries', type=count, metavar='Q',
                        help='queries of the decoder, one mask each; fewer are faster '
                             f'(default: {num_queries})')
    parser.add_argument('--max-voxels', type=count_or_zero, metavar='V',
                        help='voxelize clouds that fill more voxels more coarsely, which takes '
                             'two thirds of the time; 0: never (default: as in the weights)')
    parser.add_argument('--device', default='auto', metavar='D',
                        help='auto, cpu, cuda or cuda:1 (default: auto)')
    parser.add_argument('--precision', default='float32',
                        choices=('float32', 'bfloat16', 'float16'),
                        help='floating-point type of the U-Net; the decoder uses float32 '
                             '(default: float32)')
    add_engine_argument(parser)


def add_engine_argument(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the choice of the engine."""
    parser.add_argument('--engine', default='auto', metavar='E',
                        help='what runs the network: torch, onnxruntime or minkowski, see '
                             'docs/engines.md (default: torch, onnxruntime for .onnx weights)')


def add_tile_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tile settings, for `Weights.with_tiles`."""
    parser.add_argument('--tile-size', type=distance, metavar='METRES',
                        help='cut maps that are larger into tiles of about this size; 0: never '
                             '(default: as in the weights)')
    parser.add_argument('--tile-margin', type=distance, metavar='METRES',
                        help='what a tile sees of its neighbors (default: as in the weights)')


def describe_tiles(tiles: TileSettings) -> str:
    """Describe how maps are cut: '8 m with a margin of 0.5 m, along walls'."""
    if not tiles.size:
        return 'none, maps are not cut'
    return (f'{tiles.size:g} m with a margin of {tiles.margin:g} m'
            + (', along walls' if tiles.along_walls else ''))


def name_list(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of names."""
    return tuple(name.strip() for name in text.split(',') if name.strip())


def count(text: str) -> int:
    """Parse a count of 1 or more; argparse reports the error as wrong usage."""
    return _whole(text, 1, '1 or more')


def count_or_zero(text: str) -> int:
    """Parse a count of 0 or more."""
    return _whole(text, 0, '0 or more')


def count_or_all(text: str) -> int:
    """Parse a count of 1 or more, or -1 for all."""
    if text.strip() == '-1':
        return -1
    return _whole(text, 1, '1 or more, or -1 for all')


def fraction(text: str) -> float:
    """Parse a fraction, 0 to 1."""
    return _number(text, 1.0, 'a number from 0 to 1')


def distance(text: str) -> float:
    """Parse a distance in metres, 0 or more."""
    return _number(text, sys.float_info.max, 'metres, 0 or more')


def _whole(text: str, lowest: int, expected: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise argparse.ArgumentTypeError(f'expected {expected}, got {text}')
    return number


def _number(text: str, highest: float, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= highest:
        raise argparse.ArgumentTypeError(f'expected {expected}, got {text}')
    return number
