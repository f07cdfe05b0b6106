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
    distance,
    fraction,
    name_list,
)
from mask3d_core.commands.failures import FileFailures
from mask3d_core.commands.json_output import add_json_argument, prints_document, write_document
from mask3d_core.commands.result_folders import Place, result_places
from mask3d_core.commands.segment_output import result_document, result_lines, SegmentOutput
from mask3d_core.progress import report

if TYPE_CHECKING:
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.instances import Instances
    from mask3d_core.processes import Processes
    from mask3d_core.scan import Scan
    from mask3d_core.segmenter import Segmenter

SUMMARY = 'find the object instances of scans'
DESCRIPTION = """\
Find the object instances of a scan. Writes into DIR, or of several scans into DIR/NAME

  NAME.ply         the scan coloured by instance, with label, instance and score
  NAME.png         a picture: the scan and its instances side by side
  instances.npz    masks, classes and scores as arrays
  instances.json   classes, scores and boxes as text

Metres, z up, in the frame of the file; --unit and --up read files of other units and axes.
Of a bag, the last cloud of a topic with points is read, or that of --cloud.
A map that is larger than the scans of the training is cut into tiles. Processes that
torchrun starts share the tiles; each has a GPU of its own.
Results of an earlier run are replaced; a NAME.ply of another program is not, as it
may hold labels. A scan that fails does not stop the others; the exit status is then 1.
"""
EXAMPLES = """\
example:
  mask3d segment scan.ply -o found
  mask3d segment scan.ply -o found --weights scannet.weights
  mask3d segment scans/*.ply -o found --quiet --json found.json
  mask3d segment recording/ -o found --topic /rtabmap/cloud_map --score-threshold 0.5
  mask3d segment building.las -o found --unit ft
  mask3d segment scan.ply -o found --classes "chair,table" --num-queries 50
  torchrun --nproc_per_node 2 -m mask3d_core segment floor.ply -o found
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('files', type=Path, nargs='+', metavar='FILE',
                        help='a scan (.ply, .pcd, .npz, .las, .e57, .xyz …, see docs/files.md), '
                             '.mcap, .db3, or the folder of a bag')
    parser.add_argument('-o', '--out', type=Path, metavar='DIR', required=True,
                        help='folder for the results; made when missing')
    add_input_arguments(parser)
    add_json_argument(parser)
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
    group.add_argument('--ranking', choices=('objectness', 'class'),
                       help='how instances are scored: by the objectness of the voxels in the '
                            'mask, or by the class probability (eq. 7 of the paper), which '
                            'weights without votes always use (default: objectness)')
    group.add_argument('--top-k', type=count_or_all, metavar='K',
                       help='instances kept, by score; -1: all (default: 100)')
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
    """Read, segment, write, and print a table; of each scan."""
    from mask3d_core.files.target import check_folder
    from mask3d_core.processes import join_processes
    from mask3d_core.weights.weights_path import check_weights_path

    check_folder(options.out)
    check_weights_path(options.weights)
    processes = join_processes(options.device)
    with processes.together():
        _run(options, processes)


def _run(options: argparse.Namespace, processes: Processes) -> None:
    places = result_places(options.files, options.out)
    output = SegmentOutput(places, processes.rank, processes.size, prints_document(options))
    failures = FileFailures([place.file for place in places], output.report)
    documents = {}
    segmenter = None
    for place in places:
        with failures.attempt(place.file), processes.together():
            scan = _read(place, options, output)
        if place.file not in failures.sentences:
            segmenter = segmenter or _load(options, processes, output)
            with failures.attempt(place.file), processes.together():
                documents[place.file] = _segment(options, segmenter, scan, place, processes,
                                                 output)
        output.advance()
    if processes.rank:
        return
    output.summary(len(documents))
    write_document(options, {'files': [
        documents.get(place.file) or failures.document(place.file) for place in places]})
    failures.check()


def _read(place: Place, options: argparse.Namespace, output: SegmentOutput) -> Scan:
    """Read a scan, once it is known that its results can be written; without torch."""
    from mask3d_core.files import read_scan
    from mask3d_core.files.results import check_overwritable
    from mask3d_core.files.target import check_folder, check_target

    check_folder(place.folder)
    for written in (f'{place.name}.ply', 'instances.npz'):
        check_target(place.folder / written, place.file)
    check_overwritable(place.folder / f'{place.name}.ply')
    output.stage(f'reading {place.file} …')
    return read_scan(place.file, options.topic, options.cloud, conventions(options))


def _load(options: argparse.Namespace, processes: Processes, output: SegmentOutput) -> Segmenter:
    from mask3d_core.segmenter import load_segmenter
    from mask3d_core.weights.checkpoint import load_weights, UNTRAINED
    from mask3d_core.weights.shipped import shipped_weights

    output.stage('loading the weights …')
    weights = load_weights(options.weights or shipped_weights())
    segmenter = load_segmenter(weights.with_tiles(options.tile_size, options.tile_margin),
                               processes.device or options.device, options.precision,
                               options.num_queries, options.max_voxels, options.engine)
    segmenter.weights.classes.rows(options.classes or ())  # an unknown one fails at once
    if not segmenter.weights.trained:
        if output.only_document:
            report(UNTRAINED)
        else:
            print(UNTRAINED)
    return segmenter


def _segment(options: argparse.Namespace, segmenter: Segmenter, scan: Scan, place: Place,
             processes: Processes, output: SegmentOutput) -> dict[str, Any]:
    """Segment a scan, write and print its results; return its part of the JSON document."""
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.scan_checks import describe_doubts
    from mask3d_core.weights.shipped import SCORE_THRESHOLD

    settings = ExtractSettings(
        **{'score_threshold': SCORE_THRESHOLD, **_given_settings(options)})
    doubts = [f'the scan {doubt}'
              for doubt in describe_doubts(scan, segmenter.weights.voxel_size)]
    for doubt in doubts:
        output.warn(place.file, doubt)
    output.stage(f'segmenting {len(scan)} points on '
                 + (f'{processes.size} x ' if processes.size > 1 else '')
                 + f'{segmenter.device} …')
    instances, tiles = _find(segmenter, scan, settings, processes, output)
    if processes.rank:
        return {}
    _write(place, scan, instances, output)
    output.results(place.file, result_lines(instances, processes.size, tiles,
                                            segmenter.weights.tiling))
    return result_document(place, instances, tiles, doubts)


def _given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of `ExtractSettings` given on the command line."""
    names = ('score_threshold', 'ranking', 'top_k', 'min_points', 'dbscan_eps',
             'dbscan_min_points', 'overlap_threshold', 'cover_threshold', 'classes',
             'all_classes', 'superpoints')
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _find(segmenter: Segmenter, scan: Scan, settings: ExtractSettings, processes: Processes,
          output: SegmentOutput) -> tuple[Instances, list[int]]:
    """Segment a scan; return the number of points of each tile, too, none if it is not cut."""
    from mask3d_core.tiling.map_segmentation import Workload
    from mask3d_core.tiling.tiles import fits_one_tile

    if fits_one_tile(scan, segmenter.weights.tiling):
        return segmenter.segment(scan, settings, workers=processes), []
    opened = segmenter.open_map(scan, settings, workload=Workload(workers=processes))
    points = [len(tile) for tile in opened.pending]
    advance = output.on_tile(points)
    for _ in opened.run():
        advance()
    return opened.result().instances, points


def _write(place: Place, scan: Scan, instances: Instances, output: SegmentOutput) -> None:
    from mask3d_core.drawing.side_by_side import draw_side_by_side
    from mask3d_core.files.results import (
        write_instances_json,
        write_instances_npz,
        write_labelled_ply,
    )

    folder, name = place.folder, place.name
    output.stage(f'writing to {folder} …')
    folder.mkdir(parents=True, exist_ok=True)
    write_labelled_ply(folder / f'{name}.ply', scan, instances)
    write_instances_npz(folder / 'instances.npz', instances)
    write_instances_json(folder / 'instances.json', instances)
    draw_side_by_side(folder / f'{name}.png', scan, instances, place.file.resolve().name)
