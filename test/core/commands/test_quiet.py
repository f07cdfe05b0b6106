"""--quiet: nothing but warnings and errors on stderr; results stay. And what needs no torch."""

from pathlib import Path
import subprocess
import sys

from command_line import mask3d, scan_file, weights_file
from mask3d_core import progress
from mask3d_core.cli import build_parser, COMMANDS
import pytest

__all__ = ['scan_file', 'weights_file']  # fixtures
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize('place', [0, 1, 4])
def test_segment_is_quiet(place: int, weights_file: Path, scan_file: Path, tmp_path: Path) -> None:
    words = ['segment', scan_file, '-o', tmp_path, '--weights', weights_file]
    words.insert(place, '-q')
    done = mask3d(*words)
    assert done.returncode == 0 and done.stderr == ''
    assert 'instances\n' in done.stdout
    assert 'mask3d: reading' in mask3d(*(word for word in words if word != '-q')).stderr


def test_bench_is_quiet(weights_file: Path, scan_file: Path) -> None:
    done = mask3d('bench', scan_file, '--weights', weights_file, '--repeats', '1', '--quiet')
    assert done.returncode == 0 and done.stderr == '' and 'GFLOP/s' in done.stdout


def test_prepare_names_only_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / 'raw'
    folder.mkdir()
    (folder / 'broken.ply').write_text('no scan')
    header = ('ply\nformat ascii 1.0\nelement vertex 60\n' + ''.join(
        f'property {kind} {name}\n' for kind, name in (
            ('float', 'x'), ('float', 'y'), ('float', 'z'), ('uint', 'label'),
            ('uint', 'instance'))) + 'end_header\n')
    (folder / 'fine.ply').write_text(header + ''.join(
        f'{number} {number % 7} 0 5 1\n' for number in range(60)))
    prepare = ['prepare', 'folder', folder, tmp_path / 'out', '--classes', 'scannet20',
               '--workers', '1']
    loud, quiet = mask3d(*prepare), mask3d(*prepare, '--quiet')
    assert 'fine' in loud.stderr and 'broken' in loud.stderr
    assert 'fine' not in quiet.stderr and 'broken  FAILED' in quiet.stderr
    assert quiet.returncode == loud.returncode == 1


def test_every_command_has_the_option() -> None:
    parser = build_parser()
    given = {'segment': ['x.ply', '-o', 'o'], 'convert': ['a', 'b'], 'info': ['x'],
             'bench': ['x'], 'prepare': ['check', 'd'], 'export': ['a', 'b'], 'study': ['d'],
             'view': ['x'], 'figures': ['x'], 'completion': ['bash']}
    for command in COMMANDS:
        words = [command, *given.get(command, [])]
        assert 'quiet' in parser.parse_args([*words, '--quiet']), command
        assert 'quiet' in parser.parse_args(['--quiet', *words]), command
        assert 'quiet' not in parser.parse_args(words), command


def test_silence_ends_with_its_context(capsys: pytest.CaptureFixture[str]) -> None:
    line = progress.ProgressLine()
    with progress.silenced():
        with progress.silenced(False):
            progress.log('reading')
        line.show('step 1', last=True)
        line.message('epoch 1')
        line.report('warning: odd')
        progress.warn('even')
    progress.log('writing')
    assert capsys.readouterr().err.splitlines() == [
        'mask3d: warning: odd', 'mask3d: warning: even', 'mask3d: writing']


@pytest.mark.parametrize('words', [
    ['--version'], ['segment', '--help'], ['prepare', 'rooms', '--help'], ['info', 'SCAN'],
    ['info', 'SCAN', '--json'], ['info', 'none.ply'], ['info', 'none.weights'],
    ['segment', 'none.ply', '-o', 'out'], ['segment', 'none.ply', 'BROKEN', '-o', 'out'],
    ['segment', 'BROKEN', '-o', 'out', '--json'], ['segment', 'SCAN', '-o', 'SCAN'],
    ['segment', 'SCAN', '-o', 'out', '--weights', 'none.weights'],
    ['segment', 'SCAN', '-o', 'out', '--top-k', 'many'], ['bench', 'none.ply'],
    ['bench', 'SCAN', '--weights', 'none.weights'], ['bench', 'SCAN', '--recompute'],
    ['export', 'none.weights', 'x.onnx'], ['prepare', 'check', 'none'],
    ['evaluate', 'none', '--weights', 'none.weights'], ['evaluate', 'none', '--predictions', 'x']],
    ids=' '.join)
def test_torch_is_not_imported_where_only_files_are_touched(
        words: list[str], scan_file: Path, tmp_path: Path) -> None:
    """It takes most of the seconds that a command needs to start."""
    broken = tmp_path / 'broken.ply'
    broken.write_text('no scan')
    places = {'SCAN': str(scan_file), 'BROKEN': str(broken)}
    code = ('import sys; from mask3d_core.cli import main\n'
            'try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n'
            "assert 'torch' not in sys.modules, 'imported torch'")
    done = subprocess.run(
        [sys.executable, '-c', code, *(places.get(word, word) for word in words)], cwd=tmp_path,
        env={'PYTHONPATH': str(ROOT)}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
