"""
Evaluation: average precision of instances, as the benchmarks compute it.

- `evaluation`: `Evaluation`, which collects scan after scan and returns `Scores`.
- `ground_truth`: `Truth`, the labelled objects of a scan; `predictions`: what is evaluated.
- `overlaps`: intersections of predictions and objects of one scan.
- `average_precision`: matching and AP, as ScanNet's evaluator.
- `precision_recall`: precision and recall of confident instances, as for S3DIS.
- `scores`: all scores of an evaluation; `report`: as a table and JSON; `curves`: as a picture.
- `dataset_evaluation`: segment the scans of a prepared data set and evaluate the result.
- `scene_files`: find and read stored predictions and ground truth.
- `export`: ScanNet's submission format; `submission`: the files each benchmark server takes.
- `studies`, `study_report`: one model under varied settings (paper, Fig. 3 and Table VII).

The protocol of each benchmark (classes, thresholds, settings) is in `mask3d_core.data.protocol`.
"""

from mask3d_core.data.benchmark import find_protocol
from mask3d_core.data.protocol import Protocol
from mask3d_core.evaluation.evaluation import Evaluation
from mask3d_core.evaluation.ground_truth import make_truth, Truth
from mask3d_core.evaluation.predictions import Predictions
from mask3d_core.evaluation.scores import Scores

__all__ = ['Evaluation', 'find_protocol', 'make_truth', 'Predictions', 'Protocol', 'Scores',
           'Truth']
