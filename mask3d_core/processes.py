"""Processes that share work, and fail together: Lightning Fabric under torchrun or SLURM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
import os
from typing import Any, TYPE_CHECKING

from mask3d_core.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MAX_WAIT = timedelta(days=1)
"""For the slowest process; by default Fabric ends the others after minutes."""


@dataclass(frozen=True)
class Failure:
    """What another process receives from one that failed: the sentence that says why."""

    text: str


class OtherProcessFailed(InputError):
    """Another process failed; the sentence is its own."""


class Processes:
    """
    This process and those that run the same command.

    Parameters
    ----------
    fabric : Fabric or None
        Launched; None: this process is alone.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and of all.
    device : str or None
        Of this process; None: its own choice.

    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.rank = 0 if fabric is None else fabric.global_rank
        self.size = 1 if fabric is None else fabric.world_size
        self.device = None if fabric is None else str(fabric.device)

    def gather(self, item: Any) -> list[Any]:
        """
        Return the items of all processes, by rank; a collective operation.

        Raises
        ------
        OtherProcessFailed
            In all processes, if one of them has left `together` with an error.

        """
        items = self._exchange(item)
        for failure in items:
            if isinstance(failure, Failure):
                raise OtherProcessFailed(failure.text)
        return items

    @contextmanager
    def together(self) -> Iterator[None]:
        """
        Let only rank 0 print, and let all processes fail if one does.

        All processes leave the `with` statement together, and must agree on their calls of
        `gather` in it.
        """
        try:
            with ExitStack() as stack:
                if self.rank:
                    nowhere = stack.enter_context(open(os.devnull, 'w'))
                    stack.enter_context(redirect_stdout(nowhere))
                    stack.enter_context(redirect_stderr(nowhere))
                yield
        except OtherProcessFailed:
            raise
        except (InputError, OSError) as error:
            self._exchange(Failure(str(error)))
            raise
        self.gather(None)

    def _exchange(self, item: Any) -> list[Any]:
        return [item] if self._fabric is None else gather(self._fabric, item)


def join_processes(device: str = 'auto') -> Processes:
    """
    Return the processes that torchrun started with this one, or this one alone.

    Parameters
    ----------
    device : str
        'auto', 'cpu' or 'cuda'; 'cuda:1' is for one process.

    Raises
    ------
    InputError
        If Fabric is not installed, or there are fewer GPUs than processes.

    """
    if 'TORCHELASTIC_RUN_ID' not in os.environ or os.environ.get('WORLD_SIZE') == '1':
        return Processes()
    if device not in ('auto', 'cpu', 'cuda'):
        raise InputError(f'torchrun gives each process a device of its own: use --device cuda or '
                         f'cpu instead of {device}')
    fabric = make_fabric(device, devices=0, timeout=MAX_WAIT)
    fabric.launch()
    return Processes(fabric)


def make_fabric(device: str, devices: int, machines: int = 1, precision: str = '32-true',
                timeout: timedelta | None = None) -> Fabric:
    """
    Return Fabric, to be launched.

    Under torchrun and SLURM the launcher determines the number of processes.

    Parameters
    ----------
    device : str
        'auto', 'cpu' or 'cuda'.
    devices : int
        GPUs (on CPUs: processes) per machine; 0: all GPUs, or one process.
    machines : int
    precision : str
        As Fabric names it.
    timeout : timedelta, optional
        Of collective operations; by default that of Fabric.

    Raises
    ------
    InputError
        If Fabric is not installed, or the devices do not exist or do not match SLURM's.

    """
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy
    except ImportError as error:
        raise InputError('training, and sharing work among processes, need Lightning Fabric: '
                         'pip install lightning-fabric tensorboard') from error
    import torch

    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    devices, machines = _launched(devices) or (devices, machines)
    present = torch.cuda.device_count() if device == 'cuda' else os.cpu_count() or 1
    if device == 'cuda' and (present == 0 or devices > present):
        raise InputError(f'{max(devices, 1)} GPUs are requested, torch sees {present} (see '
                         '`mask3d doctor`): set --devices, or --device cpu')
    devices = devices or (present if device == 'cuda' else 1)
    ddp = 'ddp' if timeout is None else DDPStrategy(timeout=timeout)
    try:
        return Fabric(accelerator=device, devices=devices, num_nodes=machines,
                      precision=precision,  # type: ignore[arg-type]
                      strategy=ddp if devices * machines > 1 else 'auto')
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


def gather(fabric: Fabric, item: Any) -> list[Any]:
    """Return the items of all processes, by rank; a collective operation."""
    gathered = [item] * fabric.world_size
    if fabric.world_size > 1:
        from torch import distributed

        distributed.all_gather_object(gathered, item)
    return gathered
