"""--json: one document and nothing else on stdout, or a file; the same for every command."""

import argparse
import json
from pathlib import Path

from command_line import mask3d, scan_file, weights_file
from mask3d_core.cli import main
from mask3d_core.commands.json_output import write_document
import numpy as np
import pytest

__all__ = ['scan_file', 'weights_file']  # fixtures


def test_info_is_one_document_whatever_the_files_are(weights_file: Path, scan_file: Path) -> None:
    done = mask3d('info', scan_file, weights_file, 'none.ply', '--json')

    assert done.returncode == 1
    scan, weights, missing = json.loads(done.stdout)['files']
    assert (scan['file'], scan['kind'], scan['format']) == (str(scan_file), 'scan', '.npz')
    assert (scan['points'], scan['without_position'], scan['frame']) == (5000, 0, '')
    np.testing.assert_allclose(scan['size'], np.subtract(scan['to'], scan['from']))
    assert scan['warnings'] == [] and len(scan['color_mean']) == 3
    assert weights['kind'] == 'weights' and weights['voxel_size'] == 0.05
    assert weights['model']['num_queries'] == 8 and weights['trained'] == {}
    assert missing == {'file': 'none.ply', 'error': 'none.ply: no such file'}
    assert 'mask3d: none.ply: no such file\n' in done.stderr


def test_segment_prints_the_same_as_instances_json(weights_file: Path, scan_file: Path,
                                                   tmp_path: Path) -> None:
    done = mask3d('segment', scan_file, '--weights', weights_file, '--device', 'cpu',
                  '--score-threshold', '0', '-o', tmp_path, '--json')

    assert done.returncode == 0, done.stderr
    found, = json.loads(done.stdout)['files']
    assert found['file'] == str(scan_file) and found['folder'] == str(tmp_path)
    assert found['tiles'] == 1 and found['warnings'] == [] and found['instances']
    written = json.loads((tmp_path / 'instances.json').read_text())
    assert written == {name: found[name] for name in written}
    assert 'untrained' in done.stderr, 'what it says otherwise on stdout'


def test_doctor_says_whether_all_is_ready() -> None:
    done = mask3d('doctor', '--json')

    content = json.loads(done.stdout)
    assert done.returncode == 0 and content['ready'] is True
    checks = {check['name']: check for check in content['checks']}
    assert checks['torch']['passed'] and checks['torch']['value'][0].isdigit()


@pytest.mark.parametrize('quiet', [False, True])
def test_bench_prints_its_table_to_stderr(weights_file: Path, scan_file: Path,
                                          quiet: bool) -> None:
    done = mask3d('bench', scan_file, '--weights', weights_file, '--repeats', '1',
                  '--superpoints', '--json', '-', *(['--quiet'] if quiet else []))

    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert [row['points'] for row in content['measurements']] == [5000]
    assert content['superpoints'][0]['points'] == 5000 and 'torch' in content
    assert ('GFLOP/s' in done.stderr) != quiet


@pytest.mark.parametrize('words', [
    ['bench', 'none.ply'], ['segment', 'SCAN', '-o', 'out', '--weights', 'none.weights'],
    ['bench', 'SCAN', '--recompute']])
def test_without_results_the_document_says_why(scan_file: Path, words: list[str]) -> None:
    done = mask3d(*(str(scan_file) if word == 'SCAN' else word for word in words), '--json')

    assert done.returncode == 1
    assert json.loads(done.stdout) == {'error': done.stderr.removeprefix('mask3d: ').rstrip()}


def test_a_file_gets_the_document_and_stdout_the_text(scan_file: Path, tmp_path: Path) -> None:
    done = mask3d('info', scan_file, '--json', tmp_path / 'new' / 'info.json')

    assert done.returncode == 0 and 'points  5000\n' in done.stdout
    assert json.loads((tmp_path / 'new' / 'info.json').read_text())['files'][0]['points'] == 5000


@pytest.mark.parametrize('command', ['info', 'bench', 'segment'])
def test_a_scan_is_never_taken_for_the_place_of_the_document(
        command: str, scan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = scan_file.read_bytes()
    with pytest.raises(SystemExit) as ended:
        main([command, '--json', str(scan_file), str(scan_file)])
    assert ended.value.code == 2 and scan_file.read_bytes() == before
    assert 'put --json after the files' in capsys.readouterr().err


def test_every_value_becomes_plain_json(capsys: pytest.CaptureFixture[str]) -> None:
    write_document(argparse.Namespace(json=Path('-')), {
        'nan': float('nan'), 'array': np.array([[1, 2]], np.int32), 'float': np.float32(0.5),
        'path': Path('a/b'), 'tuple': (True, None, 'x'), 'ids': {3: 'bed'}})

    assert json.loads(capsys.readouterr().out) == {
        'nan': None, 'array': [[1, 2]], 'float': 0.5, 'path': 'a/b', 'tuple': [True, None, 'x'],
        'ids': {'3': 'bed'}}
