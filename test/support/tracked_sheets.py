"""Clouds of square sheets that represent objects, and the ids a tracker gives them."""

from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking.track import Track
from mask3d_core.tracking.tracker import Tracker
from mask_rows import rows_of
import numpy as np
from numpy.typing import NDArray

SIZE = 0.4
"""Metres: edge of the square sheets that represent objects."""


def sheet(x: float, y: float = 0.0, width: float = SIZE) -> NDArray[np.float64]:
    """Return points of a horizontal rectangle with its lowest corner at (x, y)."""
    grid = np.stack(np.meshgrid(np.arange(0, width, 0.02), np.arange(0, SIZE, 0.02)), axis=-1)
    return np.pad(grid.reshape(-1, 2) + [x, y], ((0, 0), (0, 1)))


def show(*places: NDArray[np.float64], without: NDArray[np.float64] | None = None,
         ) -> tuple[Scan, Instances]:
    """Return a scan of some objects, best first, and of background."""
    none = np.empty((0, 3)) if without is None else without
    xyz = np.concatenate([*places, none, [[np.nan] * 3]])
    masks = np.zeros((len(places), len(xyz)), bool)
    end = 0
    for mask, place in zip(masks, places):
        mask[end:end + len(place)] = True
        end += len(place)
    center = np.array([place.mean(axis=0) for place in places]).reshape(-1, 3)
    size = np.array([np.ptp(place, axis=0) for place in places]).reshape(-1, 3)
    return Scan.from_points(xyz), Instances(
        rows_of(masks), len(xyz), np.ones(len(places), np.int32),
        np.ones(len(places), np.float32), {1: 'thing'}, {1: (0, 0, 0)}, center, center, size,
        center, size, np.zeros(len(places)))


def update(tracker: Tracker, *places: NDArray[np.float64],
           without: NDArray[np.float64] | None = None, frame: str = 'map') -> list[int]:
    """Return the ids of some objects."""
    scan, instances = show(*places, without=without)
    return ids_of(tracker.update(scan, instances, frame))


def ids_of(tracks: list[Track]) -> list[int]:
    """Return the ids of tracks."""
    return [track.id for track in tracks]
