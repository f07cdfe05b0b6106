"""`mask3d prepare`: make, check and draw data sets."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.classes import class_table_names
from mask3d_core.commands.arguments import (
    add_input_arguments,
    add_quiet_argument,
    conventions,
    count,
    count_or_zero,
    name_list,
    warn_of_doubts,
)
from mask3d_core.errors import InputError
from mask3d_core.progress import log, report, warn

if TYPE_CHECKING:
    from mask3d_core.data.dataset import Dataset

SUMMARY = 'make a data set to train on, and check it'
DESCRIPTION = """\
Convert labelled scans into the format that training reads: the folder OUT with
dataset.json and scans/NAME.npz. Scans that are already prepared are skipped, so an
interrupted call can be repeated. Damaged and missing files are reported and left out;
the exit status is then 1.
"""
EXAMPLES = """\
examples:
  mask3d prepare scannet /data/ScanNet data/scannet --workers 8
  mask3d prepare s3dis /data/Stanford3dDataset_v1.2_Aligned_Version data/s3dis
  mask3d prepare bag office.mcap --topic /rtabmap/cloud_map to_label
  mask3d prepare folder labelled data/ours --classes ours.tsv --validation 0.2
  mask3d prepare check data/ours
  mask3d prepare draw data/ours ours.png
  mask3d prepare rooms data/rooms --count 1000
  mask3d prepare rooms data/floors --floor 9
  mask3d prepare join data/all data/rooms data/floors

Each has its own help: mask3d prepare folder --help
"""
ROOMS_DESCRIPTION = """\
Each room is determined by the seed and its number: later calls with a larger --count
or --held-out add rooms and leave the others unchanged. The classes are ScanNet's 20 and
'object', for what a hand can carry; wall and floor are background. A room takes one to
one and a half seconds of one core and has about 60,000 points; see docs/rooms.md.

With --models the rooms also have furniture of 3D models that people made: catalogues of Sweet
Home 3D (.sh3f), as in Debian's package sweethome3d-furniture, and folders with Gazebo models
(model.sdf), as in the worlds of AWS RoboMaker. It needs the package trimesh, and pycollada
for Gazebo models:

  mask3d prepare rooms data/models --models Scopia.sh3f aws-robomaker-small-house-world

