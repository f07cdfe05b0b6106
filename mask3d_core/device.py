"""Devices the network runs on: their precision and memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import ctypes
import mmap
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mask3d_core.errors import InputError, NotEnoughMemoryError
from numpy.typing import NDArray
import torch
from torch import Tensor

PRECISIONS: Final = {'float32': torch.float32, 'bfloat16': torch.bfloat16,
                     'float16': torch.float16}
OUT_OF_MEMORY: Final = ('allocate memory', 'out of memory', "can't start new thread",
                        'error return without exception set')
"""Parts of messages of other errors that torch and Python raise where an allocation fails."""
BYTES_PER_VOXEL: Final = 8_000
BYTES_PER_MASK: Final = 12
"""
Memory of the full network, per voxel, and per voxel and query; rounded up from the peak memory in
docs/benchmarks.md.

Smaller backbones need less. The estimate only has to reject maps that cannot fit.
"""
CGROUP_FILES: Final = (('memory.max', 'memory.current', 'inactive_file'),
                      ('memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'))
"""
Of control groups, versions 2 and 1: files of the limit and of the usage, and the part of the usage
that is cache of files, by its name in `memory.stat`: it is given back when memory is needed.
"""


def find_device(name: str) -> torch.device:
    """
    Return the device named 'auto' (CUDA if available, else CPU), 'cpu', 'cuda' or 'cuda:1'.

    Raises
    ------
    InputError
        For another name, or if torch has no such CUDA device.

    """
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; expected 'auto', 'cpu', 'cuda' or "
                         "'cuda:1'") from error
    if device.type not in ('cpu', 'cuda'):
        raise InputError(f'device {name!r} is not supported; expected auto, cpu or cuda')
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f'device {name!r} does not exist: torch sees {torch.cuda.device_count()} '
                         "CUDA devices (mask3d doctor shows why); use 'cpu' or 'auto'")
    return device


def find_precision(name: str) -> torch.dtype:
    """Return the dtype named float32, bfloat16 or float16; raise InputError for another name."""
    if name not in PRECISIONS:
        raise InputError(f'unknown precision {name!r}; expected ' + ', '.join(PRECISIONS))
    return PRECISIONS[name]


def check_memory(device: torch.device, num_voxels: int, num_queries: int) -> None:
    """Raise NotEnoughMemoryError if a scan with this many voxels would not fit into memory."""
    needed = num_voxels * (BYTES_PER_VOXEL + BYTES_PER_MASK * num_queries)
    free = free_memory(device)
    if free is not None and needed > free:
        raise NotEnoughMemoryError(
            f'too many voxels: {num_voxels} with {num_queries} queries need about '
            f'{needed / 1e9:.1f} GB, {device} has {free / 1e9:.1f} GB free; crop the map, use '
            'fewer queries, or weights with larger voxels')


@contextmanager
def guard_memory(advice: str) -> Iterator[None]:
    """
    Turn an out-of-memory error into a NotEnoughMemoryError.

    `advice` continues 'the memory is too small': what it is too small for, and what to do.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError, SystemError) as error:
        if not (isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
                or any(text in str(error) for text in OUT_OF_MEMORY)):
            raise
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        raise NotEnoughMemoryError(f'the memory is too small {advice}') from error


def free_memory(device: torch.device, root: Path = Path('/')) -> int | None:
    """
    Return the free bytes of a device; None if the platform does not report them.

    On the host these are what the control groups of the process leave, as those of a container do.

    Parameters
    ----------
    device : torch.device
    root : path
        Folder with the `proc` and `sys` of Linux.

    """
    if device.type == 'cuda':
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    host = [int(line.split()[1]) * 1024 for line in _lines(root / 'proc/meminfo')
            if line.startswith('MemAvailable:')]
    return min([*host, *_free_in_cgroups(root)], default=None)


def _free_in_cgroups(root: Path) -> Iterator[int]:
    """
    Yield what is free of each limit of the control groups of this process, and of those above.

    In a container of version 1 the process has the path that the host knows, of which only the
    top exists: there is the limit of the container.
    """
    for line in _lines(root / 'proc/self/cgroup'):
        _, controllers, name = line.split(':', 2)
        if controllers and 'memory' not in controllers.split(','):
            continue
        group, top = PurePosixPath(name.lstrip('/')), root / 'sys/fs/cgroup'
        for part in (group, *group.parents):
            yield from _free_in_cgroup(top / ('memory' if controllers else '') / part)


def _free_in_cgroup(folder: Path) -> Iterator[int]:
    for limit, usage, cache in CGROUP_FILES:
        with suppress(OSError, ValueError):  # other files, or no number: without limit
            free = int((folder / limit).read_text()) - int((folder / usage).read_text())
            stat = dict(line.split() for line in _lines(folder / 'memory.stat'))
            yield max(free + int(stat.get(cache, 0)), 0)


def _lines(file: Path) -> list[str]:
    """Return the lines of a file, none where it does not exist or must not be read."""
    with suppress(OSError):
        return file.read_text(errors='replace').splitlines()
    return []


def to_host(*tensors: Tensor) -> list[NDArray[Any]]:
    """
    Return tensors as arrays; those of a GPU are copied together, and awaited once.

    Copies go into pinned memory, which the GPU writes itself. Arrays of tensors on the CPU share
    their memory.
    """
    pinned = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
              .copy_(tensor, non_blocking=True) if tensor.device.type == 'cuda' else tensor.cpu()
              for tensor in tensors]
    for device in {tensor.device for tensor in tensors if tensor.device.type == 'cuda'}:
        torch.cuda.current_stream(device).synchronize()
    return [tensor.numpy() for tensor in pinned]


def resident_bytes() -> int:
    """Return the memory that this process has now, 0 where the system does not report it."""
    pages = Path('/proc/self/statm')
    return int(pages.read_text().split()[1]) * mmap.PAGESIZE if pages.exists() else 0


def give_back_memory() -> bool:
    """
    Return freed memory to the system, and whether that was possible.

    The allocator of glibc keeps it otherwise: half a gigabyte after a map of two million points.
    """
    try:
        return bool(ctypes.CDLL('libc.so.6').malloc_trim(0))
    except (AttributeError, OSError):
        return False
