"""How good predictions are: average precision as the benchmarks compute it."""

from mask3d_core.data.benchmark import find_protocol
from mask3d_core.data.protocol import Protocol
from mask3d_core.evaluation.evaluation import Evaluation
from mask3d_core.evaluation.ground_truth import make_truth, Truth
from mask3d_core.evaluation.predictions import Predictions
from mask3d_core.evaluation.scores import Scores

__all__ = ['Evaluation', 'find_protocol', 'make_truth', 'Predictions', 'Protocol', 'Scores',
           'Truth']
