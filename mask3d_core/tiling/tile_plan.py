"""The plan of the tiles of a map, seen from above: what stands where, and where it is cut."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.geometry.cells import distinct
from mask3d_core.sparse import map_blocks
from mask3d_core.sparse.threads import BLOCK_ROWS
from mask3d_core.tiling.settings import MAX_STRETCH, TileSettings
from mask3d_core.voxel_box import bounds
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

CELL = 0.1
"""Edge of a cell where tiles end at walls, metres."""
CELLS_PER_TILE = 80
"""Cells along a tile where they do not."""
PARTS = 2
"""Tiles are cut at parts of a cell, so many along each axis, to tell both sides of a wall."""
MAX_CELLS = 1 << 21
"""Of a plan. Of a larger one empty strips are left out; if that does not do, cells grow."""
STRIP_CELLS = 20
"""Width that is left of an empty strip."""

LEVELS, LEVELS_PER_CELL = 64, 2
"""Levels of height that a cell tells apart, which repeat above; so many are as high as a cell."""
MIN_WALL_LEVELS = 12
"""Occupied pairs of levels in a cell of a wall: points over 1.2 m of height."""
BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1)
"""Number of bits of each byte."""
ROOM_CLEARANCE = 4.5
"""Cells to the nearest wall inside a room, but not in a doorway of up to 0.9 m."""
MIN_ROOM_CELLS = 30
"""Cells with this clearance in a room, and with points."""
MIN_PART_CELLS = 600
"""Cells of a part of a room that is cut by the lattice; a smaller one joins another part."""
GAP_CELLS = 10
"""Floor that the scan does not show is taken for floor up to so many cells from seen one."""
GROWTH_STEPS = 13
"""Cells that a room reaches beyond its clear middle: to its walls, and into its doorways."""
MAX_REACH = 15.0
"""Cells beyond that, over which the walls and corners of a room still belong to it."""


@dataclass(frozen=True, eq=False)
class TilePlan:
    """
    The cells of a map seen from above, and the tile that each belongs to.

    Attributes
    ----------
    cell : float
        Edge of a cell, metres. Cells lie on a lattice of the frame: the same place is in the same
        cell in every map.
    x, y : [X], [Y] int64
        Lattice coordinates of the cells, ascending: floor(position / cell).
    levels : [X, Y] uint64
        Occupied levels of height of each cell: bit floor(2 z / cell) modulo 64.
    wall : [X, Y] bool
    tile : [PARTS X, PARTS Y] int32
        Number of the tile of each part of a cell, 0..T-1; -1 where the map has no points.
    extent : float
        Length of the map along x or y, the larger of both, metres.

    """

    cell: float
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    levels: NDArray[np.uint64]
    wall: NDArray[np.bool_]
    tile: NDArray[np.int32]
    extent: float

    def part_of(self, xyz: NDArray[np.floating]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the row and the column of `tile` that each point [n, 3] is in."""
        return (_place(xyz[:, 0], self.cell, self.x), _place(xyz[:, 1], self.cell, self.y))


def plan_tiles(xyz: NDArray[np.floating], settings: TileSettings) -> TilePlan:
    """
    Decide where a map is cut into tiles.

    Rooms are what is left in the middle when walls are thickened until doorways close. From there
    they grow up to their walls and into their doorways; a wall between two rooms is cut along its
    middle. Rooms much longer than a tile, and what lies outside of rooms, are cut by a lattice of
    the frame. All of it depends on the points nearby only, so a place is cut in the same way in
    every map that shows the same there. The exception are maps of more than `MAX_CELLS`, of which
    empty strips do not make up enough: their cells grow, and only the lattice cuts them.

    Parameters
    ----------
    xyz : [N, 3]
        Metres, z up.
    settings : TileSettings

    """
    lattice_only = settings.size and not settings.along_walls
    low, high = bounds(xyz)
    cell, x, y = _lattice(xyz, low, high,
                          settings.size / CELLS_PER_TILE if lattice_only else CELL)
    occupied, levels = _fill(xyz, cell, x, y)
    side = max(1, round(settings.size / cell))
    square = _squares(x, y, side) if settings.size else np.ones((len(x), len(y)), np.int32)
    shown = levels != 0
    if settings.size and settings.along_walls and cell == CELL:
        wall = np.zeros(levels.shape, np.bool_)
        wall[shown] = _occupied_pairs(levels[shown]) >= MIN_WALL_LEVELS
        tile = _cut_along_walls(shown, wall, square, side)
    else:
        wall = np.zeros(square.shape, np.bool_)
        tile = _join_small(np.where(shown, square, 0)).repeat(PARTS, 0).repeat(PARTS, 1)
    used = np.zeros(int(tile.max()) + 1, np.bool_)
    used[tile[occupied]] = True
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return TilePlan(cell, x, y, levels, wall, np.where(occupied, number[tile], np.int32(-1)),
                    float((high - low)[:2].max()))


