"""The U-Net on MinkowskiEngine, the library of the original, where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import ClassVar
import warnings

from mask3d_core.engines.minkowski_unet import MinkowskiUNet
from mask3d_core.engines.torch_engine import TorchEngine
from mask3d_core.errors import InputError
from mask3d_core.weights.checkpoint import Weights
import torch


class MinkowskiEngine(TorchEngine):
    """
    Runs the U-Net of MinkowskiEngine's own modules, with our weights; the rest is torch's.

    It checks our operators against those of the original. MinkowskiEngine computes in float32
    only, on a CPU or, if built for CUDA, on a GPU.
    """

    name: ClassVar[str] = 'minkowski'

    def __init__(self, weights: Weights, device: torch.device,
                 precision: torch.dtype = torch.float32) -> None:
        if precision != torch.float32:
            raise InputError('engine minkowski computes in float32 only: choose that precision, '
                             'or another engine')
        if device.type == 'cuda' and not import_module('MinkowskiEngine').is_cuda_available():
            raise InputError("this MinkowskiEngine was built for CPUs only: use device 'cpu', "
                             'build it with CUDA, or choose another engine')
        super().__init__(weights, device, precision)
        unet = MinkowskiUNet(weights.model, self.model.unet)
        self.model.add_module('unet', unet.to(device))

    @classmethod
    def missing(cls) -> str | None:
        """Return why MinkowskiEngine cannot be imported and what to do, or None if it can."""
        try:
            with warnings.catch_warnings():  # it warns if built for CPUs only, which is no fault
                warnings.simplefilter('ignore')
                import_module('MinkowskiEngine')
        except ModuleNotFoundError as error:
            if error.name == 'MinkowskiEngine':
                return ('MinkowskiEngine is not installed; build it from its source for the '
                        f'installed torch {torch.__version__} (docs/engines.md names forks that '
                        'build with recent CUDA)')
            return _broken(error)
        except (ImportError, OSError) as error:
            return _broken(error)
        return None

    @classmethod
    def versions(cls) -> Sequence[str]:
        """Return the versions of MinkowskiEngine and torch, and what the former was built for."""
        engine = import_module('MinkowskiEngine')
        built_for = 'CUDA' if engine.is_cuda_available() else 'CPUs'
        return [f'MinkowskiEngine {engine.__version__} for {built_for}', *super().versions()]


def _broken(error: Exception) -> str:
    return (f'MinkowskiEngine cannot be imported ({error}); build it again for torch '
            f'{torch.__version__}')
