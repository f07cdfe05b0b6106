"""`mask3d bench`: the time of each stage, and its ratio to the arithmetic floor."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import asdict
from importlib.util import find_spec
import io
from pathlib import Path
import statistics
import sys
import time
from typing import Any, TYPE_CHECKING

from mask3d_core.commands.arguments import (
    add_model_arguments,
    add_tile_arguments,
    count,
    name_list,
)
from mask3d_core.commands.failures import FileFailures
from mask3d_core.commands.json_output import (
    add_json_argument,
    prints_document,
    write_document,
)
from mask3d_core.errors import InputError
from mask3d_core.progress import log
from mask3d_core.weights.weights_path import check_weights_path

if TYPE_CHECKING:
    from mask3d_core.bench.attempt import Attempt

SUMMARY = 'measure the time and memory of each stage'
DESCRIPTION = """\
Measure the median seconds of each stage on some scans: voxels, superpoints (if the weights
need them), pyramid, U-Net, decoder, clustering and instances; the latency of the node, which
computes superpoints concurrently with the network; the peak memory, the arithmetic, and the
floor: that arithmetic at the rate of torch's own matrix product, measured in the same run.
Several engines, separated by commas, are measured in turns.
A file that fails does not stop the others; the exit status is then 1.
With --overlap a second line has the seconds outside the network, for each million of points.
Of a map that is cut into tiles, the stages are sums over its tiles. A second line has the
time of its tiles alone, and the ratio of the whole to their sum.
"""
EXAMPLES = """\
example:
  mask3d bench room.ply
  mask3d bench room.ply office.pcd --device cuda --precision bfloat16 --json bench.json
  mask3d bench room.ply --engine torch,onnxruntime
  mask3d bench room.ply --clustering
  mask3d bench room.ply --superpoints
  mask3d bench room.ply --busy 2
  mask3d bench room.ply --overlap 30
  mask3d bench room.ply --train
  mask3d bench floor.ply --updates --tile-size 8
  mask3d bench data/floors --growing --chart growing.png
  mask3d bench room.ply --objects --chart objects.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('files', type=Path, nargs='+', metavar='FILE',
                        help='scans: .ply, .pcd, .npz, .mcap, .db3 or the folder of a bag')
    add_model_arguments(parser, weights='random ones of the full network')
    add_tile_arguments(parser)
    parser.add_argument('--repeats', type=count, default=5, metavar='R',
                        help='runs of which the median is taken (default: 5)')
    add_json_argument(parser)
    parser.add_argument('--busy', type=count, metavar='N',
                        help='also measure each scan while N processes keep the cores busy')
    parser.add_argument('--overlap', type=count, default=1, metavar='N',
                        help='lay each scan over itself N times, with noise of 5 mm, like the map '
                             'of a LiDAR odometry that keeps every scan')
    parser.add_argument('--clustering', action='store_true',
                        help='also compare the clustering with scikit-learn, on 100 masks as a '
                             'room gives them; takes minutes on large scans')
    parser.add_argument('--superpoints', action='store_true',
                        help='also measure how long it takes to make superpoints of 2 cm voxels')
    parser.add_argument('--updates', action='store_true',
                        help='measure updates of a map instead: the map first, the same map '
                             'again, and the map with a part of one tile removed; seconds in '
                             'total, of the changed tile alone, outside the network and of tiling')
    parser.add_argument('--growing', action='store_true',
                        help='measure floors that grow room by room instead; FILE is a data set '
                             'made by `mask3d prepare rooms OUT --floor N`: seconds of each '
                             'update, of the map at once, ids kept, and average precision')
    parser.add_argument('--objects', action='store_true',
                        help='measure how many ids are kept instead: over six maps with new noise '
                             'of 5 mm, a restart, and loop closures; and the time of tracking')
    parser.add_argument('--chart', type=Path, metavar='PNG',
                        help='with --growing: draw the time of updates over the size of the map; '
                             'with --objects: draw the six maps')
    parser.add_argument('--train', action='store_true',
                        help='measure training steps instead, with 20 instances cut out of the '
                             'scan: the seconds of the median step, and its floor, three passes '
                             'of the U-Net')
    parser.add_argument('--recompute', action='store_true',
                        help='with --train: activation checkpointing in the U-Net '
                             '(`checkpoint_activations` of the training configuration)')


def run(options: argparse.Namespace) -> None:
    """Measure and print a table; where stdout is for the JSON document, to stderr."""
    engines = _check_usage(options)
    if not any(file.exists() for file in options.files):
        raise InputError(f'{options.files[0]}: no such file')
    check_weights_path(options.weights)
    if options.clustering and find_spec('sklearn') is None:
        raise InputError('comparing with scikit-learn needs it: pip install scikit-learn')
    failures = FileFailures(options.files)
    with _tables(options):
        import torch

        content: dict[str, Any] = {'torch': torch.__version__,
                                   'measurements': _measure(options, engines, failures.attempt)}
        measured = [file for file in options.files if file not in failures.sentences]
        if not measured:
            failures.check()
        if options.clustering:
            content['clustering'] = [_compare_clustering(file) for file in measured]
        if options.superpoints:
            content['superpoints'] = [_measure_superpoints(file, options.repeats)
                                      for file in measured]
    if failures.sentences:
        content['failed'] = [failures.document(file) for file in failures.sentences]
    write_document(options, content)
    failures.check()


