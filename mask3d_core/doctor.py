"""Check the installation: packages, and the device that the network will run on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module, metadata, util
import os
import platform
from typing import Final

from mask3d_core.openmp import wait_briefly

REQUIRED_PACKAGES: Final = ('numpy', 'scipy', 'torch', 'pillow')
OPTIONAL_PACKAGES: Final = {
    'rosbags': ('rosbags', 'needed to read .mcap and .db3 bags: pip install rosbags'),
    'lightning-fabric': ('lightning_fabric', 'needed for training: pip install lightning-fabric'),
    'pyyaml': ('yaml', 'needed for training: pip install pyyaml'),
    'tensorboard': ('tensorboard', 'needed for training: pip install tensorboard'),
    'rclpy': ('rclpy', 'needed for the ROS 2 node: source the setup.bash of ROS 2')}
"""Package name: module name, and its use. The pip packages are the extras of setup.py."""


@dataclass(frozen=True)
class DoctorCheck:
    """
    The result of one check: a line of `mask3d doctor`.

    Attributes
    ----------
    name, value : str
    passed : bool
        False if the network cannot run because of it.

    """

    name: str
    value: str
    passed: bool = True


def run_checks() -> list[DoctorCheck]:
    """Check everything that the network depends on, without changing anything."""
    checks = [
        DoctorCheck('system', f'{platform.system()} {platform.machine()}, '
                              f'{_cores()} CPU cores'),
        DoctorCheck('python', platform.python_version())]
    checks += [_package(name) for name in REQUIRED_PACKAGES]
    checks += [_optional(name, module, use) for name, (module, use) in OPTIONAL_PACKAGES.items()]
    if all(check.passed for check in checks):
        checks += _device()
    return checks


def _cores() -> int:
    """Return the number of cores available to this process, which a container can limit."""
    affinity = getattr(os, 'sched_getaffinity', None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str) -> DoctorCheck:
    version = _version(name)
    if version is None:
        return DoctorCheck(name, f'missing: pip install {name}', False)
    return DoctorCheck(name, version)


def _optional(name: str, module: str, use: str) -> DoctorCheck:
    # rclpy of a ROS 2 installation can be imported, but has no pip metadata
    if util.find_spec(module) is None:
        return DoctorCheck(name, f'not installed ({use})')
    return DoctorCheck(name, _version(name) or 'installed')


def _device() -> list[DoctorCheck]:
    try:
        torch = import_module('torch')
    except (ImportError, OSError) as error:
        return [DoctorCheck('device', f'torch cannot be loaded: {error}', False)]
    checks = [DoctorCheck('torch threads', str(torch.get_num_threads())),
              DoctorCheck('OpenMP', wait_briefly())]
    reason = why_no_cuda()
    if reason is None:
        device = torch.cuda.get_device_properties(0)
        return [*checks, DoctorCheck(
            'device', f'cuda: {device.name}, {device.total_memory / 2**30:.0f} GiB, '
                      f'compute capability {device.major}.{device.minor}, '
                      f'CUDA {torch.version.cuda}')]
    return [*checks, DoctorCheck('device', 'cpu'), *_bfloat16(),
            DoctorCheck('no CUDA because', reason)]


def _bfloat16() -> list[DoctorCheck]:
    """Check whether the CPU has bfloat16 instructions; torch reports that on x86 only."""
    import torch

    features: dict[str, object] = getattr(torch.cpu, 'get_capabilities', dict)()
    if 'avx512_bf16' not in features:
        return []
    unit = 'AMX' if features.get('amx_bf16') else 'AVX-512' if features['avx512_bf16'] else None
    return [DoctorCheck('bfloat16', 'no hardware support: float32 is faster' if unit is None else
                        f'hardware support ({unit}): --precision bfloat16 is faster')]


def why_no_cuda() -> str | None:
    """Return why torch cannot use an NVIDIA GPU and what to do, or None if it can."""
    import torch

    if torch.version.cuda is None:
        return (f'torch {torch.__version__} is built without CUDA: to use an NVIDIA GPU, install '
                'a CUDA build of torch')
    try:
        count = torch.cuda.device_count()
        torch.cuda.current_device()  # loads the driver, whose error message is specific
    except (RuntimeError, AssertionError) as error:
        hidden = os.environ.get('CUDA_VISIBLE_DEVICES')
        hint = '' if hidden is None else f' (CUDA_VISIBLE_DEVICES is {hidden!r})'
        return str(error).splitlines()[0].strip() + hint
    if count == 0:
        return 'the NVIDIA driver sees no GPU: check `nvidia-smi`'
    major, minor = torch.cuda.get_device_capability(0)
    if f'sm_{major}{minor}' not in torch.cuda.get_arch_list() and not any(
            name.startswith(f'sm_{major}') for name in torch.cuda.get_arch_list()):
        return (f'torch {torch.__version__} has no kernels for compute capability '
                f'{major}.{minor}: install a build of torch for this GPU')
    return None
