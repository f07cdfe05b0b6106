"""A camera that finds its own place above a scan."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mask3d_core.drawing.cutaway import behind_near_walls, below_ceiling
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

FIELD_OF_VIEW = math.radians(38)
"""Across the shorter side of the picture."""
MARGIN = 0.94
"""Share of the picture that the points fill."""
ELEVATIONS = (38, 50, 62)
AZIMUTHS = tuple(range(15, 375, 30))
"""Directions to look from, degrees."""
STEEPNESS_COST = 0.006
"""Share of the points that a view must gain for each degree it is steeper."""
PROBE_SIZE = 96
"""Pixels of the small picture that judges a direction."""
PROBE_POINTS = 20000


@dataclass(frozen=True)
class Camera:
    """
    A pinhole camera that looks at a point.

    Attributes
    ----------
    axes : [3, 3]
        Rows: right, up, and back towards the camera, unit vectors in the frame of the scan.
    target : [3]
        What is in the middle of the picture, metres.
    distance : float
        From target to camera, metres.
    focal : float
        Pixels.
    width, height : int
        Pixels.

    """

    axes: NDArray[np.float64]
    target: NDArray[np.float64]
    distance: float
    focal: float
    width: int
    height: int

    def project(self, xyz: NDArray) -> tuple[NDArray, NDArray]:
        """Return the pixel (column, row) of each point, [N, 2], and its depth [N], metres."""
        local = (xyz - self.target) @ self.axes.T
        depth = np.maximum(self.distance - local[:, 2], 1e-3 * self.distance)
        scale = self.focal / depth
        return np.stack([self.width / 2 + local[:, 0] * scale,
                         self.height / 2 - local[:, 1] * scale], axis=1), depth


def aim(xyz: NDArray, azimuth: float, elevation: float, width: int, height: int) -> Camera:
    """
    Place a camera so that nearly all points fill its picture.

    Parameters
    ----------
    xyz : [N, 3]
        Metres, z up.
    azimuth, elevation : float
        Degrees: where the camera stands, seen from the points.
    width, height : int
        Pixels.

    """
    turn, lift = math.radians(azimuth), math.radians(elevation)
    axes = np.array([
        [-math.sin(turn), math.cos(turn), 0],
        [-math.sin(lift) * math.cos(turn), -math.sin(lift) * math.sin(turn), math.cos(lift)],
        [math.cos(lift) * math.cos(turn), math.cos(lift) * math.sin(turn), math.sin(lift)]])
    focal = min(width, height) / 2 / math.tan(FIELD_OF_VIEW / 2)
    half = np.array([width, height]) / 2 / focal * MARGIN
    target = np.median(xyz, axis=0).astype(np.float64)
    distance = 1.0
    for _ in range(4):  # a nearer side looks larger: centre again after each change of distance
        local = (xyz - target) @ axes.T
        distance = float(np.quantile(
            np.maximum(local[:, 2], (local[:, 2:] + np.abs(local[:, :2]) / half).max(axis=1)),
            0.999)) + 1e-3
        seen = local[:, :2] / np.maximum(distance - local[:, 2:], 1e-3)
        low, high = np.quantile(seen, (0.002, 0.998), axis=0)
        target = target + (low + high) / 2 * distance @ axes[:2]
    return Camera(axes, target, distance, focal, width, height)


def find_view(xyz: NDArray, width: int, height: int) -> tuple[Camera, NDArray[np.bool_]]:
    """
    Choose from where to look at a scan, and what to take out of the way.

    Returns
    -------
    camera : Camera
        Above the scan, where it sees most of the points.
    shown : [N] bool
        Points that are no ceiling and no wall in front.

    """
    shown = below_ceiling(xyz)
    sample = xyz[shown][::max(1, len(xyz) // PROBE_POINTS)]
    probe_width = PROBE_SIZE * width // height
    best, best_score = (float(AZIMUTHS[0]), float(ELEVATIONS[0])), -np.inf
    for azimuth in AZIMUTHS:
        probe = sample[behind_near_walls(sample, azimuth)]
        for elevation in ELEVATIONS:
            camera = aim(probe[::4], azimuth, elevation, probe_width, PROBE_SIZE)
            seen = _visible_share(probe, camera) * len(probe) / len(sample)
            # A steeper view hides less, but shows shapes worse.
            score = seen - STEEPNESS_COST * (elevation - ELEVATIONS[0])
            if score > best_score:
                best, best_score = (azimuth, elevation), score
    shown[shown] = behind_near_walls(xyz[shown], best[0])
    return aim(xyz[shown][::max(1, len(xyz) // PROBE_POINTS)], *best, width, height), shown


def _visible_share(xyz: NDArray, camera: Camera) -> float:
    pixel, depth = camera.project(xyz)
    front = np.full((camera.height, camera.width), np.inf)
    column, row = pixel.astype(np.int64).T
    column, row = column.clip(0, camera.width - 1), row.clip(0, camera.height - 1)
    np.minimum.at(front, (row, column), depth)
    front = minimum_filter(front, 3)
    tolerance = 4 * camera.distance / camera.focal  # a splat of this picture, metres
    return float((depth <= front[row, column] + tolerance).mean())
