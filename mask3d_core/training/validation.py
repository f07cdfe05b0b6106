"""Measure the weights of a run on its validation scans, as `extract` of its configuration says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from mask3d_core.drawing.side_by_side import draw_side_by_side
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation, Scores
from mask3d_core.evaluation.segmented import dataset_protocol, segment_split
from mask3d_core.instances import Instances
from mask3d_core.segmenter import load_segmenter
from mask3d_core.training.config import TrainConfig
from mask3d_core.training.micro_batches import gather
from mask3d_core.training.setup import Material
from mask3d_core.weights.checkpoint import Weights
from torch import distributed

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PICTURES = 'pictures'


def validate(weights: Weights, config: TrainConfig, material: Material, fabric: Fabric,
             epoch: int) -> Scores:
    """
    Segment the validation scans, each process its share, and score them together.

    Pictures of the first few go into the run's folder, named by scan and epoch.

    Raises
    ------
    InputError
        In all processes, with the name of the scan, when one of them cannot segment it.

    """
    dataset, names = material.dataset, material.validation
    drawn = names[:config.pictures]

    def draw(name: str, instances: Instances) -> None:
        if name in drawn:
            draw_side_by_side(picture_path(config, name, epoch), dataset.read(name).scan,
                              instances, f'{name}, epoch {epoch}')

    (Path(config.output) / PICTURES).mkdir(exist_ok=True)
    segmenter = load_segmenter(weights, str(fabric.device), config.precision)
    protocol = dataset_protocol(dataset)
    evaluation = Evaluation(dataset.classes, protocol)
    faults: list[str] = []
    try:
        segment_split(segmenter, dataset, names[fabric.global_rank::fabric.world_size], evaluation,
                      config.extract, draw)
    except InputError as error:
        faults.append(str(error))
    for fault in gather(fabric, faults):
        raise InputError(f'the weights are saved, but cannot be measured: {fault}')
    if fabric.world_size > 1:
        shares: list[Evaluation | None] = [None] * fabric.world_size
        distributed.all_gather_object(shares, evaluation)
        evaluation = Evaluation(dataset.classes, protocol)
        for share in shares:
            assert share is not None
            evaluation.merge(share)
    return evaluation.scores()


def picture_path(config: TrainConfig, name: str, epoch: int) -> Path:
    """Return where the picture of a scan goes."""
    return Path(config.output) / PICTURES / f'{name}_epoch{epoch:04}.png'


def score_values(scores: Scores) -> dict[str, float]:
    """Return the scores as the logs hold them, 0..1; 0 where there was nothing to find."""
    values = dict(zip(('AP', 'AP50', 'AP25'), map(float, scores.mean_ap)))
    if scores.mean_rates is not None:
        values |= dict(zip(('precision', 'recall'), map(float, scores.mean_rates)))
    values |= dict(zip(('agnostic_AP', 'agnostic_AP50', 'agnostic_AP25'),
                       map(float, scores.agnostic)))
    return {name: 0.0 if math.isnan(value) else value for name, value in values.items()}
