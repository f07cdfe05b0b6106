"""`mask3d doctor` reports what is installed, and why no GPU is used."""

from importlib import metadata
import os
from pathlib import Path
import re
import subprocess
import sys

from mask3d_core import doctor
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def test_all_required_packages_are_found() -> None:
    checks = {check.name: check for check in doctor.run_checks()}

    assert all(check.passed for check in checks.values())
    assert checks['torch'].value == torch.__version__
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
