"""`mask3d segment` of several scans: one call, one progress bar, a folder each."""

import json
from pathlib import Path
import re

from command_line import mask3d, scan_file, weights_file
from mask3d_core.cli import main
import numpy as np
import pytest

__all__ = ['scan_file', 'weights_file']  # fixtures
FILES = {'instances.npz', 'instances.json'}


@pytest.fixture
def scans(scan_file: Path, tmp_path: Path) -> list[Path]:
    """Return a room, a file that is no scan, and half of the room."""
    room = np.load(scan_file)
    paths = [tmp_path / name for name in ('room.npz', 'broken.ply', 'half.npz')]
    np.savez(paths[0], **room)
    paths[1].write_text('no scan')
    np.savez(paths[2], xyz=room['xyz'][::2], color=room['color'][::2])
    return paths


def test_a_scan_that_fails_does_not_lose_the_others(scans: list[Path], weights_file: Path,
                                                    tmp_path: Path) -> None:
    segment = ['segment', '--weights', weights_file, '--device', 'cpu', '--score-threshold', '0']
    out = tmp_path / 'found'
    done = mask3d(*segment, *scans, '-o', out)

    assert done.returncode == 1
    assert sorted(path.name for path in out.iterdir()) == ['half', 'room']
    for name in ('half', 'room'):
        assert {path.name for path in (out / name).iterdir()} == {
            *FILES, f'{name}.ply', f'{name}.png'}
    assert f'mask3d: {scans[1]}: ' in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f'mask3d: 1 of 3 files failed, see above: {scans[1]}')
    assert re.findall(r'^(.*npz)$', done.stdout, re.M) == [str(scans[0]), str(scans[2])]
    assert done.stdout.count(' instances\n') == 2
    assert done.stdout.endswith('\n2 of 3 scans segmented\n')
    assert f'scan 3/3 [{30 * "#"}] 0:00:00 left' in done.stderr
    alone = mask3d(*segment, scans[0], '-o', tmp_path / 'alone')
    assert alone.returncode == 0
    one, two = (np.load(folder / 'instances.npz') for folder in (out / 'room', tmp_path / 'alone'))
    assert len(one['score']) > 0
    for name in one.files:
        np.testing.assert_array_equal(one[name], two[name], name)


def test_the_document_names_what_failed(scans: list[Path], weights_file: Path, tmp_path: Path,
                                        ) -> None:
    done = mask3d('segment', '--weights', weights_file, '--device', 'cpu', *scans, '-o',
                  tmp_path / 'found', '--json', '--quiet')

    assert done.returncode == 1 and 'left' not in done.stderr
    room, broken, half = json.loads(done.stdout)['files']
    assert (room['points'], half['points']) == (5000, 2500)
    assert broken.keys() == {'file', 'error'}
    assert room['folder'] == str(tmp_path / 'found' / 'room')


def test_tiles_advance_the_one_bar(scans: list[Path], weights_file: Path, tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_core.progress.MIN_LINE_INTERVAL', 0.0)
    done = mask3d('segment', '--weights', weights_file, '--device', 'cpu', scans[0], scans[2],
                  '-o', tmp_path / 'found', '--tile-size', '1', '--tile-margin', '0.1')

    assert done.returncode == 0, done.stderr
    lines = re.findall(r'scan (\d)/2 \[(#*)', done.stderr)
    assert len(lines) > 8 and lines[-1] == ('2', 30 * '#')
    assert lines == sorted(lines), 'it never goes back'
    assert 'tile ' not in done.stderr


@pytest.mark.parametrize('options', [
    ['--weights', 'none.weights'], ['--classes', 'unicorn'], ['--device', 'teapot']])
def test_what_is_wrong_for_all_scans_is_said_once(
        scans: list[Path], options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = scans[0].parent / 'found'
    assert main(['segment', str(scans[0]), str(scans[2]), '-o', str(out), *options]) == 1
    failures = [line for line in capsys.readouterr().err.splitlines() if options[1] in line]
    assert len(failures) == 1 and not out.exists()


def test_warnings_name_their_scan_and_survive_quiet(weights_file: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ('one', 'two'):
        np.savez(tmp_path / f'{name}.npz', xyz=random.uniform(0, 4000, (3000, 3)),
                 color=random.uniform(0, 1, (3000, 3)))
    paths = [tmp_path / f'{name}.npz' for name in ('one', 'two')]
    done = mask3d('segment', '-q', *paths, '-o', tmp_path / 'found', '--weights', weights_file)
    assert done.returncode == 0, done.stderr
    for path in paths:
        assert f'mask3d: warning: {path}: the scan ' in done.stderr
    alone = mask3d('segment', paths[0], '-o', tmp_path / 'alone', '--weights', weights_file, '-q')
    assert alone.stderr.startswith('mask3d: warning: the scan ')
    assert 'reading' not in alone.stderr
