"""Benchmark the evaluation."""

from __future__ import annotations

from dataclasses import dataclass
import time

from mask3d_core.classes import load_classes
from mask3d_core.data.benchmark import find_protocol
from mask3d_core.evaluation.evaluation import Evaluation
from mask3d_core.evaluation.ground_truth import make_truth, Truth
from mask3d_core.evaluation.predictions import Predictions
from mask3d_core.evaluation.scores import Scores
import numpy as np

NUM_OBJECTS = 40
RUN_POINTS = 300
"""Consecutive points of one object: scans store close points together."""


@dataclass(frozen=True)
class Timing:
    """
    Seconds of an evaluation, without making its data.

    Attributes
    ----------
    overlaps : float
        For the intersections of predictions and objects.
    scores : float
        For the scores from these.
    result : Scores

    """

    overlaps: float
    scores: float
    result: Scores


def measure_evaluation(scans: int = 100, points: int = 150_000, predictions: int = 100,
                       ) -> Timing:
    """Evaluate synthetic scans of `NUM_OBJECTS` objects under ScanNet's protocol."""
    classes = load_classes('scannet20')
    evaluation = Evaluation(classes, find_protocol('scannet20'))
    generator = np.random.default_rng(0)
    seconds = 0.0
    for _ in range(scans):
        truth, made = _make_scan(generator, np.array(classes.ids), points, predictions)
        began = time.perf_counter()
        evaluation.add(made, truth)
        seconds += time.perf_counter() - began
    began = time.perf_counter()
    result = evaluation.scores()
    return Timing(seconds, time.perf_counter() - began, result)


def _make_scan(generator: np.random.Generator, class_ids: np.ndarray, points: int,
               predictions: int) -> tuple[Truth, Predictions]:
    """Make objects, and predictions that each miss part of one and cover some other points."""
    instance = np.repeat(generator.integers(-1, NUM_OBJECTS, points // RUN_POINTS + 1),
                         RUN_POINTS)[:points]
    label = np.append(generator.choice(class_ids, NUM_OBJECTS), -1)[instance]
    masks = np.zeros((predictions, (points + 7) // 8), np.uint8)
    class_id = np.zeros(predictions, np.int32)
    for row in range(predictions):
        target = int(generator.integers(NUM_OBJECTS))
        mask = (instance == target) & (generator.random(points) < generator.uniform(0.3, 1))
        mask |= np.repeat(generator.random(points // RUN_POINTS + 1) < 0.005, RUN_POINTS)[:points]
        masks[row] = np.packbits(mask)
        class_id[row] = label[np.argmax(instance == target)]
    score = -np.sort(-generator.random(predictions))
    return make_truth(label, instance), Predictions(masks, points, class_id, score)
