"""Training samples: data set, distributed batch sampler and data loader."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
import os
import signal

from mask3d_core.classes import ClassTable
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.sparse import build_pyramid
from mask3d_core.superpoints.superpoints import find_superpoints
from mask3d_core.training.augmentation import augment, AugmentationConfig
from mask3d_core.training.insertion import ObjectInsertion
from mask3d_core.training.targets import make_targets, Targets
from mask3d_core.voxels import batch_coords, Voxelization, voxelize, Voxels
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

SampleIndex = tuple[int, int]
"""Epoch and index of a scan; with the seed they determine its augmentation."""


@dataclass(frozen=True)
class Sample:
    """
    One scan, augmented and voxelized, with its targets.

    Attributes
    ----------
    name : str
    voxels : Voxels
        Without `inverse`, which training does not need.
    targets : Targets
    uncropped_size : int
        Number of voxels before the scan was cropped to `batch_voxels`.

    """

    name: str
    voxels: Voxels
    targets: Targets
    uncropped_size: int

    def pin_memory(self) -> Sample:
        """Return the sample in pinned memory; the DataLoader calls it."""
        voxels = replace(
            self.voxels, coords=self.voxels.coords.pin_memory(),
            features=self.voxels.features.pin_memory(), centers=self.voxels.centers.pin_memory(),
            segment=None if self.voxels.segment is None else self.voxels.segment.pin_memory())
        targets = replace(self.targets, class_row=self.targets.class_row.pin_memory(),
                          masks=self.targets.masks.pin_memory())
        return replace(self, voxels=voxels, targets=targets)


class Batch:
    """
    Scans for one forward pass, on the device of the model.

    Not a tuple or dict: Fabric would convert all tensors in it to the training precision, the
    coordinates, too.
    """

    def __init__(self, samples: Sequence[Sample], device: torch.device,
                 kernels: Sequence[Collection[int]]) -> None:
        self.names = [sample.name for sample in samples]
        self.voxels = [sample.voxels.to(device) for sample in samples]
        self.targets = [sample.targets.to(device) for sample in samples]
        self.pyramid = build_pyramid(batch_coords(self.voxels), kernels)


@dataclass(frozen=True)
class SampleTransform:
    """
    Make a sample of a labelled scan: augment, voxelize, make targets.

    Attributes
    ----------
    voxelization : Voxelization
    augmentation : AugmentationConfig
    classes : ClassTable
        Classes of the model.
    background : tuple of int
        Ids of the classes without targets.
    on_segments : bool
        Whether masks are over segments.
    batch_voxels : int
        Scans with more voxels are cropped; 0: no bound.

    """

    voxelization: Voxelization
    augmentation: AugmentationConfig
    classes: ClassTable
    background: tuple[int, ...]
    on_segments: bool
    batch_voxels: int

    def __call__(self, labelled: LabelledScan, rng: np.random.Generator) -> Sample:
        """Make the sample of a scan; the same generator state gives the same sample."""
        if self.on_segments and labelled.scan.segment is None:  # as the Segmenter does
            segment = find_superpoints(labelled.scan, self.voxelization.size)
            labelled = replace(labelled, scan=replace(labelled.scan, segment=segment))
        neutral = self.voxelization.color_mean or (0.5, 0.5, 0.5)
        labelled = augment(labelled, rng, self.augmentation, neutral)
        if labelled.scan.color is None and self.augmentation.color_drop:  # as after a drop
            plain = np.tile(np.asarray(neutral, np.float32), (len(labelled), 1))
            labelled = replace(labelled, scan=replace(labelled.scan, color=plain))
        voxels = voxelize(labelled.scan, self.voxelization)
        uncropped_size = len(voxels)
        if 0 < self.batch_voxels < uncropped_size:
            labelled = crop(labelled, voxels, self.batch_voxels, rng)
            voxels = voxelize(labelled.scan, self.voxelization)
        targets = make_targets(labelled, voxels, self.classes, self.background, self.on_segments)
        if not self.on_segments:
            voxels = replace(voxels, segment=None)
        return Sample(labelled.name, replace(voxels, inverse=voxels.inverse[:0]), targets,
                      uncropped_size)


def crop(labelled: LabelledScan, voxels: Voxels, count: int,
         rng: np.random.Generator) -> LabelledScan:
    """Keep the points of the `count` voxels whose columns are nearest to a random voxel's."""
    xy = voxels.coords[:, :2].numpy()
    distance = np.square(xy - xy[rng.integers(len(xy))]).sum(1)
    near = np.zeros(len(xy), bool)
    near[np.argsort(distance, kind='stable')[:count]] = True
    rows = np.flatnonzero(near[voxels.inverse.numpy()])
    return labelled.take(rows)


