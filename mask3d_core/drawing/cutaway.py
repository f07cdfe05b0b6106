"""What to take away from a room so that one can look into it, as into a doll's house."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ROOM_HEIGHT = (1.8, 12.0)
"""Metres: scans lower than this have no ceiling, higher ones are no rooms."""
LAYER = 0.05
CELL = 0.25
STRIP = 0.12
"""Metres: height of a level layer, side of a square of the floor plan, width of a front strip."""
CEILING_SHARE = 0.3
"""Share of the floor plan that a ceiling covers at least."""
SLICES = 8
TALL = 6
"""A wall is seen in that many of the slices a scan is cut into by height."""
WALL_SHARE = 0.4
"""Share of the front of a room that must be wall, else it is furniture, and stays."""
WALL_DEPTH = 0.4
ROOM_DEPTH = 1.5
"""Metres, along the direction of view."""
STUB = 0.1
"""Share of the height that remains of a wall, to show where it stands."""
MAX_SAMPLE = 200000


def below_ceiling(xyz: NDArray) -> NDArray[np.bool_]:
    """
    Tell which points remain when the lid is taken off a room: [N, 3] -> [N].

    A ceiling is a level layer in the upper third of a scan of `ROOM_HEIGHT` that covers much of
    its floor plan. It goes, with all above it.
    """
    height = xyz[:, 2]
    sample = xyz[::1 + len(xyz) // MAX_SAMPLE]
    low, high = np.quantile(sample[:, 2], (0.001, 0.999))
    if not ROOM_HEIGHT[0] <= high - low <= ROOM_HEIGHT[1]:
        return np.ones(len(xyz), bool)
    square = np.floor((sample[:, :2] - sample[:, :2].min(axis=0)) / CELL).astype(np.int64)
    cell = square[:, 0] * (square[:, 1].max() + 1) + square[:, 1]
    layer = np.floor((sample[:, 2] - low) / LAYER).astype(np.int64)
    footprint = len(np.unique(cell))
    for level in range(int(2 / 3 * (high - low) / LAYER), int((high - low) / LAYER) + 1):
        if len(np.unique(cell[layer == level])) > CEILING_SHARE * footprint:
            return height < low + (level - 1) * LAYER
    return np.ones(len(xyz), bool)


def behind_near_walls(xyz: NDArray, azimuth: float) -> NDArray[np.bool_]:
    """
    Tell which points remain when the walls towards the camera are taken away: [N, 3] -> [N].

    Parameters
    ----------
    xyz : [N, 3]
        Metres, z up.
    azimuth : float
        Degrees: where the camera stands, seen from the points.

    """
    kept = np.ones(len(xyz), bool)
    sample = xyz[::1 + len(xyz) // MAX_SAMPLE]
    low, high = np.quantile(sample[:, 2], (0.01, 0.99))
    if not ROOM_HEIGHT[0] / 2 <= high - low <= ROOM_HEIGHT[1]:
        return kept
    turn = math.radians(azimuth)
    along = xyz[:, :2] @ np.array([math.cos(turn), math.sin(turn)])  # towards the camera
    across = xyz[:, :2] @ np.array([-math.sin(turn), math.cos(turn)])
    strip = np.floor((across - across.min()) / STRIP).astype(np.int64)
    front, back = np.full(strip.max() + 1, -np.inf), np.full(strip.max() + 1, np.inf)
    np.maximum.at(front, strip, along)
    np.minimum.at(back, strip, along)

    near = along > front[strip] - WALL_DEPTH
    part = np.clip((xyz[:, 2] - low) / (high - low) * SLICES, 0, SLICES - 1).astype(np.int64)
    filled = np.zeros((len(front), SLICES), bool)
    filled[strip[near], part[near]] = True
    wall = (filled.sum(axis=1) >= TALL) & (front - back > ROOM_DEPTH)
    if wall.sum() < WALL_SHARE * np.isfinite(front).sum():
        return kept
    return ~(near & wall[strip] & (xyz[:, 2] > low + STUB * (high - low)))
