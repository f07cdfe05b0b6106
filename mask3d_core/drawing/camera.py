"""A pinhole camera, and the automatic choice of a view from above a scan."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mask3d_core.drawing.cutaway import without_ceiling, without_near_walls
from mask3d_core.geometry.surfaces import near_others
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

FIELD_OF_VIEW = math.radians(38)
"""Radians, across the shorter side of the image."""
FILL_SHARE = 0.94
"""Share of the image's width or height that the points fill."""
ELEVATIONS_DEG = (38, 50, 62)
AZIMUTHS_DEG = tuple(range(15, 375, 30))
"""Candidate positions of the camera."""
ELEVATION_PENALTY = 0.006
"""Share of the points that a view has to show in addition for each degree of elevation."""
PROBE_HEIGHT = 96
"""Pixels of the low-resolution images that rate the candidates."""
MAX_PROBE_POINTS = 20000


@dataclass(frozen=True)
class Camera:
    """
    A pinhole camera aimed at a target point.

    Attributes
    ----------
    axes : [3, 3]
        Rows: right, up, and backwards (from target to camera), unit vectors in the scan's frame.
    target : [3]
        The point at the image center, metres.
    distance : float
        From target to camera, metres.
    focal : float
        Focal length, pixels.
    width, height : int
        Image size, pixels.

    """

    axes: NDArray[np.float64]
    target: NDArray[np.float64]
    distance: float
    focal: float
    width: int
    height: int

    def project(self, xyz: NDArray) -> tuple[NDArray, NDArray]:
        """Return pixel coordinates (column, row) [N, 2] and depths [N], metres, of points."""
        local = (xyz - self.target) @ self.axes.T
        depth = np.maximum(self.distance - local[:, 2], 1e-3 * self.distance)
        scale = self.focal / depth
        return np.stack([self.width / 2 + local[:, 0] * scale,
                         self.height / 2 - local[:, 1] * scale], axis=1), depth


def fit_camera(xyz: NDArray, azimuth: float, elevation: float, width: int, height: int) -> Camera:
    """
    Place a camera so that nearly all points fit into its image and fill it.

    Parameters
    ----------
    xyz : [N, 3]
        Metres, z up.
    azimuth, elevation : float
        Direction from the points to the camera, degrees.
    width, height : int
        Image size, pixels.

    """
    turn, lift = math.radians(azimuth), math.radians(elevation)
    axes = np.array([
        [-math.sin(turn), math.cos(turn), 0],
        [-math.sin(lift) * math.cos(turn), -math.sin(lift) * math.sin(turn), math.cos(lift)],
        [math.cos(lift) * math.cos(turn), math.cos(lift) * math.sin(turn), math.sin(lift)]])
    focal = min(width, height) / 2 / math.tan(FIELD_OF_VIEW / 2)
    half = np.array([width, height]) / 2 / focal * FILL_SHARE
    target = np.median(xyz, axis=0).astype(np.float64)
    distance = 1.0
    for _ in range(4):  # fixed-point iteration: the center depends on the distance
        local = (xyz - target) @ axes.T
        # Smallest distance at which each point is inside the image; stray points do not count.
        distance = float(np.quantile(
            np.maximum(local[:, 2], (local[:, 2:] + np.abs(local[:, :2]) / half).max(axis=1)),
            0.999)) + 1e-3
        seen = local[:, :2] / np.maximum(distance - local[:, 2:], 1e-3)
        low, high = np.quantile(seen, (0.002, 0.998), axis=0)
        target = target + (low + high) / 2 * distance @ axes[:2]
    return Camera(axes, target, distance, focal, width, height)


def find_view(xyz: NDArray, width: int, height: int) -> tuple[Camera, NDArray[np.bool_]]:
    """
    Choose the view that shows most points of a scan, and the points to hide for it.

    Returns
    -------
    camera : Camera
        Above the scan.
    shown : [N] bool
        False for the ceiling, for walls between the camera and the room, and for stray points.

    """
    shown = near_others(xyz)
    shown[shown] = without_ceiling(xyz[shown])
    sample = xyz[shown][::max(1, len(xyz) // MAX_PROBE_POINTS)]
    probe_width = PROBE_HEIGHT * width // height
    best, best_score = (float(AZIMUTHS_DEG[0]), float(ELEVATIONS_DEG[0])), -np.inf
    for azimuth in AZIMUTHS_DEG:
        probe = sample[without_near_walls(sample, azimuth)]
        for elevation in ELEVATIONS_DEG:
            camera = fit_camera(probe[::4], azimuth, elevation, probe_width, PROBE_HEIGHT)
            seen = _visible_share(probe, camera) * len(probe) / len(sample)
            # A steeper view has fewer occlusions, but shapes are harder to recognize in it.
            score = seen - ELEVATION_PENALTY * (elevation - ELEVATIONS_DEG[0])
            if score > best_score:
                best, best_score = (azimuth, elevation), score
    shown[shown] = without_near_walls(xyz[shown], best[0])
    sample = xyz[shown][::max(1, len(xyz) // MAX_PROBE_POINTS)]
    return fit_camera(sample, *best, width, height), shown


def _visible_share(xyz: NDArray, camera: Camera) -> float:
    """Return the share of points that no other point occludes."""
    pixel, depth = camera.project(xyz)
    front = np.full((camera.height, camera.width), np.inf)
    column, row = pixel.astype(np.int64).T
    column, row = column.clip(0, camera.width - 1), row.clip(0, camera.height - 1)
    np.minimum.at(front, (row, column), depth)
    front = minimum_filter(front, 3)
    tolerance = 4 * camera.distance / camera.focal  # four pixels, in metres at the target
    return float((depth <= front[row, column] + tolerance).mean())
