"""`mask3d evaluate`: average precision of predictions, as the benchmarks define it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.classes import class_table_names
from mask3d_core.commands.arguments import (
    add_model_arguments,
    add_tile_arguments,
    count,
    count_or_all,
    distance,
    fraction,
)
from mask3d_core.progress import log, report

if TYPE_CHECKING:
    from mask3d_core.data.benchmark import Benchmark
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.evaluation import Evaluation, Protocol, Truth
    from mask3d_core.evaluation.predictions import PredictionsLike
    from mask3d_core.evaluation.report import RunTime
    from mask3d_core.evaluation.submission import Submit
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.processes import Processes
    from mask3d_core.segmenter import Segmenter
    from mask3d_core.viewer.mistake_page import MistakeReport

SUMMARY = 'compute average precision as the benchmarks do'
DESCRIPTION = """\
Measure average precision (AP, AP50, AP25) as ScanNet's evaluator does: of weights on a
prepared data set, or of stored predictions. Prints a table and writes into DIR

  scores.json     all scores, seconds of each stage, peak memory
  curves.png      precision-recall curves at IoU 0.5

--html writes a page to look at the mistakes.

Some benchmarks add precision and recall, or means over groups of classes.
Maps are cut into tiles as by `mask3d segment`. The original cuts nothing: its
benchmarks are reproduced with --tile-size 0. Processes that torchrun starts share
the scans, or if there are fewer scans than processes, the tiles of each.
"""
EXAMPLES = """\
example:
  mask3d evaluate scannet/ --weights scannet.weights -o scores
  mask3d evaluate s3dis/ --weights area5.weights --fold Area_5
  mask3d evaluate scannet/ --weights scannet.weights --split test --export submission
  mask3d evaluate scannet/ --predictions found/
  mask3d evaluate --predictions found/ --ground-truth gt/ --classes scannet20
  mask3d evaluate --predictions found/ --ground-truth labelled/ --classes ours.tsv
  mask3d evaluate --benchmark 100
  torchrun --nproc_per_node 2 -m mask3d_core evaluate scannet/ --weights scannet.weights
