"""
Engines: what runs the network, behind one interface (docs/engines.md).

engine            the interface
torch_engine      PyTorch, the default
onnx_engine       ONNX Runtime
minkowski_engine  MinkowskiEngine, the library of the original
minkowski_unet    its U-Net, with our weights
"""

from __future__ import annotations

from typing import Final

from mask3d_core.engines.engine import Engine
from mask3d_core.engines.minkowski_engine import MinkowskiEngine
from mask3d_core.engines.onnx_engine import OnnxEngine
from mask3d_core.engines.torch_engine import TorchEngine
from mask3d_core.errors import InputError
from mask3d_core.weights.checkpoint import Weights
import torch

ENGINES: Final[dict[str, type[Engine]]] = {
    engine.name: engine for engine in (TorchEngine, OnnxEngine, MinkowskiEngine)}
"""The engines by name."""
AUTO: Final = 'auto'
"""The default: onnxruntime for weights that are an ONNX file, torch for all others."""


def describe_engines() -> dict[str, str]:
    """Return by name what each engine runs on, or why it is missing and what to do."""
    return {name: engine.missing() or ', '.join(engine.versions())
            for name, engine in ENGINES.items()}


def torch_engine(engine: Engine, what: str) -> TorchEngine:
    """Return an engine that runs the model itself; raise InputError that `what` needs torch."""
    if not isinstance(engine, TorchEngine):
        raise InputError(f'{what} need the engine torch')
    return engine


def make_engine(name: str, weights: Weights, device: torch.device,
                precision: torch.dtype = torch.float32) -> Engine:
    """
    Make an engine that runs the network of some weights.

    Raises
    ------
    InputError
        When there is no such engine, it is not installed, or it cannot run these weights.

    """
    if name == AUTO:
        name = (TorchEngine if weights.graph is None else OnnxEngine).name
    if name not in ENGINES:
        raise InputError(f'unknown engine {name!r}; expected '
                         + ', '.join([AUTO, *ENGINES]))
    engine = ENGINES[name]
    missing = engine.missing()
    if missing is not None:
        raise InputError(f'engine {name} cannot be used: {missing}')
    return engine(weights, device, precision)
