"""What every engine is: the network of some weights, ready to run on a device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from mask3d_core.model.mask3d import Prediction
from mask3d_core.sparse import Pyramid
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.voxels import Voxels
from mask3d_core.weights.checkpoint import Weights
import torch
from torch import Tensor


class Engine(ABC):
    """
    Runs the network of some weights: voxels in, prediction out.

    All engines find the same instances with the same weights. The pipeline before and after the
    network does not depend on the engine.

    Parameters
    ----------
    weights : Weights
    device : torch.device
    precision : torch.dtype
        Of the U-Net; the decoder always computes in float32.

    Attributes
    ----------
    name : str
        As in `ENGINES`.
    device : torch.device
        Where the voxels and the pyramid are expected, and where the prediction is.
    precision : torch.dtype
    planes : bool
        Whether the pyramid is expected with planes (`build_pyramid`).

    Raises
    ------
    InputError
        When the engine is not installed, or cannot run these weights on this device.

    """

    name: ClassVar[str]
    planes: bool = False

    def __init__(self, weights: Weights, device: torch.device, precision: torch.dtype) -> None:
        self.device = device
        self.precision = precision

    @abstractmethod
    def predict(self, voxels: Voxels, pyramid: Pyramid, num_queries: int, watch: Stopwatch,
                seeds: Tensor | None = None) -> Prediction:
        """
        Run the network on one scan.

        Parameters
        ----------
        voxels : Voxels
            On the device.
        pyramid : Pyramid
            Of these voxels.
        num_queries : int
        watch : Stopwatch
            Times the stages 'unet' and 'decoder'.
        seeds : [Q] int64, optional
            Voxels the queries start at; by default the model chooses them.

        """

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return why the engine cannot run here and what to do, or None if it can."""

    @classmethod
    def versions(cls) -> Sequence[str]:
        """Return what it runs on: 'onnxruntime 1.23.0', 'CUDAExecutionProvider'."""
        return [f'torch {torch.__version__}']
