"""`mask3d info`: the contents of a weights file, a scan or a bag."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mask3d_core.commands.arguments import (
    add_input_arguments,
    conventions,
    describe_tiles,
    SHIPPED_VOXEL_SIZE,
)

if TYPE_CHECKING:
    from mask3d_core.scan import Scan

WEIGHTS_SUFFIXES = ('.weights', '.onnx', '.ckpt')
SUMMARY = 'show the contents of a weights file, a scan or a bag'
DESCRIPTION = """\
Show what a file contains. Weights: the model, its classes and how it was trained.
A scan: its points, extent and colours. A bag: its topics, and its last cloud.
"""
EXAMPLES = """\
example:
  mask3d info scannet.weights
  mask3d info scan.ply
  mask3d info recording/ --topic /camera/points
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('file', type=Path, metavar='FILE',
                        help='weights, a scan, .mcap, .db3, or the folder of a bag')
    add_input_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Print one fact a line."""
    from mask3d_core.files.bag import is_bag_file
    from mask3d_core.files.formats import READERS

    path: Path = options.file
    suffix = path.suffix.lower()
    if path.is_dir() or is_bag_file(path):
        facts = _bag_facts(options)
    elif suffix not in READERS and _is_weights(path):
        facts = _weights_facts(path)
    else:
        facts = _file_facts(options)
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f'{name:{width}}  {value}'.rstrip())


def _is_weights(path: Path) -> bool:
    from mask3d_core.weights.checkpoint import is_weights_file

    return path.suffix.lower() in WEIGHTS_SUFFIXES or is_weights_file(path)


def _weights_facts(path: Path) -> list[tuple[str, str]]:
    from mask3d_core.weights.checkpoint import load_weights

    weights = load_weights(path)
    model = weights.model
    numbers = sum(tensor.numel() for tensor in weights.state.values())
    size = (f'{numbers / 1e6:.1f} million numbers in {len(weights.state)} tensors'
            if weights.graph is None else 'an ONNX graph for the engine onnxruntime')
    trained = [(f'trained: {name}', str(value)) for name, value in weights.trained.items()]
    return [
        ('kind', f'weights, {size}'),
        ('model', f'{model.backbone}, {model.hidden_dim} channels, {model.num_heads} heads, '
                  f'{model.num_rounds} x {len(model.levels)} refinement steps'
                  + ('' if model.shared_rounds else ', each with its own weights')),
        ('queries', f'{model.num_queries} by default, {model.queries}'
                    + (', initialized from votes' if model.votes else '')),
        ('masks', 'on segments' if model.on_segments else 'on points'),
        ('input', 'coloured points' if weights.uses_color else 'points without colour'),
        ('voxel', f'{weights.voxel_size:g} m, colour: {weights.voxel_color}'
                  + (f', larger for maps of more than {weights.max_voxels} voxels'
                     if weights.max_voxels else '')),
        ('tiles', describe_tiles(weights.tiling)),
        ('colour', f'mean {_numbers(weights.color_mean)}, '
                   f'deviation {_numbers(weights.color_std)}'),
        ('classes', f'{len(weights.classes)}: ' + ', '.join(weights.classes.names)),
        *(trained or [('trained', 'no: untrained weights')]),
        ('licence', weights.licence)]


def _file_facts(options: argparse.Namespace) -> list[tuple[str, str]]:
    return [('kind', f'scan, {options.file.suffix.lower()}'), *_scan_facts(_read(options))]


def _bag_facts(options: argparse.Namespace) -> list[tuple[str, str]]:
    from mask3d_core.files.bag import bag_topics, POINT_CLOUD

    topics = bag_topics(options.file)
    clouds = {topic.name: topic.count for topic in topics if topic.type == POINT_CLOUD}
    facts = [('kind', 'bag'), ('cloud topics', str(len(clouds)))]
    facts += [('topic', f'{name} ({count} clouds)') for name, count in clouds.items()]
    facts += [('topic', f'{topic.name} ({topic.count} messages of {topic.type})')
              for topic in topics if topic.type != POINT_CLOUD]
    only = next(iter(clouds)) if len(clouds) == 1 and any(clouds.values()) else None
    if options.topic is not None or only is not None:
        facts.append((f'{options.cloud or "last"} cloud', f'of {options.topic or only}'))
        facts += _scan_facts(_read(options))
    return facts


def _read(options: argparse.Namespace) -> Scan:
    from mask3d_core.files import read_scan

    return read_scan(options.file, options.topic, options.cloud, conventions(options))


def _scan_facts(scan: Scan) -> list[tuple[str, str]]:
    from mask3d_core.scan_checks import describe_doubts

    low, high = scan.xyz.min(axis=0), scan.xyz.max(axis=0)
    dropped = scan.input_size - len(scan) - scan.num_outliers
    facts = [
        ('points', f'{len(scan)}' + (f' and {dropped} without a position' if dropped else '')),
        ('from', f'({_numbers(low)}) m'), ('to', f'({_numbers(high)}) m'),
        ('size', ' x '.join(f'{side:.2f}' for side in high - low) + ' m'),
        ('colour', 'none' if scan.color is None else
         f'mean {_numbers(scan.color.mean(axis=0))} of 0..1')]
    if scan.frame:
        facts.append(('frame', scan.frame))
    if scan.segment is not None:
        facts.append(('segments', str(len(set(scan.segment.tolist())))))
    return facts + [('warning', text) for text in describe_doubts(scan, SHIPPED_VOXEL_SIZE)]


def _numbers(values: object) -> str:
    numbers = [float(value) for value in values]  # type: ignore[attr-defined]
    return ', '.join(f'{one:.{4 if abs(one) < 1000 else 9}g}' for one in numbers)
