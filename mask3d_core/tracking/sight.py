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
from numpy.typing import NDArray
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
    here = {track: share for track, share in zip(tracks, _shares(tracks, shown.keys))
            if share >= MIN_SURFACE}
    others = [track for track in tracks if track not in here]
    if not others:
        return here
    blocks = shown.dilated_blocks()
    in_sight = [track for track in others if 2 * np.count_nonzero(find(
        _sampled(track) & BLOCK_MASK, blocks.keys)[1]) > len(_sampled(track))]
    around = cells.take(surrounding_columns(shown.columns))
    return here | dict(zip(in_sight, _shares(in_sight, around)))


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


def _sampled(track: Track) -> NDArray[np.int64]:
    keys = track.cells.keys
    return keys[::-(-len(keys) // SAMPLE_CELLS)]


def _shares(tracks: Sequence[Track], cells: NDArray[np.int64]) -> list[float]:
    """Return the share of the cells of each track that, or of which a neighbor, is in an array."""
    if not tracks:
        return []
    sampled = [_sampled(track) for track in tracks]
    keys = np.concatenate(sampled)
    _, there = find(keys, cells)
    missing = np.flatnonzero(~there)
    for mask, step in zip(FACE_MASKS, FACE_STEPS):
        found = find(shifted(keys[missing], mask, step), cells)[1]
        there[missing[found]] = True
        missing = missing[~found]
    size = np.array(list(map(len, sampled)))
    shown = np.add.reduceat(there, np.cumsum(size) - size, dtype=np.int64)
    return np.asarray(shown / size).tolist()
