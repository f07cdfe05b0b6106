"""Validation: scores of a run's weights on its validation scans."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from mask3d_core.drawing.side_by_side import draw_side_by_side
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation, Scores
from mask3d_core.evaluation.dataset_evaluation import dataset_protocol, segment_split
from mask3d_core.instances import Instances
from mask3d_core.processes import gather
from mask3d_core.segmenter import load_segmenter
from mask3d_core.training.config import TrainConfig
from mask3d_core.training.distributed import gather_texts
from mask3d_core.training.setup import TrainingData
from mask3d_core.weights.checkpoint import Weights

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PICTURE_FOLDER = 'pictures'


def validate(weights: Weights, config: TrainConfig, training_data: TrainingData, fabric: Fabric,
             epoch: int) -> Scores:
    """
    Segment the validation scans, distributed over the processes, and score all of them.

    Post-processing is `config.extract`. Pictures of the first `config.pictures` scans go into the
    run's folder, named by scan and epoch.

    Raises
    ------
    InputError
        In all processes, with the name of the scan, if one of them cannot segment it.

    """
    dataset, names = training_data.dataset, training_data.validation
    drawn = names[:config.pictures]

    def draw(name: str, instances: Instances) -> None:
        if name in drawn:
            draw_side_by_side(picture_path(config, name, epoch), dataset.read(name).scan,
                              instances, f'{name}, epoch {epoch}')

    (Path(config.output) / PICTURE_FOLDER).mkdir(exist_ok=True)
    segmenter = load_segmenter(weights, str(fabric.device), config.precision)
    protocol = dataset_protocol(dataset)
    evaluation = Evaluation(dataset.classes, protocol)
    errors: list[str] = []
    try:
        segment_split(segmenter, dataset, names[fabric.global_rank::fabric.world_size], evaluation,
                      config.extract, draw)
    except InputError as error:
        errors.append(str(error))
    for text in gather_texts(fabric, errors):
        raise InputError(f'the weights are saved, but validation failed: {text}')
    whole = Evaluation(dataset.classes, protocol)
    for part in gather(fabric, evaluation):
        whole.merge(part)
    return whole.scores()


def picture_path(config: TrainConfig, name: str, epoch: int) -> Path:
    """Return the path for the picture of a scan."""
    return Path(config.output) / PICTURE_FOLDER / f'{name}_epoch{epoch:04}.png'


def score_values(scores: Scores) -> dict[str, float]:
    """Return the scores for the logs, 0..1; 0 instead of NaN if there are no objects."""
    values = dict(zip(('AP', 'AP50', 'AP25'), map(float, scores.mean_ap)))
    if scores.mean_rates is not None:
        values |= dict(zip(('precision', 'recall'), map(float, scores.mean_rates)))
    values |= dict(zip(('agnostic_AP', 'agnostic_AP50', 'agnostic_AP25'),
                       map(float, scores.agnostic)))
    return {name: 0.0 if math.isnan(value) else value for name, value in values.items()}
