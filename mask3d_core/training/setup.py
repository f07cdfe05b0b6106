"""Set up a run: training data and initial weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
import json
from typing import Any

from mask3d_core.data.benchmark import find_tiles
from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.model.config import BACKBONES
from mask3d_core.sparse.grid import CROSS, CUBE, KERNEL_OFFSETS
from mask3d_core.training.config import TrainConfig
from mask3d_core.training.data_loader import (
    DistributedBatchSampler,
    SampleDataset,
    SampleTransform,
)
from mask3d_core.training.insertion import ObjectInsertion
from mask3d_core.training.logit_adjustment import class_frequencies
from mask3d_core.voxels import Voxelization
from mask3d_core.weights.checkpoint import load_weights, untrained_weights, Weights
from mask3d_core.weights.shipped import shipped_weights
from torch import Tensor

FLOOR = 'floor'
"""Name of the class of the floor, in the class tables that ship and in those of own scans."""
SHIPPED = 'shipped'
"""Value of `start_weights` for the weights in the package."""
CLASS_HEAD_PREFIXES = ('head.classes.', 'votes.classes.')
"""Prefixes of the tensors of the class heads, which depend on the class table."""
MAX_VOXEL_SIZE_RATIO = 1.25
"""Largest ratio of the voxel sizes of start weights and run, in both directions."""


@dataclass(frozen=True)
class TrainingData:
    """
    Scans for training and validation.

    Attributes
    ----------
    dataset : Dataset
    training, validation : tuple of str
        Names of scans.

    """

    dataset: Dataset
    training: tuple[str, ...]
    validation: tuple[str, ...]

    @classmethod
    def open(cls, config: TrainConfig) -> TrainingData:
        """Open the data set of a configuration; raise InputError if data or scans are missing."""
        if not config.data:
            raise InputError('no data set is given: set --data to a folder that `mask3d prepare` '
                             'made')
        dataset = Dataset.open(config.data)
        dataset = dataset.fold(config.fold) if config.fold else dataset
        training = [name for split in config.train_splits for name in dataset.split(split)]
        if not training:
            raise InputError('train_splits names no split: expected at least one of '
                             + ', '.join(dataset.splits))
        split = config.validation_split
        # data sets of a single scan have an empty validation split
        empty = not split or dataset.splits.get(split) == ()
        validation = () if empty else dataset.split(split)
        if config.augmentation.insertions:
            _floor_class(dataset)
        return cls(dataset, tuple(training), tuple(validation))

    @property
    def fingerprint(self) -> str:
        """Return a hash of the training scans' names, the classes and the colour statistics."""
        data = self.dataset
        facts = [self.training, data.classes.to_dict(), data.background, data.color_mean,
                 data.color_std]
        return sha256(json.dumps(facts).encode()).hexdigest()

    def samples(self, config: TrainConfig) -> SampleDataset:
        """Return the data set of training samples."""
        data = self.dataset
        background = tuple(data.classes.ids[row] for row in data.classes.rows(data.background))
        colors = (data.color_mean, data.color_std) if config.use_color else (None, None)
        transform = SampleTransform(
            Voxelization(config.voxel_size, config.voxel_color, *colors),
            config.augmentation, data.objects, background, config.model.on_segments,
            config.batch_voxels)
        limit = config.augmentation.insertions
        insertion = ObjectInsertion(limit, _floor_class(data), background) if limit else None
        return SampleDataset(data, self.training, config.seed, insertion, transform)

    def sampler(self, config: TrainConfig, rank: int = 0, world_size: int = 1,
                ) -> DistributedBatchSampler:
        """Return the batch sampler of one process, from the first step."""
        if config.batch_size < world_size:
            raise InputError(f'batch_size {config.batch_size} leaves some of {world_size} '
                             'processes without a scan: raise it, or lower --devices')
        return DistributedBatchSampler(config.seed, len(self.training), config.batch_size,
                                       config.epochs, rank=rank, world_size=world_size)

    def logit_adjustment(self, config: TrainConfig) -> Tensor | None:
        """Return the logits to add in training, `balance` times log class frequencies: [K]."""
        if not config.balance:
            return None
        return config.balance * class_frequencies(self.dataset, self.training).log()


def _floor_class(dataset: Dataset) -> int:
    """Return the id of the class of the floor, on which objects are inserted."""
    if FLOOR not in dataset.classes.names:
        raise InputError(
            f'augmentation.insertions puts objects on points of the class {FLOOR!r}, which '
            f'{dataset.folder} does not have: label the floor and prepare the scans with '
            f'--background {FLOOR}, or set augmentation.insertions to 0')
    return dataset.classes.ids[dataset.classes.names.index(FLOOR)]


