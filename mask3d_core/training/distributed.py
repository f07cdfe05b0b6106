"""Distributed training: devices and processes by Lightning Fabric."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mask3d_core.errors import InputError
from mask3d_core.training.config import PRECISIONS, TrainConfig
import torch
from torch import distributed

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
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise InputError('training needs Lightning Fabric: '
                         'pip install lightning-fabric tensorboard') from error
    device = config.device
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    devices, machines = _launched(config.devices) or (config.devices, config.machines)
    present = torch.cuda.device_count() if device == 'cuda' else os.cpu_count() or 1
    if device == 'cuda' and (present == 0 or devices > present):
        raise InputError(f'{max(devices, 1)} GPUs are requested, torch sees {present} (see '
                         '`mask3d doctor`): set --devices, or --device cpu')
    if device == 'cpu' and config.precision == 'float16':
        raise InputError('float16 needs a GPU: use --precision bfloat16 or float32')
    devices = devices or (present if device == 'cuda' else 1)
    try:
        return Fabric(accelerator=device, devices=devices, num_nodes=machines,
                      precision=PRECISIONS[config.precision],  # type: ignore[arg-type]
                      strategy='ddp' if devices * machines > 1 else 'auto')
    except (RuntimeError, ValueError) as error:  # it checks the variables of SLURM
        raise InputError(f'Lightning Fabric refuses these devices: {error}') from error


def _launched(requested: int) -> tuple[int, int] | None:
    """Return processes per machine and machines if torchrun or SLURM launched this process."""
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    for environment, total, machines, hint in (
            (TorchElasticEnvironment, 'WORLD_SIZE', 'GROUP_WORLD_SIZE',
             'torchrun --nproc_per_node'),
            (SLURMEnvironment, 'SLURM_NTASKS', 'SLURM_NNODES', 'srun --ntasks-per-node')):
        if environment.detect():
            count = int(os.environ.get(machines, 1))
            processes = int(os.environ[total]) // count
            if requested not in (0, 1, processes):
                raise InputError(f'{hint} started {processes} on each machine, but devices is '
                                 f'{requested}: give {hint} {requested}, or leave --devices out')
            return processes, count
    return None


def gather_texts(fabric: Fabric, texts: list[str]) -> list[str]:
    """Return the texts of all processes, by rank; a collective operation."""
    gathered = [texts] * fabric.world_size
    if fabric.world_size > 1:
        distributed.all_gather_object(gathered, texts)
    return [text for texts in gathered for text in texts]
