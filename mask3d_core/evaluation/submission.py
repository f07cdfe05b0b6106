"""Write submissions to the benchmark servers, scene by scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mask3d_core.data.benchmark import find_benchmark
from mask3d_core.data.dataset import Dataset, inner_points
from mask3d_core.errors import InputError
from mask3d_core.evaluation.export import export_scene
from mask3d_core.evaluation.predictions import Predictions, PredictionsLike
import numpy as np

Submit = Callable[[str, PredictionsLike], None]
"""Takes the name of a scan and its predictions."""


def start_submission(folder: Path, name: str, dataset: Dataset | None = None) -> Submit:
    """
    Return the function that writes a scan of a submission; nothing is written yet.

    Parameters
    ----------
    folder : path
        Created if missing.
    name : str
        Of the data set, or of its class table (`find_benchmark`).
    dataset : Dataset, optional
        Required for a benchmark of blocks: it has the inner part of each block.

    Raises
    ------
    InputError
        If the benchmark has no server, or of blocks without `dataset`.

    """
    benchmark = find_benchmark(name)
    if benchmark is None or benchmark.submission == 'scenes':
        return lambda scan, predictions: export_scene(folder, scan, predictions)
    if benchmark.submission == 'none':
        raise InputError(f'{benchmark.title} has no server that takes submissions, all its labels '
                         'are public: see the scores in the table, and save predictions with '
                         '--save')
    if dataset is None:
        raise InputError(f'{benchmark.title} takes blocks without their margin, which is stored '
                         'in the DATASET: give it instead of --ground-truth')
    known, block_name = dataset, benchmark.block_name

    def submit(scan: str, predictions: PredictionsLike) -> None:
        inner = inner_predictions(known, scan, predictions)  # refuses what is not a block
        export_scene(folder, block_name(scan), inner)

    return submit


def inner_predictions(dataset: Dataset, name: str, predictions: PredictionsLike) -> Predictions:
    """
    Return the predictions for the inner part of a block, without its margin.

    Parameters
    ----------
    dataset : Dataset
    name : str
        Of the block.
    predictions : Instances or Predictions
        Over the points of the block.

    Raises
    ------
    InputError
        If the scan is not a block, or cannot be read.

    """
    facts = dataset.scans[name]
    if facts.inner is None:
        raise InputError(f'{name} is a whole scene, but the benchmark takes blocks: '
                         'export the split validation or test')
    block = dataset.read(name)
    inner = np.zeros(block.scan.input_size, np.bool_)
    inner[block.scan.kept] = inner_points(block, facts)
    count = int(np.count_nonzero(inner))
    masks = np.zeros((len(predictions.score), (count + 7) // 8), np.uint8)
    for index, row in enumerate(masks):
        mask = np.zeros(predictions.num_points, np.bool_)
        mask[predictions.points(index)] = True
        row[:] = np.packbits(mask[inner])
    return Predictions(masks, count, predictions.class_id, predictions.score)
