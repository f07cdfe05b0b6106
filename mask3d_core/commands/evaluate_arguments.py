"""The arguments of `mask3d evaluate`, and which of them go together."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mask3d_core.classes import class_table_names
from mask3d_core.commands.arguments import (
    add_model_arguments,
    add_tile_arguments,
    count,
    count_or_all,
    distance,
    fraction,
)

if TYPE_CHECKING:
    from mask3d_core.data.benchmark import Benchmark

SUBMISSIONS = {'scenes': 'a file for each scene', 'blocks': 'blocks without their margin',
               'none': 'not available, all labels are public'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('dataset', type=Path, nargs='?', metavar='DATASET',
                        help='folder that `mask3d prepare` wrote')
    parser.add_argument('--split', metavar='NAME',
                        help='which scans of the data set (default: validation)')
    parser.add_argument('--fold', metavar='NAME',
                        help='validate on this fold of the data set (S3DIS: Area_5)')
    parser.add_argument('-o', '--out', type=Path, metavar='DIR', default=Path('evaluation'),
                        help='folder for scores and curves; made when missing '
                             '(default: evaluation)')
    parser.add_argument('--export', type=Path, metavar='DIR',
                        help='also write the predictions as the benchmark takes them: '
                             + _by_title(lambda benchmark: SUBMISSIONS[benchmark.submission]))
    parser.add_argument('--save', type=Path, metavar='DIR',
                        help='also write what the weights predict as NAME.npz, for --predictions')
    parser.add_argument('--html', type=Path, metavar='OUT.html',
                        help='also write a page that shows per scan what was missed and what was '
                             'false, worst first; of predictions with a score of --confidence or '
                             'more (default: 0.3)')
    stored = parser.add_argument_group('stored predictions instead of weights')
    stored.add_argument('--predictions', type=Path, metavar='DIR',
                        help='NAME/instances.npz as `mask3d segment -o NAME` writes it, NAME.npz, '
                             'or NAME.txt of a submission')
    stored.add_argument('--ground-truth', type=Path, metavar='DIR',
                        help='NAME.txt as ScanNet has it (1000 x class + instance + 1 a point), '
                             'or labelled NAME.npz or NAME.ply; in place of DATASET')
    stored.add_argument('--classes', metavar='TABLE',
                        help='what the ids in --ground-truth mean: '
                             + ', '.join(class_table_names())
                             + ', or a .tsv file with the columns id and name; classes that are '
                             'not in it are not evaluated')
    add_model_arguments(parser, weights='none; needed unless there are --predictions',
                        num_queries=_by_title(lambda benchmark: benchmark.protocol.num_queries)
                        + '; custom, or --as-robot: as trained')
    add_tile_arguments(parser)
    _add_protocol(parser.add_argument_group(
        'evaluation protocol', 'Defaults: for benchmarks those of the original, for custom data '
        'sets the post-processing of the node.'))
    parser.add_argument('--benchmark', type=count, metavar='SCANS',
                        help='only measure the speed of the evaluation, on synthetic scans of '
                             '150,000 points with 100 predictions each')
    parser.set_defaults(wrong_usage=parser.error, device=None, precision=None, engine=None)


def _add_protocol(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--min-region', type=count, metavar='N',
                       help=f'minimum number of points of an object or prediction (default: '
                            f'{_default("min_region")})')
    group.add_argument('--top-k', type=count_or_all, metavar='K',
                       help='predictions per scan, by class probability, with --as-robot '
                            'instances, by score; -1: as many as masks '
                            f'(default: {_default("top_k")})')
    group.add_argument('--dbscan-eps', type=distance, metavar='METRES',
                       help='split a mask where its parts are further apart than this; 0: never '
                            f'(default: {_default("dbscan_eps", "16 voxels")})')
    group.add_argument('--as-robot', action='store_true', default=None,
                       help='what the node and `mask3d segment` list, with any score, instead of '
                            'what benchmarks reward: one class per mask, no duplicates, '
                            'superpoints')
    group.add_argument('--confidence', type=fraction, metavar='S',
                       help='report precision and recall of instances with at least this score, '
                            f'0..1 (default: {_default("confidence", "none")})')
    group.add_argument('--count-background', action='store_true', default=None,
                       help='count masks on walls, floors and ceilings as false; ScanNet ignores '
                            'masks that are mostly outside of all objects')
    group.add_argument('--ranking', choices=('objectness', 'class'),
                       help='how instances are scored with --as-robot: by the objectness of the '
                            'voxels in the mask, or by the class probability (default: '
                            'objectness)')
    group.add_argument('--leftovers', metavar='CLASS',
                       help='count the points that no mask covers as one more prediction of this '
                            'class, as the original does with ceiling')


def _default(setting: str, custom: str = '') -> str:
    """Return the default of a setting of the protocol: of custom data sets, and benchmarks."""
    from mask3d_core.data.protocol import CUSTOM

    usual = getattr(CUSTOM, setting)
    special = _by_title(lambda benchmark: None if getattr(benchmark.protocol, setting) == usual
                        else getattr(benchmark.protocol, setting))
    return f'{custom or usual}; {special}'


def _by_title(fact: Callable[[Benchmark], object]) -> str:
    """List a fact of the benchmarks: `ScanNet, ScanNet200: 150; S3DIS: 100`; None: left out."""
    from mask3d_core.data.benchmark import benchmarks

    titles: dict[object, list[str]] = {}
    for benchmark in benchmarks().values():
        titles.setdefault(fact(benchmark), []).append(benchmark.title)
    titles.pop(None, None)
    return '; '.join(f'{", ".join(names)}: {value}' for value, names in titles.items())


def check_usage(options: argparse.Namespace) -> None:
    """Exit with status 2 unless there is one source of truth, and one of predictions."""
    if options.benchmark is not None:
        for name in ('dataset', 'weights', 'predictions', 'ground_truth'):
            if getattr(options, name) is not None:
                options.wrong_usage('--benchmark measures synthetic scans: give nothing else')
        return
    if (options.dataset is None) == (options.ground_truth is None):
        options.wrong_usage('expected either a DATASET or --ground-truth')
    if (options.weights is None) == (options.predictions is None):
        options.wrong_usage('expected either --weights or --predictions')
    if options.ground_truth is not None:
        if options.predictions is None:
            options.wrong_usage('--ground-truth goes with --predictions; to evaluate weights give '
                                'a DATASET')
        if options.classes is None:
            options.wrong_usage('--ground-truth needs --classes')
    if options.ground_truth is None and options.classes is not None:
        options.wrong_usage('--classes goes with --ground-truth; a DATASET has its own')
    _check_pairs(options)


def _check_pairs(options: argparse.Namespace) -> None:
    """Exit with status 2 where an option would be ignored."""
    of_weights = ('save', 'top_k', 'dbscan_eps', 'num_queries', 'max_voxels', 'as_robot', 'device',
                  'precision', 'engine', 'tile_size', 'tile_margin', 'ranking')
    for names, partner in ((('split', 'fold', 'html'), 'dataset'), (of_weights, 'weights')):
        for name in names:
            if getattr(options, name) is not None and getattr(options, partner) is None:
                options.wrong_usage(f'--{name.replace("_", "-")} goes with '
                                    + ('a DATASET' if partner == 'dataset' else '--weights'))
