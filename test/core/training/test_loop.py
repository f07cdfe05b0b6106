"""The training loop: loss, output files, sampling, micro-batches, and errors of scans."""

from collections.abc import Iterator
import csv
from dataclasses import replace
import gc
from pathlib import Path

from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.model import Mask3D
from mask3d_core.segmenter import load_segmenter
from mask3d_core.sparse.pyramid import CUBE_KERNELS
from mask3d_core.training.checkpointing import RunRecorder
from mask3d_core.training.config import load_config, TrainConfig
from mask3d_core.training.data_loader import (
    Batch,
    crop,
    DistributedBatchSampler,
    load_samples,
    Sample,
)
from mask3d_core.training.loop import train
from mask3d_core.training.losses import compute_loss
from mask3d_core.training.micro_batches import class_loss_denominator, pack
from mask3d_core.training.setup import initial_weights, TrainingData
from mask3d_core.voxels import Voxelization, voxelize
from mask3d_core.weights.checkpoint import load_weights
import numpy as np
import pytest
import torch
from toy_rooms import arguments, make_room, write_dataset


@pytest.fixture(scope='module')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp('data') / 'rooms',
                         [make_room(seed) for seed in range(4)])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def configure(data: Path, output: Path, *keys: str) -> TrainConfig:
    return load_config(None, arguments(data, output, *keys))


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def run(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of 8 epochs of 2 steps."""
    output = tmp_path_factory.mktemp('runs') / 'run'
    train(configure(rooms, output, '--epochs', '8', '--learning_rate', '3e-3', '--log_every', '1',
                    '--validate_every', '4', '--pictures', '1'), command='mask3d train …')
    return output


def test_the_loss_falls(run: Path) -> None:
    losses = [float(row['loss']) for row in rows(run / 'log.csv')]
    assert len(losses) == 16
    assert losses[-1] < 0.8 * losses[0]


def test_the_files_of_a_run(run: Path, rooms: Path) -> None:
    assert load_config(run / 'config.yaml').output == str(run)
    assert [row['epoch'] for row in rows(run / 'scores.csv')] == ['4', '8']
    assert {path.name for path in (run / 'pictures').iterdir()} == {
        'room0_epoch0004.png', 'room0_epoch0008.png'}
    assert len(list(run.glob('events.out.tfevents.*'))) == 1
    assert (run / 'best.weights').exists()


def test_the_weights_have_metadata_and_segment(run: Path) -> None:
    weights = load_weights(run / 'last.weights')
    assert weights.classes.names == ('crate', 'bin')
    assert weights.trained['data'] == 'toy' and weights.trained['steps'] == 16
    assert weights.trained['command'] == 'mask3d train …'
    assert 0 <= weights.trained['scores']['AP50'] <= 1
    scan = make_room(9).scan
    instances = load_segmenter(weights, 'cpu').segment(scan)
    assert instances.num_points == len(scan)


def test_training_without_colour(rooms: Path, tmp_path: Path) -> None:
    train(configure(rooms, tmp_path, '--use_color', 'false', '--epochs', '1', '--pictures', '0'))
    weights = load_weights(tmp_path / 'last.weights')
    assert weights.model.in_channels == 1 and not weights.uses_color
    scan = make_room(9).scan
    segmenter = load_segmenter(weights, 'cpu')
    colored, plain = (segmenter.segment(one) for one in (scan, replace(scan, color=None)))
    np.testing.assert_array_equal(colored.score, plain.score)


def test_a_run_resumes_only_with_its_data(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / 'data', [make_room(0), make_room(1)])
    config = configure(data, tmp_path / 'run', '--epochs', '1', '--validation_split', '')
    train(config)
    data.rename(tmp_path / 'moved')
    moved = replace(config, data=str(tmp_path / 'moved'))
    train(moved, resume=True)
    dataset = Dataset.open(tmp_path / 'moved')
    for changed in (replace(dataset, splits={'train': ('room0',)}),
                    replace(dataset, color_mean=(0.1, 0.2, 0.3)),
                    replace(dataset, background=())):
        changed.save()
        with pytest.raises(InputError, match='are not those this run began with: start a new run'):
            train(moved, resume=True)


def test_too_little_memory_says_what_to_lower(rooms: Path, tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mask3D, 'forward', lambda *_, **__: torch.empty(1 << 50))
    with pytest.raises(InputError, match='memory is too small for a step: lower --batch_voxels'):
        train(configure(rooms, tmp_path))


def test_tensorboard_reads_the_curves(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    assert [event.step for event in events.Scalars('training/loss')] == list(range(1, 17))
    assert [event.step for event in events.Scalars('validation/AP50')] == [8, 16]
    assert events.Tags()['images'] == ['room0']


def test_a_run_is_not_overwritten_and_resumes_only_as_it_was(run: Path, rooms: Path) -> None:
    config = configure(rooms, run, '--epochs', '8', '--learning_rate', '3e-3')
    with pytest.raises(InputError, match='holds a run already'):
        train(config)
    with pytest.raises(InputError, match='was started with epochs 8 instead of 9, validate_every '
                                         '4 instead of 50: resume it with'):
        train(replace(config, epochs=9), resume=True)


def test_workers_change_nothing(rooms: Path) -> None:
    config = configure(rooms, Path('unused'))
    dataset = TrainingData.open(config).samples(config)
    sampler = DistributedBatchSampler(0, 4, 2, 2)
    without, with_workers = (list(load_samples(dataset, sampler, workers, pin=False))
                             for workers in (0, 2))
    assert len(without) == len(with_workers) == 4
    for samples, others in zip(without, with_workers):
        for sample, other in zip(samples, others):
            assert sample.name == other.name
            assert torch.equal(sample.voxels.coords, other.voxels.coords)
            assert torch.equal(sample.voxels.features, other.voxels.features)
            assert torch.equal(sample.targets.masks, other.targets.masks)


def test_every_epoch_has_all_scans_in_another_order() -> None:
    sampler = DistributedBatchSampler(seed=3, num_scans=7, batch_size=2, epochs=2)
    steps = list(sampler)
    assert len(steps) == len(sampler) == 8
    assert [len(step) for step in steps] == [2, 2, 2, 1] * 2
    first, second = ([index for step in steps[half] for _, index in step]
                     for half in (slice(4), slice(4, None)))
    assert sorted(first) == sorted(second) == list(range(7)) and first != second
    assert [epoch for step in steps for epoch, _ in step] == [0] * 7 + [1] * 7
    for first in range(8):
        assert list(replace(sampler, first_step=first)) == steps[first:]


@pytest.mark.parametrize(('batch_size', 'world_size'), [(2, 2), (5, 2), (5, 3), (4, 4)])
def test_the_scans_of_a_step_are_distributed(batch_size: int, world_size: int) -> None:
    sampler = DistributedBatchSampler(seed=3, num_scans=11, batch_size=batch_size, epochs=2)
    ranks = [replace(sampler, rank=rank, world_size=world_size) for rank in range(world_size)]
    for number, (step, *parts) in enumerate(zip(sampler, *ranks, strict=True)):
        local = [part[:rank.num_local(number)] for rank, part in zip(ranks, parts)]
        assert sorted(sum(local, [])) == sorted(step)
        assert all(part for part in parts)  # a process without a scan borrows one


def test_a_batch_may_be_larger_than_the_data_set() -> None:
    assert list(DistributedBatchSampler(0, 1, 5, 2)) == [[(0, 0)], [(1, 0)]]


@pytest.mark.parametrize(('sizes', 'max_voxels', 'min_batches', 'batches'), [
    ([5, 5, 5], 0, 1, [[0, 1, 2]]),
    ([5, 5, 5], 10, 1, [[0, 1], [2]]),
    ([5, 50, 5], 10, 1, [[0], [1], [2]]),
    ([5, 5, 5], 0, 2, [[0, 1], [2]]),
    ([5, 5, 5], 10, 3, [[0], [1], [2]]),
])
def test_scans_are_packed_into_micro_batches(sizes: list[int], max_voxels: int, min_batches: int,
                                             batches: list[list[int]]) -> None:
    assert pack(sizes, max_voxels, min_batches) == batches


def test_the_loss_of_a_batch_is_the_sum_over_its_parts(rooms: Path) -> None:
    config = configure(rooms, Path('unused'))
    data = TrainingData.open(config)
    samples = [data.samples(config)[0, index] for index in range(3)]
    weights = initial_weights(config, data, '')
    model = Mask3D(weights.model).eval()  # in training mode, batch norm would see only a part
    model.load_state_dict(weights.state)
    denominators = [class_loss_denominator(sample, 12) for sample in samples]

    def loss(numbers: list[int]) -> float:
        batch = Batch([samples[number] for number in numbers], torch.device('cpu'), CUBE_KERNELS)
        share = sum(denominators[number] for number in numbers) / sum(denominators)
        with torch.no_grad():
            steps = model(batch.voxels, batch.pyramid, every_step=True)
        return float(compute_loss(steps, batch.targets, class_loss_share=share).total)

    assert loss([0]) + loss([1, 2]) == pytest.approx(loss([0, 1, 2]), rel=1e-5)


def test_scans_without_colour_need_colour_drop(rooms: Path, tmp_path: Path) -> None:
    room = make_room(0)
    grey = replace(room, scan=replace(room.scan, color=None))
    data = write_dataset(tmp_path / 'data', [room, replace(grey, name='grey')])
    config = configure(data, Path('unused'), '--augmentation.color_drop', '0.5')
    sample = TrainingData.open(config).samples(config)[0, 1]
    assert sample.name == 'grey'
    assert sample.voxels.features.shape[1] == 3 and sample.voxels.features.abs().max() < 1e-5
    config = configure(data, Path('unused'))
    error = TrainingData.open(config).samples(config)[0, 1]
    assert isinstance(error, InputError) and 'grey' in str(error)


def test_weights_trained_with_dropped_colours_segment_without(rooms: Path) -> None:
    config = configure(rooms, Path('unused'))
    weights = initial_weights(config, TrainingData.open(config), '')
    room = make_room(5).scan
    scan = replace(room, color=None)
    with pytest.raises(InputError, match='has no colour'):
        load_segmenter(weights, 'cpu').segment(scan)
    segmenter = load_segmenter(replace(weights, trained={'color_drop': 0.2}), 'cpu')
    plain = np.tile(np.asarray(weights.color_mean, np.float32), (len(scan), 1))
    found, expected, coloured = (segmenter.segment(replace(scan, color=color)).score
                                 for color in (None, plain, room.color))
    assert np.array_equal(found, expected) and not np.allclose(found, coloured)


def test_a_crop_keeps_whole_columns_up_to_the_voxel_count() -> None:
    room = make_room(0)
    voxelization = Voxelization(0.1)
    voxels = voxelize(room.scan, voxelization)
    part = crop(room, voxels, 300, np.random.default_rng(0))
    cropped = voxelize(part.scan, voxelization)
    assert len(cropped) == 300
    whole = {tuple(coords) for coords in voxels.coords.tolist()}
    kept = {tuple(coords) for coords in cropped.coords.tolist()}
    assert kept < whole
    assert (part.label == room.label[np.isin(room.scan.kept, part.scan.kept)]).all()
    columns = {coords[:2] for coords in kept}
    missing = {coords[:2] for coords in whole - kept} & columns
    assert len(missing) <= 1  # the last column may be cut


def test_a_scan_above_batch_voxels_is_cropped_and_named(
        rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(configure(rooms, tmp_path / 'run', '--epochs', '1', '--batch_voxels', '1000',
                    '--validation_split', '', '--log_every', '1', '--augmentation.scale', '0.5'))
    assert all(int(row['voxels']) <= 2000 for row in rows(tmp_path / 'run' / 'log.csv'))
    assert capsys.readouterr().err.count('batch_voxels is 1000: scans like it are cropped') == 1


def test_a_loss_that_is_not_finite_names_the_scan(rooms: Path, tmp_path: Path) -> None:
    config = configure(rooms, tmp_path / 'run', '--batch_size', '1', '--epochs', '1',
                       '--learning_rate', '1e20')
    data = TrainingData.open(config)
    (_, second), = list(data.sampler(config))[1]  # the first step breaks the weights
    with pytest.raises(InputError, match=r'the loss is (nan|inf) at step 1, with the scans '
                       + data.training[second]):
        train(config)
    assert not (tmp_path / 'run' / 'last.weights').exists()


def test_a_damaged_scan_is_named(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / 'data', [make_room(0), make_room(1)])
    (data / 'scans' / 'room1.npz').write_bytes(b'no archive')
    for workers in ('0', '1'):
        with pytest.raises(InputError, match=r'^scan room1: .*room1.npz'):
            train(configure(data, tmp_path / workers, '--workers', workers))


@pytest.mark.parametrize(('keys', 'words'), [
    (['--output', ''], 'no folder is given for the run'),
    (['--train_splits', '[]'], 'train_splits names no split: expected at least one of train'),
    (['--precision', 'float16'], 'float16 needs a GPU'),
    (['--device', 'cuda'], 'GPUs are requested, torch sees 0'),
    (['--validation_split', 'val'], "no split 'val'"),
    (['--fold', 'Area_5'], "no fold 'Area_5'"),
])
def test_impossible_configurations_are_refused(rooms: Path, tmp_path: Path, keys: list[str],
                                        words: str) -> None:
    if '--device' in keys and torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(InputError, match=words):
        train(configure(rooms, tmp_path / 'run', *keys))


def test_bfloat16_and_recomputed_activations_train(rooms: Path, tmp_path: Path) -> None:
    train(configure(rooms, tmp_path / 'run', '--epochs', '1', '--precision', 'bfloat16',
                    '--checkpoint_activations', 'true', '--gradient_clip', '1',
                    '--validation_split', '', '--log_every', '1'))
    assert all(np.isfinite(float(row['loss'])) for row in rows(tmp_path / 'run' / 'log.csv'))
    state = load_weights(tmp_path / 'run' / 'last.weights').state
    assert all(tensor.dtype != torch.bfloat16 for tensor in state.values())


def with_segments(room: LabelledScan) -> LabelledScan:
    cells = np.floor(room.scan.xyz / 0.3).astype(np.int64) @ [1, 100, 10000]
    return replace(room, scan=replace(room.scan, segment=cells))


def test_masks_on_segments_train(tmp_path: Path) -> None:
    keys = ['--epochs', '1', '--model.on_segments', 'true']
    data = write_dataset(tmp_path / 'all', [with_segments(make_room(0)),
                                            with_segments(make_room(1))])
    config = configure(data, tmp_path / 'run', *keys)
    sample = TrainingData.open(config).samples(config)[0, 0]
    assert isinstance(sample, Sample) and sample.voxels.segment is not None
    assert sample.targets.masks.shape[1] == int(sample.voxels.segment.max()) + 1
    train(config)
    assert load_weights(tmp_path / 'run' / 'last.weights').model.on_segments


def test_scans_without_segments_get_superpoints(tmp_path: Path) -> None:
    rooms = [with_segments(make_room(0)), make_room(1)]
    config = configure(write_dataset(tmp_path / 'some', rooms), tmp_path / 'run', '--epochs', '1',
                       '--model.on_segments', 'true')
    samples = TrainingData.open(config).samples(config)
    for index in ((0, 0), (0, 1)):
        sample = samples[index]
        assert isinstance(sample, Sample) and sample.voxels.segment is not None
        assert sample.targets.masks.shape[1] == int(sample.voxels.segment.max()) + 1 > 1
    train(config)


def test_memory_does_not_grow_from_epoch_to_epoch(
        rooms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors and objects that are alive; scans keep their size, so not even a byte is added."""
    counts, end_epoch = [], RunRecorder.end_epoch

    def count(recorder: RunRecorder, done: int) -> None:
        end_epoch(recorder, done)
        gc.collect()
        alive = gc.get_objects()
        tensors = [thing for thing in alive if issubclass(type(thing), torch.Tensor)]
        counts.append((len(tensors), sum(map(torch.Tensor.__sizeof__, tensors)), len(alive)))

    monkeypatch.setattr(RunRecorder, 'end_epoch', count)
    still = [word for name in ('scale', 'elastic', 'yaw', 'tilt', 'flip', 'shift')
             for word in (f'--augmentation.{name}', 'false' if name == 'shift' else '0')]
    gc.freeze()  # what is alive by now, most of it torch, is not counted
    try:
        train(configure(rooms, tmp_path / 'run', '--epochs', '6', '--batch_size', '4',
                        '--log_every', '1', '--validate_every', '2', '--pictures', '1', *still))
    finally:
        gc.unfreeze()
    assert len(counts) == 6
    tensors, sizes, objects = zip(*counts[2:])  # the first epochs fill caches
    assert len(set(tensors)) == len(set(sizes)) == 1
    assert max(objects) - min(objects) < 20
