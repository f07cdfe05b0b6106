"""`mask3d segment`: segment a scan and write its instances."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.commands.arguments import (
    add_input_arguments,
    add_model_arguments,
    add_tile_arguments,
    conventions,
    count,
    count_or_all,
    count_or_zero,
    describe_tiles,
    distance,
    fraction,
    log,
    name_list,
    warn_of_doubts,
)

if TYPE_CHECKING:
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.instances import Instances
    from mask3d_core.processes import Processes
    from mask3d_core.scan import Scan
    from mask3d_core.segmenter import Segmenter

SUMMARY = 'find the object instances of a scan'
DESCRIPTION = """\
Find the object instances of a scan. Writes into DIR

  NAME.ply         the scan coloured by instance, with label, instance and score
  NAME.png         a picture: the scan and its instances side by side
  instances.npz    masks, classes and scores as arrays
  instances.json   classes, scores and boxes as text

Metres, z up, in the frame of the file; --unit and --up read files of other units and axes.
Of a bag, the last cloud of a topic with points is read, or that of --cloud.
A map that is larger than the scans of the training is cut into tiles. Processes that
torchrun starts share the tiles; each has a GPU of its own.
Results of an earlier run are replaced; a NAME.ply of another program is not, as it
may hold labels.
"""
EXAMPLES = """\
example:
  mask3d segment scan.ply -o found
  mask3d segment scan.ply -o found --weights scannet.weights
  mask3d segment recording/ -o found --topic /rtabmap/cloud_map --score-threshold 0.5
  mask3d segment building.las -o found --unit ft
  mask3d segment scan.ply -o found --classes "chair,table" --num-queries 50
  torchrun --nproc_per_node 2 -m mask3d_core segment floor.ply -o found
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('file', type=Path, metavar='FILE',
                        help='a scan (.ply, .pcd, .npz, .las, .e57, .xyz …, see docs/files.md), '
                             '.mcap, .db3, or the folder of a bag')
    parser.add_argument('-o', '--out', type=Path, metavar='DIR', required=True,
                        help='folder for the results; made when missing')
    add_input_arguments(parser)
    add_model_arguments(parser)
    add_tile_arguments(parser)
    _add_settings(parser.add_argument_group('post-processing: which instances to keep'))


def _add_settings(group: argparse._ArgumentGroup) -> None:
    """
    Add the fields of `ExtractSettings`; those not given keep their defaults, but the scores.

    Defaults are repeated in the help as text, so that it needs no torch; a test compares them.
    """
    group.add_argument('--score-threshold', type=fraction, metavar='S',
                       help='minimum score of an instance, 0..1; 0 keeps all (default: 0.3)')
    group.add_argument('--top-k', type=count_or_all, metavar='K',
                       help='masks kept, by class probability; -1: all '
                            '(default: 100)')
    group.add_argument('--min-points', type=count_or_zero, metavar='N',
                       help='minimum number of points of an instance (default: 50)')
    group.add_argument('--dbscan-eps', type=distance, metavar='METRES',
                       help='DBSCAN distance: split a mask whose parts are further apart; '
                            '0: never (default: 16 voxels)')
    group.add_argument('--dbscan-min-points', type=count, metavar='N',
                       help='DBSCAN neighbors of a core point, itself included (default: 1)')
    group.add_argument('--overlap-threshold', type=fraction, metavar='O',
                       help='drop duplicates: instances whose intersection over union with a '
                            'better one is larger, 0..1; 1 keeps all (default: 0.5)')
    group.add_argument('--cover-threshold', type=fraction, metavar='C',
                       help='drop instances that cover more than this part of a better one, an '
                            'option of the original (default: never)')
    group.add_argument('--classes', metavar='NAMES', type=name_list,
                       help='only these classes, comma-separated: "chair,shower curtain" '
                            '(default: all)')
    group.add_argument('--all-classes', action='store_true', default=None,
                       help='report a mask once per likely class, as benchmarks expect')
    group.add_argument('--superpoints', action=argparse.BooleanOptionalAction,
                       help='snap masks to superpoints, so that they end where surfaces do '
                            '(default: True)')


def run(options: argparse.Namespace) -> None:
    """Read, segment, write, and print a table."""
    from mask3d_core.processes import join_processes

    processes = join_processes(options.device)
    with processes.together():
        _run(options, processes)