def _tables(options: argparse.Namespace) -> AbstractContextManager[object]:
    """Return a context in which tables are printed where they belong."""
    if not prints_document(options):
        return nullcontext()
    return redirect_stdout(io.StringIO() if 'quiet' in options else sys.stderr)


def _check_usage(options: argparse.Namespace) -> tuple[str, ...]:
    """Raise InputError for options that do not go together; return the engines."""
    if options.recompute and not options.train:
        raise InputError('--recompute is about training steps: give --train, too')
    for name in ('max_voxels', 'tile_size', 'tile_margin'):
        if options.train and getattr(options, name) is not None:
            raise InputError('--train measures a step on the whole cloud: leave '
                             f'--{name.replace("_", "-")} out')
    given = {name: getattr(options, name) for name in ('clustering', 'superpoints', 'busy')}
    given['overlap'] = options.overlap > 1
    extra = next((name for name, value in given.items() if value), None)
    alone = [name for name in ('train', 'updates', 'growing', 'objects') if getattr(options, name)]
    others = [*alone[1:], *([extra] if extra else [])]
    if alone and others:
        raise InputError(f'--{alone[0]} measures nothing else: run --{others[0]} without it')
    engines = name_list(options.engine)
    if (alone or options.busy) and len(engines) > 1:
        raise InputError('several engines are compared on scans alone: give one --engine')
    if options.train and engines not in (('auto',), ('torch',)):
        raise InputError('--train needs the engine torch: leave --engine out')
    if options.chart is not None and not (options.growing or options.objects):
        raise InputError('--chart draws growing maps or objects: give --growing or --objects, too')
    return engines


def _measure(options: argparse.Namespace, engines: Sequence[str], attempt: Attempt,
             ) -> list[dict[str, Any]]:
    """Measure what the options ask for, each file in a context of `attempt`."""
    from mask3d_core.bench.growing import run_growing_bench
    from mask3d_core.bench.inference import run_bench
    from mask3d_core.bench.objects import run_object_bench
    from mask3d_core.bench.training import run_training_bench, StepSettings
    from mask3d_core.bench.updates import run_update_bench

    if options.train:
        settings = StepSettings(options.precision, options.num_queries, options.recompute)
        return [m.to_dict() for m in run_training_bench(
            options.files, settings, options.device, options.weights, options.repeats, attempt)]
    from mask3d_core.segmenter import load_segmenter
    from mask3d_core.weights.checkpoint import load_weights, untrained_full_weights

    weights = (untrained_full_weights() if options.weights is None
               else load_weights(options.weights))
    weights = weights.with_tiles(options.tile_size, options.tile_margin)
    segmenters = [load_segmenter(weights, options.device, options.precision,
                                 options.num_queries, options.max_voxels, engine)
                  for engine in engines]
    segmenter = segmenters[0]
    if options.updates:
        return [update.to_dict() for update in run_update_bench(
            options.files, segmenter, options.repeats, attempt)]
    if options.growing:
        steps = []
        for folder in options.files:
            with attempt(folder):
                steps += run_growing_bench(folder, segmenter, options.chart)
        return [step.to_dict() for step in steps]
    if options.objects:
        return [kept.to_dict() for kept in run_object_bench(
            options.files, segmenter, options.chart, attempt)]
    return [m.to_dict() for m in run_bench(options.files, segmenters, options.repeats,
                                           options.busy or 0, options.overlap, attempt)]


def _compare_clustering(file: Path) -> dict[str, Any]:
    from mask3d_core.bench.clustering import measure_clustering, room_masks
    from mask3d_core.files import read_scan
    from mask3d_core.voxels import Voxelization, voxelize

    log(f'clustering {file} …')
    centers = voxelize(read_scan(file), Voxelization(color_mean=None, color_std=None)
                       ).centers.numpy()
    times = measure_clustering(centers, room_masks(centers))
    print(f'{file.stem}: {times.masks} masks of {times.mask_voxels} voxels together, '
          f'{times.clusters} clusters: {times.seconds:.3f} s, scikit-learn '
          f'{times.scikit_seconds:.3f} s, {times.ratio:.0f} times faster, labels '
          f'{"equal" if times.equal else "DIFFERENT"}')
    return {'name': file.stem, **asdict(times), 'ratio': times.ratio}


def _measure_superpoints(file: Path, repeats: int) -> dict[str, Any]:
    from mask3d_core.files import read_scan
    from mask3d_core.superpoints.superpoints import find_superpoints

    scan = read_scan(file)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        superpoint = find_superpoints(scan)
        seconds.append(time.perf_counter() - began)
    print(f'{file.stem}: {superpoint.max() + 1} superpoints of {len(scan)} points: '
          f'{statistics.median(seconds):.3f} s')
    return {'name': file.stem, 'points': len(scan), 'superpoints': int(superpoint.max()) + 1,
            'seconds': statistics.median(seconds)}
