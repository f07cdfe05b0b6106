"""`mask3d convert`: convert checkpoints of the original, or store weights in half precision."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mask3d_core.commands.arguments import count
from mask3d_core.errors import InputError
from mask3d_core.progress import log

if TYPE_CHECKING:
    from mask3d_core.original.convert import ConversionReport

SUMMARY = 'convert a checkpoint of the original Mask3D into a weights file'
DESCRIPTION = """\
Convert a released checkpoint of the original Mask3D (.ckpt) into a weights file.
No code in the checkpoint is executed, and the original's packages are not needed.
Facts that the checkpoint lacks are assumed and reported; options override them.
A weights file can be given instead, to store it in half precision with --half.
"""
EXAMPLES = """\
example:
  mask3d convert scannet_val.ckpt scannet.weights
  mask3d convert area5.ckpt s3dis.weights --classes s3dis --voxel-size 0.02
  mask3d convert forest.ckpt forest.weights --classes forest.tsv --voxel-size 0.05
  mask3d convert runs/office/best.weights office.weights --half
"""


METADATA_OPTIONS = ('classes', 'voxel_size', 'masks', 'num_heads', 'num_rounds', 'num_queries',
         'color_mean', 'color_std', 'licence')
"""Options for facts that a checkpoint lacks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    from mask3d_core.data.benchmark import benchmarks

    parser.add_argument('original', type=Path, metavar='ORIGINAL.ckpt',
                        help='checkpoint of PyTorch Lightning, or a weights file for --half')
    parser.add_argument('out', type=Path, metavar='OUT', help='weights file to write')
    tables = ', '.join(benchmark.table for benchmark in benchmarks().values()
                       if benchmark.original is not None)
    parser.add_argument('--classes', metavar='TABLE',
                        help=f'classes of the logits: {tables}, a .tsv file with the columns id '
                             'and name, one line for each class in the order of the logits, or '
                             'agnostic (default: those of the data set that the checkpoint names; '
                             'class 0, class 1 … if it is not known)')
    parser.add_argument('--voxel-size', type=float, metavar='METRES',
                        help='voxel size of the training')
    parser.add_argument('--masks', choices=('points', 'segments'),
                        help='whether masks are predicted on points or on superpoints')
    parser.add_argument('--num-heads', type=count, metavar='H', help='attention heads')
    parser.add_argument('--num-rounds', type=count, metavar='R',
                        help='decoder rounds over all levels')
    parser.add_argument('--num-queries', type=count, metavar='Q',
                        help='default number of queries')
    parser.add_argument('--color-mean', type=float, nargs=3, metavar=('R', 'G', 'B'),
                        help='mean colour of the training data, 0..1')
    parser.add_argument('--color-std', type=float, nargs=3, metavar=('R', 'G', 'B'),
                        help='its standard deviation')
    parser.add_argument('--half', action='store_true',
                        help='store matrices in half precision')
    parser.add_argument('--licence', metavar='TEXT', help='licence to store in the weights file')


def run(options: argparse.Namespace) -> None:
    """Convert, write, and print what became of every tensor."""
    from mask3d_core.files.target import check_target
    from mask3d_core.original.convert import convert_checkpoint, ConvertOptions
    from mask3d_core.weights.checkpoint import save_weights
    from mask3d_core.weights.weights_path import is_weights_file

    check_target(options.out, options.original)
    if is_weights_file(options.original):
        _halve(options)
        return
    log(f'reading {options.original} …')
    weights, report = convert_checkpoint(options.original, ConvertOptions(
        classes=options.classes, voxel_size=options.voxel_size, num_heads=options.num_heads,
        num_rounds=options.num_rounds, num_queries=options.num_queries,
        on_segments=None if options.masks is None else options.masks == 'segments',
        color_mean=_triple(options.color_mean), color_std=_triple(options.color_std),
        licence=options.licence))
    save_weights(options.out, weights, options.half)
    _print(report)
    dropped = sum(fate.startswith('dropped') for _, fate, _ in report.tensors)
    numbers = sum(tensor.numel() for tensor in weights.state.values())
    print(f'wrote {options.out}: {len(weights.state)} tensors, {numbers / 1e6:.1f} million '
          f'numbers; {dropped} dropped, no missing and no unexpected tensors')


def _halve(options: argparse.Namespace) -> None:
    """Write a weights file of ours again, in half precision."""
    from mask3d_core.weights.checkpoint import load_weights, save_weights

    facts = {name: value for name, value in vars(options).items() if name in METADATA_OPTIONS}
    given = [name for name, value in facts.items() if value is not None]
    if given or not options.half:
        raise InputError(f'{options.original} is a weights file already: only --half can be '
                         'asked of it'
                         + (f', not --{given[0].replace("_", "-")}' if given else ''))
    save_weights(options.out, load_weights(options.original), half=True)
    before, after = (file.stat().st_size / 1e6 for file in (options.original, options.out))
    print(f'wrote {options.out}: {after:.1f} MB, was {before:.1f} MB')


def _triple(values: list[float] | None) -> tuple[float, float, float] | None:
    return None if values is None else (values[0], values[1], values[2])


def _print(report: ConversionReport) -> None:
    names, _, shapes = (max(map(len, column)) for column in zip(*report.tensors, strict=True))
    for name, fate, shape in report.tensors:
        print(f'{name:{names}}  {shape:{shapes}}  ->  {fate}')
    print()
    for fact in report.facts:
        print(fact)
    for warning in report.warnings:
        print(f'warning: {warning}')
