"""A scan: the points of one cloud, validated once when it is created."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_POINTS = 8
MAX_DISTANCE = 1e5
"""Metres from the middle of a cloud, along each axis. Points beyond it are outliers."""
MAX_COORDINATE = 1e8
"""Metres, absolute value: cells of 5 cm are numbered in 32 bits. Geocentric ones have 6.4e6."""
MAX_FLOAT32_POSITION = 1e4
"""Metres: float32 has steps of 1 mm from there on."""
OFFSET_STEP, ALTITUDE_STEP = 1000.0, 100.0
"""Metres: a map that grows keeps its offset, and with it the lattice of its voxels."""
MAX_INPUT_SIZE = 2**31 - 1
"""Points of an input cloud, so that rows of it fit into 32 bits."""
SAMPLE_POINTS = 10_001
"""Points from which the middle of a cloud, and its most frequent colour, are taken."""
MIN_SAME_COLOR = 0.99
"""Colours of a cloud are no information if this share of its points has the same one."""
MAX_COLOR_ROUNDING = 0.01
"""Colours in floating point may be outside of 0..1 by so much."""


@dataclass(frozen=True, eq=False)
class Scan:
    """
    The finite points of a cloud, without outliers.

    Create one with `Scan.from_points`, which validates; the constructor only stores.

    Attributes
    ----------
    xyz : [N, 3] float32 or float64
        Positions in metres, z up, in the frame of the map. Far from its origin, as in a
        projection of the earth, only float64 has the precision.
    color : [N, 3] float32 or None
        Red, green, blue in 0..1.
    segment : [N] int64 or None
        Superpoint id of each point, for weights whose masks are predicted on segments.
    kept : [N] int64
        Row of each point in the input cloud.
    input_size : int
        Number of points of the input cloud, including the dropped ones.
    num_outliers : int
        Finite points that were dropped: further than `MAX_DISTANCE` from the middle of the cloud.
    only_color : (red, green, blue) or None
        The colour, in 0..1, that all points of the input have; `color` is None then.
    num_colorless : int
        Points of an input with colours whose own colour is not known (NaN); they are black.
    unknown_colors : strings
        Names of fields of the input that look like colour, but are not understood.
    unused_fields : strings
        Names of fields of the input that are not used.
    unknown_header : str
        A line of text that seems to name the columns of the input, but not x, y and z.
    frame : str
        Name of the frame, if the source of the cloud gives one.
    conventions : Conventions
        Of the source: its axis that points up, and its unit.
    declared_unit : float
        Metres of the unit that the file names; 1 if it names none.
    num_passed_over : int
        Clouds of a bag that are later, but have no points.

    """

    xyz: NDArray[np.floating]
    color: NDArray[np.float32] | None
    segment: NDArray[np.int64] | None
    kept: NDArray[np.int64]
    input_size: int
    num_outliers: int = 0
    only_color: tuple[float, float, float] | None = None
    num_colorless: int = 0
    unknown_colors: tuple[str, ...] = ()
    unused_fields: tuple[str, ...] = ()
    unknown_header: str = ''
    frame: str = ''
    conventions: Conventions = AS_IS
    declared_unit: float = 1.0
    num_passed_over: int = 0

    def __len__(self) -> int:
        return len(self.xyz)

    def take(self, rows: NDArray[np.integer]) -> Scan:
        """Return some of the points, ascending, as a scan whose input they are."""
        return Scan(self.xyz.take(rows, axis=0),
                    None if self.color is None else self.color.take(rows, axis=0),
                    None if self.segment is None else self.segment.take(rows),
                    np.arange(len(rows)), len(rows), only_color=self.only_color)

    def near_origin(self) -> tuple[Scan, NDArray[np.float64]]:
        """
        Subtract an offset, if the points are far from the origin of their frame.

        Returns
        -------
        scan : Scan
            Within some kilometres of the origin, or this one.
        offset : [3] float64
            Metres: multiples of `OFFSET_STEP` along axes on which the middle of the scan is
            further than `MAX_FLOAT32_POSITION` from the origin, of `ALTITUDE_STEP` on others.

        """
        sample = self.xyz[::-(-len(self) // SAMPLE_POINTS) | 1]
        middle = np.median(sample, axis=0).astype(np.float64)
        far = np.abs(middle) > MAX_FLOAT32_POSITION
        if not far.any():
            return self, np.zeros(3)
        step = np.where(far, OFFSET_STEP, ALTITUDE_STEP)
        offset = step * np.rint(middle / step)
        return replace(self, xyz=self.xyz - offset), offset

    @classmethod
    def from_points(cls, xyz: ArrayLike, color: ArrayLike | None = None,
                    segment: ArrayLike | None = None) -> Scan:
        """
        Validate a cloud and keep its finite points, without outliers.

        Colours that are the same everywhere are what a source without colour fills in: they are
        discarded, as a network would take them for the colour of porcelain, say.

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
            For a wrong shape, too few finite points, more points than `MAX_INPUT_SIZE`, a cloud
            of which more than half are outliers, or one beyond `MAX_COORDINATE`.

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
        colorless = _colorless(None if color is None else np.asarray(color))
        segments = None if segment is None else _segment_ids(np.asarray(segment), len(points))

        # Column by column: a numpy reduction over rows of three is ten times slower.
        finite = np.logical_and.reduce([np.isfinite(points[:, axis]) for axis in range(3)])
        kept = np.flatnonzero(finite)
        if len(kept) < MIN_POINTS:
            raise InputError(
                f'cloud has {len(kept)} finite points of {len(points)}, expected at least '
                f'{MIN_POINTS}: wait for the map to fill, or check the sensor')
        finite_points = points if len(kept) == len(points) else points.take(kept, axis=0)
        near = _near_middle(finite_points)
        num_outliers = 0 if near is None else len(kept) - int(near.sum())
        if near is not None:
            kept = kept[near]
            finite_points = points.take(kept, axis=0)
        if len(kept) < len(points):
            colors = None if colors is None else colors.take(kept, axis=0)
            colorless = None if colorless is None else colorless.take(kept)
            segments = None if segments is None else segments.take(kept)
        only = None if colors is None else _only_color(colors)
        return cls(finite_points, colors if only is None else None, segments, kept, len(finite),
                   num_outliers, only, 0 if colorless is None else int(colorless.sum()))


