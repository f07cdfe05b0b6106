"""`mask3d completion`: what the shells complete with its script."""

from pathlib import Path
import shutil
import subprocess
import sys

from command_line import mask3d
from mask3d_core.cli import COMMANDS
import pytest

COMPLETE = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_shtab_mask3d
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completions(folder: Path, *words: str) -> set[str]:
    """Return what bash completes the last word with, in a folder with a script `mask3d.bash`."""
    done = subprocess.run(['bash', '-c', COMPLETE, 'bash', 'mask3d.bash', 'mask3d', *words],
                          cwd=folder, capture_output=True, text=True, timeout=300, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the script for bash, a scan and a folder of scans."""
    pytest.importorskip('shtab')
    if shutil.which('bash') is None:
        pytest.skip('there is no bash')
    folder = tmp_path_factory.mktemp('completion')
    (folder / 'room.ply').touch()
    (folder / 'rooms').mkdir()
    done = mask3d('completion', 'bash')
    assert done.returncode == 0, done.stderr
    (folder / 'mask3d.bash').write_text(done.stdout)
    return folder


@pytest.mark.parametrize('words, expected', [
    (['se'], {'segment'}), (['segment', '--sc'], {'--score-threshold'}),
    (['segment', 'roo'], {'room.ply', 'rooms'}),
    (['segment', 'room.ply', 'roo'], {'room.ply', 'rooms'}),
    (['segment', 'room.ply', '-o', 'roo'], {'rooms'}),
    (['segment', 'room.ply', '--precision', 'b'], {'bfloat16'}),
    (['prepare', 'fo'], {'folder'}), (['prepare', 'folder', '--val'], {'--validation'}),
    (['prepare', 'check', 'roo'], {'room.ply', 'rooms'}), (['completion', ''], {'bash', 'zsh'})])
def test_bash_completes(folder: Path, words: list[str], expected: set[str]) -> None:
    assert completions(folder, *words) == expected


def test_all_commands_are_completed(folder: Path) -> None:
    assert completions(folder, '') == set(COMMANDS)


def test_a_script_for_zsh() -> None:
    pytest.importorskip('shtab')
    done = mask3d('completion', 'zsh')
    assert done.returncode == 0 and done.stdout.startswith('#compdef mask3d\n')
    for module in COMMANDS.values():
        assert module.SUMMARY.partition("'")[0] in done.stdout
    if zsh := shutil.which('zsh'):
        subprocess.run([zsh, '-n'], input=done.stdout, text=True, check=True, timeout=300)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'shtab', None)
    done = mask3d('completion', 'bash')
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr == (
        "mask3d: completion scripts are made by another package: pip install "
        "'mask3d_ros[completion]' (or: pip install shtab)\n")