def initial_weights(config: TrainConfig, training_data: TrainingData, command: str) -> Weights:
    """
    Return the initial weights of a new run: random ones, or `start_weights` (fine-tuning).

    Of start weights with another class table everything but the class heads is used. The number
    of rounds may differ if rounds share their weights, and the number of queries if queries are
    not learned. Where the model has a cross kernel and the start weights a cube, the cross is cut
    out of the cube. A head for mask IoUs that the start weights lack is random.

    Raises
    ------
    InputError
        If the start weights are of a model with another architecture.

    """
    fresh = random_weights(config, training_data, _training_facts(config, training_data, command))
    if not config.start_weights:
        return fresh
    start = load_weights(shipped_weights() if config.start_weights == SHIPPED
                         else config.start_weights)
    _check_model(start, fresh)
    state = dict(fresh.state)
    for name, tensor in start.state.items():
        state[name] = _cross_of_cube(tensor, fresh.state[name])
    if (start.classes.ids, start.classes.names) != (fresh.classes.ids, fresh.classes.names):
        state |= {name: tensor for name, tensor in fresh.state.items()
                  if name.startswith(CLASS_HEAD_PREFIXES)}
    return replace(fresh, state=state)


def random_weights(config: TrainConfig, training_data: TrainingData, trained: Mapping[str, Any],
                   ) -> Weights:
    """Return randomly initialized weights with the metadata of a run."""
    dataset = training_data.dataset
    model = replace(config.model, num_classes=len(dataset.objects),
                    in_channels=3 if config.use_color else 1)
    fresh = untrained_weights(model, dataset.objects, config.voxel_size, config.seed)
    fresh = replace(fresh, voxel_color=config.voxel_color, color_mean=dataset.color_mean,
                    color_std=dataset.color_std, licence=config.licence, trained=trained,
                    max_voxels=config.max_voxels,
                    tiles=find_tiles(dataset.name, config.voxel_size))
    return fresh.with_tiles(config.tile_size, config.tile_margin)


def _cross_of_cube(tensor: Tensor, fresh: Tensor) -> Tensor:
    """Cut the cross [D, 7, C] out of a cube kernel [D, 27, C] if the new kernel is a cross."""
    if tensor.ndim == fresh.ndim == 3 and (tensor.shape[1], fresh.shape[1]) == (CUBE, CROSS):
        return tensor[:, KERNEL_OFFSETS[CROSS]]
    return tensor


def _check_model(start: Weights, fresh: Weights) -> None:
    theirs, ours = start.model.to_dict(), fresh.model.to_dict()
    # settings that change no tensor, or only those of the class heads, may differ
    free = {'num_classes'}
    if start.model.shared_rounds:
        free.add('num_rounds')
    if fresh.model.mask_iou:
        free.add('mask_iou')
    if start.model.queries != 'learned':
        free.add('num_queries')
    old, new = (BACKBONES[model.backbone] for model in (start.model, fresh.model))
    if new == old._replace(crosses=max(old.crosses, new.crosses)):  # see `_cross_of_cube`
        free.add('backbone')
    names = {key: 'use_color' if key == 'in_channels' else f'model.{key}'
             for key in theirs if key not in free and theirs[key] != ours[key]}
    smaller, larger = sorted((start.voxel_size, fresh.voxel_size))
    if larger > MAX_VOXEL_SIZE_RATIO * smaller:
        theirs['voxel_size'], ours['voxel_size'] = start.voxel_size, fresh.voxel_size
        names['voxel_size'] = 'voxel_size'
    if names:
        raise InputError(
            'start_weights have ' + ', '.join(f'{key} {theirs[key]}' for key in names)
            + ', this configuration ' + ', '.join(f'{ours[key]}' for key in names)
            + f': change {", ".join(names.values())}')


def _training_facts(config: TrainConfig, training_data: TrainingData, command: str,
                    ) -> dict[str, Any]:
    """Return the training metadata for the weights file."""
    import platform

    import mask3d_core
    import numpy as np
    import torch

    return {'data': training_data.dataset.name, 'splits': list(config.train_splits),
            'fold': config.fold, 'scans': len(training_data.training), 'command': command,
            'seed': config.seed, 'epochs': config.epochs, 'start_weights': config.start_weights,
            'color_drop': config.augmentation.color_drop if config.use_color else 0.0,
            'versions': {'mask3d': mask3d_core.__version__, 'torch': str(torch.__version__),
                         'numpy': np.__version__, 'python': platform.python_version()}}
