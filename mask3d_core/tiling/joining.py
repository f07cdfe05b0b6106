"""Join the instances of tiles: what two tiles show of one object is one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mask3d_core.geometry.cells import distinct, find, numbered
from mask3d_core.geometry.components import graph_components
from mask3d_core.instances import Instances
from mask3d_core.tiling.tiles import Tile, TiledMap
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

MIN_SEAM_IOU = 0.6
"""Of two masks over the points that both tiles see, from which on they may be one object."""
MIN_SHARED = 0.5
"""Of the points of the smaller mask that both have, from which on classes may differ."""
MIN_CORE_SHARE = 0.5
"""Of its points that an instance has in the core of its tile, unless another tile confirms it."""


@dataclass(frozen=True, eq=False)
class MapObject:
    """
    An object of the map.

    Attributes
    ----------
    rows : [n] int32
        Points of the map, ascending.
    parts : tuple of (tile, index)
        The instances that it consists of.
    class_id : int
    score : float

    """

    rows: NDArray[np.int32]
    parts: tuple[tuple[int, int], ...]
    class_id: int
    score: float


@dataclass(frozen=True, eq=False)
class _Part:
    """
    An instance of a tile.

    Attributes
    ----------
    tile, index : int
    rows : [n] int32
        Points of the map, ascending.
    shared : [m] int32
        Those of the points that other tiles see as well, ascending.
    class_id : int
    score : float

    """

    tile: int
    index: int
    rows: NDArray[np.int32]
    shared: NDArray[np.int32]
    class_id: int
    score: float


def join_tiles(tiled: TiledMap, found: Mapping[int, Instances]) -> list[MapObject]:
    """
    Join the instances of tiles into objects of the map, best score first.

    Instances of neighboring tiles are parts of one object if they agree where both tiles see:
    each is assigned to one of the other tile at most, and a part may have neighbors in several
    tiles, so an object may be longer than a tile. Its class has most of the evidence, points times
    score; its score is the mean of its parts weighted by points. In the core of a tile that shows
    a part of it, an object has the points of that part. An instance that no other tile confirms
    counts only if most of it is in the core of its tile.

    Parameters
    ----------
    tiled : TiledMap
    found : mapping of int to Instances
        The instances of the tiles segmented so far, over the rows of each tile.

    """
    parts = [part for number in sorted(found)
             for part in _parts(tiled.tiles[number], found[number])]
    component = graph_components(_same_object(tiled, parts, found), len(parts))
    order = np.argsort(component, kind='stable')
    groups = np.split(order, np.flatnonzero(np.diff(component[order])) + 1) if len(parts) else []
    objects = [_join(tiled, [parts[index] for index in group]) for group in groups
               if len(group) > 1 or _mostly_in_core(tiled, parts[group[0]])]
    return sorted(objects, key=lambda one: -one.score)


def _parts(tile: Tile, instances: Instances) -> list[_Part]:
    """Return the instances of a tile."""
    other = np.zeros(len(tile), np.bool_)
    other[np.searchsorted(tile.rows, tile.shared)] = True
    parts = []
    for index, (mask, class_id, score) in enumerate(zip(
            instances.rows, instances.class_id, instances.score)):
        rows = tile.rows.take(mask)
        parts.append(_Part(tile.number, index, rows, rows[other.take(mask)], int(class_id),
                           float(score)))
    return parts


def _mostly_in_core(tiled: TiledMap, part: _Part) -> bool:
    beyond = np.count_nonzero(tiled.core[part.shared] != part.tile)
    return bool(beyond <= (1 - MIN_CORE_SHARE) * len(part.rows))


def _join(tiled: TiledMap, parts: list[_Part]) -> MapObject:
    keys = tuple((part.tile, part.index) for part in parts)
    if len(parts) == 1:
        return MapObject(parts[0].rows, keys, parts[0].class_id, parts[0].score)
    tiles = np.array([part.tile for part in parts])
    own = [_decided(tiled.core[part.rows], part.tile, tiles) for part in parts]
    rows = distinct(np.concatenate([part.rows[mine] for part, mine in zip(parts, own)]))
    weight = np.array([len(part.rows) for part in parts])
    score = np.array([part.score for part in parts])
    classes, of_part = np.unique([part.class_id for part in parts], return_inverse=True)
    return MapObject(rows, keys, int(classes[np.bincount(of_part, weight * score).argmax()]),
                     float(weight @ score / weight.sum()))


def _decided(core: NDArray[np.unsignedinteger], tile: int, tiles: NDArray[np.int64],
             ) -> NDArray[np.bool_]:
    """Return which points a part decides on: not those in the cores of the other parts' tiles."""
    decides = np.ones(max(int(core.max()), int(tiles.max())) + 1, np.bool_)
    decides[tiles] = False
    decides[tile] = True
    return decides[core]


