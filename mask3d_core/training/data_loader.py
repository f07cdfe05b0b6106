"""From the scans of a data set to what goes through the network at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
from mask3d_core.training.targets import make_targets, Targets
from mask3d_core.voxels import batch_coords, Voxelization, voxelize, Voxels
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

Turn = tuple[int, int]
"""Epoch and index of a scan: with the seed, all that its augmentation depends on."""


@dataclass(frozen=True)
class Sample:
    """
    One scan, ready for the network.

    Attributes
    ----------
    name : str
    voxels : Voxels
        Without `inverse`, which only instances need.
    targets : Targets
    whole : int
        Number of its voxels before it was cropped to the budget.

    """

    name: str
    voxels: Voxels
    targets: Targets
    whole: int

    def pin_memory(self) -> Sample:
        """Return the sample in memory a GPU can copy from; the loader calls it."""
        voxels = replace(
            self.voxels, coords=self.voxels.coords.pin_memory(),
            features=self.voxels.features.pin_memory(), centers=self.voxels.centers.pin_memory(),
            segment=None if self.voxels.segment is None else self.voxels.segment.pin_memory())
        targets = replace(self.targets, class_row=self.targets.class_row.pin_memory(),
                          masks=self.targets.masks.pin_memory())
        return replace(self, voxels=voxels, targets=targets)


class Batch:
    """
    Scans that go through the network together, on its device.

    Fabric converts the tensors of every collection it is handed to the training precision,
    coordinates too; it does not look into this.
    """

    def __init__(self, samples: Sequence[Sample], device: torch.device,
                 kernels: Sequence[Collection[int]]) -> None:
        self.names = [sample.name for sample in samples]
        self.voxels = [sample.voxels.to(device) for sample in samples]
        self.targets = [sample.targets.to(device) for sample in samples]
        self.pyramid = build_pyramid(batch_coords(self.voxels), kernels)


@dataclass(frozen=True)
class Recipe:
    """
    How a labelled scan becomes a sample.

    Attributes
    ----------
    seed : int
    voxelization : Voxelization
    augmentation : AugmentationConfig
    classes : ClassTable
        Of the model.
    background : tuple of int
        Ids of the classes whose instances are no objects.
    on_segments : bool
    batch_voxels : int
        0: no bound.

    """

    seed: int
    voxelization: Voxelization
    augmentation: AugmentationConfig
    classes: ClassTable
    background: tuple[int, ...]
    on_segments: bool
    batch_voxels: int

    def make(self, labelled: LabelledScan, turn: Turn) -> Sample:
        """Augment, voxelize and find the targets; the same turn gives the same sample."""
        if self.on_segments and labelled.scan.segment is None:  # as the Segmenter does
            segment = find_superpoints(labelled.scan, self.voxelization.size)
            labelled = replace(labelled, scan=replace(labelled.scan, segment=segment))
        rng = np.random.default_rng([self.seed, *turn])
        neutral = self.voxelization.color_mean or (0.5, 0.5, 0.5)
        labelled = augment(labelled, rng, self.augmentation, neutral)
        if labelled.scan.color is None and self.augmentation.color_drop:  # as if it were dropped
            plain = np.tile(np.asarray(neutral, np.float32), (len(labelled), 1))
            labelled = replace(labelled, scan=replace(labelled.scan, color=plain))
        voxels = voxelize(labelled.scan, self.voxelization)
        whole = len(voxels)
        if 0 < self.batch_voxels < whole:
            labelled = crop(labelled, voxels, self.batch_voxels, rng)
            voxels = voxelize(labelled.scan, self.voxelization)
        targets = make_targets(labelled, voxels, self.classes, self.background, self.on_segments)
        if not self.on_segments:
            voxels = replace(voxels, segment=None)
        return Sample(labelled.name, replace(voxels, inverse=voxels.inverse[:0]), targets, whole)


def crop(labelled: LabelledScan, voxels: Voxels, count: int,
         rng: np.random.Generator) -> LabelledScan:
    """Keep the points of the `count` voxels around a random one, from floor to ceiling."""
    xy = voxels.coords[:, :2].numpy()
    distance = np.square(xy - xy[rng.integers(len(xy))]).sum(1)
    near = np.zeros(len(xy), bool)
    near[np.argsort(distance, kind='stable')[:count]] = True
    rows = np.flatnonzero(near[voxels.inverse.numpy()])
    return labelled.take(rows)


class Samples(TorchDataset[Sample | InputError]):
    """
    The training scans of a data set, by turn; it lives in the worker processes.

    A scan that cannot be used is an error to be raised where it is seen: a worker would wrap it
    into its traceback.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str], recipe: Recipe) -> None:
        self.dataset, self.names, self.recipe = dataset, list(names), recipe

    def __getitem__(self, turn: Turn) -> Sample | InputError:
        name = self.names[turn[1]]
        try:
            return self.recipe.make(self.dataset.read(name), turn)
        except InputError as error:
            return InputError(f'scan {name}: {error}')


@dataclass(frozen=True)
class Order:
    """
    Which scans every step sees.

    The scans of each epoch are shuffled anew; the last step of an epoch takes what is left, as
    the original's. A process that none of its scans fall to borrows one, to keep in step with
    the others.

    Attributes
    ----------
    seed, num_scans : int
    batch_size : int
        Scans of a step, over all processes.
    epochs : int
    begin : int
        First step to do.
    rank, processes : int
        Which share of each step is ours.

    """

    seed: int
    num_scans: int
    batch_size: int
    epochs: int
    begin: int = 0
    rank: int = 0
    processes: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of steps of an epoch."""
        return -(-self.num_scans // self.batch_size)

    @property
    def num_steps(self) -> int:
        """Return the steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def num_own(self, step: int) -> int:
        """Return the number of scans of a step that fall to this process: 0 if it borrows one."""
        place = step % self.steps_per_epoch
        scans = min(self.batch_size, self.num_scans - place * self.batch_size)
        return len(range(self.rank, scans, self.processes))

    def __len__(self) -> int:
        return self.num_steps - self.begin

    def __iter__(self) -> Iterator[list[Turn]]:
        for step in range(self.begin, self.num_steps):
            epoch, place = divmod(step, self.steps_per_epoch)
            if place == 0 or step == self.begin:
                shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.num_scans)
            scans = shuffled[place * self.batch_size:(place + 1) * self.batch_size]
            own = scans[self.rank::self.processes]
            yield [(epoch, int(index)) for index in (own if len(own) else scans[:1])]


def load_samples(samples: Samples, order: Order, workers: int, pin: bool,
                 ) -> Iterator[list[Sample | InputError]]:
    """
    Yield each step's samples, for the whole run; for a scan that cannot be used, the reason.

    Workers live as long as the run: nothing is made anew from epoch to epoch.
    """
    workers = min(workers, os.cpu_count() or 1)  # more are no faster
    loader = DataLoader(samples, batch_sampler=order, num_workers=workers, pin_memory=pin,
                        collate_fn=list, worker_init_fn=_start_worker,
                        prefetch_factor=2 if workers else None)
    yield from loader


def _start_worker(number: int) -> None:
    """Leave signals to the main process, which stops at the end of a step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