class SampleDataset(TorchDataset[Sample | InputError]):
    """
    Map-style data set of training samples, by epoch and index of the scan.

    The seed and this index determine a sample, also of which scan objects are inserted: another
    one, if there is one. For a scan that cannot be used, also as donor, it returns the error:
    raised in a worker process, it would arrive with the worker's traceback.

    Attributes
    ----------
    dataset : Dataset
    names : list of str
    seed : int
    insertion : ObjectInsertion or None
        None: no other scan is read.
    transform : SampleTransform

    """

    def __init__(self, dataset: Dataset, names: Sequence[str], seed: int,
                 insertion: ObjectInsertion | None, transform: SampleTransform) -> None:
        self.dataset, self.names, self.seed = dataset, list(names), seed
        self.insertion, self.transform = insertion, transform

    def __getitem__(self, index: SampleIndex) -> Sample | InputError:
        try:
            return self._sample(index)
        except InputError as error:
            return error

    def _sample(self, index: SampleIndex) -> Sample:
        rng = np.random.default_rng([self.seed, *index])
        number, count = index[1], len(self.names)
        labelled = self._read(number)
        if self.insertion is not None:
            other = number + int(rng.integers(1, max(2, count)))
            labelled = self.insertion(labelled, self._read(other % count), rng)
        with _scan_errors(self.names[number]):
            return self.transform(labelled, rng)

    def _read(self, number: int) -> LabelledScan:
        with _scan_errors(self.names[number]):
            return self.dataset.read(self.names[number])


@contextmanager
def _scan_errors(name: str) -> Iterator[None]:
    """Name the scan in errors."""
    try:
        yield
    except InputError as error:
        raise InputError(f'scan {name}: {error}') from error


@dataclass(frozen=True)
class DistributedBatchSampler:
    """
    Batch sampler for several processes that can start at any step.

    The scans are shuffled in each epoch; the last step of an epoch takes the remaining ones, as
    in the original. A process that gets no scan of a step borrows one as padding, because all
    processes take part in the collective operations.

    Attributes
    ----------
    seed, num_scans : int
    batch_size : int
        Scans per step, over all processes.
    epochs : int
    first_step : int
        Where to start: steps before it are skipped.
    rank, world_size : int
        This process, and the number of processes.

    """

    seed: int
    num_scans: int
    batch_size: int
    epochs: int
    first_step: int = 0
    rank: int = 0
    world_size: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of steps per epoch."""
        return -(-self.num_scans // self.batch_size)

    @property
    def num_steps(self) -> int:
        """Return the number of steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def num_local(self, step: int) -> int:
        """Return how many scans of a step this process gets; 0 if it borrows one as padding."""
        place = step % self.steps_per_epoch
        scans = min(self.batch_size, self.num_scans - place * self.batch_size)
        return len(range(self.rank, scans, self.world_size))

    def __len__(self) -> int:
        return self.num_steps - self.first_step

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        for step in range(self.first_step, self.num_steps):
            epoch, place = divmod(step, self.steps_per_epoch)
            if place == 0 or step == self.first_step:
                shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.num_scans)
            scans = shuffled[place * self.batch_size:(place + 1) * self.batch_size]
            local = scans[self.rank::self.world_size]
            yield [(epoch, int(index)) for index in (local if len(local) else scans[:1])]


def load_samples(samples: SampleDataset, sampler: DistributedBatchSampler, workers: int, pin: bool,
                 ) -> Iterator[list[Sample | InputError]]:
    """
    Yield the samples of each step, for the whole run; for a scan that cannot be used, the error.

    One DataLoader serves all epochs, so that its workers start only once.
    """
    workers = min(workers, os.cpu_count() or 1)  # more would be no faster
    loader = DataLoader(samples, batch_sampler=sampler, num_workers=workers, pin_memory=pin,
                        collate_fn=list, worker_init_fn=_start_worker,
                        prefetch_factor=2 if workers else None)
    yield from loader


def _start_worker(number: int) -> None:
    """Ignore signals in a worker: the main process handles them at the end of a step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
