"""`mask3d study`: the ablation studies of the paper, on any data set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.commands.arguments import add_model_arguments, count, distance
from mask3d_core.progress import log

if TYPE_CHECKING:
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.evaluation.studies import Study
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.segmenter import Segmenter

SUMMARY = 'repeat the ablation studies of the paper'
DESCRIPTION = """\
Repeat the ablation studies of the paper on a prepared data set. For weights:

  queries   number of queries against score and time (Fig. 3, left)
  steps     score after each refinement step (Fig. 3, right)
  eps       distance of DBSCAN (Table VII)

With --runs, for training runs that differ in model.queries or in loss.masks and
loss.dice: initialization of queries, and mask losses (Table IV).

Prints tables in Markdown; writes studies.json and a chart per study of weights,
NAME.png, into DIR. Scores are those of `mask3d evaluate`, with as many queries as in
training unless their number is varied.
"""
EXAMPLES = """\
example:
  mask3d study data/rooms -o studies
  mask3d study data/ours --weights ours.weights --only eps --eps 0.2,0.5,1,0
  mask3d study data/rooms --runs runs/learned runs/zeros runs/features
"""
STUDIES = ('queries', 'steps', 'eps')
FILE = 'studies.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('dataset', type=Path, metavar='DATASET',
                        help='folder that `mask3d prepare` wrote')
    parser.add_argument('--split', metavar='NAME', default='validation',
                        help='which scans of the data set (default: validation)')
    parser.add_argument('--scans', type=count, metavar='N',
                        help='only the first N of them (default: all)')
    parser.add_argument('-o', '--out', type=Path, metavar='DIR', default=Path('studies'),
                        help='folder for tables and charts; made when missing (default: studies)')
    parser.add_argument('--only', nargs='+', choices=STUDIES, metavar='STUDY',
                        help='queries, steps, eps (default: all; learned queries: steps, eps)')
    parser.add_argument('--queries', type=_counts, metavar='NUMBERS',
                        help='numbers of queries (default: 10,25,50,100,150,200)')
    parser.add_argument('--eps', type=_distances, metavar='DISTANCES',
                        help='metres, 0 for no clustering (default: 0.1,0.2 to 1.5, and 0)')
    parser.add_argument('--runs', type=Path, nargs='+', metavar='RUN',
                        help='folders of training runs to compare, by their last weights')
    add_model_arguments(parser)
    parser.set_defaults(wrong_usage=parser.error)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(count(word) for word in text.split(','))


def _distances(text: str) -> tuple[float, ...]:
    return tuple(distance(word) for word in text.split(','))


def run(options: argparse.Namespace) -> None:
    """Measure, print tables, write JSON and charts."""
    from mask3d_core.data.dataset import Dataset
    from mask3d_core.files.target import atomic_write, check_folder

    _check_usage(options)
    check_folder(options.out)
    dataset = Dataset.open(options.dataset)
    names = dataset.split(options.split)[:options.scans]
    measure = _study_weights if options.runs is None else _study_runs
    content = measure(options, dataset, names)
    options.out.mkdir(parents=True, exist_ok=True)
    about = {'dataset': str(options.dataset), 'split': options.split, 'scans': len(names)}
    with atomic_write(options.out / FILE) as file:
        file.write((json.dumps(about | content, indent=1) + '\n').encode())
    log(f'wrote {options.out / FILE}')


def _check_usage(options: argparse.Namespace) -> None:
    """Exit with status 2 where an option would be ignored."""
    if options.runs is not None:
        for name in ('weights', 'only', 'queries', 'eps', 'num_queries', 'max_voxels'):
            if getattr(options, name) is not None:
                options.wrong_usage(f'--{name.replace("_", "-")} does not go with --runs')
    wanted = options.only or STUDIES
    for name in ('queries', 'eps'):
        if getattr(options, name) is not None and name not in wanted:
            options.wrong_usage(f'--{name} goes with --only {name}')
    if options.num_queries is not None and set(wanted) == {'queries'}:
        options.wrong_usage('--num-queries is what the study of queries varies: give --queries')


def _study_weights(options: argparse.Namespace, dataset: Dataset, names: list[str],
                   ) -> dict[str, Any]:
    from mask3d_core.drawing.chart import draw_charts
    from mask3d_core.evaluation.dataset_evaluation import dataset_protocol
    from mask3d_core.evaluation.studies import run_studies
    from mask3d_core.evaluation.study_report import format_study, study_charts, study_list
    from mask3d_core.segmenter import load_segmenter

    segmenter = load_segmenter(options.weights, options.device, options.precision,
                               options.num_queries, options.max_voxels, options.engine)
    protocol = dataset_protocol(dataset)
    studies = _studies(options, segmenter, protocol.settings())
    done = iter(range(1, len(names) + 1))
    outcomes = run_studies(segmenter, dataset, names, studies, protocol,
                           lambda name: log(f'{next(done)}/{len(names)} {name}'))
    options.out.mkdir(parents=True, exist_ok=True)
    for study, row in zip(studies, outcomes):
        print(format_study(study, row), end='\n\n')
        draw_charts(options.out / f'{study.name}.png', study_charts(study, row))
    return {'weights': str(options.weights or 'shipped'), 'device': str(segmenter.device),
            'max_voxels': segmenter.max_voxels,
            **{study.name: study_list(study, row) for study, row in zip(studies, outcomes)}}


def _studies(options: argparse.Namespace, segmenter: Segmenter, settings: ExtractSettings,
             ) -> list[Study]:
    """Return the studies that are asked for."""
    from mask3d_core.evaluation import studies

    wanted = options.only or STUDIES
    learned = segmenter.weights.model.queries == 'learned'
    if options.only is None and options.queries is None and learned:
        wanted = STUDIES[1:]
    made = {'queries': lambda: studies.vary_queries(segmenter, settings,
                                                    options.queries or studies.QUERY_COUNTS),
            'steps': lambda: studies.vary_steps(segmenter, settings),
            'eps': lambda: studies.vary_eps(segmenter, settings,
                                            options.eps or studies.EPS_VALUES)}
    return [made[name]() for name in STUDIES if name in wanted]


def _study_runs(options: argparse.Namespace, dataset: Dataset, names: list[str],
                ) -> dict[str, Any]:
    from mask3d_core.evaluation import Evaluation
    from mask3d_core.evaluation.dataset_evaluation import dataset_protocol, segment_split
    from mask3d_core.segmenter import load_segmenter
    from mask3d_core.training.ablations import ablation_list, format_ablations, open_runs

    measured = []
    for trained in open_runs(options.runs):
        log(f'measuring {trained.weights}')
        evaluation = Evaluation(dataset.classes, dataset_protocol(dataset))
        segmenter = load_segmenter(trained.weights, options.device, options.precision,
                                   engine=options.engine)
        segment_split(segmenter, dataset, names, evaluation)
        measured.append((trained, evaluation.scores()))
    print(format_ablations(measured))
    return {'runs': ablation_list(measured)}

