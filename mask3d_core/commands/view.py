"""`mask3d view`: look at scans and instances in the browser, and correct them."""

from __future__ import annotations

import argparse
from functools import partial
import os
from pathlib import Path
import sys
from typing import TYPE_CHECKING
import webbrowser

from mask3d_core.commands.arguments import (
    add_input_arguments,
    add_model_arguments,
    conventions,
    count,
    fraction,
    name_list,
    warn_of_doubts,
)
from mask3d_core.progress import log

if TYPE_CHECKING:
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.scan import Scan
    from mask3d_core.viewer.sources import Predictor, Source

SUMMARY = 'look at scans and instances in the browser, and correct them'
DESCRIPTION = """\
Look at scans and their instances in the browser. Give

  a scan                      it is segmented first; --no-segment: it is not
  a .ply with labels          or one that `mask3d segment` wrote
  a folder of `mask3d segment -o`
  a data set                  its truth, and beside it what --weights or --predictions find
  a bag                       its clouds as a time line

The page is served to this machine only. From another one, open a tunnel first:
ssh -L 8060:localhost:8060 robot. --html writes one page instead, to open or to send.
Corrected instances are saved as labelled .ply, for `mask3d prepare folder`.
"""
EXAMPLES = """\
example:
  mask3d view scan.ply
  mask3d view found/
  mask3d view data/rooms --weights ours.weights --scans 20
  mask3d view recording/ --topic /rtabmap/cloud_map --clouds 12
  mask3d view found/ --html found.html
"""
PORT = 8060


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('path', type=Path, metavar='FILE|FOUND|DATASET',
                        help='a scan, a bag, a folder of `mask3d segment`, or a prepared data set')
    parser.add_argument('--html', type=Path, metavar='OUT.html',
                        help='write one page of at most 15 MB instead of serving it')
    parser.add_argument('--port', type=int, default=PORT, metavar='P',
                        help=f'of the page; 0: any free one (default: {PORT})')
    parser.add_argument('-o', '--out', type=Path, metavar='DIR', default=Path('corrected'),
                        help='folder for corrected scans; made when missing '
                             '(default: corrected)')
    parser.add_argument('--score-threshold', type=fraction, metavar='S',
                        help='minimum score of the instances, 0..1 (default: 0.3)')
    parser.add_argument('--no-segment', action='store_true',
                        help='show a scan or a bag without instances')
    add_input_arguments(parser)
    parser.add_argument('--clouds', type=count, metavar='N', default=8,
                        help='clouds of a bag in the time line, unless --cloud names one '
                             '(default: 8)')
    data = parser.add_argument_group('data sets')
    data.add_argument('--split', metavar='NAME', help='which scans (default: validation)')
    data.add_argument('--scans', metavar='N|NAMES',
                      help='the first N scans, or names, comma-separated (default: 20)')
    data.add_argument('--predictions', type=Path, metavar='DIR',
                      help='stored predictions, as for `mask3d evaluate`')
    add_model_arguments(parser, weights='the shipped ones; none for data sets')
    parser.set_defaults(wrong_usage=parser.error)


def run(options: argparse.Namespace) -> None:
    """Write the page, or serve it until it is interrupted."""
    from mask3d_core.files.target import check_folder
    from mask3d_core.viewer.document import write_document
    from mask3d_core.weights.shipped import SCORE_THRESHOLD

    if options.score_threshold is None:
        options.score_threshold = SCORE_THRESHOLD
    if options.html is not None:
        check_folder(options.html.parent)
    sources = _sources(options)
    if options.html is not None:
        size = write_document(options.html, sources, 0.0)
        print(f'wrote {options.html}, {size / 1e6:.1f} MB: open it in a browser')
    else:
        _serve(options, sources)


def _serve(options: argparse.Namespace, sources: list[Source]) -> None:
    from mask3d_core.viewer.server import ViewerServer

    with ViewerServer(sources, options.port, 0.0, options.out) as server:
        print(f'{server.address}  (Ctrl+C ends it)', flush=True)
        if 'SSH_CONNECTION' in os.environ:
            port = server.server_port
            log(f'on your own machine: ssh -L {port}:localhost:{port} {os.uname().nodename}, '
                'then open this address there')
        elif sys.stdout.isatty():
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            log('ended')


