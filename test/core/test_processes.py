"""Processes share tiles and scans, give the result of one, and fail together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import json
from pathlib import Path
import threading
from typing import Any

from launched import finish, start_torchrun
from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation
from mask3d_core.evaluation.dataset_evaluation import dataset_protocol, segment_scans
from mask3d_core.model.config import ModelConfig
from mask3d_core.processes import join_processes, Processes
from mask3d_core.segmenter import load_segmenter
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
import numpy as np
import pytest
from toy_rooms import CLASSES, make_room, write_dataset

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return three rooms, and a hall of nine tiles of 3 m."""
    rooms = [make_room(seed, size=2 + 0.2 * seed) for seed in range(3)]
    hall = make_room(3, 'hall', size=8.9, boxes=9)
    made = Dataset.open(write_dataset(tmp_path_factory.mktemp('data') / 'rooms', [*rooms, hall]))
    made = replace(made, splits={'validation': tuple(room.name for room in rooms),
                                 'test': ('hall',)})
    made.save()
    return made


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of a small untrained model, with tiles of 3 m."""
    config = ModelConfig(backbone='Res16UNet14A', hidden_dim=16, feedforward_dim=32, num_heads=2,
                         num_queries=8, num_classes=2)
    path = tmp_path_factory.mktemp('weights') / 'small.weights'
    save_weights(path, untrained_weights(config, CLASSES.without(['floor']), voxel_size=0.1)
                 .with_tiles(3.0, 0.3))
    return path


def test_two_processes_share_the_tiles_of_a_map(dataset: Dataset, weights: Path, tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    segment = ['segment', str(dataset.path('hall')), '--weights', str(weights), '--device', 'cpu',
               '--score-threshold', '0', '-o']
    both = start_torchrun(['-m', 'mask3d_core', *segment, str(tmp_path / 'two')])
    assert main([*segment, str(tmp_path / 'one')]) == 0
    out, progress = finish(both)

    assert both.returncode == 0, progress
    expected = capsys.readouterr().out
    assert 'tiles: 9 of 3 m with a margin of 0.3 m' in expected
    assert without_times(out) == without_times(expected)
    assert progress.count('segmenting') == 1 and 'on 2 x cpu' in progress
    assert 'tile 9/9 [' + 30 * '#' + '] 0:00:00 left' in progress
    one, two = (np.load(tmp_path / name / 'instances.npz') for name in ('one', 'two'))
    assert len(one['score']) > 0
    for name in one.files:
        np.testing.assert_array_equal(one[name], two[name], name)


def test_a_scan_that_fails_does_not_lose_those_of_two_processes(
        dataset: Dataset, weights: Path, tmp_path: Path) -> None:
    """Each process goes on with the next scan."""
    broken = tmp_path / 'broken.ply'
    broken.write_text('no scan')
    scans = [str(dataset.path(name)) for name in ('hall', dataset.split('validation')[0])]
    both = start_torchrun(['-m', 'mask3d_core', 'segment', scans[0], str(broken), scans[1],
                           '--weights', str(weights), '--device', 'cpu', '-o',
                           str(tmp_path / 'found'), '--json', str(tmp_path / 'found.json')])
    out, progress = finish(both)
    assert both.returncode != 0 and out.count(' instances\n') == 2, progress
    assert progress.count(f'mask3d: {broken}: ') == 1
    hall, failed, room = json.loads((tmp_path / 'found.json').read_text())['files']
    assert hall['tiles'] == 9 and room['tiles'] == 1 and 'error' in failed


def without_times(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith('seconds')]


def test_two_processes_share_the_scans_of_a_split(dataset: Dataset, weights: Path, tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    """There are three: one process has nothing to do at the end."""
    evaluate = ['evaluate', str(dataset.folder), '--weights', str(weights), '--device', 'cpu']

    def place(name: str) -> list[str]:
        return ['-o', str(tmp_path / name), '--save', str(tmp_path / name)]

    both = start_torchrun(['-m', 'mask3d_core', *evaluate, *place('two')])
    assert main([*evaluate, *place('one')]) == 0
    out, progress = finish(both)

    assert both.returncode == 0, progress
    assert capsys.readouterr().out.split('seconds')[0] == out.split('seconds')[0]
    assert progress.count('mask3d: 3/3 ') == 1
    one, two = (json.loads((tmp_path / name / 'scores.json').read_text())
                for name in ('one', 'two'))
    for measured in ('seconds', 'peak_bytes'):
        assert one.pop(measured) and two.pop(measured)
    assert one == two and one['scans'] == 3
    for name in dataset.split('validation'):
        found = [np.load(tmp_path / folder / f'{name}.npz') for folder in ('one', 'two')]
        np.testing.assert_array_equal(found[0]['masks'], found[1]['masks'])


class ThreadWorkers:
    """Threads in place of processes."""

    def __init__(self, rank: int, items: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self.size = rank, len(items)
        self._items, self._barrier = items, barrier

    def gather(self, item: Any) -> list[Any]:
        self._items[self.rank] = item
        self._barrier.wait(300)
        gathered = list(self._items)
        self._barrier.wait(300)
        return gathered


def run_in_two(work: Callable[[ThreadWorkers], Any]) -> list[Any]:
    items, barrier = [None] * 2, threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda rank: work(ThreadWorkers(rank, items, barrier)), (0, 1)))


@pytest.mark.parametrize('split', ['test', 'validation'])
def test_all_processes_have_the_whole_evaluation(dataset: Dataset, weights: Path, split: str,
                                                 ) -> None:
    """A single scan is shared by its tiles, several are segmented side by side."""
    names = dataset.split(split)
    scans = {name: dataset.read(name).scan for name in names}
    segmented: dict[int, int] = {}

    def evaluate(workers: ThreadWorkers | None) -> tuple[list[str], Evaluation]:
        segmenter = load_segmenter(weights, 'cpu')
        at_once = segmenter.segment_at_once

        def counted(scan: Any, *settings: Any, **options: Any) -> Any:
            rank = -1 if workers is None else workers.rank
            segmented[rank] = segmented.get(rank, 0) + 1
            return at_once(scan, *settings, **options)

        segmenter.segment_at_once = counted  # type: ignore[method-assign]
        evaluation = Evaluation(dataset.classes, dataset_protocol(dataset))
        done = []
        for name, instances in segment_scans(segmenter, dataset, names, evaluation,
                                             workers=workers):
            assert instances.num_points == len(scans[name])
            done.append(name)
        return done, evaluation

    done, alone = evaluate(None)
    assert done == names
    for done, evaluation in run_in_two(evaluate):
        assert sorted(done) == sorted(names)
        assert evaluation.scores().to_dict() == alone.scores().to_dict()
    assert sorted(segmented.values()) == ([4, 5, 9] if split == 'test' else [1, 2, 3])


def test_a_scan_that_is_not_cut_is_segmented_once(dataset: Dataset, weights: Path) -> None:
    scan = dataset.read(dataset.split('validation')[0]).scan
    segmenter = load_segmenter(weights, 'cpu')
    alone = segmenter.segment(scan)
    first, second = run_in_two(lambda workers: segmenter.segment(scan, workers=workers))
    assert len(alone) > 0
    for shared in (first, second):
        np.testing.assert_array_equal(shared.masks, alone.masks)
        np.testing.assert_array_equal(shared.score, alone.score)
        np.testing.assert_array_equal(shared.box_size, alone.box_size)
    assert 'unet' in first.seconds and 'unet' not in second.seconds


def test_processes_fail_together(dataset: Dataset, weights: Path, tmp_path: Path) -> None:
    """The smaller of the two scans, that of the second process, is damaged."""
    names = dataset.split('validation')[:2]
    damaged = replace(dataset, folder=tmp_path / 'data', splits={'validation': tuple(names)})
    (tmp_path / 'data' / 'scans').mkdir(parents=True)
    damaged.save()
    damaged.path(names[0]).write_bytes(b'no archive')
    damaged.path(names[1]).write_bytes(dataset.path(names[1]).read_bytes())

    both = start_torchrun(['-m', 'mask3d_core', 'evaluate', str(damaged.folder), '--weights',
                           str(weights), '--device', 'cpu', '-o', str(tmp_path / 'scores')])
    output = finish(both)[1]

    assert both.returncode == 1
    assert f'mask3d: {damaged.path(names[0])}: ' in output
    assert 'mask3d: loading the weights' in output and 'mask3d_core/cli.py' not in output
    assert not (tmp_path / 'scores').exists()


def test_a_process_that_was_not_launched_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('WORLD_SIZE', '4')  # some container images set it
    processes = join_processes()
    assert (processes.rank, processes.size, processes.device) == (0, 1, None)
    assert processes.gather('this') == ['this']
    with pytest.raises(InputError, match='the reason'), processes.together():
        raise InputError('the reason')


def test_a_gpu_of_its_own_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'x')
    monkeypatch.setenv('WORLD_SIZE', '1')
    assert join_processes('cuda:1').size == 1
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(InputError, match='use --device cuda or cpu instead of cuda:1'):
        join_processes('cuda:1')


def test_only_the_first_process_prints(capsys: pytest.CaptureFixture[str]) -> None:
    for rank in (0, 1):
        processes = Processes()
        processes.rank = rank
        with processes.together():
            print(f'rank {rank}')
    assert capsys.readouterr().out == 'rank 0\n'
