"""What is probably wrong with a scan: axes, units, colour, outliers, precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import re

from mask3d_core.geometry.surfaces import extent, sample_rows, sample_surfaces, Surfaces
from mask3d_core.geometry.upright import AxesDoubt, doubt_surfaces, UPRIGHT
from mask3d_core.scan import MAX_DISTANCE, MIN_POINTS, Scan
import numpy as np
from numpy.typing import NDArray

OPTICAL_NAME = re.compile(r'optical(_frame|_link)?$', re.IGNORECASE)
"""Of frames with z forward and y down, by REP 103."""
EARTH_RADIUS = (6.33e6, 6.40e6)
"""Metres: distances of places on the ground from the centre of the earth."""
MAX_ALTITUDE = 2e4
"""Metres, absolute: larger z at that distance from the origin is no altitude."""

FINE_VOXELS = 0.1
"""Metres: weights with voxels up to this size are for rooms; for others the limits grow."""
MAX_HEIGHT = 100.0
"""Metres that the inside of a building is high, at most."""
MAX_SPARSE_HEIGHT, MAX_SPARSE_VOXELS = 30.0, 10
"""The same, metres, if neighboring points are further apart than so many voxels."""
MIN_LENGTH = 0.65
"""Metres of the longest side of a cloud, at least."""
MAX_FLAT_HEIGHT = 0.5
"""Metres up to which a cloud whose surfaces are mostly vertical is a room in too large units."""
MAX_LEVEL_SHARE, MIN_WALL_RATIO = 0.4, 1.2
"""Of its level surfaces, and of vertical over level ones."""
SMALL_UNIT_HEIGHT = (4.2, 40.0)
"""Height of a room in feet or tenths of a metre; a storey in metres is lower."""
MAX_HALL_RATIO, MIN_WALL_SHARE = 5.0, 0.4
"""Longest side over height of such a room, as halls are longer; share of its vertical surfaces."""
MAX_STOREY_SHARE = 0.45
"""Share of the footprint that a level surface in between covers, if it is no second storey."""
MIN_FURNITURE_HEIGHT = 1.15
"""Metres: median height of tables and seats above the floor, at least, in such a room."""
MIN_FURNITURE_SAMPLES = 6
FOOTPRINT_CELLS = 24
UNITS = {'millimetres': 1000.0, 'centimetres': 100.0, 'inches': 1 / 0.0254, 'decimetres': 10.0,
         'feet': 1 / 0.3048}
"""Of a metre; which one is guessed from the height of a cloud."""
MAX_UNIT_POWER = 3
"""Of ten metres: kilometres are the largest unit that is named."""
MAX_LINE_WIDTH = 0.01
"""Of its height: width and length of a cloud whose x and y are degrees; a building has more."""
USUAL_HEIGHT = 2.2
"""Metres: height of a scan of a room."""
MAX_BLACK_SHARE, MAX_COLOR_SAMPLES = 0.3, 10_000
"""Of points without a colour, in a sample of so many points."""
MAX_BLACK = 1.5 / 255
"""Channels of a colour that is none: 0, or 0..1 which were rounded to bytes."""
MAX_ROUNDING = 0.25
"""Of coordinates in float32, in voxels."""


@dataclass(frozen=True)
class Doubt:
    """
    What is probably wrong with a scan.

    Attributes
    ----------
    kinds : tuple of str
        Of 'axes', 'units', 'degrees', 'colour', 'fields', 'header', 'clouds', 'outliers',
        'precision';
        what to do about it depends on them.
    finding : str
        What was found, and what is expected; continues a sentence whose subject is the cloud.
    up : str
        The axis of the file that probably points up, as '-y'; '' if not known.
    unit : str
        What is probably the unit of the file, as 'mm' or '10', in metres; '' if not known.
    tilted : bool
        Whether no axis points up.

    """

    kinds: tuple[str, ...]
    finding: str
    up: str = ''
    unit: str = ''
    tilted: bool = False

    def remedy(self) -> str:
        """Return what to do about it with a file: the options that mend it."""
        options = {'axes': f'--up={self.up}' if self.up.startswith('-') else f'--up {self.up}',
                   'units': f'--unit {self.unit}'}
        known = {'axes': self.up, 'units': self.unit}
        remedies = REMEDIES | ({'axes': LEVEL} if self.tilted else {})
        given = ' and '.join(options[kind] for kind in self.kinds if known.get(kind))
        others = [remedies[kind] for kind in self.kinds if not known.get(kind)]
        return ', and '.join([*([f'if so, give {given}'] if given else []), *others])


REMEDIES = {
    'axes': 'give the axis that points up, --up x, y, z or --up=-y; level it first if none does',
    'units': 'give its unit: --unit mm, cm, dm, ft, in, or the metres of a unit',
    'degrees': 'project it to metres first, as to UTM',
    'colour': 'export the scan with the colour of every point',
    'fields': 'rename them to red, green, blue, or to rgb if they are packed; where columns have '
              'no names, add a first line such as x y z red green blue',
    'header': 'write in it which columns are x y z red green blue, or delete it',
    'clouds': '--cloud chooses another one',
    'outliers': 'check the scan if these are more than stray points',
    'precision': 'store the scan in double precision, or subtract an offset before',
}
"""What to do about a doubt about a file, by its kind."""
LEVEL = 'level it with another program first, as with Tools > Level of CloudCompare'
"""What to do about a tilted scan."""


def describe_doubts(scan: Scan, voxel_size: float) -> list[str]:
    """Return what is probably wrong with the scan of a file, and what to do about it."""
    return [f'{doubt.finding}; {doubt.remedy()}' for doubt in find_doubts(scan, voxel_size)]


def find_doubts(scan: Scan, voxel_size: float) -> list[Doubt]:
    """
    Return what is probably wrong with a scan, one doubt about each thing.

    It takes some milliseconds, whatever the size: axes and units are judged by a sample. A
    mirrored scan is not noticed. Of feet only what looks like one furnished room is noticed.

    Parameters
    ----------
    scan : Scan
    voxel_size : float
        Of the weights, metres. If it is above `FINE_VOXELS`, they are for outdoor maps, which may
        be larger in proportion.

    """
    return [*_axes_and_units(scan, voxel_size), *_dropped(scan), *_rounding(scan, voxel_size)]


def _axes_and_units(scan: Scan, voxel_size: float) -> Iterator[Doubt]:
    if scan.declared_unit != 1 and scan.conventions.unit == 1:
        yield Doubt(('units',), f'is in units of {scan.declared_unit:.7g} m, as its file says: '
                                'expected metres', unit=f'{scan.declared_unit:.7g}')
        return
    if _is_vertical_line(scan.xyz):
        yield Doubt(('degrees',), 'is a line along z, as where x and y are degrees of longitude '
                                  'and latitude: expected metres')
        return
    surfaces = sample_surfaces(scan.xyz)
    axes = _doubt_axes(scan, surfaces)
    upright = not axes.reason
    units, unit = _doubt_units(scan.xyz, surfaces, voxel_size, upright=upright)
    expected = {'axes': 'z up', 'units': 'metres'}
    up = scan.conventions.axis_of_file(axes.up) if axes.up else ''
    doubts = {'axes': axes.finding(up), 'units': units}
    kinds = [kind for kind, doubt in doubts.items() if doubt]
    if kinds:
        yield Doubt(tuple(kinds), ' and '.join(doubts[kind] for kind in kinds)
                    + ': expected ' + ' and '.join(expected[kind] for kind in kinds),
                    up, scan.conventions.unit_of_file(unit) if unit else '', axes.tilt > 0)


def _is_vertical_line(xyz: NDArray[np.floating]) -> bool:
    low, high = extent(sample_rows(xyz))
    return bool((high - low)[:2].max() < MAX_LINE_WIDTH * (high - low)[2])


def _doubt_axes(scan: Scan, surfaces: Surfaces | None) -> AxesDoubt:
    """Return why z probably does not point up."""
    if OPTICAL_NAME.search(scan.frame):
        return AxesDoubt(f'is in an optical frame by its name, {scan.frame!r} (z forward, y down)',
                         '-y')
    middle = np.median(sample_rows(scan.xyz), axis=0)
    if (EARTH_RADIUS[0] < np.linalg.norm(middle) < EARTH_RADIUS[1]
            and abs(middle[2]) > MAX_ALTITUDE):
        return AxesDoubt('seems to have geocentric coordinates (ECEF), whose z points along the '
                         'earth axis')
    return UPRIGHT if surfaces is None else doubt_surfaces(surfaces, scan.xyz)


def _doubt_units(xyz: NDArray[np.floating], surfaces: Surfaces | None, voxel_size: float, *,
                 upright: bool) -> tuple[str, float]:
    """Return why a cloud is probably not in metres, '' if it may be, and its likely unit or 0."""
    low, high = extent(sample_rows(xyz)) if surfaces is None else (surfaces.low, surfaces.high)
    size = high - low
    height = float(size[2] if upright else size.min())
    scale = max(1.0, voxel_size / FINE_VOXELS)
    described = ' x '.join(f'{side:.0f}' if side >= 100 else f'{side:.3g}'
                           for side in size) + ' m large'
    sparse = surfaces is not None and surfaces.spacing > MAX_SPARSE_VOXELS * voxel_size
    if height > scale * (MAX_SPARSE_HEIGHT if sparse else MAX_HEIGHT):
        unit = _likely_unit(height)
        return f'is {described}, as no building is (a room in {unit}?)', 1 / UNITS[unit]
    if size.max() < scale * MIN_LENGTH:
        why = (' (a room in larger units?)' if scale == 1 else
               f', which is little for weights with voxels of {voxel_size:g} m')
        return f'is only {described}{why}', _larger_unit(height) if scale == 1 else 0.0
    if surfaces is None or not upright or voxel_size > FINE_VOXELS:
        return '', 0.0
    level, vertical = (float(share[:, 2].mean())
                       for share in (surfaces.parallel, surfaces.perpendicular))
    if (height < MAX_FLAT_HEIGHT and level < MAX_LEVEL_SHARE
            and vertical > MIN_WALL_RATIO * level):
        return f'is {described} with walls (a room in larger units?)', _larger_unit(height)
    if (SMALL_UNIT_HEIGHT[0] < height < SMALL_UNIT_HEIGHT[1] and vertical > MIN_WALL_SHARE
            and size.max() < MAX_HALL_RATIO * height and _has_high_furniture(surfaces)):
        unit = _likely_unit(height)
        return f'is {described} with furniture as high as in a room in {unit}', 1 / UNITS[unit]
    return '', 0.0


def _likely_unit(height: float) -> str:
    """Return the unit in which a room is that high."""
    return min(UNITS, key=lambda name: abs(np.log(height / UNITS[name] / USUAL_HEIGHT)))


def _larger_unit(height: float) -> float:
    """Return the power of ten, in metres, that is the unit of a room that is so low; 0 if none."""
    power = max(1, round(np.log10(USUAL_HEIGHT / max(height, 1e-6))))
    return 10.0 ** power if power <= MAX_UNIT_POWER else 0.0


def _has_high_furniture(surfaces: Surfaces) -> bool:
    """Return whether a high upright cloud is one room whose furniture is too high for metres."""
    size = surfaces.high - surfaces.low
    above_floor = surfaces.xyz[:, 2] - surfaces.low[2]
    height = above_floor / size[2]
    place = ((surfaces.xyz - surfaces.low)[:, :2] / size[:2].max() * FOOTPRINT_CELLS).astype(int)
    cell = place[:, 0] * (FOOTPRINT_CELLS + 1) + place[:, 1]
    level = surfaces.parallel[:, 2]
    count = len(np.unique(cell))
    for low in np.arange(0.14, 0.78, 0.04):
        if len(np.unique(cell[level & (low < height) & (height < low + 0.08)])) > (
                MAX_STOREY_SHARE * count):
            return False
    furniture = above_floor[level & (above_floor > 0.3) & (0.06 < height) & (height < 0.8)]
    return (len(furniture) >= MIN_FURNITURE_SAMPLES
            and float(np.median(furniture)) > MIN_FURNITURE_HEIGHT)


def _dropped(scan: Scan) -> Iterator[Doubt]:
    """Yield what was dropped of the cloud."""
    if scan.num_passed_over:
        yield Doubt(('clouds',), 'is the last one of its topic with points: '
                                 f'{scan.num_passed_over} after it have fewer than {MIN_POINTS}')
    if scan.unknown_header:
        yield Doubt(('header',), f'has the first line {scan.unknown_header}, which names no x, y '
                                 'and z: what the columns are is concluded from their values')
    if scan.unknown_colors:
        yield Doubt(('fields',), 'has fields that look like colour and are not understood, so it '
                                 'is without colour: ' + ', '.join(scan.unknown_colors))
    if scan.num_colorless:
        share = scan.num_colorless / len(scan)
        yield Doubt(('colour',), f'has no colour (NaN) at {scan.num_colorless} of its points, '
                                 f'{share:.0%}: '
                                 + ('it is treated as a cloud without colour'
                                    if scan.color is None else 'these are black'))
    elif scan.only_color is not None:
        color = ', '.join(str(round(255 * value)) for value in scan.only_color)
        yield Doubt(('colour',), f'has the colour ({color}) everywhere: it is treated as a cloud '
                                 'without colour')
    if scan.color is not None and not scan.num_colorless:
        sample = scan.color[::-(-len(scan) // MAX_COLOR_SAMPLES) | 1]
        share = float((sample.max(axis=1) <= MAX_BLACK).mean())
        if share > MAX_BLACK_SHARE:
            yield Doubt(('colour',), f'is black at {share:.0%} of its points, as where the colour '
                                     'is unknown: expected the colour of every point')
    if scan.num_outliers:
        points = ('1 point', 'is')
        if scan.num_outliers > 1:
            points = (f'{scan.num_outliers} points', 'are')
        yield Doubt(('outliers',), f'has {points[0]} more than {MAX_DISTANCE / 1000:g} km from '
                                   f'the others, which {points[1]} dropped')


def _rounding(scan: Scan, voxel_size: float) -> Iterator[Doubt]:
    """Yield how coarse the coordinates are, if float32 is too short for them."""
    if scan.xyz.dtype != np.float32:
        return
    farthest = float(np.abs(np.median(sample_rows(scan.xyz), axis=0)).max())
    step = float(np.spacing(np.float32(farthest)))
    if step > MAX_ROUNDING * voxel_size:
        yield Doubt(('precision',), f'is {farthest:.0f} m from the origin, where float32 has '
                                    f'steps of {100 * step:.3g} cm')
