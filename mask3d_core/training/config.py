"""Configuration of a training run: all settings in one dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.model.config import ModelConfig
from mask3d_core.training.augmentation import AugmentationConfig
from mask3d_core.training.config_file import (
    known_keys,
    merge,
    parse_keys,
    read_tree,
    to_tree,
    Tree,
    tree_text,
)
from mask3d_core.training.matcher import LossWeights

PRECISIONS = {'float32': '32-true', 'bfloat16': 'bf16-mixed', 'float16': '16-mixed'}
"""Names of our precisions and of Lightning Fabric's."""
DERIVED_MODEL_KEYS = ('num_classes', 'in_channels')
"""Keys of `model` that are derived from the data set and `use_color`."""


@dataclass(frozen=True)
class TrainConfig:
    """
    Settings of a training run; the defaults are those of the paper for ScanNet (Sec. IV).

    Attributes
    ----------
    data : str
        Folder of a prepared data set.
    output : str
        Folder for everything the run writes.
    start_weights : str
        Weights file to fine-tune; 'shipped': the one in the package; empty: train from scratch.
    fold : str
        Fold of the data set to validate on, while all others are trained on (S3DIS: 'Area_5');
        empty: the splits as they are.
    train_splits : tuple of str
        Splits of the data set to train on.
    validation_split : str
        Split for validation; empty: no validation.
    seed : int
        The same seed gives the same weights on the same machine.
    licence : str
        Licence of the weights, stored in the weights files.
    voxel_size : float
        Metres.
    voxel_color : str
        'mean' of a voxel's points (the paper) or its 'first' (the original's code).
    max_voxels : int
        Stored for inference, not used in training: maps with more voxels are segmented with
        voxels up to 1.3 times larger; 0: no bound.
    tile_size, tile_margin : float or None
        Metres, stored for inference as well: how larger maps are cut into tiles. A size of 0 cuts
        nothing; None: as suits the data set.
    use_color : bool
        False: the model gets only geometry.
    model : ModelConfig
        Without `num_classes` and `in_channels`, which are derived from the data.
    augmentation : AugmentationConfig
    loss : LossWeights
        Weights of the loss terms, also used as costs in the matching.
    epochs : int
        Passes over the training scans.
    batch_size : int
        Scans per optimizer step, over all GPUs and machines; the last step of an epoch takes
        the remaining scans.
    batch_voxels : int
        Most voxels in one forward pass on one GPU; steps with more are split and their
        gradients accumulated. A single scan with more is cropped. 0: no bound.
    loss_voxels : int
        Voxels per scan on which the mask losses are computed, sampled in each step; 0: all (as
        in the paper). A small model trains in half the time with 8000.
    balance : float
        Strength of the logit adjustment for class frequencies (Menon et al., ICLR 2021). 0 (as
        in the paper): uncertain objects get a frequent class; 1: as if all classes were equally
        frequent, which suits a mean over classes.
    learning_rate, weight_decay : float
        Of AdamW; `learning_rate` is the maximum of the one-cycle schedule.
    gradient_clip : float
        Largest norm of the gradient; 0: no clipping.
    checkpoint_activations : bool
        Recompute activations in the backward pass (activation checkpointing): less memory, a
        third slower.
    device : str
        'auto', 'cpu' or 'cuda'.
    devices, machines : int
        GPUs (on CPUs: processes) per machine; 0: all GPUs, or one process. Number of machines.
    sync_batch_norm : bool
        Compute batch norm statistics over the scans of all processes. False: each process over
        its own scans; for CPUs, where processes wait for each other longer than they compute.
    precision : str
        'float32', 'bfloat16' or 'float16'.
    workers : int
        Data loader processes that read, augment and voxelize; at most one per core.
    log_every : int
        Steps between two lines of log.csv.
    save_every : int
        Steps between two checkpoints, in addition to one after every epoch; 0: only those.
    validate_every : int
        Epochs between two validations; the last epoch is always validated.
    pictures : int
        Number of validation scans of which pictures are drawn.
    extract : ExtractSettings
        Post-processing during validation.

    """

    data: str = ''
    output: str = ''
    start_weights: str = ''
    fold: str = ''
    train_splits: tuple[str, ...] = ('train',)
    validation_split: str = 'validation'
    seed: int = 0
    licence: str = 'unknown: that of the training data'
    voxel_size: float = 0.02
    voxel_color: str = 'mean'
    max_voxels: int = 0
    tile_size: float | None = None
    tile_margin: float | None = None
    use_color: bool = True
    model: ModelConfig = ModelConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    loss: LossWeights = LossWeights()
    epochs: int = 601
    batch_size: int = 5
    batch_voxels: int = 0
    loss_voxels: int = 0
    balance: float = 0.0
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    gradient_clip: float = 0.0
    checkpoint_activations: bool = False
    device: str = 'auto'
    devices: int = 1
    machines: int = 1
    sync_batch_norm: bool = True
    precision: str = 'float32'
    workers: int = 4
    log_every: int = 10
    save_every: int = 0
    validate_every: int = 50
    pictures: int = 3
    extract: ExtractSettings = ExtractSettings(
        min_points=1, dbscan_eps=0.0, overlap_threshold=None, all_classes=True, superpoints=False)

    def __post_init__(self) -> None:
        wrong = [text for holds, text in (
            (self.seed >= 0, 'seed of 0 or more'),
            (0 < self.voxel_size < math.inf, 'voxel_size in metres, above 0'),
            (self.voxel_color in ('mean', 'first'), "voxel_color as 'mean' or 'first'"),
            (self.max_voxels >= 0, 'max_voxels above 0, or 0 for no bound'),
            (self.tile_size is None or 0 <= self.tile_size < math.inf,
             'tile_size in metres, or 0 to cut nothing'),
            (self.tile_margin is None or 0 <= self.tile_margin < math.inf,
             'tile_margin in metres, 0 or more'),
            (self.epochs > 0, 'epochs above 0'),
            (self.batch_size > 0, 'batch_size above 0'),
            (self.batch_voxels == 0 or self.batch_voxels >= 1000,
             'batch_voxels of 1000 or more, or 0 for no bound'),
            (self.loss_voxels >= 0, 'loss_voxels above 0, or 0 for all'),
            (0 <= self.balance <= 1, 'balance in 0..1'),
            (0 < self.learning_rate < math.inf, 'learning_rate above 0'),
            (0 <= self.weight_decay < math.inf, 'weight_decay of 0 or more'),
            (0 <= self.gradient_clip < math.inf, 'gradient_clip above 0, or 0 for none'),
            (self.device in ('auto', 'cpu', 'cuda'), 'device as auto, cpu or cuda'),
            (self.devices >= 0, 'devices of 1 or more, or 0 for all'),
            (self.machines > 0, 'machines above 0'),
            (self.precision in PRECISIONS, f'precision as one of {", ".join(PRECISIONS)}'),
            (self.workers >= 0, 'workers of 0 or more'),
            (self.log_every > 0, 'log_every above 0'),
            (self.save_every >= 0, 'save_every above 0, or 0 for every epoch'),
            (self.validate_every > 0, 'validate_every above 0'),
            (self.pictures >= 0, 'pictures of 0 or more'),
        ) if not holds]
        if wrong:
            name = wrong[0].split()[0]
            raise InputError(f'expected {wrong[0]}, got {getattr(self, name)!r}')


