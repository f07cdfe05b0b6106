"""`mask3d bench`: what it measures, and what it refuses."""

import json
from pathlib import Path
import re

from command_line import mask3d, scan_file, weights_file
from mask3d_core.classes import load_classes
from mask3d_core.cli import main
from mask3d_core.model.config import ModelConfig
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
from mask3d_core.weights.shipped import shipped_weights
import numpy as np
import pytest

__all__ = ['scan_file', 'weights_file']  # fixtures


def test_bench_measures_and_compares(weights_file: Path, scan_file: Path, tmp_path: Path) -> None:
    pytest.importorskip('sklearn')
    done = mask3d('bench', scan_file, '--weights', weights_file, '--repeats', '1', '--clustering',
                  '--superpoints', '--json', tmp_path / 'bench.json')

    assert done.returncode == 0, done.stderr
    assert re.search(r'^room +torch +\d', done.stdout, re.MULTILINE)
    assert re.search(r'room: 100 masks .* times faster, labels equal', done.stdout)
    assert re.search(r'room: \d+ superpoints of 5000 points: \d+\.\d+ s', done.stdout)
    measured = json.loads((tmp_path / 'bench.json').read_text())['measurements']
    assert [row['points'] for row in measured] == [5000]
    assert measured[0]['seconds']['superpoints'] == 0, 'they would slow the network'
    assert measured[0]['together'] > 0


@pytest.mark.parametrize('options', [(), ('--train',), ('--updates',)])
def test_a_file_that_fails_does_not_stop_the_others(
        weights_file: Path, scan_file: Path, tmp_path: Path, options: tuple[str, ...],
        capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / 'bad.ply'
    bad.write_text('ply')
    command = ['bench', str(bad), str(scan_file), '--weights', str(weights_file), '--repeats', '1',
               *options, '--json']
    assert main(command) == 1
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document['measurements'] and {row['name'] for row in document['measurements']} == {
        scan_file.stem}
    [failed] = document['failed']
    assert failed['file'] == str(bad) and 'no end_header' in failed['error']
    assert f'1 of 2 files failed, see above: {bad}' in said.err
    assert main([*command[:1], *command[1:2], *command[3:]]) == 1
    assert set(json.loads(capsys.readouterr().out)) == {'error'}


def test_bench_lays_scans_over_themselves(weights_file: Path, scan_file: Path, tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / 'bench.json'
    assert main(['bench', str(scan_file), '--weights', str(weights_file), '--repeats', '1',
                 '--overlap', '3', '--json', str(report)]) == 0
    row, = json.loads(report.read_text())['measurements']
    assert row['points'] == 15000 and 0 < row['outside'] < row['together']
    assert row['outside_per_million'] == pytest.approx(row['outside'] / 0.015)
    assert re.search(r'overlaid +15000 points: \d.* s outside the network, \d+ ms per million '
                     r'points; -?\d+ MB more', capsys.readouterr().out)


@pytest.mark.parametrize('options', [(), ('--train',)])
def test_bench_takes_scans_without_colour_as_segment_does(tmp_path: Path, options: tuple[str, ...],
                                                          ) -> None:
    np.savez(tmp_path / 'grey.npz', xyz=np.random.default_rng(0).uniform(0, 2, (3000, 3)))
    done = mask3d('bench', tmp_path / 'grey.npz', '--weights', shipped_weights(), '--repeats', '1',
                  *options)
    assert done.returncode == 0, done.stderr
    assert re.search(r'^grey +(torch +)?\d', done.stdout, re.MULTILINE)


@pytest.mark.parametrize('options', [(), ('--recompute', '--precision', 'bfloat16')])
def test_bench_measures_a_training_step(weights_file: Path, scan_file: Path, tmp_path: Path,
                                        options: tuple[str, ...]) -> None:
    report = tmp_path / 'train.json'
    assert main(['bench', str(scan_file), '--train', '--weights', str(weights_file),
                 '--repeats', '1', '--json', str(report), *options]) == 0
    row, = json.loads(report.read_text())['measurements']
    assert row['total_seconds'] == pytest.approx(sum(row['seconds'].values()))
    assert min(row['seconds'].values()) > 0 and set(row['seconds']) == {
        'pyramid', 'forward', 'losses', 'backward'}


def test_bench_trains_on_segments_and_knows_learned_queries(
        scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ModelConfig(backbone='Res16UNet14A', hidden_dim=16, feedforward_dim=32, num_heads=2,
                         num_queries=8, on_segments=True, queries='learned')
    classes = load_classes('scannet20').without(['wall', 'floor'])
    path = tmp_path / 'segments.weights'
    save_weights(path, untrained_weights(config, classes, voxel_size=0.05))
    bench = ['bench', str(scan_file), '--train', '--weights', str(path), '--repeats', '1']
    assert main(bench) == 0
    assert main([*bench, '--num-queries', '7']) == 1
    assert '8 learned queries: their number cannot be changed to 7' in capsys.readouterr().err


@pytest.mark.parametrize('options, words', [
    (['--recompute'], '--recompute is about training steps: give --train'),
    (['--train', '--clustering'], 'run --clustering without it'),
    (['--train', '--superpoints'], 'run --superpoints without it'),
    (['--train', '--busy', '2'], 'run --busy without it'),
    (['--train', '--updates'], 'run --updates without it'),
    (['--train', '--tile-size', '2'], 'leave --tile-size out'),
    (['--updates', '--busy', '2'], '--updates measures nothing else: run --busy without it'),
    (['--updates', '--overlap', '2'], '--updates measures nothing else: run --overlap without it'),
    (['--growing', '--train'], 'run --growing without it'),
    (['--chart', 'growing.png'], '--chart draws growing maps or objects'),
    (['--growing'], 'dataset')])
def test_bench_refuses_what_does_not_go_together(scan_file: Path, options: list[str], words: str,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bench', str(scan_file), *options]) == 1
    assert words in capsys.readouterr().err


def test_bench_measures_tiles_and_updates(weights_file: Path, scan_file: Path, tmp_path: Path,
                                          ) -> None:
    bench = ['bench', scan_file, '--weights', weights_file, '--repeats', '1', '--tile-size', '1',
             '--json', tmp_path / 'bench.json']
    done = mask3d(*bench)
    row, = json.loads((tmp_path / 'bench.json').read_text())['measurements']
    assert re.search(rf'{len(row["tile_seconds"])} tiles alone: median .*; together / sum '
                     rf'{row["tile_ratio"]:.2f}\n', done.stdout), done.stderr
    done = mask3d(*bench, '--updates')
    rows = json.loads((tmp_path / 'bench.json').read_text())['measurements']
    assert [row['update'] for row in rows] == ['first', 'same again', 'one tile changed']
    assert re.search(r'^room +one tile changed +\d+ +\d+ +\d', done.stdout, re.MULTILINE)
