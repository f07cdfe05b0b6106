"""Distributed training: devices and processes by Lightning Fabric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mask3d_core import processes
from mask3d_core.errors import InputError
from mask3d_core.training.config import PRECISIONS, TrainConfig
import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(config: TrainConfig) -> Fabric:
    """
    Return Fabric for the devices of a configuration.

    Under torchrun and SLURM the launcher determines the number of processes.

    Raises
    ------
    InputError
        If Fabric is not installed, or the devices do not exist or do not match SLURM's.

    """
    on_cpu = config.device == 'cpu' or config.device == 'auto' and not torch.cuda.is_available()
    if on_cpu and config.precision == 'float16':
        raise InputError('float16 needs a GPU: use --precision bfloat16 or float32')
    return processes.make_fabric(config.device, config.devices, config.machines,
                                 PRECISIONS[config.precision])


def gather_texts(fabric: Fabric, texts: list[str]) -> list[str]:
    """Return the texts of all processes, by rank; a collective operation."""
    return [text for texts in processes.gather(fabric, texts) for text in texts]