FREE_ON_RESUME = ('data', 'output', 'device', 'workers', 'log_every', 'save_every', 'pictures')
"""Keys that may change when a run is resumed: they do not affect the weights. `data` may have
been moved; a fingerprint checks that it is the same data set."""


def load_config(path: Path | None, arguments: Sequence[str] = ()) -> TrainConfig:
    """
    Read a configuration.

    Parameters
    ----------
    path : path, optional
        YAML; `config/train_*.yaml` are examples. Without it, the defaults.
    arguments : strings
        `--key value` and `--section.key value`; they override the file.

    Raises
    ------
    InputError
        For an unknown key (the message suggests the closest one), a wrong type or value.

    """
    config = TrainConfig()
    if path is not None:
        config = _merge(config, read_tree(path), str(path))
    return _merge(config, parse_keys(arguments), 'the command line')


def _merge(config: TrainConfig, tree: Tree, where: str) -> TrainConfig:
    model = tree.get('model')
    for key in DERIVED_MODEL_KEYS:
        if isinstance(model, dict) and key in model:
            raise InputError(f'model.{key} in {where} is derived from the data set and '
                             'use_color: leave it out')
    return merge(config, tree, where)


def config_text(config: TrainConfig) -> str:
    """Return a configuration with all its values as YAML, for `load_config`."""
    tree = to_tree(config)
    for key in DERIVED_MODEL_KEYS:
        del tree['model'][key]
    return tree_text(tree)


def differences(config: TrainConfig, other: TrainConfig) -> list[str]:
    """List the values that differ, except for `FREE_ON_RESUME`: 'epochs 8 instead of 9'."""
    def value(settings: object, key: str) -> object:
        for name in key.split('.'):
            settings = getattr(settings, name)
        return settings

    pairs = {key: (value(config, key), value(other, key)) for key in known_keys(TrainConfig)
             if key not in FREE_ON_RESUME}
    return [f'{key} {ours!r} instead of {theirs!r}'
            for key, (ours, theirs) in pairs.items() if ours != theirs]
