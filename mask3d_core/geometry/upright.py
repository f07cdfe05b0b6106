"""Detect from the surfaces of a scan whether z points up."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from mask3d_core.geometry.surfaces import ANGLE_TOLERANCE, sample_rows, sample_surfaces, Surfaces
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

UP_WEIGHTS = np.array([-16.15, 10.87, 4.51, 8.88, -0.66, -0.99, 6.3, -3.25, 5.95])
"""
Of the signs of a direction that points up, `_signs_of_up`: logistic regression on 365 whole and
partial scans of generated rooms, which stand upright (docs/log/input_checks.md).
"""
DIRECTIONS = ('x', '-x', 'y', '-y', 'z', '-z')
UP = DIRECTIONS.index('z')
MIN_UP_PROBABILITY = 0.02
"""z is doubted if it is less probable that it points up."""
MIN_UP_PROBABILITY_BESIDE, LIKELY = 0.08, 0.8
"""The same where another direction has at least the second probability."""
MIN_UP_PROBABILITY_IN_VIEW = 0.4
"""The same where all points lie in the viewing cone of a camera that looks along z."""
MIN_OTHER_PROBABILITY = 0.6
"""Another axis is named as up if it is at least as probable."""
MIN_AGREEMENT = 0.25
"""That axis is at least so probable among the directions of the walls and the floor, too."""
END_SHARE = 0.12
"""Part of the extent that counts as its end: as floor, or as ceiling."""
MIN_GROUND_SHARE = 0.6
"""Of level surfaces of a scan outdoors, which the regression was not fitted to."""
FOOTPRINT_CELLS = 24
"""Cells along the longer side of a scan, seen along a direction."""
MIN_VIEW_SHARE, MIN_VIEW_DEPTH = 0.999, 1.3
"""
Share of the points in the viewing cone of a camera, of 90 degrees, if all were seen from there,
and the largest over the smallest z then: above a far origin all points are in that cone, too.
"""
MIN_SQUARE_SHARE, MIN_SQUARE_GAIN = 0.6, 0.2
"""
Another direction than z is up if this share of the normals is parallel or perpendicular to it, and
so much more than to z. In upright scans the best direction had at most 0.09 more than z.
"""


class AxesDoubt(NamedTuple):
    """
    Why z probably does not point up.

    Attributes
    ----------
    reason : str
        '' if it may.
    up : str
        The axis that probably does, as '-y'; '' if not known.
    is_guess : bool
        Whether that axis follows from the surfaces, so that the finding names it.
    tilt : int
        Degrees by which the floor is tilted, if no axis points up; 0 if not known.

    """

    reason: str = ''
    up: str = ''
    is_guess: bool = False
    tilt: int = 0

    def finding(self, up: str) -> str:
        """Return the reason, with the axis by the name that the reader knows."""
        if self.tilt:
            return f'{self.reason} (its floor seems to be tilted by about {self.tilt} degrees)'
        return f'{self.reason} ({up} seems to point up)' if self.is_guess else self.reason


UPRIGHT = AxesDoubt()


def doubt_upright(xyz: NDArray[np.floating]) -> str:
    """
    Return why z probably does not point up in a scan; '' if it may.

    Parameters
    ----------
    xyz : [N, 3] float
        Metres.

    """
    surfaces = sample_surfaces(xyz)
    doubt = UPRIGHT if surfaces is None else doubt_surfaces(surfaces, xyz)
    if not doubt.reason:
        return ''
    return f'{doubt.finding(doubt.up)}: expected z up, as in the frame map or odom'


def doubt_surfaces(surfaces: Surfaces, xyz: NDArray[np.floating]) -> AxesDoubt:
    """
    Return why z probably does not point up, as `doubt_upright`, without what is expected.

    There are three signs of it. By the distribution of level and vertical surfaces another of the
    six directions along axes is far more probable, as that of a floor. Or all points lie in the
    viewing cone along z, and it is more probable. Or many more surfaces are parallel or
    perpendicular to any other direction than to z, since most of a building is level or vertical.
    A mirrored scan shows no sign.

    Parameters
    ----------
    surfaces : Surfaces
    xyz : [N, 3] float
        Positions they were sampled from, metres.

    """
    probability = up_probability(surfaces)
    deep = surfaces.high[2] > MIN_VIEW_DEPTH * surfaces.low[2] > 0
    if deep and probability[UP] < MIN_UP_PROBABILITY_IN_VIEW:
        some = sample_rows(xyz)
        if (np.abs(some[:, :2]).max(axis=1) < some[:, 2]).mean() > MIN_VIEW_SHARE:
            return AxesDoubt('lies in front of a camera that looks along z', '-y')
    normals = surfaces.normals
    best = float(_square_share(normals[::10], normals).max())
    along = (surfaces.parallel | surfaces.perpendicular).mean(axis=0)       # [3]
    other_direction = best > MIN_SQUARE_SHARE and along[2] < best - MIN_SQUARE_GAIN
    is_ground = surfaces.parallel[:, 2].mean() > MIN_GROUND_SHARE
    likeliest = int(probability.argmax())
    sure = probability[likeliest] > LIKELY
    least = MIN_UP_PROBABILITY_BESIDE if sure else MIN_UP_PROBABILITY
    if not other_direction and (is_ground or probability[UP] >= least):
        return UPRIGHT
    named = (likeliest != UP and probability[likeliest] > MIN_OTHER_PROBABILITY
             and along[likeliest // 2] >= best - MIN_SQUARE_GAIN)
    return _axes_doubt(surfaces, likeliest if named else None)


def _axes_doubt(surfaces: Surfaces, likely: int | None) -> AxesDoubt:
    """
    Return the doubt about a scan that does not stand upright: which axis points up, if any does.

    Of a scan that is tilted about an axis, that one may seem to be up: it is parallel or
    perpendicular to most surfaces, as no other axis of the scan is. So the directions of the
    walls and the floor, whatever they are, are compared, too.

    Parameters
    ----------
    surfaces : Surfaces
    likely : int or None
        Which of `DIRECTIONS` seems to point up.

    """
    reason = 'does not stand upright, by its surfaces'
    square = _manhattan_axes(surfaces.normals)                                 # [3, 3]
    xyz = surfaces.xyz @ square.T
    probability = up_probability(Surfaces(xyz, surfaces.normals @ square.T, xyz.min(axis=0),
                                          xyz.max(axis=0), surfaces.spacing))
    directions, axes = _both_ways(square), _both_ways(np.eye(3))            # [6, 3] each
    likeliest = int(probability.argmax())
    if likely is not None:
        near = directions @ axes[likely] > np.cos(ANGLE_TOLERANCE)
        other = probability[likeliest] > MIN_OTHER_PROBABILITY and not near[likeliest]
        if other or probability[near].sum() < MIN_AGREEMENT:
            return AxesDoubt(reason)
        return AxesDoubt(reason, DIRECTIONS[likely], is_guess=True)
    if probability[likeliest] <= LIKELY:
        return AxesDoubt(reason)
    cosine = axes @ directions[likeliest]
    nearest = int(cosine.argmax())
    if nearest != UP and cosine[nearest] > np.cos(ANGLE_TOLERANCE):
        return AxesDoubt(reason, DIRECTIONS[nearest], is_guess=True)
    return AxesDoubt(reason, tilt=round(float(np.degrees(np.arccos(np.clip(cosine[UP], -1, 1))))))


def upright(scan: Scan) -> Scan:
    """Rotate a scan to z up if it seems to be in the optical frame of a level camera."""
    if not doubt_upright(scan.xyz):
        return scan
    x, y, z = scan.xyz.T
    return replace(scan, xyz=np.stack([x, z, -y], axis=1))


def up_probability(surfaces: Surfaces) -> NDArray[np.float64]:
    """Return the probability that each of `DIRECTIONS` points up in a building: [6]."""
    logit = np.array([_signs_of_up(surfaces, axis, sign) @ UP_WEIGHTS
                      for axis in range(3) for sign in (1, -1)])
    odds = np.exp(logit - logit.max())
    return np.asarray(odds / odds.sum())


def _manhattan_axes(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return three perpendicular directions, as rows, that most normals [S, 3] are parallel to.

    The axes of a Manhattan world (Coughlan and Yuille, ICCV 1999).
    """
    first = _best_direction(normals[::10], normals)
    across = normals[np.abs(normals @ first) < np.sin(ANGLE_TOLERANCE)]
    if not len(across):
        across = np.eye(3)[np.abs(first).argmin()][None]
    across = across - np.outer(across @ first, first)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    second = _best_direction(across[::10], across)
    second -= second @ first * first
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])


