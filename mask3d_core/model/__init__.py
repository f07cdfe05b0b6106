"""
The network (paper, Fig. 2): voxels in, class and mask logits of the queries out.

config     hyperparameters of a model, and the backbones by name
mask3d     the whole network and the types of its predictions
backbone   the sparse convolutional U-Net (Res16UNet)
layers     its convolutions, each with its batch norm
queries    initial queries, farthest point sampling
positions  Fourier position encodings
decoder    the transformer decoder and the mask head
votes      votes for object centers, where queries start (not in the paper)
windows    Gaussian windows that are added to the mask logits (not in the paper)
"""

from mask3d_core.model.config import ModelConfig
from mask3d_core.model.mask3d import Mask3D, Prediction, StepPrediction

__all__ = ['Mask3D', 'ModelConfig', 'Prediction', 'StepPrediction']