With --floor N each scan is a whole floor of N rooms: rooms on both sides of a corridor,
joined by open doorways, in one frame and with one numbering of instances. Held-out floors
are also stored room by room, to compare the scores of both:

  mask3d prepare rooms data/floors --floor 9
  mask3d evaluate data/floors --weights my.weights
  mask3d evaluate data/floors --weights my.weights --split validation_rooms
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a command for each kind of data."""
    from mask3d_core.data.benchmark import benchmarks

    parser.add_argument('--check', type=Path, metavar='OUT', help='the same as: check OUT')
    parser.set_defaults(refuse=parser.error)
    kinds = parser.add_subparsers(metavar='KIND', dest='kind')
    for benchmark in benchmarks().values():
        if benchmark.sources is not None:
            command = _command(kinds, benchmark.name, benchmark.layout, _run_benchmark)
            command.add_argument('raw', type=Path, metavar='RAW',
                                 help='the data set as downloaded')
            _add_target(command)
            if not benchmark.has_superpoints:
                _add_superpoints(command)
    _add_bag(_command(kinds, 'bag', 'a recorded map -> a .ply to label', _run_bag))
    _add_folder(_command(kinds, 'folder', 'your own labelled scans', _run_folder))
    _add_rooms(_command(kinds, 'rooms', 'randomly furnished rooms, scanned by a virtual camera: '
                                        'no download, no licence', _run_rooms, ROOMS_DESCRIPTION))
    _add_join(_command(kinds, 'join', 'join prepared data sets of the same classes, to train on '
                                      'all of them', _run_join))
    check = _command(kinds, 'check', 'report mistakes in a prepared data set', _run_check)
    check.add_argument('data', type=Path, metavar='OUT', help='folder with dataset.json')
    _add_draw(_command(kinds, 'draw', 'draw scans of a prepared data set', _run_draw))


def _command(kinds: Any, name: str, summary: str, prepare: Any, more: str = '',
             ) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = kinds.add_parser(
        name, help=summary, description=f'{summary}\n\n{more}',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_quiet_argument(command)
    command.set_defaults(prepare=prepare)
    return command


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write to')
    parser.add_argument('--workers', type=count, metavar='N', default=os.cpu_count() or 1,
                        help='processes (default: as many as there are cores)')


def _add_superpoints(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--superpoints', action='store_true',
                        help='make superpoints of scans that have none, to train on segments: of '
                             'the faces of a .ply if it has any, else of the points. Without '
                             'this option training makes them each time')


def _add_bag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path, metavar='BAG', help='.mcap, .db3, or folder of a bag')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write NAME.ply to')
    add_input_arguments(parser)
    parser.add_argument('--name', help='of the scan (default: that of the bag)')


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('raw', type=Path, metavar='FOLDER',
                        help='folder of .ply, .npz, .pcd, .las, .csv or .txt files with label and '
                             'instance of each point, or of .ply files with the boxes of '
                             'labelCloud in a .json of the same name')
    _add_target(parser)
    parser.add_argument('--classes', required=True, metavar='TABLE',
                        help='.tsv file with the columns id and name (and red, green, blue); or '
                             + ', '.join(class_table_names()))
    parser.add_argument('--background', metavar='NAMES', default='', type=name_list,
                        help='classes that are not objects, comma-separated: "wall,floor"')
    parser.add_argument('--validation', metavar='V', default=0.2, type=_validation,
                        help='share of the scans for validation, or their names, comma-separated '
                             '(default: 0.2)')
    parser.add_argument('--voxel-size', type=float, default=0.02, metavar='METRES',
                        help='suggested for training (default: 0.02)')
    parser.add_argument('--name', help='of the data set (default: that of OUT)')
    parser.add_argument('--mixed-colour', action='store_true',
                        help='allow that some scans have colour and others have not')
    add_input_arguments(parser, bags=False)
    _add_superpoints(parser)


def _add_rooms(parser: argparse.ArgumentParser) -> None:
    _add_target(parser)
    parser.add_argument('--count', type=count_or_zero, metavar='N',
                        help='rooms for training (default: 1000), or with --floor floors '
                             '(default: 0); more can be added later')
    parser.add_argument('--held-out', type=count_or_zero, metavar='N',
                        help='rooms of the split validation (default: 50), or with --floor floors '
                             '(default: 1)')
    parser.add_argument('--floor', type=count, metavar='N',
                        help='make floors of N rooms along a corridor instead of single rooms; '
                             'one N per folder')
    parser.add_argument('--stress', action='store_true',
                        help='make rooms as hard as real scans, to evaluate on: sparse, with '
                             'gaps, strong textures and many objects (defaults: no rooms for '
                             'training, 40 for validation)')
    parser.add_argument('--models', type=Path, metavar='CATALOGUE', nargs='+', default=[],
                        help='3D models to furnish the rooms with, too: .sh3f catalogues, folders '
                             'with them, or folders with Gazebo models (model.sdf); see '
                             'docs/rooms.md')
    parser.add_argument('--seed', type=count_or_zero, metavar='N', default=0,
                        help='random seed of the rooms (default: 0); one per folder')


def _add_join(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write to')
    parser.add_argument('data', type=Path, metavar='DATA', nargs='+',
                        help='folders with dataset.json')


def _add_draw(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('data', type=Path, metavar='OUT', help='folder with dataset.json')
    parser.add_argument('picture', type=Path, metavar='PNG', help='file to write')
    parser.add_argument('--count', type=count, metavar='N', default=10,
                        help='scans, the first of dataset.json (default: 10)')
    parser.add_argument('--beside', type=Path, metavar='CLOUD', nargs='+', default=[],
                        help='.ply, .pcd, .npz or bags to draw below for comparison')


def _validation(text: str) -> float | tuple[str, ...]:
    try:
        part = float(text)
    except ValueError:
        return name_list(text)
    if part < 0:
        raise argparse.ArgumentTypeError(f'expected a share from 0 to below 1, got {text}')
    return part if part < 1 else name_list(text)  # scans may have numbers for names


def run(options: argparse.Namespace) -> None:
    """Run the command of a KIND, or the check."""
    if options.check is not None:
        _check(options.check)
    elif options.kind is not None:
        options.prepare(options)
    else:
        options.refuse('expected a KIND of data, or --check OUT')


def _run_benchmark(options: argparse.Namespace) -> None:
    from mask3d_core.data.benchmark import benchmarks
    from mask3d_core.data.prepare import prepare

    benchmark = benchmarks()[options.kind]
    assert benchmark.sources is not None
    data = benchmark.dataset(options.out)
    sources = benchmark.sources(options.raw, data.classes)
    superpoints = getattr(options, 'superpoints', False)
    _print_dataset(prepare(data, sources, options.workers, _log, superpoints))


def _run_folder(options: argparse.Namespace) -> None:
    from mask3d_core.data.custom_dataset import folder_sources
    from mask3d_core.data.custom_scan import ReadOptions
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.data.prepare import prepare
    from mask3d_core.files.class_table import read_class_table

    classes = read_class_table(options.classes)
    classes.rows(options.background)
    if not options.voxel_size > 0:
        raise InputError(f'expected --voxel-size in metres, above 0, got {options.voxel_size:g}')
    data = Dataset(options.out, options.name or options.out.resolve().name, classes,
                   options.background, voxel_size=options.voxel_size)
    sources = folder_sources(options.raw, classes, options.validation, ReadOptions(
        options.superpoints, conventions(options), options.voxel_size))
    _print_dataset(prepare(data, sources, options.workers, _log, options.superpoints,
                           options.mixed_colour))


def _run_rooms(options: argparse.Namespace) -> None:
    from mask3d_core.classes import load_classes
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.data.generated import floor_sources, room_sources, ROOMS
    from mask3d_core.data.prepare import prepare
    from mask3d_core.data.stress import stress_sources
    from mask3d_core.rooms.scene_assembly import BACKGROUND_CLASSES

    floor = options.floor
    if options.stress and floor is not None:
        raise InputError('expected either --stress or --floor: the stress set has single rooms')
    models = _catalogues(options.models)
    usual = (0, 40) if options.stress else (1000, 50) if floor is None else (0, 1)
    count, held_out = (default if given is None else given for given, default in zip(
        (options.count, options.held_out), usual))
    if not count + held_out:
        raise InputError('expected at least one scan: --count and --held-out are both 0')
    name = f'rooms {options.seed}' + (', stress' if options.stress else
                                      '' if floor is None else f', floors of {floor} rooms')
    name += ', with models' if models else ''
    # Some rooms are left in the frame of their camera, as some robots' clouds are.
    data = Dataset(options.out, name, load_classes(ROOMS.table), BACKGROUND_CLASSES,
                   upright=options.stress or floor is not None)
    sources = (stress_sources(count, held_out, options.seed, models) if options.stress else
               room_sources(count, held_out, options.seed, models) if floor is None else
               floor_sources(count, held_out, options.seed, floor, models))
    _print_dataset(prepare(data, sources, options.workers, _log))


def _catalogues(paths: list[Path]) -> tuple[Path, ...]:
    """Return the catalogues of models, after a look into each; name damaged entries."""
    if not paths:
        return ()
    from mask3d_core.rooms.models.catalogue import list_catalogues
    from mask3d_core.rooms.models.model_library import load_library

    files = list_catalogues(paths)
    for sentence in load_library(files).damaged:
        warn(sentence)
    return files


def _run_bag(options: argparse.Namespace) -> None:
    from mask3d_core.data.custom_dataset import extract_map
    from mask3d_core.files import read_scan

    path = extract_map(options.bag, options.topic, options.out, options.name, options.cloud,
                       conventions(options))
    warn_of_doubts(read_scan(path))
    print(f'wrote {path}')


def _run_join(options: argparse.Namespace) -> None:
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.data.join import join_datasets

    _print_dataset(join_datasets([Dataset.open(folder) for folder in options.data], options.out))


def _run_draw(options: argparse.Namespace) -> None:
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.drawing.contact_sheet import draw_contact_sheet, SheetScan
    from mask3d_core.files import read_scan
    from mask3d_core.geometry.upright import upright

    if options.picture.suffix.lower() != '.png':
        raise InputError(f'expected a .png to draw into, got {options.picture}')
    data = Dataset.open(options.data)
    labelled = [data.read(name) for name in list(data.scans)[:options.count]]
    scans = [SheetScan(one.name, upright(one.scan), one.instance) for one in labelled]
    scans += [SheetScan(path.stem, upright(read_scan(path))) for path in options.beside]
    draw_contact_sheet(options.picture, scans)
    print(f'wrote {options.picture}')


def _run_check(options: argparse.Namespace) -> None:
    _check(options.data)


def _check(folder: Path) -> None:
    from mask3d_core.data.check import check_dataset
    from mask3d_core.data.dataset import Dataset

    data = Dataset.open(folder)
    errors = warnings = 0
    for finding in check_dataset(data):
        print(finding, flush=True)
        errors += finding.is_error
        warnings += not finding.is_error
    if errors:
        raise InputError(f'{folder}: {errors} errors, {warnings} warnings, see above')
    print(f'{folder}: {len(data.scans)} scans, no errors, {warnings} warnings')


def _log(line: str, wrong: bool) -> None:
    (report if wrong else log)(line, prefix='')


def _print_dataset(data: Dataset) -> None:
    width = max(10, *map(len, data.splits))
    for split, names in data.splits.items():
        points = sum(data.scans[name].points for name in names)
        print(f'{split:{width}}  {len(names):5} scans  {points / 1e6:8.1f} million points')
    mean, std = (', '.join(f'{value:.4f}' for value in values)
                 for values in (data.color_mean, data.color_std))
    print(f'{"colour":{width}}  mean {mean}; deviation {std}')
    print(f'{"segments":{width}}  {"in all scans" if data.on_segments else "not in all scans"}')
    print(f'wrote {data.folder}; check it with: mask3d prepare check {data.folder}')
