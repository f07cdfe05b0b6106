"""The set-up of the environment: steps skipped or repeated, repairs, error messages."""

import importlib.util
from pathlib import Path
import subprocess
import sys
import sysconfig
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / 'tools' / 'setup_venv.py'


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script as a module that works in an empty folder."""
    spec = importlib.util.spec_from_file_location('setup_venv', SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, path in {'ROOT': tmp_path, 'VENV': tmp_path / '.venv',
                       'SITE_PACKAGES': tmp_path / '.venv' / 'site',
                       'LOGS': tmp_path / '.venv' / 'log'}.items():
        monkeypatch.setattr(module, name, path)
    (tmp_path / '.venv').mkdir()
    return module


def test_a_step_runs_when_its_inputs_change(setup: ModuleType) -> None:
    runs: list[int] = []

    def count() -> None:
        runs.append(1)

    assert [setup._step('x', count, inputs) for inputs in ('a', 'a', 'b')] == [True, False, True]
    assert setup._step('x', count, 'b', again=True)
    assert len(runs) == 3


def test_a_step_that_failed_runs_again(setup: ModuleType) -> None:
    def fail() -> None:
        raise setup.SetupError('no')

    for _ in range(2):
        with pytest.raises(setup.SetupError):
            setup._step('x', fail, 'a')


def test_a_failed_command_gives_one_sentence_and_a_log(setup: ModuleType) -> None:
    code = "print('ERROR: No matching distribution found'); print('bye'); raise SystemExit(3)"
    with pytest.raises(setup.SetupError, match='no download .*ERROR: No matching distribution'):
        setup._call([sys.executable, '-c', code], 'pip', 'no download')
    assert (setup.LOGS / 'pip.txt').read_text().endswith('bye\n')


def test_a_missing_compiler_is_named(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(setup.SetupError, match=r'no C\+\+ compiler.*apt install g\+\+'):
        setup.check_compiler()


def test_requirements_are_installed_at_the_pinned_versions(
        setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(setup, '_call', lambda command, log, failed: calls.append(command))
    setup.install_docs_packages()
    folder = SCRIPT.parent.parent / 'requirements'
    assert calls == [[f'{setup.DOCS_VENV}/bin/python', '-m', 'pip',
                      '--disable-pip-version-check', 'install',
                      '-c', f'{folder}/pins.txt', '-r', f'{folder}/docs.txt']]


def test_an_old_python_is_refused(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.sys, 'version_info', (3, 9, 18))
    with pytest.raises(setup.SetupError, match=r'3\.10 or newer is needed and .* is 3\.9: '):
        setup.check_machine()


def test_the_exports_point_to_this_machine(setup: ModuleType) -> None:
    folder = setup.VENV / 'share' / 'std_msgs' / 'cmake'
    folder.mkdir(parents=True)
    export = folder / 'export_std_msgs__rosidl_generator_pyExport.cmake'
    line = '  INTERFACE_INCLUDE_DIRECTORIES "{}"\n'
    ours = line.format('${_IMPORT_PREFIX}/include/std_msgs')
    export.write_text(line.format('/opt/python/cp311-cp311/include/python3.11;/opt/x') + ours)
    setup.repair_cmake_exports()
    include = sysconfig.get_path('include')
    assert export.read_text() == line.format(
        f'{include};{setup.SITE_PACKAGES}/numpy/_core/include') + ours


def test_a_failure_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / 'tools').mkdir()
    script = tmp_path / 'tools' / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    done = subprocess.run([sys.executable, str(script)], env={'PATH': str(tmp_path)}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith('setup: no C++ compiler') and done.stderr.count('\n') == 1
