"""What a run begins with: its scans, its order, its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
import json
from typing import Any

from mask3d_core.data.dataset import Dataset
from mask3d_core.errors import InputError
from mask3d_core.model.config import BACKBONES
from mask3d_core.sparse.grid import CROSS, CUBE, KERNEL_OFFSETS
from mask3d_core.training.config import TrainConfig
from mask3d_core.training.data_loader import Order, Recipe, Samples
from mask3d_core.training.logit_adjustment import class_frequencies
from mask3d_core.voxels import Voxelization
from mask3d_core.weights.checkpoint import load_weights, untrained_weights, Weights
from mask3d_core.weights.shipped import shipped_weights
from torch import Tensor

SHIPPED = 'shipped'
"""`start_weights` for those of the package."""
CLASS_LAYERS = ('head.classes.', 'votes.classes.')
"""Tensors that belong to the classes, not to what was learned about shapes."""
RESIZED = 1.25
"""Times as large, or as small, as those weights know them shapes may become by other voxels."""


@dataclass(frozen=True)
class Material:
    """
    What a run learns from and is measured by.

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
    def open(cls, config: TrainConfig) -> Material:
        """Find the scans of a configuration; raise InputError when they are not there."""
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
        nothing = not split or dataset.splits.get(split) == ()  # one scan alone is trained on
        measured = () if nothing else dataset.split(split)
        return cls(dataset, tuple(training), tuple(measured))

    @property
    def fingerprint(self) -> str:
        """Return what changes with the scans to learn from, their classes and their colours."""
        data = self.dataset
        facts = [self.training, data.classes.to_dict(), data.background, data.color_mean,
                 data.color_std]
        return sha256(json.dumps(facts).encode()).hexdigest()

    def samples(self, config: TrainConfig) -> Samples:
        """Return the training scans as the network wants them."""
        data = self.dataset
        background = tuple(data.classes.ids[row] for row in data.classes.rows(data.background))
        colors = (data.color_mean, data.color_std) if config.use_color else (None, None)
        recipe = Recipe(config.seed, Voxelization(config.voxel_size, config.voxel_color, *colors),
                        config.augmentation, data.objects, background, config.model.on_segments,
                        config.batch_voxels)
        return Samples(data, self.training, recipe)

    def order(self, config: TrainConfig, rank: int = 0, processes: int = 1) -> Order:
        """Return the order of the training scans, from the first step, for one process."""
        if config.batch_size < processes:
            raise InputError(f'batch_size {config.batch_size} leaves some of {processes} '
                             'processes without a scan: raise it, or lower --devices')
        return Order(config.seed, len(self.training), config.batch_size, config.epochs,
                     rank=rank, processes=processes)

    def class_bias(self, config: TrainConfig) -> Tensor | None:
        """Return the part of the classes' log frequencies that logits are spared: [K]."""
        if not config.balance:
            return None
        return config.balance * class_frequencies(self.dataset, self.training).log()


def first_weights(config: TrainConfig, material: Material, command: str) -> Weights:
    """
    Return what the run begins with: random weights, or those of `start_weights`.

    Of weights for other classes all is taken but what belongs to the classes. Rounds that share
    their weights, and queries that are not learned, may be more or fewer; and kernels that are
    crosses now begin with the cross of the cubes they were.

    Raises
    ------
    InputError
        When the weights are of another kind of model.

    """
    fresh = resumed_weights(config, material, _training_facts(config, material, command))
    if not config.start_weights:
        return fresh
    start = load_weights(shipped_weights() if config.start_weights == SHIPPED
                         else config.start_weights)
    _check_model(start, fresh)
    state = {name: _narrowed(tensor, fresh.state[name]) for name, tensor in start.state.items()}
    if (start.classes.ids, start.classes.names) != (fresh.classes.ids, fresh.classes.names):
        state |= {name: tensor for name, tensor in fresh.state.items()
                  if name.startswith(CLASS_LAYERS)}
    return replace(fresh, state=state)


def resumed_weights(config: TrainConfig, material: Material, trained: Mapping[str, Any],
                    ) -> Weights:
    """Return weights with the facts of a run; their state is random, to be replaced."""
    dataset = material.dataset
    model = replace(config.model, num_classes=len(dataset.objects),
                    in_channels=3 if config.use_color else 1)
    fresh = untrained_weights(model, dataset.objects, config.voxel_size, config.seed)
    return replace(fresh, voxel_color=config.voxel_color, color_mean=dataset.color_mean,
                   color_std=dataset.color_std, licence=config.licence, trained=trained,
                   max_voxels=config.max_voxels)


def _narrowed(tensor: Tensor, fresh: Tensor) -> Tensor:
    """Take the cross [D, 7, C] out of a cube [D, 27, C] where the fresh kernel is one."""
    if tensor.ndim == fresh.ndim == 3 and (tensor.shape[1], fresh.shape[1]) == (CUBE, CROSS):
        return tensor[:, KERNEL_OFFSETS[CROSS]]
    return tensor


def _check_model(start: Weights, fresh: Weights) -> None:
    theirs, ours = start.model.to_dict(), fresh.model.to_dict()
    free = {'num_classes'}  # what no tensor depends on may change
    if start.model.shared_rounds:
        free.add('num_rounds')
    if start.model.queries != 'learned':
        free.add('num_queries')
    was, becomes = (BACKBONES[model.backbone] for model in (start.model, fresh.model))
    if becomes == was._replace(crosses=max(was.crosses, becomes.crosses)):
        free.add('backbone')
    names = {key: 'use_color' if key == 'in_channels' else f'model.{key}'
             for key in theirs if key not in free and theirs[key] != ours[key]}
    smaller, larger = sorted((start.voxel_size, fresh.voxel_size))
    if larger > RESIZED * smaller:
        theirs['voxel_size'], ours['voxel_size'] = start.voxel_size, fresh.voxel_size
        names['voxel_size'] = 'voxel_size'
    if names:
        raise InputError(
            'start_weights have ' + ', '.join(f'{key} {theirs[key]}' for key in names)
            + ', this configuration ' + ', '.join(f'{ours[key]}' for key in names)
            + f': change {", ".join(names.values())}')


def _training_facts(config: TrainConfig, material: Material, command: str) -> dict[str, Any]:
    """Return what a weights file says about its training."""
    import platform

    import mask3d_core
    import numpy as np
    import torch

    return {'data': material.dataset.name, 'splits': list(config.train_splits),
            'fold': config.fold, 'scans': len(material.training), 'command': command,
            'seed': config.seed, 'epochs': config.epochs, 'start_weights': config.start_weights,
            'color_drop': config.augmentation.color_drop if config.use_color else 0.0,
            'versions': {'mask3d': mask3d_core.__version__, 'torch': str(torch.__version__),
                         'numpy': np.__version__, 'python': platform.python_version()}}
