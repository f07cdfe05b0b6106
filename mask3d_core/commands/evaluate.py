"""`mask3d evaluate`: average precision of predictions, as the benchmarks define it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, TYPE_CHECKING

from mask3d_core.commands.evaluate_arguments import add_arguments, check_usage
from mask3d_core.progress import log, report

if TYPE_CHECKING:
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.evaluation import Evaluation, Protocol, Truth
    from mask3d_core.evaluation.predictions import PredictionsLike
    from mask3d_core.evaluation.report import RunTime
    from mask3d_core.evaluation.submission import Submit
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.processes import Processes
    from mask3d_core.segmenter import Segmenter
    from mask3d_core.viewer.mistake_page import MistakeReport

__all__ = ['add_arguments', 'DESCRIPTION', 'EXAMPLES', 'run', 'SUMMARY']
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


def run(options: argparse.Namespace) -> None:
    """Evaluate, print a table, write scores and curves."""
    from mask3d_core.processes import join_processes

    check_usage(options)
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

