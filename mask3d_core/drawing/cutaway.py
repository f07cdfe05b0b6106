"""Cutaway views: hide the ceiling of a room and the walls in front of the camera."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ROOM_HEIGHT_RANGE = (1.8, 12.0)
"""Metres: lower scans have no ceiling, higher ones are not a room."""
LAYER_HEIGHT = 0.05
"""Metres, of the horizontal layers in which a ceiling is searched."""
FLOOR_CELL = 0.25
"""Metres, edge of the square cells in which the floor area is counted."""
STRIP_WIDTH = 0.12
"""Metres, of the vertical strips in which walls are searched."""
MIN_CEILING_SHARE = 0.3
"""Share of the floor area that a ceiling covers."""
NUM_SLICES = 8
MIN_WALL_SLICES = 6
"""Slices of equal height per strip, and how many of them a wall occupies."""
MIN_WALL_SHARE = 0.4
"""Share of the strips that must be wall; otherwise the front is furniture and is kept."""
NEAR_WALL_DEPTH = 0.4
"""Metres: points up to this far behind the frontmost point of a strip belong to its wall."""
MIN_ROOM_DEPTH = 1.5
"""Metres along the view direction; strips with less behind their front are no room."""
KEPT_WALL_SHARE = 0.1
"""Share of the height, from below, that is kept of a hidden wall to show its position."""
MAX_SAMPLE_POINTS = 200000


def without_ceiling(xyz: NDArray) -> NDArray[np.bool_]:
    """
    Return which points are below the ceiling of a room: [N, 3] -> [N].

    A ceiling is a horizontal layer in the upper third of a scan that covers `MIN_CEILING_SHARE` of
    its floor area. All points are returned if the height is not in `ROOM_HEIGHT_RANGE`.
    """
    height = xyz[:, 2]
    sample = xyz[::1 + len(xyz) // MAX_SAMPLE_POINTS]
    low, high = np.quantile(sample[:, 2], (0.001, 0.999))
    if not ROOM_HEIGHT_RANGE[0] <= high - low <= ROOM_HEIGHT_RANGE[1]:
        return np.ones(len(xyz), bool)
    square = np.floor((sample[:, :2] - sample[:, :2].min(axis=0)) / FLOOR_CELL).astype(np.int64)
    cell = square[:, 0] * (square[:, 1].max() + 1) + square[:, 1]
    layer = np.floor((sample[:, 2] - low) / LAYER_HEIGHT).astype(np.int64)
    footprint = len(np.unique(cell))
    lowest, highest = int(2 / 3 * (high - low) / LAYER_HEIGHT), int((high - low) / LAYER_HEIGHT)
    for level in range(lowest, highest + 1):
        if len(np.unique(cell[layer == level])) > MIN_CEILING_SHARE * footprint:
            return height < low + (level - 1) * LAYER_HEIGHT
    return np.ones(len(xyz), bool)


def without_near_walls(xyz: NDArray, azimuth: float) -> NDArray[np.bool_]:
    """
    Return which points are not part of a wall in front of the camera: [N, 3] -> [N].

    Parameters
    ----------
    xyz : [N, 3]
        Metres, z up.
    azimuth : float
        Direction from the points to the camera, degrees.

    """
    kept = np.ones(len(xyz), bool)
    sample = xyz[::1 + len(xyz) // MAX_SAMPLE_POINTS]
    low, high = np.quantile(sample[:, 2], (0.01, 0.99))
    if not ROOM_HEIGHT_RANGE[0] / 2 <= high - low <= ROOM_HEIGHT_RANGE[1]:
        return kept
    turn = math.radians(azimuth)
    along = xyz[:, :2] @ np.array([math.cos(turn), math.sin(turn)])  # towards the camera
    across = xyz[:, :2] @ np.array([-math.sin(turn), math.cos(turn)])
    strip = np.floor((across - across.min()) / STRIP_WIDTH).astype(np.int64)
    front, back = np.full(strip.max() + 1, -np.inf), np.full(strip.max() + 1, np.inf)
    np.maximum.at(front, strip, along)
    np.minimum.at(back, strip, along)

    # A strip is wall where its frontmost points fill most of the height, with a room behind them.
    near = along > front[strip] - NEAR_WALL_DEPTH
    level = np.clip((xyz[:, 2] - low) / (high - low) * NUM_SLICES, 0, NUM_SLICES - 1)
    part = level.astype(np.int64)
    filled = np.zeros((len(front), NUM_SLICES), bool)
    filled[strip[near], part[near]] = True
    wall = (filled.sum(axis=1) >= MIN_WALL_SLICES) & (front - back > MIN_ROOM_DEPTH)
    if wall.sum() < MIN_WALL_SHARE * np.isfinite(front).sum():
        return kept
    return ~(near & wall[strip] & (xyz[:, 2] > low + KEPT_WALL_SHARE * (high - low)))
