"""What is installed, and which device the network will run on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module, metadata, util
import os
import platform
from typing import Final

NEEDED: Final = ('numpy', 'scipy', 'torch', 'pillow')
OPTIONAL: Final = {
    'rosbags': ('rosbags', 'reads .mcap and .db3 bags: pip install rosbags'),
    'lightning-fabric': ('lightning_fabric', 'training: pip install lightning-fabric'),
    'pyyaml': ('yaml', 'training: pip install pyyaml'),
    'tensorboard': ('tensorboard', 'training: pip install tensorboard'),
    'rclpy': ('rclpy', 'the ROS 2 node; source the setup file of your ROS 2')}
"""By package: the module it brings, and what for. Those of pip are the extras in setup.py."""


@dataclass(frozen=True)
class Finding:
    """
    One fact about this machine.

    Attributes
    ----------
    name, value : str
    good : bool
        False when the network cannot run because of it.

    """

    name: str
    value: str
    good: bool = True


def examine() -> list[Finding]:
    """Look at everything that matters to the network, without changing anything."""
    findings = [
        Finding('system', f'{platform.system()} {platform.machine()}, '
                          f'{_cores()} CPU cores'),
        Finding('python', platform.python_version())]
    findings += [_package(name) for name in NEEDED]
    findings += [_optional(name, module, use) for name, (module, use) in OPTIONAL.items()]
    if all(finding.good for finding in findings):
        findings += _device()
    return findings


def _cores() -> int:
    """Return how many cores this process may use, which in a container are not all there are."""
    affinity = getattr(os, 'sched_getaffinity', None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str) -> Finding:
    version = _version(name)
    if version is None:
        return Finding(name, f'missing: pip install {name}', False)
    return Finding(name, version)


def _optional(name: str, module: str, use: str) -> Finding:
    # rclpy of a ROS 2 installation is importable without being a package pip knows
    if util.find_spec(module) is None:
        return Finding(name, f'not installed ({use})')
    return Finding(name, _version(name) or 'installed')


def _device() -> list[Finding]:
    try:
        torch = import_module('torch')
    except (ImportError, OSError) as error:
        return [Finding('device', f'torch cannot be loaded: {error}', False)]
    findings = [Finding('torch threads', str(torch.get_num_threads()))]
    reason = why_no_cuda()
    if reason is None:
        device = torch.cuda.get_device_properties(0)
        return [*findings, Finding(
            'device', f'cuda: {device.name}, {device.total_memory / 2**30:.0f} GB, '
                      f'compute capability {device.major}.{device.minor}, '
                      f'CUDA {torch.version.cuda}')]
    return [*findings, Finding('device', 'cpu'), *_bfloat16(), Finding('why not cuda', reason)]


def _bfloat16() -> list[Finding]:
    """Say whether the processor multiplies bfloat16 itself, where torch knows: on x86."""
    import torch

    able: dict[str, object] = getattr(torch.cpu, 'get_capabilities', dict)()
    if 'avx512_bf16' not in able:
        return []
    by = 'AMX' if able.get('amx_bf16') else 'AVX-512' if able['avx512_bf16'] else None
    return [Finding('bfloat16', 'not in hardware: float32 is faster' if by is None else
                    f'in hardware ({by}): --precision bfloat16 is faster')]


def why_no_cuda() -> str | None:
    """Return why torch cannot use an NVIDIA GPU and what to do, None when it can."""
    import torch

    if torch.version.cuda is None:
        return (f'torch {torch.__version__} is built without CUDA: to use an NVIDIA GPU, install '
                'a CUDA build of torch')
    try:
        count = torch.cuda.device_count()
        torch.cuda.current_device()  # loads the driver, which says what is wrong with it
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
