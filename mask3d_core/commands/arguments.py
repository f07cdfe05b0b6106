"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_model_arguments(parser: argparse.ArgumentParser,
                        weights: str = 'untrained weights, to try the way through',
                        num_queries: str = 'as trained') -> None:
    """Declare what `load_segmenter` takes; `weights` and `num_queries` name the defaults."""
    parser.add_argument('--weights', type=Path, metavar='W',
                        help=f'weights file (default: {weights})')
    parser.add_argument('--num-queries', type=count, metavar='Q',
                        help=f'most objects looked for; fewer is faster (default: {num_queries})')
    parser.add_argument('--device', default='auto', metavar='D',
                        help='auto, cpu, cuda or cuda:1 (default: auto)')
    parser.add_argument('--precision', default='float32',
                        choices=('float32', 'bfloat16', 'float16'),
                        help='arithmetic of the U-Net (default: float32)')


def count(text: str) -> int:
    """Read a number of things, 1 or more; argparse turns the error into wrong usage."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'expected 1 or more, got {number}')
    return number