def _run(options: argparse.Namespace, processes: Processes) -> None:
    from mask3d_core.drawing.side_by_side import draw_side_by_side
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.files import read_scan
    from mask3d_core.files.formats import scan_name
    from mask3d_core.files.results import (
        check_overwritable,
        write_instances_json,
        write_instances_npz,
        write_labelled_ply,
    )
    from mask3d_core.files.target import check_folder, check_target
    from mask3d_core.weights.shipped import SCORE_THRESHOLD

    settings = ExtractSettings(
        **{'score_threshold': SCORE_THRESHOLD, **_given_settings(options)})
    folder, name = options.out, scan_name(options.file)
    check_folder(folder)
    for written in (f'{name}.ply', 'instances.npz'):
        check_target(folder / written, options.file)
    check_overwritable(folder / f'{name}.ply')
    log(f'reading {options.file} …')
    scan = read_scan(options.file, options.topic, options.cloud, conventions(options))
    segmenter = _segmenter(options, processes)
    if not processes.rank:
        warn_of_doubts(scan, segmenter.weights.voxel_size)
    log(f'segmenting {len(scan)} points on '
        + (f'{processes.size} x ' if processes.size > 1 else '') + f'{segmenter.device} …')
    instances, tiles = _segment(segmenter, scan, settings, processes)
    if processes.rank:
        return
    log(f'writing to {folder} …')
    folder.mkdir(parents=True, exist_ok=True)
    write_labelled_ply(folder / f'{name}.ply', scan, instances)
    write_instances_npz(folder / 'instances.npz', instances)
    write_instances_json(folder / 'instances.json', instances)
    draw_side_by_side(folder / f'{name}.png', scan, instances,
                      options.file.resolve().name)
    _print_table(instances)
    _print_times(instances, processes)
    print(f'tiles: {tiles}')
    print(f'voxel size: {100 * instances.voxel_size:.3g} cm')


def _given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of `ExtractSettings` given on the command line."""
    names = ('score_threshold', 'top_k', 'min_points', 'dbscan_eps', 'dbscan_min_points',
             'overlap_threshold', 'cover_threshold', 'classes', 'all_classes', 'superpoints')
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _segmenter(options: argparse.Namespace, processes: Processes) -> Segmenter:
    from mask3d_core.segmenter import load_segmenter
    from mask3d_core.weights.checkpoint import load_weights, UNTRAINED
    from mask3d_core.weights.shipped import shipped_weights

    log('loading the weights …')
    weights = load_weights(options.weights or shipped_weights())
    segmenter = load_segmenter(weights.with_tiles(options.tile_size, options.tile_margin),
                               processes.device or options.device, options.precision,
                               options.num_queries, options.max_voxels, options.engine)
    if not segmenter.weights.trained:
        print(UNTRAINED)
    return segmenter


def _segment(segmenter: Segmenter, scan: Scan, settings: ExtractSettings, processes: Processes,
             ) -> tuple[Instances, str]:
    """Segment a scan, with a progress bar if it is cut; describe its tiles, too."""
    from mask3d_core.progress import ProgressBar
    from mask3d_core.tiling.map_segmentation import Workload
    from mask3d_core.tiling.tiles import fits_one_tile

    tiling = segmenter.weights.tiling
    if fits_one_tile(scan, tiling):
        return segmenter.segment(scan, settings, workers=processes), '1, the whole scan'
    opened = segmenter.open_map(scan, settings, workload=Workload(workers=processes))
    points = [len(tile) for tile in opened.pending]
    bar = ProgressBar('tile', points[processes.rank::processes.size], processes.size, len(points))
    for _ in opened.run():
        bar.advance()
    return opened.result().instances, (f'{len(points)} of {describe_tiles(tiling)}; '
                                       f'the largest has {max(points)} points')


def _print_table(instances: Instances) -> None:
    print(f'{"id":>4}  {"class":16} {"score":>5} {"points":>8}  size in m (x y z)')
    for index in range(len(instances)):
        x, y, z = instances.box_size[index]
        print(f'{index + 1:4}  {instances.name(index):16} {instances.score[index]:5.2f} '
              f'{len(instances.points(index)):8}  {x:.2f} {y:.2f} {z:.2f}')
    print(f'{len(instances)} instances')


def _print_times(instances: Instances, processes: Processes) -> None:
    stages = [f'{stage} {seconds:.3f}' for stage, seconds in instances.seconds.items()]
    whose = f' of the first of {processes.size} processes' if processes.size > 1 else ''
    print(f'seconds{whose}: {", ".join(stages)}; together {sum(instances.seconds.values()):.3f}')
