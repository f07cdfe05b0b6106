"""State dicts: whether they fit a model, and what does not."""

from __future__ import annotations

from collections.abc import Mapping

from mask3d_core.errors import InputError
from mask3d_core.model.config import ModelConfig
from mask3d_core.model.mask3d import Mask3D
import torch


def expected_state(config: ModelConfig) -> dict[str, torch.Tensor]:
    """Return the state dict of a model on the meta device: names, shapes, dtypes."""
    with torch.device('meta'):
        return Mask3D(config).state_dict()


def check_state(config: ModelConfig, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Raise InputError that names all tensors that are missing, unexpected or misshapen."""
    expected = expected_state(config)
    faults = [f'{name} is missing' for name in expected if name not in state]
    faults += [f'{name} is unknown' for name in state if name not in expected]
    faults += [
        f'{name} is {describe(state[name])}, expected {describe(tensor)}'
        for name, tensor in expected.items() if name in state
        and (state[name].shape != tensor.shape or state[name].dtype != tensor.dtype)]
    if faults:
        raise InputError(list_faults(where, faults))


def list_faults(where: str, faults: list[str], max_listed: int = 8) -> str:
    """Return one sentence about tensors that do not fit."""
    more = f', and {len(faults) - max_listed} more' if len(faults) > max_listed else ''
    return (f'{where} does not fit its model ({len(faults)} tensors): '
            + '; '.join(faults[:max_listed]) + more)


def describe(tensor: torch.Tensor) -> str:
    """Return shape and dtype of a tensor: '[3, 64] float32'."""
    return f'{list(tensor.shape)} {str(tensor.dtype).removeprefix("torch.")}'
