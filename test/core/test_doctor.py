"""`mask3d doctor` reports what is installed, and why no GPU is used."""

from importlib import metadata
import os
from pathlib import Path
import re
import subprocess
import sys
from typing import NamedTuple

from mask3d_core import doctor
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def test_all_required_packages_are_found() -> None:
    checks = {check.name: check for check in doctor.run_checks()}

    assert all(check.passed for check in checks.values())
    assert checks['torch'].value == metadata.version('torch')
    assert checks['torch threads'].value == str(torch.get_num_threads())
    assert checks['device'].value.startswith('cuda' if torch.cuda.is_available() else 'cpu')


@pytest.mark.parametrize(('able', 'expected'), [
    ({'avx512_bf16': True, 'amx_bf16': True}, ['hardware support (AMX): --precision bfloat16']),
    ({'avx512_bf16': True, 'amx_bf16': False},
     ['hardware support (AVX-512): --precision bfloat16']),
    ({'avx512_bf16': False, 'amx_bf16': False}, ['no hardware support: float32 is faster']),
    ({'architecture': 'aarch64'}, []),
])
@pytest.mark.skipif(torch.cuda.is_available(), reason='has a GPU: the CPU does not matter')
def test_bfloat16_instructions_of_the_processor(
        monkeypatch: pytest.MonkeyPatch, able: dict[str, object], expected: list[str]) -> None:
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: able, raising=False)
    said = [check.value for check in doctor.run_checks() if check.name == 'bfloat16']
    assert len(said) == len(expected)
    assert all(value.startswith(start) for value, start in zip(said, expected))


def test_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, 'REQUIRED_PACKAGES', ('numpy', 'package_that_is_not_there'))

    bad = [check for check in doctor.run_checks() if not check.passed]

    assert [check.name for check in bad] == ['package_that_is_not_there']
    assert bad[0].value == 'missing: pip install package_that_is_not_there'


def test_every_extra_is_listed_with_its_version_or_how_to_get_it(
        monkeypatch: pytest.MonkeyPatch) -> None:
    extras = re.search(r"'train': \[(.*?)\]", (ROOT / 'setup.py').read_text())
    assert extras is not None
    names = {name.split('>')[0] for name in re.findall(r"'(.*?)'", extras[1])}
    assert names <= doctor.OPTIONAL_PACKAGES.keys()
    for name in names - {'rosbags'}:
        pytest.importorskip(doctor.OPTIONAL_PACKAGES[name][0])
    values = {check.name: check.value for check in doctor.run_checks()}
    assert all(values[name] == metadata.version(name) for name in names)

    monkeypatch.setitem(doctor.OPTIONAL_PACKAGES, 'pyyaml',
                        ('no_yaml', 'training: pip install pyyaml'))
    check, = (check for check in doctor.run_checks() if check.name == 'pyyaml')
    assert check.passed and check.value == 'not installed (training: pip install pyyaml)'


@pytest.mark.skipif(torch.version.cuda is not None, reason='torch is built with CUDA')
def test_a_torch_without_cuda_is_the_reason() -> None:
    reason = doctor.why_no_cuda()

    assert reason is not None
    assert re.search(r'built without CUDA.*install a CUDA build', reason)


@pytest.mark.skipif(torch.version.cuda is None, reason='torch is built without CUDA')
def test_hidden_gpus_are_the_reason() -> None:
    done = subprocess.run(
        [sys.executable, '-c', 'from mask3d_core.doctor import *; print(why_no_cuda())'],
        env=os.environ | {'CUDA_VISIBLE_DEVICES': ''}, capture_output=True, text=True, check=True)

    assert done.stdout.strip() not in ('', 'None')


class Gpu(NamedTuple):
    """What torch.cuda reports of a computer."""

    count: int = 1
    failure: str = ''
    capability: tuple[int, int] = (8, 6)
    kernels: tuple[str, ...] = ('sm_80', 'sm_90')
    name: str = 'NVIDIA RTX A2000'
    total_memory: int = 12 * 2**30
    major, minor = 8, 6

    def current_device(self) -> int:
        if self.failure:
            raise RuntimeError(f'{self.failure}\nand a second line')
        return 0


def install(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch report a GPU."""
    monkeypatch.setattr(torch.version, 'cuda', '12.8')
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    for name, value in {'device_count': gpu.count, 'get_device_capability': gpu.capability,
                        'get_arch_list': list(gpu.kernels), 'get_device_properties': gpu}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    monkeypatch.setattr(torch.cuda, 'current_device', gpu.current_device)


@pytest.mark.parametrize(('gpu', 'expected'), [
    (Gpu(failure='Found no NVIDIA driver'), '^Found no NVIDIA driver$'),
    (Gpu(count=0), 'the NVIDIA driver sees no GPU: check `nvidia-smi`'),
    (Gpu(capability=(6, 1)), r'has no kernels for compute capability 6\.1: install a build'),
    (Gpu(kernels=('sm_86',)), None),
    (Gpu(), None),  # kernels of the same major version run on it
])
def test_why_a_gpu_cannot_be_used(
        monkeypatch: pytest.MonkeyPatch, gpu: Gpu, expected: str | None) -> None:
    install(gpu, monkeypatch)
    reason = doctor.why_no_cuda()
    assert reason is None if expected is None else re.search(expected, reason or '')


def test_a_driver_error_names_the_variable_that_hides_gpus(
        monkeypatch: pytest.MonkeyPatch) -> None:
    install(Gpu(failure='No CUDA GPUs are available'), monkeypatch)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '7')
    reason = doctor.why_no_cuda()
    assert reason == "No CUDA GPUs are available (CUDA_VISIBLE_DEVICES is '7')"


def test_a_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    install(Gpu(), monkeypatch)
    checks = {check.name: check.value for check in doctor.run_checks()}
    assert checks['device'] == (
        'cuda: NVIDIA RTX A2000, 12 GiB, compute capability 8.6, CUDA 12.8')
    assert 'no CUDA because' not in checks and 'bfloat16' not in checks


def test_a_torch_that_cannot_be_loaded_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError('libcudart.so.12: cannot open shared object file')

    monkeypatch.setattr(doctor, 'import_module', broken)
    last = doctor.run_checks()[-1]
    assert not last.passed and last.value == (
        'torch cannot be loaded: libcudart.so.12: cannot open shared object file')
