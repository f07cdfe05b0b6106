"""Samples with inserted objects: their donors, errors, workers, and none when it is off."""

from dataclasses import replace
from pathlib import Path

from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.training.config import load_config, TrainConfig
from mask3d_core.training.data_loader import DistributedBatchSampler, load_samples, Sample
from mask3d_core.training.loop import train
from mask3d_core.training.setup import TrainingData
import numpy as np
import pytest
import torch
from toy_rooms import arguments, make_room, write_dataset

ON = ('--augmentation.insertions', '3')


def configure(data: Path, *keys: str) -> TrainConfig:
    return load_config(None, arguments(data, data / 'run', *keys))


def samples_of(data: Path, *keys: str, epochs: int = 1) -> list[Sample | InputError]:
    samples = TrainingData.open(configure(data, *keys)).samples(configure(data, *keys))
    return [samples[epoch, number] for epoch in range(epochs)
            for number in range(len(samples.names))]


def num_objects(samples: list[Sample | InputError]) -> list[int]:
    for sample in samples:
        if isinstance(sample, InputError):
            raise sample
    return [len(sample.targets) for sample in samples if isinstance(sample, Sample)]


def rooms_in(folder: Path, *rooms: LabelledScan) -> Path:
    return write_dataset(folder, list(rooms or (make_room(seed, boxes=2) for seed in range(4))))


def assert_equal(one: Sample, other: Sample) -> None:
    assert torch.equal(one.voxels.coords, other.voxels.coords)
    assert torch.equal(one.voxels.features, other.voxels.features)
    assert torch.equal(one.targets.masks, other.targets.masks)
    assert torch.equal(one.targets.class_row, other.targets.class_row)


def test_scans_get_objects_of_others(tmp_path: Path) -> None:
    counts = num_objects(samples_of(rooms_in(tmp_path / 'data'), *ON, epochs=6))
    assert min(counts) == 2 < 3 <= max(counts) <= 4  # each has two, and so has its donor


def test_any_other_scan_is_a_donor(tmp_path: Path) -> None:
    read: list[str] = []

    class Recorded(Dataset):
        def read(self, name: str) -> LabelledScan:
            read.append(name)
            return super().read(name)

    config = configure(rooms_in(tmp_path / 'data'), *ON)
    samples = TrainingData.open(config).samples(config)
    samples.dataset = Recorded(**vars(samples.dataset))
    num_objects([samples[epoch, 2] for epoch in range(20)])
    assert set(read[::2]) == {'room2'} and set(read[1::2]) == {'room0', 'room1', 'room3'}


def test_without_insertions_samples_are_those_of_the_scan_alone(tmp_path: Path) -> None:
    rooms = [make_room(seed) for seed in range(3)]
    data = rooms_in(tmp_path / 'data', *rooms)
    config = configure(data)
    samples = TrainingData.open(config).samples(config)
    for number in (0, 2):
        Dataset.open(data).path(f'room{number}').unlink()  # no donor is read
    sample = samples[5, 1]
    assert isinstance(sample, Sample)
    read = Dataset.open(data).read('room1')
    assert_equal(sample, samples.transform(read, np.random.default_rng([config.seed, 5, 1])))


def test_workers_change_nothing(tmp_path: Path) -> None:
    config = configure(rooms_in(tmp_path / 'data'), *ON)
    dataset = TrainingData.open(config).samples(config)
    sampler = DistributedBatchSampler(0, 4, 2, 3)
    without, with_workers = ([sample for batch in load_samples(dataset, sampler, workers, False)
                              for sample in batch] for workers in (0, 2))
    assert len(without) == len(with_workers) == 12 and max(num_objects(without)) > 2
    for one, other in zip(without, with_workers):
        assert isinstance(one, Sample) and isinstance(other, Sample)
        assert one.name == other.name
        assert_equal(one, other)


def test_a_single_scan_is_its_own_donor(tmp_path: Path) -> None:
    data = rooms_in(tmp_path / 'data', make_room(0, boxes=2))
    assert max(num_objects(samples_of(data, *ON, epochs=9))) > 2


def test_a_damaged_donor_is_named_as_a_damaged_scan_is(tmp_path: Path) -> None:
    data = rooms_in(tmp_path / 'data', make_room(0), make_room(1))
    Dataset.open(data).path('room1').write_bytes(b'PK')
    as_donor, as_scan = samples_of(data, *ON)
    assert isinstance(as_donor, InputError) and isinstance(as_scan, InputError)
    assert str(as_donor) == str(as_scan) and str(as_scan).startswith('scan room1: ')
    good, bad = samples_of(data)
    assert isinstance(good, Sample) and str(bad) == str(as_scan)


def test_data_without_a_floor_is_refused_before_the_training_begins(tmp_path: Path) -> None:
    data = rooms_in(tmp_path / 'data')
    table = data / 'dataset.json'
    table.write_text(table.read_text().replace('"floor"', '"ground"'))
    with pytest.raises(InputError, match="the class 'floor', which .*data does not have: label "
                                         'the floor .* --background floor, or set'):
        train(configure(data, *ON))
    assert not (data / 'run').exists()
    assert isinstance(samples_of(data)[0], Sample)


def test_mixed_colours_and_segments(tmp_path: Path) -> None:
    first, second = make_room(0, boxes=2), make_room(1, boxes=2)
    cells = np.floor(second.scan.xyz / 0.3).astype(np.int64) @ [1, 100, 10000]
    data = rooms_in(tmp_path / 'data', replace(first, scan=replace(first.scan, color=None)),
                    replace(second, scan=replace(second.scan, segment=cells)))
    keys = (*ON, '--augmentation.color_drop', '0.2')
    for more in ((), ('--model.on_segments', 'true')):
        samples = samples_of(data, *keys, *more, epochs=8)
        counts = num_objects(samples)
        assert max(counts[::2]) > 2  # grey objects in a grey scan
        assert counts[1::2] == [2] * 8  # no grey objects in a scan with colour
        for sample in samples:
            assert isinstance(sample, Sample)
            assert (sample.voxels.segment is not None) == bool(more)
            size = len(sample.voxels) if sample.voxels.segment is None \
                else int(sample.voxels.segment.max()) + 1
            assert sample.targets.masks.shape[1] == size


def test_objects_have_segments_of_their_own(tmp_path: Path) -> None:
    rooms = [make_room(seed, boxes=2) for seed in range(3)]
    rooms = [replace(room, scan=replace(room.scan, segment=room.instance.astype(np.int64)))
             for room in rooms]
    data = rooms_in(tmp_path / 'data', *rooms)
    keys = (*ON, '--model.on_segments', 'true', '--voxel_size', '0.02')  # none in two objects
    samples = samples_of(data, *keys, epochs=6)
    assert max(num_objects(samples)) > 2
    for sample in samples:
        assert isinstance(sample, Sample)
        assert (sample.targets.masks.sum(1) == 1).all()  # one segment each, and nobody else's
        assert (sample.targets.masks.sum(0) <= 1).all()