def _sources(options: argparse.Namespace) -> list[Source]:
    """Find out what the path is, and return its scenes."""
    from mask3d_core.errors import InputError
    from mask3d_core.files.bag import has_bag_files, is_bag_file
    from mask3d_core.viewer import results

    path: Path = options.path
    if not path.exists():
        raise InputError(f'{path}: no such file or folder')
    is_data = (path / 'dataset.json').is_file()
    found = results.result_folders(path)
    is_bag = (path.is_dir() and not (is_data or found)) or is_bag_file(path)
    _check_usage(options, is_data, is_bag)
    if is_data:
        return _dataset_sources(options)
    if found:
        return _result_sources([results.result_file(folder) for folder in found])
    if path.is_dir() and not has_bag_files(path):
        raise InputError(f'{path}: expected a folder of `mask3d segment -o`, a data set, or a bag')
    if is_bag and options.cloud is None:
        return _bag_sources(options)
    if not is_bag and options.weights is None and results.is_labelled(path):
        return _result_sources([path])
    return _scan_sources(options)


def _check_usage(options: argparse.Namespace, is_data: bool, is_bag: bool) -> None:
    """Exit with status 2 where an option would be ignored."""
    for name in () if is_data else ('split', 'scans', 'predictions'):
        if getattr(options, name) is not None:
            options.wrong_usage(f'--{name} goes with a data set')
    for name in () if is_bag else ('topic', 'cloud'):
        if getattr(options, name) is not None:
            options.wrong_usage(f'--{name} goes with a bag')
    if options.predictions is not None and options.weights is not None:
        options.wrong_usage('expected either --weights or --predictions')


def _result_sources(paths: list[Path]) -> list[Source]:
    from mask3d_core.viewer.results import read_result
    from mask3d_core.viewer.sources import Source

    return [Source(path.stem, partial(read_result, path)) for path in paths]


def _scan_sources(options: argparse.Namespace) -> list[Source]:
    from mask3d_core.files import read_scan
    from mask3d_core.files.formats import scan_name
    from mask3d_core.viewer.sources import scan_source

    scan = read_scan(options.path, options.topic, options.cloud, conventions(options))
    predictor = None if options.no_segment else _predictor(options)
    if predictor is not None:
        warn_of_doubts(scan, predictor.segmenter.weights.voxel_size)
    source = scan_source(scan_name(options.path), scan, predictor)
    log(f'showing {len(scan)} points')
    return [source]


def _bag_sources(options: argparse.Namespace) -> list[Source]:
    from mask3d_core.viewer.sources import bag_sources, Recording

    predictor = None if options.no_segment else _predictor(options)
    recording = Recording(options.path, options.topic, conventions(options))

    def on_cloud(number: int, total: int, scan: Scan) -> None:
        log(f'cloud {number}/{total}')
        if number == 1 and predictor is not None:
            warn_of_doubts(scan, predictor.segmenter.weights.voxel_size)

    return bag_sources(recording, options.clouds, predictor, on_cloud)


def _dataset_sources(options: argparse.Namespace) -> list[Source]:
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.evaluation.scene_files import check_complete, find_predictions
    from mask3d_core.viewer.sources import dataset_sources

    dataset = Dataset.open(options.path)
    names = _names(options, dataset)
    stored = None if options.predictions is None else find_predictions(options.predictions)
    if stored is not None:
        check_complete(names, stored)
    predictor = None if options.weights is None else _predictor(options)
    return dataset_sources(dataset, names, predictor, stored, options.score_threshold)


def _names(options: argparse.Namespace, dataset: Dataset) -> list[str]:
    from mask3d_core.errors import InputError

    wanted = options.scans or '20'
    if wanted.isdecimal():
        split = options.split or ('validation' if dataset.splits.get('validation') else 'train')
        return dataset.split(split)[:int(wanted)]
    names = list(name_list(wanted))
    unknown = [name for name in names if name not in dataset.scans]
    if unknown:
        raise InputError(f'{dataset.folder} has no scan {unknown[0]!r}')
    return names


def _predictor(options: argparse.Namespace) -> Predictor:
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.segmenter import load_segmenter
    from mask3d_core.viewer.sources import Predictor

    log('loading the weights …')
    segmenter = load_segmenter(options.weights, options.device, options.precision,
                               options.num_queries, options.max_voxels, options.engine)
    return Predictor(segmenter, ExtractSettings(score_threshold=options.score_threshold))