def _same_object(tiled: TiledMap, parts: list[_Part], found: Mapping[int, Instances],
                 ) -> NDArray[np.int64]:
    """Return the pairs of parts, of neighboring tiles, that are of one object: [E, 2]."""
    of_tile: dict[int, list[int]] = {}
    for place, part in enumerate(parts):
        if len(part.shared):
            of_tile.setdefault(part.tile, []).append(place)
    edges = [np.zeros((0, 2), np.int64)]
    for first, second, both in _seams(tiled, found):
        if first in of_tile and second in of_tile:
            a, b = of_tile[first], of_tile[second]
            i, j = _matches([parts[p] for p in a], [parts[p] for p in b], both)
            edges.append(np.stack([np.array(a)[i], np.array(b)[j]], 1))
    return np.concatenate(edges)


def _seams(tiled: TiledMap, found: Mapping[int, Instances],
           ) -> list[tuple[int, int, NDArray[np.int32]]]:
    """Return each pair of tiles that share points, and these points, ascending."""
    seen: dict[tuple[int, int], list[NDArray[np.int32]]] = {}
    for number in found:
        rows = tiled.tiles[number].shared
        core = tiled.core[rows]
        for other in np.unique(core[core != number]).tolist():
            if other in found:
                pair = min(number, other), max(number, other)
                seen.setdefault(pair, []).append(rows[core == other])
    return [(*pair, np.sort(np.concatenate(rows))) for pair, rows in sorted(seen.items())]


def _matches(first: list[_Part], second: list[_Part], both: NDArray[np.int32],
             ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Assign parts of two tiles to each other by their masks over the points that both see."""
    (a, points_a), (b, points_b) = (_at_seam(parts, both) for parts in (first, second))
    common = np.zeros((len(first), len(second)))
    # a matrix product may start threads, which wait for each other on a busy machine
    common[np.ix_(a, b)] = np.einsum('as,bs->ab', points_a, points_b)
    union = np.zeros_like(common)
    union[a] += points_a.sum(1)[:, None]
    union[:, b] += points_b.sum(1)
    iou = common / np.maximum(union - common, 1)
    class_a, class_b = (np.array([part.class_id for part in parts]) for parts in (first, second))
    smaller = np.minimum(np.array([len(part.rows) for part in first])[:, None],
                         np.array([len(part.rows) for part in second]))
    same = (iou >= MIN_SEAM_IOU) & ((class_a[:, None] == class_b)
                                    | (common >= MIN_SHARED * smaller))
    i, j = linear_sum_assignment(np.where(same, iou, 0), maximize=True)
    chosen = same[i, j]
    return i[chosen], j[chosen]


def _at_seam(parts: list[_Part], seam: NDArray[np.int32],
             ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which parts have points of a seam, and which of them: [parts, points] of 0 or 1."""
    place, known = find(np.concatenate([part.shared for part in parts]), seam)
    part = np.repeat(np.arange(len(parts)), [len(part.shared) for part in parts])[known]
    present, row = numbered(part)
    points = np.zeros((len(present), len(seam)))
    points[row, place[known]] = 1
    return present, points