def _unit_color(color: NDArray, count: int) -> NDArray[np.float32]:
    if color.shape != (count, 3):
        raise InputError(f'expected colours of shape [{count}, 3], got {list(color.shape)}')
    if color.dtype == np.uint8:
        return color.astype(np.float32) / np.float32(255)
    if not np.issubdtype(color.dtype, np.floating):
        raise InputError(f'expected colours as uint8 0..255 or float 0..1, got {color.dtype}')
    unit = np.nan_to_num(color.astype(np.float32))
    if unit.size and (unit.min() < 0 or unit.max() > 1):
        if unit.min() < -MAX_COLOR_ROUNDING or unit.max() > 1 + MAX_COLOR_ROUNDING:
            raise InputError(f'expected float colours in 0..1, got {unit.min():g} to '
                             f'{unit.max():g}: divide by 255, or pass uint8')
        unit = np.clip(unit, 0, 1)
    return unit


def _colorless(color: NDArray | None) -> NDArray[np.bool_] | None:
    """Return which colours [N, 3] are NaN, None if none is."""
    if color is None or color.dtype.kind != 'f':
        return None
    unknown = np.isnan(color).any(axis=1)
    return unknown if unknown.any() else None


def _segment_ids(segment: NDArray, count: int) -> NDArray[np.int64]:
    if segment.shape != (count,) or not np.issubdtype(segment.dtype, np.integer):
        raise InputError(f'expected {count} integer segment ids, got {segment.dtype} '
                         f'of shape {list(segment.shape)}')
    return segment.astype(np.int64, copy=False)


def _near_middle(points: NDArray[np.floating]) -> NDArray[np.bool_] | None:
    """Return which points [N, 3] are no outliers, None if none is one."""
    if max(points.max(), -points.min()) <= MAX_DISTANCE / 2:
        return None
    low, high = (np.array([end(points[:, axis]) for axis in range(3)], np.float64)
                 for end in (np.min, np.max))
    middle = np.median(points[::-(-len(points) // SAMPLE_POINTS) | 1], axis=0).astype(np.float64)
    position = ', '.join(f'{value:.7g}' for value in middle)
    if np.abs(middle).max() > MAX_COORDINATE:
        raise InputError(f'the cloud is at ({position}) m, beyond {MAX_COORDINATE:g} m: expected '
                         'metres; give its unit (--unit mm, in the node input_unit), or subtract '
                         'an offset')
    if (middle - low).max() <= MAX_DISTANCE and (high - middle).max() <= MAX_DISTANCE:
        return None
    near = np.logical_and.reduce([
        (middle[axis] - MAX_DISTANCE <= points[:, axis])
        & (points[:, axis] <= middle[axis] + MAX_DISTANCE) for axis in range(3)])
    count = int(near.sum())
    if 2 * count < len(points) or count < MIN_POINTS:
        raise InputError(f'{len(points) - count} of {len(points)} points are beyond '
                         f'{MAX_DISTANCE:g} m of the middle of the cloud, ({position}) m: '
                         'expected metres in a map frame; give its unit (--unit mm, in the node '
                         'input_unit), or check the sensor')
    return near


def _only_color(color: NDArray[np.float32]) -> tuple[float, float, float] | None:
    """Return the colour that at least `MIN_SAME_COLOR` of the points [N, 3] have, or None."""
    sample = color[::-(-len(color) // SAMPLE_POINTS) | 1]
    usual = np.median(sample, axis=0)
    for chosen in (sample, color):
        same = np.logical_and.reduce([chosen[:, axis] == usual[axis] for axis in range(3)])
        if same.mean() < MIN_SAME_COLOR:
            return None
    return float(usual[0]), float(usual[1]), float(usual[2])
