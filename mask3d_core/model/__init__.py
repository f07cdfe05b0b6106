"""The network: voxels in, class and mask logits of the queries out."""

from mask3d_core.model.config import ModelConfig
from mask3d_core.model.mask3d import Mask3D, Prediction, StepPrediction

__all__ = ['Mask3D', 'ModelConfig', 'Prediction', 'StepPrediction']