def _lattice(xyz: NDArray[np.floating], lowest: NDArray[np.float64],
             highest: NDArray[np.float64], cell: float,
             ) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """Return the edge of a cell and the lattice coordinates of rows and columns of the plan."""
    while True:
        low, high = (np.floor(end[:2] / cell).astype(np.int64) for end in (lowest, highest))
        if np.prod(high - low + 1, dtype=np.float64) <= MAX_CELLS:
            return cell, np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)
        x, y = (_without_strips(xyz[:, axis], cell) for axis in (0, 1))
        if len(x) * len(y) <= MAX_CELLS:
            return cell, x, y
        cell *= 2


def _without_strips(positions: NDArray[np.floating], cell: float) -> NDArray[np.int64]:
    """Return the occupied coordinates of an axis, and those next to them."""
    places = distinct(np.concatenate([
        distinct(np.floor(positions[start:start + BLOCK_ROWS] / cell).astype(np.int64))
        for start in range(0, len(positions), BLOCK_ROWS)]))
    beside = np.arange(-STRIP_CELLS // 2, STRIP_CELLS // 2 + 1)
    return distinct((places[:, None] + beside).reshape(-1))


def _fill(xyz: NDArray[np.floating], cell: float, x: NDArray[np.int64], y: NDArray[np.int64],
          ) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Return which parts of cells are occupied [PARTS X, PARTS Y], and which levels [X, Y]."""
    occupied = np.zeros(PARTS * len(x) * PARTS * len(y), np.bool_)
    filled = np.zeros(len(x) * len(y) * LEVELS, np.bool_)

    def fill(rows: slice) -> None:
        chunk = xyz[rows]
        row, column = _place(chunk[:, 0], cell, x), _place(chunk[:, 1], cell, y)
        occupied[row * np.int32(PARTS * len(y)) + column] = True
        height = np.floor(chunk[:, 2] / chunk.dtype.type(cell / LEVELS_PER_CELL)).astype(np.int32)
        place = row // PARTS * np.int32(len(y)) + column // PARTS
        filled[place * np.int32(LEVELS) + (height & (LEVELS - 1))] = True

    map_blocks(fill, len(xyz))
    bits = np.packbits(filled, bitorder='little')
    return occupied.reshape(PARTS * len(x), -1), bits.view('<u8').reshape(len(x), len(y))


def _occupied_pairs(levels: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the number of pairs of levels that are occupied in each cell."""
    return count_levels((levels | levels >> np.uint64(1)) & np.uint64(0x5555_5555_5555_5555))


def count_levels(levels: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the number of occupied levels of each cell."""
    counts: NDArray[np.int64] = BITS[levels[..., None].view(np.uint8)].sum(-1)
    return counts


def _place(positions: NDArray[np.floating], cell: float, places: NDArray[np.int64],
           ) -> NDArray[np.int32]:
    """Return the part of a cell of each position along an axis, counted in the plan."""
    part = np.floor(positions / positions.dtype.type(cell / PARTS)).astype(np.int32)
    if places[-1] - places[0] + 1 == len(places):
        part -= np.int32(PARTS * places[0])
    else:
        index = np.searchsorted(places, part // PARTS).clip(max=len(places) - 1)
        part += (PARTS * (index - places[index])).astype(np.int32)
    return part.clip(0, PARTS * len(places) - 1, out=part)  # rounding at the ends


def _squares(x: NDArray[np.int64], y: NDArray[np.int64], side: int) -> NDArray[np.int32]:
    """Return the number of the square of the lattice each cell is in, from 1: [X, Y]."""
    row, column = (np.unique(places // side, return_inverse=True)[1] for places in (x, y))
    number = row[:, None] * (int(column.max()) + 1) + column + 1
    return number.astype(np.int32)


def _cut_along_walls(occupied: NDArray[np.bool_], wall: NDArray[np.bool_],
                     square: NDArray[np.int32], side: int) -> NDArray[np.int32]:
    """Return the tile of each part of a cell: [PARTS X, PARTS Y], numbers above 0."""
    room = _split_long(_grow(_room_middles(occupied, wall), ~wall), square, side)
    room = np.where(wall, 0, room).repeat(PARTS, 0).repeat(PARTS, 1)
    if room.any():
        # the distance along axes, which takes a third of the time of the Euclidean one
        distance, (row, column) = ndimage.distance_transform_cdt(room == 0, 'taxicab',
                                                                 return_indices=True)
        room = room[row, column]
        far = distance > PARTS * MAX_REACH
        if not (far & occupied.repeat(PARTS, 0).repeat(PARTS, 1)).any():
            return room
        room[far] = 0
    outside = _join_small(np.where(occupied, square, 0)).repeat(PARTS, 0).repeat(PARTS, 1)
    return np.where(room > 0, room, outside + room.max())


def _room_middles(occupied: NDArray[np.bool_], wall: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of the room each cell is clearly inside of, from 1; 0 for none: [X, Y]."""
    size = 2 * GAP_CELLS + 1
    near = ndimage.maximum_filter(np.pad(occupied, GAP_CELLS), size, mode='constant')
    inside = ndimage.minimum_filter(near, size, mode='constant')[
        GAP_CELLS:-GAP_CELLS, GAP_CELLS:-GAP_CELLS] & ~wall
    if wall.any():
        inside &= ndimage.distance_transform_edt(~wall) >= ROOM_CLEARANCE
    room: NDArray[np.int32] = ndimage.label(inside)[0]
    seen = np.bincount(room[occupied], minlength=int(room.max()) + 1)
    room[seen[room] < MIN_ROOM_CELLS] = 0
    return room


def _grow(room: NDArray[np.int32], free: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Let each room take the free cells around it, step by step."""
    room, free = np.pad(room, 1), np.pad(free, 1)
    for _ in range(GROWTH_STEPS):
        largest = np.zeros_like(room)
        largest[1:] = room[:-1]
        for to, of in ((np.s_[:-1], np.s_[1:]), (np.s_[:, 1:], np.s_[:, :-1]),
                       (np.s_[:, :-1], np.s_[:, 1:])):
            np.maximum(largest[to], room[of], out=largest[to])
        room = np.where((room == 0) & free, largest, room)
    return room[1:-1, 1:-1]


def _split_long(room: NDArray[np.int32], square: NDArray[np.int32], side: int,
                ) -> NDArray[np.int32]:
    """Cut rooms that are much longer than a tile by the lattice."""
    following = int(room.max()) + 1
    for number, window in enumerate(ndimage.find_objects(room), start=1):
        if window and max(s.stop - s.start for s in window) > MAX_STRETCH * side:
            whole = room[window] == number
            part = _join_small(np.where(whole, square[window], 0))
            room[window][whole] = following + part[whole]
            following += int(part.max()) + 1
    return room


def _join_small(part: NDArray[np.int32]) -> NDArray[np.int32]:
    """Join parts, numbered from 1, that are small to the nearest larger one that is not far."""
    count = np.bincount(part.reshape(-1))
    count[0] = 0
    least = min(MIN_PART_CELLS, int(count.max()))
    distance, (row, column) = ndimage.distance_transform_edt(count[part] < least,
                                                             return_indices=True)
    joined = np.arange(len(count), dtype=np.int32)
    for small, window in enumerate(ndimage.find_objects(part), start=1):
        if window and count[small] < least:
            inside = np.where(part[window] == small, distance[window], np.inf)
            if inside.min() <= GAP_CELLS:
                nearest = np.unravel_index(inside.argmin(), inside.shape)
                joined[small] = part[row[window][nearest], column[window][nearest]]
    return joined[part]