"""


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
                       help='predictions per scan, by class probability; -1: as many as masks '
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
                       help='what the score depends on with --as-robot: the objectness in the '
                            'mask, or the class probability (default: objectness)')
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


def run(options: argparse.Namespace) -> None:
    """Evaluate, print a table, write scores and curves."""
    from mask3d_core.processes import join_processes

    _check_usage(options)
    if options.benchmark is not None:
        _benchmark(options.benchmark)
        return
    processes = join_processes(options.device or 'auto')
    with processes.together():
        _evaluate(options, processes)


def _evaluate(options: argparse.Namespace, processes: Processes) -> None:
    from mask3d_core.files.target import check_folder
    from mask3d_core.weights.weights_path import check_weights_path

    page = None if options.html is None else options.html.parent
    for folder in (options.out, options.export, options.save, page):
        if folder is not None:
            check_folder(folder)
    check_weights_path(options.weights)
    if options.weights is None and processes.rank:
        return  # stored predictions take no time that would be worth sharing
    if options.ground_truth is not None:
        _evaluate_folders(options)
    else:
        _evaluate_dataset(options, processes)


def _check_usage(options: argparse.Namespace) -> None:
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


def _evaluate_folders(options: argparse.Namespace) -> None:
    from mask3d_core.evaluation import Evaluation, find_protocol
    from mask3d_core.evaluation.scene_files import find_truth, read_truth
    from mask3d_core.evaluation.submission import start_submission
    from mask3d_core.files.class_table import read_class_table
    from mask3d_core.files.target import check_target

    classes = read_class_table(options.classes)
    evaluation = Evaluation(classes, _protocol(find_protocol(options.classes), options),
                            options.leftovers)
    submit = (None if options.export is None else
              start_submission(options.export, options.classes))
    files = find_truth(options.ground_truth)
    if options.export is not None:
        for name, file in files.items():
            check_target(options.export / f'{name}.txt', file)
    _add_stored(options, list(files), evaluation, lambda name: read_truth(files[name], classes),
                submit)
    _report(options, evaluation, {'ground_truth': str(options.ground_truth),
                                  'predictions': str(options.predictions)})


def _evaluate_dataset(options: argparse.Namespace, processes: Processes) -> None:
    from mask3d_core.data.dataset import Dataset

    dataset = Dataset.open(options.dataset)  # before the imports that take time
    from mask3d_core.evaluation import Evaluation
    from mask3d_core.evaluation.dataset_evaluation import dataset_protocol
    from mask3d_core.evaluation.submission import start_submission

    if options.fold is not None:
        dataset = dataset.fold(options.fold)
    split = options.split or 'validation'
    names = dataset.split(split)
    evaluation = Evaluation(dataset.classes, _protocol(dataset_protocol(dataset), options),
                            options.leftovers)
    submit = (None if options.export is None else
              start_submission(options.export, dataset.name, dataset))
    report = _mistake_report(options, dataset, evaluation.protocol)
    if report is not None and not processes.rank:
        submit = _each(submit, report.add)
    about = {'dataset': str(options.dataset), 'split': split}
    if options.fold is not None:
        about['fold'] = options.fold
    if options.predictions is not None:
        from mask3d_core.evaluation.dataset_evaluation import block_truth

        _add_stored(options, names, evaluation,
                    lambda name: block_truth(dataset, dataset.read(name)), submit)
        _report(options, evaluation, about | {'predictions': str(options.predictions)})
    else:
        run_time, settings = _add_segmented(options, dataset, names, evaluation, submit, processes)
        if processes.rank:
            return
        about |= {'weights': str(options.weights), 'as_robot': bool(options.as_robot),
                  'settings': settings}
        _report(options, evaluation, about, run_time)
    if report is not None:
        size = report.write(options.html)
        log(f'wrote {options.html}, {size / 1e6:.1f} MB')


def _mistake_report(options: argparse.Namespace, dataset: Dataset, protocol: Protocol,
                    ) -> MistakeReport | None:
    from mask3d_core.viewer.mistake_page import MistakeReport
    from mask3d_core.weights.shipped import SCORE_THRESHOLD

    if options.html is None:
        return None
    score = SCORE_THRESHOLD if protocol.confidence is None else protocol.confidence
    return MistakeReport(dataset, protocol.min_region, score)


def _each(first: Submit | None, second: Submit) -> Submit:
    """Return a function that passes the predictions of a scan to both."""
    def submit(name: str, predictions: PredictionsLike) -> None:
        for one in (first, second):
            if one is not None:
                one(name, predictions)

    return submit


def _protocol(protocol: Protocol, options: argparse.Namespace) -> Protocol:
    """Return a protocol with what was given on the command line."""
    names = ('min_region', 'confidence', 'top_k', 'dbscan_eps', 'num_queries',
             'count_background')
    return replace(protocol, **{name: getattr(options, name) for name in names
                                if getattr(options, name) is not None})


def _add_stored(options: argparse.Namespace, names: list[str], evaluation: Evaluation,
                read: Callable[[str], Truth], submit: Submit | None) -> None:
    from mask3d_core.evaluation.predictions import read_predictions
    from mask3d_core.evaluation.scene_files import check_complete, find_predictions
    from mask3d_core.files.source import file_errors

    files = find_predictions(options.predictions)
    check_complete(names, files)
    evaluated = set(evaluation.classes.ids)
    ignored = total = 0
    for number, name in enumerate(names, start=1):
        log(f'{number}/{len(names)} {name}')
        found = read_predictions(files[name])
        total += len(found.class_id)
        ignored += sum(class_id not in evaluated for class_id in found.class_id.tolist())
        truth = read(name)
        with file_errors(files[name]):
            evaluation.add(found, truth)
        if submit is not None:
            submit(name, found)
    if ignored:
        report(f'{ignored} of {total} predictions are of classes that are not evaluated')


def _add_segmented(options: argparse.Namespace, dataset: Dataset, names: Sequence[str],
                   evaluation: Evaluation, submit: Submit | None, processes: Processes,
                   ) -> tuple[RunTime, dict[str, Any]]:
    """Segment scans; return what it took, and with which settings."""
    from mask3d_core.bench.inference import peak_bytes, reset_peak
    from mask3d_core.evaluation.dataset_evaluation import segment_scans
    from mask3d_core.evaluation.report import measure_run_time
    from mask3d_core.files.results import write_instances_npz
    from mask3d_core.files.target import check_target

    if options.save is not None:
        for name in names:
            check_target(options.save / f'{name}.npz', dataset.path(name))
    log('loading the weights')
    segmenter = _segmenter(options, evaluation.protocol, processes)
    reset_peak(segmenter.device)
    settings = (evaluation.protocol.settings() if options.as_robot is None
                else _robot_settings(options))
    seconds = []
    for name, instances in segment_scans(segmenter, dataset, names, evaluation, settings,
                                         processes):
        seconds.append(instances.seconds)
        log(f'{len(seconds)}/{len(names)} {name}: {len(instances)} predictions, '
            f'{sum(instances.seconds.values()):.2f} s')
        if options.save is not None and not processes.rank:
            options.save.mkdir(parents=True, exist_ok=True)
            write_instances_npz(options.save / f'{name}.npz', instances)
        if submit is not None and not processes.rank:
            submit(name, instances)
    run_time = measure_run_time(seconds, peak_bytes(segmenter.device), str(segmenter.device))
    return run_time, {'num_queries': segmenter.num_queries, 'max_voxels': segmenter.max_voxels,
                      'tiles': asdict(segmenter.weights.tiling), **asdict(settings)}


def _robot_settings(options: argparse.Namespace) -> ExtractSettings:
    from mask3d_core.extraction.postprocess import ExtractSettings

    names = ('ranking', 'top_k', 'dbscan_eps')
    return ExtractSettings(**{name: getattr(options, name) for name in names
                              if getattr(options, name) is not None})


def _segmenter(options: argparse.Namespace, protocol: Protocol, processes: Processes,
               ) -> Segmenter:
    """Load the weights, with the protocol's number of queries if it is free to choose."""
    from mask3d_core.segmenter import load_segmenter
    from mask3d_core.weights.checkpoint import load_weights

    weights = load_weights(options.weights).with_tiles(options.tile_size, options.tile_margin)
    as_trained = weights.model.queries == 'learned' or options.as_robot is not None
    return load_segmenter(weights, processes.device or options.device or 'auto',
                          options.precision or 'float32',
                          options.num_queries if as_trained else protocol.num_queries,
                          options.max_voxels, options.engine or 'auto')


def _report(options: argparse.Namespace, evaluation: Evaluation, about: dict[str, Any],
            run_time: RunTime | None = None) -> None:
    from mask3d_core.evaluation.curves import draw_curves
    from mask3d_core.evaluation.report import format_run_time, format_table, write_scores_json

    scores = evaluation.scores()
    options.out.mkdir(parents=True, exist_ok=True)
    print(format_table(scores))
    if run_time is not None:
        print(format_run_time(run_time))
    write_scores_json(options.out / 'scores.json', scores, about, run_time)
    draw_curves(options.out / 'curves.png', scores)
    log(f'wrote {options.out / "scores.json"} and curves.png')


def _benchmark(scans: int) -> None:
    from mask3d_core.bench.evaluation import measure_evaluation

    timing = measure_evaluation(scans)
    print(f'{scans} scans of 150,000 points with 100 predictions each: overlaps '
          f'{timing.overlaps:.2f} s, scores {timing.scores:.2f} s; '
          f'{1e3 * (timing.overlaps + timing.scores) / scans:.1f} ms a scan')

