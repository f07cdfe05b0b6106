"""How OpenMP's threads wait: set by the package, and never over what the user has set."""

import os
import subprocess
import sys

from mask3d_core.openmp import SHORT_WAIT, wait_briefly, WAIT_VARIABLES
import pytest


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose environment says nothing else of OpenMP."""
    environment = {name: value for name, value in os.environ.items() if name not in WAIT_VARIABLES}
    return subprocess.run([sys.executable, '-c', code], env=environment | variables, check=True,
                          capture_output=True, text=True)


def doctor_says(code: str, **variables: str) -> str:
    """Return what `mask3d doctor` says of OpenMP in a process that has run some code."""
    return python(f'{code}\nfrom mask3d_core.doctor import run_checks\n'
                  'print({check.name: check.value for check in run_checks()}["OpenMP"])',
                  **variables).stdout.strip()


def variables_after(code: str, **variables: str) -> dict[str, str]:
    """Return the variables of OpenMP in a process that has run some code."""
    said = python(f'{code}\nimport os\n'
                  f'print(*[f"{{n}}={{os.environ[n]}}" for n in {WAIT_VARIABLES} '
                  f'if n in os.environ])',
                  **variables).stdout
    return dict(pair.split('=') for pair in said.split())


def test_the_package_sets_a_short_wait() -> None:
    assert variables_after('import mask3d_core') == SHORT_WAIT


@pytest.mark.parametrize('entry', ['mask3d_core.cli', 'mask3d_core.segmenter'])
def test_torch_is_imported_after_the_wait_is_set(entry: str) -> None:
    assert variables_after(f'import {entry}') == SHORT_WAIT


def test_the_runtime_of_torch_uses_it() -> None:
    shown = python('import mask3d_core, torch', OMP_DISPLAY_ENV='VERBOSE').stderr
    if 'GOMP_SPINCOUNT' not in shown:
        pytest.skip("torch has another OpenMP runtime than GCC's")
    assert f"GOMP_SPINCOUNT = '{SHORT_WAIT['GOMP_SPINCOUNT']}'" in shown


@pytest.mark.parametrize('given', [
    {'OMP_WAIT_POLICY': 'ACTIVE'}, {'GOMP_SPINCOUNT': '77'}, {'KMP_BLOCKTIME': '0'},
    SHORT_WAIT | {'KMP_BLOCKTIME': '5'}])
def test_what_the_user_has_set_stays(given: dict[str, str]) -> None:
    assert variables_after('import mask3d_core', **given) == given


def test_doctor_says_who_has_set_it() -> None:
    assert doctor_says('') == ('threads sleep after a short wait '
                               '(set by mask3d: GOMP_SPINCOUNT=100, KMP_BLOCKTIME=0)')
    assert doctor_says('', OMP_WAIT_POLICY='ACTIVE') == 'OMP_WAIT_POLICY=ACTIVE (set by the user)'


def test_a_torch_imported_first_has_read_its_settings() -> None:
    assert doctor_says('import torch') == (
        'threads wait as by default (mask3d was imported after torch: no effect)')
    assert variables_after('import torch, mask3d_core') == {}


def test_a_process_of_ours_inherits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in SHORT_WAIT.items():
        monkeypatch.setenv(name, value)
    assert 'torch' in sys.modules and 'set by mask3d' in wait_briefly.__wrapped__()


def test_a_preloaded_runtime_has_read_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('LD_PRELOAD', '/usr/lib/aarch64-linux-gnu/libgomp.so.1')
    assert 'after libgomp, by LD_PRELOAD: no effect' in wait_briefly.__wrapped__()
    assert not set(WAIT_VARIABLES) & set(os.environ)


def test_the_tests_have_it_or_what_the_user_has_set() -> None:
    assert 'set by' in wait_briefly(), 'something imports torch before test/conftest.py'
