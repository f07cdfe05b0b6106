"""`mask3d info`: the contents of a weights file, a scan or a bag."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TYPE_CHECKING

from mask3d_core.commands.arguments import (
    add_input_arguments,
    conventions,
    describe_tiles,
    SHIPPED_VOXEL_SIZE,
)
from mask3d_core.commands.failures import FileFailures
from mask3d_core.commands.json_output import (
    add_json_argument,
    prints_document,
    write_document,
)
from mask3d_core.commands.result_folders import num_bytes
from mask3d_core.progress import ProgressBar, report

if TYPE_CHECKING:
    from mask3d_core.scan import Scan

MAX_LISTED_FIELDS = 12
WEIGHTS_SUFFIXES = ('.weights', '.onnx', '.ckpt')
SUMMARY = 'show the contents of weights files, scans or bags'
DESCRIPTION = """\
Show what each file contains. Weights: the model, its classes and how it was trained.
A scan: its points, extent and colours. A bag: its topics, and its last cloud.
A file that cannot be read does not stop the others; the exit status is then 1.
"""
EXAMPLES = """\
example:
  mask3d info scannet.weights
  mask3d info scan.ply
  mask3d info recording/ --topic /camera/points
  mask3d info scans/*.ply --json
"""


class Fact(NamedTuple):
    """
    A line about a file.

    Attributes
    ----------
    name, text : str
    values : dict
        The same for programs: merged into the JSON document.

    """

    name: str
    text: str
    values: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('files', type=Path, nargs='+', metavar='FILE',
                        help='weights, a scan, .mcap, .db3, or the folder of a bag')
    add_input_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Print one fact a line; of several files, a block each."""
    several = len(options.files) > 1
    bar = ProgressBar('file', [num_bytes(file) for file in options.files]) if several else None
    failures = FileFailures(options.files, report if bar is None else bar.line.report)
    documents: list[dict[str, Any]] = []
    for file in options.files:
        with failures.attempt(file):
            facts = _facts(file, options)
            values = {name: value for fact in facts for name, value in fact.values.items()}
            documents.append({'file': str(file), **values})
            if bar is not None:
                bar.line.end()
            if not prints_document(options):
                _print(facts, file if several else None)
        if file in failures.sentences:
            documents.append(failures.document(file))
        if bar is not None:
            bar.advance()
    write_document(options, {'files': documents})
    failures.check()


def _print(facts: list[Fact], file: Path | None) -> None:
    lines = [(fact.name, fact.text) for fact in facts]
    if file is not None:
        lines = [('file', str(file)), *lines, ('', '')]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f'{name:{width}}  {value}'.rstrip(), flush=True)


def _facts(path: Path, options: argparse.Namespace) -> list[Fact]:
    from mask3d_core.files.bag import is_bag_file
    from mask3d_core.files.formats import READERS

    suffix = path.suffix.lower()
    if path.is_dir() or is_bag_file(path):
        return _bag_facts(path, options)
    if suffix not in READERS and _is_weights(path):
        return _weights_facts(path)
    return [Fact('kind', f'scan, {suffix}', {'kind': 'scan', 'format': suffix}),
            *_scan_facts(_read(path, options))]


def _is_weights(path: Path) -> bool:
    from mask3d_core.weights.weights_path import is_weights_file

    return path.suffix.lower() in WEIGHTS_SUFFIXES or is_weights_file(path)


def _weights_facts(path: Path) -> list[Fact]:
    from mask3d_core.weights.weights_path import check_weights_path

    check_weights_path(path)
    from mask3d_core.weights.checkpoint import load_weights

    weights = load_weights(path)
    model, tiling = weights.model, weights.tiling
    numbers = sum(tensor.numel() for tensor in weights.state.values())
    size = (f'{numbers / 1e6:.1f} million numbers in {len(weights.state)} tensors'
            if weights.graph is None else 'an ONNX graph for the engine onnxruntime')
    trained = [Fact(f'trained: {name}', str(value), {}) for name, value in weights.trained.items()]
    return [
        Fact('kind', f'weights, {size}',
             {'kind': 'weights', 'numbers': numbers, 'tensors': len(weights.state)}),
        Fact('model', f'{model.backbone}, {model.hidden_dim} channels, {model.num_heads} heads, '
                      f'{model.num_rounds} x {len(model.levels)} refinement steps'
                      + ('' if model.shared_rounds else ', each with its own weights'),
             {'model': model.to_dict()}),
        Fact('queries', f'{model.num_queries} by default, {model.queries}'
                        + (', initialized from votes' if model.votes else ''), {}),
        Fact('masks', 'on segments' if model.on_segments else 'on points', {}),
        Fact('input', 'coloured points' if weights.uses_color else 'points without colour',
             {'uses_color': weights.uses_color}),
        Fact('voxel', f'{weights.voxel_size:g} m, colour: {weights.voxel_color}'
                      + (f', larger for maps of more than {weights.max_voxels} voxels'
                         if weights.max_voxels else ''),
             {'voxel_size': weights.voxel_size, 'voxel_color': weights.voxel_color,
              'max_voxels': weights.max_voxels}),
        Fact('tiles', describe_tiles(tiling), {'tiles': asdict(tiling)}),
        Fact('colour', f'mean {_numbers(weights.color_mean)}, '
                       f'deviation {_numbers(weights.color_std)}',
             {'color_mean': weights.color_mean, 'color_std': weights.color_std}),
        Fact('classes', f'{len(weights.classes)}: ' + ', '.join(weights.classes.names),
             {'classes': dict(zip(weights.classes.ids, weights.classes.names))}),
        *(trained or [Fact('trained', 'no: untrained weights', {})]),
        Fact('licence', weights.licence,
             {'trained': weights.trained, 'licence': weights.licence})]


def _bag_facts(path: Path, options: argparse.Namespace) -> list[Fact]:
    from mask3d_core.files.bag import bag_topics, POINT_CLOUD

    topics = bag_topics(path)
    clouds = {topic.name: topic.count for topic in topics if topic.type == POINT_CLOUD}
    facts = [Fact('kind', 'bag', {'kind': 'bag'}),
             Fact('cloud topics', str(len(clouds)), {'topics': {
                 topic.name: {'type': topic.type, 'messages': topic.count} for topic in topics}})]
    facts += [Fact('topic', f'{name} ({count} clouds)', {}) for name, count in clouds.items()]
    facts += [Fact('topic', f'{topic.name} ({topic.count} messages of {topic.type})', {})
              for topic in topics if topic.type != POINT_CLOUD]
    filled = [name for name, count in clouds.items() if count]
    only = filled[0] if len(filled) == 1 else None
    if options.topic is not None or only is not None:
        topic, cloud = options.topic or only, options.cloud or 'last'
        facts.append(Fact(f'{cloud} cloud', f'of {topic}', {'topic': topic, 'cloud': cloud}))
        facts += _scan_facts(_read(path, options))
    return facts


def _read(path: Path, options: argparse.Namespace) -> Scan:
    from mask3d_core.files import read_scan

    return read_scan(path, options.topic, options.cloud, conventions(options))


def _scan_facts(scan: Scan) -> list[Fact]:
    from mask3d_core.scan_checks import describe_doubts

    low, high = scan.xyz.min(axis=0), scan.xyz.max(axis=0)
    dropped = scan.input_size - len(scan) - scan.num_outliers
    color = None if scan.color is None else scan.color.mean(axis=0)
    segments = None if scan.segment is None else len(set(scan.segment.tolist()))
    warnings = list(describe_doubts(scan, SHIPPED_VOXEL_SIZE))
    facts = [
        Fact('points', f'{len(scan)}' + (f' and {dropped} without a position' if dropped else ''),
             {'points': len(scan), 'without_position': dropped, 'outliers': scan.num_outliers,
              'frame': scan.frame, 'segments': segments, 'not_used': scan.unused_fields,
              'warnings': warnings}),
        Fact('from', f'({_numbers(low)}) m', {'from': low}),
        Fact('to', f'({_numbers(high)}) m', {'to': high}),
        Fact('size', ' x '.join(f'{side:.2f}' for side in high - low) + ' m',
             {'size': high - low}),
        Fact('colour', 'none' if color is None else f'mean {_numbers(color)} of 0..1',
             {'color_mean': color})]
    if scan.frame:
        facts.append(Fact('frame', scan.frame, {}))
    if segments is not None:
        facts.append(Fact('segments', str(segments), {}))
    if scan.unused_fields:
        more = len(scan.unused_fields) - MAX_LISTED_FIELDS
        facts.append(Fact('not used', ', '.join(scan.unused_fields[:MAX_LISTED_FIELDS])
                          + (f' and {more} more' if more > 0 else ''), {}))
    return facts + [Fact('warning', text, {}) for text in warnings]


def _numbers(values: object) -> str:
    numbers = [float(value) for value in values]  # type: ignore[attr-defined]
    return ', '.join(f'{one:.{4 if abs(one) < 1000 else 9}g}' for one in numbers)
