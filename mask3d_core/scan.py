"""A scan: the points of one cloud, validated once when it is created."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_POINTS = 8
MAX_COORDINATE = 1e5
"""Metres, absolute value. Larger coordinates come from a broken sensor or wrong units."""
MAX_INPUT_SIZE = 2**31 - 1
"""Points of an input cloud, so that rows of it fit into 32 bits."""


@dataclass(frozen=True, eq=False)
class Scan:
    """
    The finite points of a cloud.

    Create one with `Scan.from_points`, which validates; the constructor only stores.

    Attributes
    ----------
    xyz : [N, 3] float32 or float64
        Positions in metres, z up, in the frame of the map.
    color : [N, 3] float32 or None
        Red, green, blue in 0..1.
    segment : [N] int64 or None
        Superpoint id of each point, for weights whose masks are predicted on segments.
    kept : [N] int64
        Row of each point in the input cloud.
    input_size : int
        Number of points of the input cloud, including the dropped ones.

    """

    xyz: NDArray[np.floating]
    color: NDArray[np.float32] | None
    segment: NDArray[np.int64] | None
    kept: NDArray[np.int64]
    input_size: int

    def __len__(self) -> int:
        return len(self.xyz)

    def take(self, rows: NDArray[np.integer]) -> Scan:
        """Return some of the points, ascending, as a scan whose input they are."""
        return Scan(self.xyz.take(rows, axis=0),
                    None if self.color is None else self.color.take(rows, axis=0),
                    None if self.segment is None else self.segment.take(rows),
                    np.arange(len(rows)), len(rows))

    @classmethod
    def from_points(cls, xyz: ArrayLike, color: ArrayLike | None = None,
                    segment: ArrayLike | None = None) -> Scan:
        """
        Validate a cloud and keep its finite points.

        Parameters
        ----------
        xyz : [M, 3] float
            Metres. Rows that contain NaN or infinity are dropped.
        color : [M, 3], optional
            uint8 0..255, or float 0..1.
        segment : [M] integer, optional
            Superpoint ids; any integers.

        Raises
        ------
        InputError
            For a wrong shape, too few finite points, more points than `MAX_INPUT_SIZE`, or
            coordinates beyond `MAX_COORDINATE`.

        """
        points = np.asarray(xyz)
        if points.ndim != 2 or points.shape[1] != 3:
            raise InputError(f'expected points of shape [N, 3], got {list(points.shape)}')
        if len(points) > MAX_INPUT_SIZE:
            raise InputError(f'cloud has {len(points)} points, expected at most {MAX_INPUT_SIZE}: '
                             'crop or thin the cloud')
        if points.dtype.kind not in 'fiu':
            raise InputError(f'expected points as numbers, got {points.dtype}')
        double = points.dtype.kind == 'f' and points.dtype.itemsize >= 8  # any byte order
        points = points.astype(np.float64 if double else np.float32, copy=False)
        colors = None if color is None else _unit_color(np.asarray(color), len(points))
        segments = None if segment is None else _segment_ids(np.asarray(segment), len(points))

        # Column by column: a numpy reduction over rows of three is ten times slower.
        finite = np.logical_and.reduce([np.isfinite(points[:, axis]) for axis in range(3)])
        kept = np.flatnonzero(finite)
        if len(kept) < MIN_POINTS:
            raise InputError(
                f'cloud has {len(kept)} finite points of {len(points)}, expected at least '
                f'{MIN_POINTS}: wait for the map to fill, or check the sensor')
        if len(kept) < len(points):
            points = points.take(kept, axis=0)
            colors = None if colors is None else colors.take(kept, axis=0)
            segments = None if segments is None else segments.take(kept)
        _check_extent(points)
        return cls(points, colors, segments, kept, len(finite))


def _unit_color(color: NDArray, count: int) -> NDArray[np.float32]:
    if color.shape != (count, 3):
        raise InputError(f'expected colours of shape [{count}, 3], got {list(color.shape)}')
    if color.dtype == np.uint8:
        return color.astype(np.float32) / np.float32(255)
    if not np.issubdtype(color.dtype, np.floating):
        raise InputError(f'expected colours as uint8 0..255 or float 0..1, got {color.dtype}')
    unit = np.nan_to_num(color.astype(np.float32))
    if unit.size and (unit.min() < 0 or unit.max() > 1):
        raise InputError(f'expected float colours in 0..1, got {unit.min():g} to {unit.max():g}: '
                         'divide by 255, or pass uint8')
    return unit


def _segment_ids(segment: NDArray, count: int) -> NDArray[np.int64]:
    if segment.shape != (count,) or not np.issubdtype(segment.dtype, np.integer):
        raise InputError(f'expected {count} integer segment ids, got {segment.dtype} '
                         f'of shape {list(segment.shape)}')
    return segment.astype(np.int64, copy=False)


def _check_extent(points: NDArray[np.floating]) -> None:
    if max(points.max(), -points.min()) > MAX_COORDINATE:
        x, y, z = points[np.abs(points).max(axis=1).argmax()]
        raise InputError(f'a point at ({x:g}, {y:g}, {z:g}) m is beyond {MAX_COORDINATE:g} m: '
                         'expected metres in a map frame; remove the outlier or scale the cloud')
