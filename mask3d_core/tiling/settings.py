"""How maps are cut into tiles."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mask3d_core.errors import InputError

MAX_STRETCH = 1.25
"""A room, or a whole map, up to so many times as long as a tile is not cut."""
MAX_INDOOR_VOXEL = 0.1
"""Metres: weights with larger voxels are for the outdoors, where no walls divide a map."""
OUTDOOR_VOXELS, OUTDOOR_MARGIN_VOXELS = 150, 6
"""Size and margin of tiles outdoors, in voxels: the 50 m and 2 m of STPLS3D (supplement I)."""


@dataclass(frozen=True)
class TileSettings:
    """
    How maps are cut into tiles; the defaults suit rooms.

    Attributes
    ----------
    size : float
        Edge of the lattice that cuts what is larger than a room, metres; 0: maps are not cut. A
        room or a map of up to `MAX_STRETCH` times this length is one tile.
    margin : float
        What a tile sees beyond its core, metres, but not through walls. Objects in it are seen
        by two tiles, and joined.
    along_walls : bool
        Whether tiles are rooms, which end at walls and doorways; otherwise the lattice alone
        counts.

    """

    size: float = 8.0
    margin: float = 0.5
    along_walls: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.size < math.inf):
            raise InputError(f'expected a tile size in metres, or 0 to cut nothing, got '
                             f'{self.size}')
        if not (0 <= self.margin < math.inf) or self.margin > self.size > 0:
            raise InputError(f'expected a tile margin of 0 to {self.size:g} m, the size of a '
                             f'tile, got {self.margin}')


def default_tiles(voxel_size: float) -> TileSettings:
    """Return how maps are cut for weights that do not say it, given their voxel size in metres."""
    if voxel_size <= MAX_INDOOR_VOXEL:
        return TileSettings()
    return TileSettings(OUTDOOR_VOXELS * voxel_size, OUTDOOR_MARGIN_VOXELS * voxel_size,
                        along_walls=False)
