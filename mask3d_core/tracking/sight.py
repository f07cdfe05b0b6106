"""What a cloud shows of the places of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mask3d_core.geometry.cells import (
    BLOCK_MASK,
    CellMap,
    CellSet,
    FACE_MASKS,
    FACE_STEPS,
    find,
    shifted,
    surrounding_columns,
)
from mask3d_core.tracking.track import Track
import numpy as np
from scipy.spatial import cKDTree

SAMPLE_CELLS = 64
"""Cells of an object that are looked up to tell whether its surface is still there."""
MIN_SURFACE = 0.5
"""Share of the cells of an object that a cloud shows if its surface is still there."""
MIN_COVER = 0.5
"""Share of the cells of an object that another one has taken up."""
MIN_MOVED_TRACKS, MIN_MOVED_SHARE = 3, 0.5
"""So many of the tracks nearby, at least, are not where they were if the map has moved there."""
NEIGHBORHOOD = 3.0
"""Metres within which tracks are nearby."""


def shown_shares(tracks: Sequence[Track], shown: CellSet, cells: CellMap) -> dict[Track, float]:
    """
    Return the tracks whose surroundings a cloud shows, and the share of the surface of each.

    Parameters
    ----------
    tracks : sequence of Track
    shown : CellSet
        What the cloud shows in the changed places.
    cells : CellMap
        What it shows everywhere.

    """
    if not tracks:
        return {}
    sampled = [track.cells.keys[::-(-len(track.cells) // SAMPLE_CELLS)] for track in tracks]
    keys, starts = np.concatenate(sampled), np.cumsum([0, *map(len, sampled[:-1])])
    _, in_sight = find(keys & BLOCK_MASK, shown.dilated_blocks().keys)
    around = cells.take(surrounding_columns(shown.columns))
    _, there = find(keys, around)
    for neighbors in shifted(keys, FACE_MASKS, FACE_STEPS):
        there |= find(neighbors, around)[1]
    size = np.array(list(map(len, sampled)))
    visible = 2 * np.add.reduceat(in_sight.astype(np.int64), starts) > size
    share = np.add.reduceat(there.astype(np.int64), starts) / size
    return {track: float(share[place]) for place, track in enumerate(tracks) if visible[place]}


def map_moved(shares: Mapping[Track, float]) -> bool:
    """Return whether somewhere too many objects are not where they were."""
    places = np.array([track.detection.shape['centroid'] for track in shares]).reshape(-1, 3)
    missing = np.array([share < MIN_SURFACE for share in shares.values()], np.bool_)
    if missing.sum() < MIN_MOVED_TRACKS:
        return False
    near = cKDTree(places).query_ball_point(places[missing], NEIGHBORHOOD)
    return any(missing[around].sum() >= max(MIN_MOVED_TRACKS, MIN_MOVED_SHARE * len(around))
               for around in near)


def covers(cells: CellSet, others: CellSet) -> bool:
    """Return whether cells contain a good part of other ones."""
    if cells.columns.isdisjoint(others.columns):
        return False
    return bool(find(others.keys, cells.keys)[1].sum() >= MIN_COVER * len(others))
