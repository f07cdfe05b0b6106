"""The default engine: the network in PyTorch, with fused kernels on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import ClassVar

from mask3d_core.engines.engine import Engine
from mask3d_core.engines.warm_up import warm_up
from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D, Prediction
from mask3d_core.model.layers import fold_batch_norms
from mask3d_core.sparse import planes_pay_off, Pyramid
from mask3d_core.sparse.fused_conv import why_not_fused
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.voxels import Voxels
from mask3d_core.weights.checkpoint import Weights
import torch
from torch import Tensor


class TorchEngine(Engine):
    """
    Runs the model as it was trained, with its batch norms folded.

    On a GPU it is warmed up when it is made (`warm_up`).

    Attributes
    ----------
    model : Mask3D

    """

    name: ClassVar[str] = 'torch'

    def __init__(self, weights: Weights, device: torch.device,
                 precision: torch.dtype = torch.float32) -> None:
        super().__init__(weights, device, precision)
        self.planes = planes_pay_off(device, precision)
        if weights.graph is not None:
            raise InputError(f'{weights.graph.name} is a graph for ONNX Runtime: use the engine '
                             'onnxruntime, or the weights file it was exported from')
        model = Mask3D(weights.model)
        model.load_state_dict(weights.state)
        model.eval()
        fold_batch_norms(model)
        self.model = model.to(device)
        self.model.unet.to(precision)
        if device.type == 'cuda':
            warm_up(self, weights.model)

    @classmethod
    def missing(cls) -> str | None:
        """Return None: the package needs torch."""
        return None

    @classmethod
    def versions(cls) -> Sequence[str]:
        """Return the version of torch, and on a GPU whether the fused kernels are used."""
        if not torch.cuda.is_available():
            return super().versions()
        reason = why_not_fused(0)
        if reason is not None:
            return [*super().versions(), f'no fused kernels: {reason}']
        return [*super().versions(), f'triton {import_module("triton").__version__}']

    @torch.inference_mode()
    def predict(self, voxels: Voxels, pyramid: Pyramid, num_queries: int, watch: Stopwatch,
                seeds: Tensor | None = None) -> Prediction:
        """Run the network on one scan, as `Engine.predict` says."""
        with watch.stage('unet'):
            levels = self.encode(voxels, pyramid)
        with watch.stage('decoder'):
            steps = self.model.decode(levels, [voxels], pyramid, num_queries,
                                      None if seeds is None else [seeds])
        return steps[-1][0]

    @torch.inference_mode()
    def encode(self, voxels: Voxels, pyramid: Pyramid) -> list[Tensor]:
        """Return the features of the U-Net, float32: [V_l, C_l], coarse to fine."""
        features = voxels.features[pyramid.order].to(self.precision)
        return [level.float() for level in self.model.unet(features, pyramid)]
