"""Hyperparameters of a model; stored in the weights file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from mask3d_core.errors import InputError
from mask3d_core.sparse.grid import CROSS, CUBE


class Backbone(NamedTuple):
    """
    Architecture of a U-Net.

    Attributes
    ----------
    channels, repeats : tuple of 8 int
        Channels and residual blocks of each stage: four in the encoder, four in the decoder.
    crosses : int
        Number of the last, finest stages whose kernels are crosses: the voxel and its six face
        neighbors.

    """

    channels: tuple[int, ...]
    repeats: tuple[int, ...]
    crosses: int = 0

    def decoder_kernel(self, level: int) -> int:
        """Return the kernel volume of the decoder stage at a level, 0 the finest."""
        return CROSS if level < self.crosses else CUBE


BACKBONES = {
    'Res16UNet34C': Backbone((32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2)),
    'Res16UNet18B': Backbone((32, 64, 128, 256, 128, 128, 128, 128), (2,) * 8),
    'Res16UNet14A': Backbone((32, 64, 128, 256, 128, 128, 96, 96), (1,) * 8),
    # ours, for robots without a GPU: a third of the FLOPs of 14A
    'Res16UNet14S': Backbone((32, 64, 96, 128, 128, 96, 64, 48), (1,) * 8),
    # as 14S with 0.7 of its FLOPs, most of which were in the two finest stages
    'Res16UNet14X': Backbone((32, 64, 96, 128, 128, 96, 64, 48), (1,) * 8, crosses=2),
}
QUERY_TYPES = ('fps_zero', 'fps_feature', 'learned')


@dataclass(frozen=True)
class ModelConfig:
    """
    Hyperparameters of a Mask3D model (paper, Sec. III and IV).

    Attributes
    ----------
    backbone : str
        One of `BACKBONES`.
    in_channels : int
        Input channels of a voxel: 3 for colour, 1 without.
    num_classes : int
        K, without the no-object class.
    hidden_dim, feedforward_dim, num_heads : int
        D, channels of the feed-forward layer, attention heads.
    num_queries : int
        Q in training; may differ at inference unless the queries are learned.
    queries : str
        How queries are initialized (`model/queries.py`): 'fps_zero', 'fps_feature' or 'learned'.
    num_rounds : int
        Number of passes of the decoder over the levels.
    shared_rounds : bool
        Whether all rounds share their weights.
    levels : tuple of int
        The attended feature levels, 0 = coarsest.
    on_segments : bool
        Whether masks are predicted on superpoints instead of voxels.
    votes : bool
        Whether voxels vote for the center of their object. Queries then start at voxels of likely
        objects, and mask logits depend on the votes, too (`model/votes.py`, `model/windows.py`);
        not in the paper.
    mask_iou : bool
        Whether a query predicts the intersection over union of its mask and an object, by which
        instances are ranked (Huang et al., Mask Scoring R-CNN, CVPR 2019); needs votes; not in
        the paper.

    """

    backbone: str = 'Res16UNet34C'
    in_channels: int = 3
    num_classes: int = 18
    hidden_dim: int = 128
    feedforward_dim: int = 1024
    num_heads: int = 8
    num_queries: int = 100
    queries: str = 'fps_zero'
    num_rounds: int = 3
    shared_rounds: bool = True
    levels: tuple[int, ...] = (0, 1, 2, 3)
    on_segments: bool = False
    votes: bool = False
    mask_iou: bool = False

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise InputError(f'unknown backbone {self.backbone!r}; expected one of '
                             + ', '.join(BACKBONES))
        if self.queries not in QUERY_TYPES:
            raise InputError(f'unknown queries {self.queries!r}; expected one of '
                             + ', '.join(QUERY_TYPES))
        small = [name for name in ('in_channels', 'num_classes', 'hidden_dim', 'feedforward_dim',
                                   'num_heads', 'num_queries', 'num_rounds')
                 if getattr(self, name) < 1]
        if small:
            raise InputError(f'expected {small[0]} of 1 or more, got {getattr(self, small[0])}')
        if self.hidden_dim % 2:
            raise InputError(f'expected an even hidden_dim, got {self.hidden_dim}')
        if self.hidden_dim % self.num_heads:
            raise InputError(f'{self.num_heads} attention heads do not divide the '
                             f'{self.hidden_dim} channels: give another num_heads')
        finest = len(BACKBONES[self.backbone].channels) // 2
        if not self.levels or not all(0 <= level <= finest for level in self.levels):
            raise InputError(f'expected levels of 0, the coarsest, to {finest}, got '
                             f'{list(self.levels)}')
        if self.votes and (self.queries == 'learned' or self.on_segments):
            raise InputError('with votes, queries start at voxels and masks are on voxels: choose '
                             'fps queries and no segments, or no votes')
        if self.mask_iou and not self.votes:
            raise InputError('mask_iou ranks instances together with votes: set votes, too')

    @property
    def kernels(self) -> tuple[tuple[int, ...], ...]:
        """Kernel volumes of the convolutions within each level, fine to coarse."""
        finest, *coarser = map(BACKBONES[self.backbone].decoder_kernel, range(4))
        return (finest,), *(tuple({CUBE, kernel}) for kernel in coarser), (CUBE,)

    def check_queries(self, count: int) -> None:
        """Raise InputError if the model cannot have this number of queries."""
        if count < 1:
            raise InputError(f'expected at least 1 query, got {count}')
        if self.queries == 'learned' and count != self.num_queries:
            raise InputError(f'these weights have {self.num_queries} learned queries: their '
                             f'number cannot be changed to {count}')

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the weights file."""
        return asdict(self) | {'levels': list(self.levels)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Restore what `to_dict` returned; raise InputError for an unknown key."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError('the weights were made by another version of mask3d_ros: unknown '
                             f'model setting {sorted(unknown)[0]!r}; update the older of the two')
        return cls(**(values | {'levels': tuple(values['levels'])}))
