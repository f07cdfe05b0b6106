"""What a training run is made of: every number of it in one place."""

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
    change,
    known_keys,
    parse_keys,
    read_tree,
    to_tree,
    Tree,
    tree_text,
)
from mask3d_core.training.matcher import LossWeights

PRECISIONS = {'float32': '32-true', 'bfloat16': 'bf16-mixed', 'float16': '16-mixed'}
"""Ours: Fabric's."""
FROM_DATA = ('num_classes', 'in_channels')
"""Of the model; they follow from the data set and `use_color`."""


@dataclass(frozen=True)
class TrainConfig:
    """
    A training run; the defaults are the paper's for ScanNet (Sec. IV).

    Attributes
    ----------
    data : str
        Folder of a prepared data set.
    output : str
        Folder of the run: everything it writes goes there.
    start_weights : str
        Weights file to go on from (fine-tuning); 'shipped': that of the package; empty: from
        scratch.
    fold : str
        Fold of the data set to validate on, while all others are trained on (S3DIS: 'Area_5');
        empty: the splits as they are.
    train_splits : tuple of str
        Splits of the data set to learn from.
    validation_split : str
        Split to measure on; empty: none.
    seed : int
        The same seed gives the same weights on the same machine.
    licence : str
        Goes into the weights files.
    voxel_size : float
        Metres.
    voxel_color : str
        'mean' of a voxel's points (the paper) or its 'first' (the original's code).
    max_voxels : int
        A map that fills more will be seen with voxels up to 1.3 times larger, though not in
        training; 0: none is.
    use_color : bool
        False: the model sees shape alone.
    model : ModelConfig
        Without `num_classes` and `in_channels`, which follow from the data.
    augmentation : AugmentationConfig
    loss : LossWeights
        What its parts weigh, in the matching, too.
    epochs : int
        Times the training scans are gone through.
    batch_size : int
        Scans per change of the weights, over all GPUs and machines; the last change of an epoch
        is by those that are left.
    batch_voxels : int
        Voxels that go through the network at once on one GPU; more are taken one after another
        and their gradients added. A scan with more is cropped. 0: no bound.
    loss_voxels : int
        Voxels of a scan on which its masks are compared, drawn anew in each step; 0: all (the
        paper). A small model learns in half the time with 8000.
    balance : float
        How much of the frequencies of the classes the class logits are spared (Menon et al.,
        ICLR 2021): 0 (the paper): a doubtful object is called what is frequent; 1: classes are
        told apart as if all were as frequent, which suits the mean over classes.
    learning_rate, weight_decay : float
        Of AdamW; the highest rate of the one-cycle schedule.
    gradient_clip : float
        Largest norm of the gradient; 0: as it is.
    checkpoint_activations : bool
        Compute activations a second time instead of keeping them: less memory, a third slower.
    device : str
        'auto', 'cpu' or 'cuda'.
    devices, machines : int
        GPUs (or processes, on CPUs) of each machine; 0: all GPUs, or one process. Machines.
    sync_batch_norm : bool
        Batch norms are over the scans of all processes; False: each process's over its own,
        where processes wait longer for each other than they compute, as on CPUs.
    precision : str
        'float32', 'bfloat16' or 'float16'.
    workers : int
        Processes that read, augment and voxelize; no more than there are cores.
    log_every : int
        Steps from one line of the logs to the next.
    save_every : int
        Steps after which the state is saved, beside the end of every epoch; 0: only there.
    validate_every : int
        Epochs from one measurement on the validation scans to the next; the last epoch is always
        measured.
    pictures : int
        Validation scans to draw.
    extract : ExtractSettings
        How instances are made while measuring.

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


MAY_DIFFER = ('data', 'output', 'device', 'workers', 'log_every', 'save_every', 'pictures')
"""What a run may be resumed with differently: nothing in it changes the weights. `data` may
lie elsewhere; that it is the same is checked."""


def load_config(path: Path | None, arguments: Sequence[str] = ()) -> TrainConfig:
    """
    Read a configuration.

    Parameters
    ----------
    path : path, optional
        YAML; `config/train_*.yaml` are examples. Without it, the defaults.
    arguments : strings
        `--key value` and `--section.key value`, which win over the file.

    Raises
    ------
    InputError
        For an unknown key, with the nearest one, and for a wrong type or value.

    """
    config = TrainConfig()
    if path is not None:
        config = _change(config, read_tree(path), str(path))
    return _change(config, parse_keys(arguments), 'the command line')


def _change(config: TrainConfig, tree: Tree, where: str) -> TrainConfig:
    model = tree.get('model')
    for key in FROM_DATA:
        if isinstance(model, dict) and key in model:
            raise InputError(f'model.{key} in {where} follows from the data set and use_color: '
                             'leave it out')
    return change(config, tree, where)


def config_text(config: TrainConfig) -> str:
    """Return every value of a configuration as YAML; `load_config` reads it."""
    tree = to_tree(config)
    for key in FROM_DATA:
        del tree['model'][key]
    return tree_text(tree)


def differences(config: TrainConfig, other: TrainConfig) -> list[str]:
    """Return in what two runs differ, but for `MAY_DIFFER`: 'epochs 8 instead of 9'."""
    def value(settings: object, key: str) -> object:
        for name in key.split('.'):
            settings = getattr(settings, name)
        return settings

    pairs = {key: (value(config, key), value(other, key)) for key in known_keys(TrainConfig)
             if key not in MAY_DIFFER}
    return [f'{key} {ours!r} instead of {theirs!r}'
            for key, (ours, theirs) in pairs.items() if ours != theirs]
