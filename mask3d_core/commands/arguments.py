"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
import sys


def say(stage: str) -> None:
    """Show what is going on; results go to stdout, this to stderr."""
    print(f'mask3d: {stage}', file=sys.stderr, flush=True)


def add_model_arguments(parser: argparse.ArgumentParser,
                        weights: str = 'those that ship, docs/weights.md',
                        num_queries: str = 'as trained') -> None:
    """Declare what `load_segmenter` takes; `weights` and `num_queries` name the defaults."""
    parser.add_argument('--weights', type=Path, metavar='W',
                        help=f'weights file (default: {weights})')
    parser.add_argument('--num-queries', type=count, metavar='Q',
                        help=f'most objects looked for; fewer is faster (default: {num_queries})')
    parser.add_argument('--max-voxels', type=count_or_none, metavar='V',
                        help='a cloud that fills more is seen with larger voxels: a dense map '
                             'takes two thirds of the time; 0: none is (default: as the weights '
                             'say)')
    parser.add_argument('--device', default='auto', metavar='D',
                        help='auto, cpu, cuda or cuda:1 (default: auto)')
    parser.add_argument('--precision', default='float32',
                        choices=('float32', 'bfloat16', 'float16'),
                        help='arithmetic of the U-Net (default: float32)')


def name_list(text: str) -> tuple[str, ...]:
    """Read names with commas between."""
    return tuple(name.strip() for name in text.split(',') if name.strip())


def count(text: str) -> int:
    """Read a number of things, 1 or more; argparse turns the error into wrong usage."""
    return _whole(text, 1, '1 or more')


def count_or_none(text: str) -> int:
    """Read a number of things, 0 or more."""
    return _whole(text, 0, '0 or more')


def count_or_all(text: str) -> int:
    """Read a number of things, 1 or more, or -1 for all."""
    if text.strip() == '-1':
        return -1
    return _whole(text, 1, '1 or more, or -1 for all')


def part(text: str) -> float:
    """Read a part of one, 0 to 1."""
    return _number(text, 1.0, 'a number from 0 to 1')


def distance(text: str) -> float:
    """Read a distance in metres, 0 or more."""
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