def _both_ways(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each axis and its opposite, in the order of `DIRECTIONS`: [3, 3] -> [6, 3]."""
    return np.stack([axes, -axes], axis=1).reshape(6, 3)


def _best_direction(directions: NDArray[np.float64], normals: NDArray[np.float64],
                    ) -> NDArray[np.float64]:
    """Return the one to which most normals are parallel or perpendicular, fitted to them: [3]."""
    best = directions[_square_share(directions, normals).argmax()]
    cosine = normals @ best
    parallel = np.abs(cosine) > np.cos(ANGLE_TOLERANCE)
    mean = (normals[parallel] * np.sign(cosine[parallel])[:, None]).sum(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _signs_of_up(surfaces: Surfaces, axis: int, sign: int) -> NDArray[np.float64]:
    """
    Return what distinguishes up from other directions, for a direction along an axis: [9].

    The shares of level surfaces at the upper end and between both ends, and of vertical ones; the
    mean height in 0..1; the logarithms of the height over the longer and the shorter side; the
    share of the footprint that reaches down to the lower end; the mean height of level surfaces
    between both ends; the share of level and vertical surfaces together.
    """
    others = [other for other in range(3) if other != axis]
    size = np.maximum(surfaces.high - surfaces.low, 1e-9)
    along = (surfaces.xyz - surfaces.low) / size
    height = along[:, axis] if sign > 0 else 1 - along[:, axis]
    level, vertical = surfaces.parallel[:, axis], surfaces.perpendicular[:, axis]
    between = level & (END_SHARE < height) & (height < 1 - END_SHARE)
    row, column = ((surfaces.xyz[:, others] - surfaces.low[others]) / size[others].max()
                   * FOOTPRINT_CELLS).astype(np.int64).T
    lowest = np.full((FOOTPRINT_CELLS + 1) ** 2, np.inf)
    np.minimum.at(lowest, row * (FOOTPRINT_CELLS + 1) + column, height)
    return np.array([
        (level & (height > 1 - END_SHARE)).mean(), between.mean(), vertical.mean(), height.mean(),
        np.log(size[axis] / size[others].max()), np.log(size[axis] / size[others].min()),
        (lowest < END_SHARE).sum() / np.isfinite(lowest).sum(),
        height[between].mean() if between.sum() > 5 else 0.5, level.mean() + vertical.mean()])


def _square_share(directions: NDArray[np.float64], normals: NDArray[np.float64],
                  ) -> NDArray[np.float64]:
    """Return the share of the normals parallel or perpendicular to each direction: [D]."""
    cosine = np.abs(normals @ directions.T)
    parallel, perpendicular = cosine > np.cos(ANGLE_TOLERANCE), cosine < np.sin(ANGLE_TOLERANCE)
    share: NDArray[np.float64] = (parallel | perpendicular).mean(0)
    return share
