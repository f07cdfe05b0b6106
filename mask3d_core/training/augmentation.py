"""Augmentation: random crops, gaps, shifts, flips, distortions, rotations and colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

from mask3d_core.data.labels import LabelledScan
from mask3d_core.errors import InputError
from mask3d_core.training import color_augmentation as colors
from mask3d_core.training.elastic import elastic_distortion
import numpy as np
from numpy.typing import NDArray

MAX_CROP_TRIES = 100
HOLE_RADII = (0.08, 0.35)
"""Metres, minimum and maximum."""


@dataclass(frozen=True)
class AugmentationConfig:
    """
    How scans are augmented; the defaults are those of the original Mask3D.

    Attributes
    ----------
    insertions : int
        Most objects of another scan that are put on the free floor of a scan (insertion.py).
    crop_length : float
        Edge of the square of the floor plan that is cut out, metres; 0: whole scans.
    crop_min_points : int
        Fewest points of a crop; a scan in which no such crop is found is taken whole.
    thinning : float
        Largest share of the points that are left out at random, 0 to below 1.
    holes : int
        Most holes of 8 to 35 cm radius.
    shift : bool
        Centre the scan and move it by up to half its size, so that the model cannot learn
        absolute positions.
    flip : float
        Probability to mirror x, and to mirror y.
    elastic : float
        Probability of elastic distortion.
    elastic_granularity, elastic_magnitude : floats
        Grid spacing and size of the noise of each elastic distortion, in order, metres.
    scale : float
        Each axis is scaled by 1 - scale to 1 + scale.
    yaw, tilt : float
        Largest rotation about z, and about y and x, radians.
    contrast, brightness : float
        Largest relative change.
    color_shift : float
        Largest change of red, of green and of blue, of 0..255.
    color_spread : 2 floats
        Least and largest factor on the contrast about the mean colour of the scan,
        log-uniform; (1, 1): none.
    white_balance : float
        Largest relative gain of red, of green and of blue, each by itself.
    color_blur : float
        Probability to average the colours over cells of 5 to 15 cm.
    object_color_shift : float
        Largest change of the colour of each instance, and of each class of background, of
        0..255.
    object_color_drop : float
        Probability that an instance, or a class of background, loses its colour.
    color_drop : float
        Probability to remove the colour of the whole scan, so that the same weights work for
        maps without colour.

    """

    insertions: int = 0
    crop_length: float = 0.0
    crop_min_points: int = 20000
    thinning: float = 0.0
    holes: int = 0
    shift: bool = True
    flip: float = 0.5
    elastic: float = 0.95
    elastic_granularity: tuple[float, ...] = (0.2, 0.8)
    elastic_magnitude: tuple[float, ...] = (0.4, 1.6)
    scale: float = 0.1
    yaw: float = math.pi
    tilt: float = math.pi / 24
    contrast: float = 0.2
    brightness: float = 0.2
    color_shift: float = 20.0
    color_spread: tuple[float, float] = (1.0, 1.0)
    white_balance: float = 0.0
    color_blur: float = 0.0
    object_color_shift: float = 0.0
    object_color_drop: float = 0.0
    color_drop: float = 0.0

    def __post_init__(self) -> None:
        for name in ('flip', 'elastic', 'color_blur', 'object_color_drop', 'color_drop'):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f'expected {name} as a probability, 0..1, got '
                                 f'{getattr(self, name)!r}')
        for name in ('insertions', 'crop_length', 'holes', 'yaw', 'tilt', 'contrast',
                     'brightness', 'color_shift', 'object_color_shift'):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f'expected {name} of 0 or more, got {getattr(self, name)!r}')
        for name in ('thinning', 'scale', 'white_balance'):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f'expected {name} from 0 to below 1, got '
                                 f'{getattr(self, name)!r}')
        if not 0 < self.color_spread[0] <= self.color_spread[1] < math.inf:
            raise InputError('expected color_spread as two factors above 0, the smaller one '
                             f'first, got {self.color_spread}')
        waves, sizes = self.elastic_granularity, self.elastic_magnitude
        if len(waves) != len(sizes) or min((*waves, *sizes), default=1) <= 0:
            raise InputError(
                'expected elastic_granularity and elastic_magnitude of the same length, metres '
                f'above 0, got {waves} and {sizes}')


def augment(labelled: LabelledScan, rng: np.random.Generator, config: AugmentationConfig,
            neutral: tuple[float, float, float] = (0.5, 0.5, 0.5)) -> LabelledScan:
    """
    Augment a scan; the same generator state gives the same result.

    Objects of other scans are inserted before (`SampleDataset`).

    Parameters
    ----------
    labelled : LabelledScan
    rng : Generator
    config : AugmentationConfig
    neutral : 3 floats
        Value of a dropped colour, 0..1: the mean of the training data, which normalizes to 0.

    """
    if config.crop_length:
        labelled = random_crop(labelled, rng, config.crop_length, config.crop_min_points)
    if config.thinning:
        labelled = random_thinning(labelled, rng, config.thinning)
    if config.holes:
        labelled = random_holes(labelled, rng, config.holes)
    if config.shift:
        labelled = random_shift(labelled, rng)
    labelled = random_flip(labelled, rng, config.flip)
    if rng.random() < config.elastic:
        for step in zip(config.elastic_granularity, config.elastic_magnitude):
            labelled = random_elastic(labelled, rng, *step)
    labelled = random_scale(labelled, rng, config.scale)
    labelled = random_rotation(labelled, rng, config.yaw, config.tilt)
    return _augment_colors(labelled, rng, config, neutral)


def _augment_colors(labelled: LabelledScan, rng: np.random.Generator, config: AugmentationConfig,
                    neutral: tuple[float, float, float]) -> LabelledScan:
    """Change the colours; steps that are off draw no random numbers."""
    if config.object_color_shift or config.object_color_drop:
        labelled = colors.random_object_colors(
            labelled, rng, config.object_color_shift, config.object_color_drop, neutral)
    if config.color_blur and rng.random() < config.color_blur:
        labelled = colors.random_blur(labelled, rng)
    if config.color_spread != (1.0, 1.0) or config.white_balance:
        labelled = colors.random_spread(labelled, rng, config.color_spread, config.white_balance)
    labelled = colors.random_contrast(labelled, rng, config.contrast, config.brightness)
    labelled = colors.random_color_shift(labelled, rng, config.color_shift)
    return colors.random_color_drop(labelled, rng, config.color_drop, neutral)


def random_crop(labelled: LabelledScan, rng: np.random.Generator, length: float,
                min_points: int) -> LabelledScan:
    """
    Cut a square column out of the middle half of a scan, as DepthContrast's RandomCuboid.

    A scan that has no such column of `min_points` points after 100 tries stays whole.
    """
    if len(labelled) < min_points:
        return labelled
    x, y = labelled.scan.xyz[:, 0], labelled.scan.xyz[:, 1]
    low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
    for _ in range(MAX_CROP_TRIES):
        left, front = (low + high) / 2 + rng.uniform(-0.25, 0.25, 2) * (high - low) - length / 2
        inside = (x >= left) & (x <= left + length) & (y >= front) & (y <= front + length)
        if np.count_nonzero(inside) >= min_points:
            return labelled.take(np.flatnonzero(inside))
    return labelled


def random_thinning(labelled: LabelledScan, rng: np.random.Generator, limit: float,
                    ) -> LabelledScan:
    """Leave out a random share of the points, up to a limit, wherever they are."""
    share = rng.uniform(0, limit)
    keep = np.flatnonzero(rng.random(len(labelled)) >= share)
    return labelled.take(keep) if len(keep) else labelled


def random_holes(labelled: LabelledScan, rng: np.random.Generator, limit: int) -> LabelledScan:
    """Leave out the points in up to `limit` spheres about points of the scan."""
    xyz = labelled.scan.xyz
    keep = np.ones(len(xyz), bool)
    for row in rng.integers(len(xyz), size=rng.integers(limit + 1)):
        radius = rng.uniform(*HOLE_RADII)
        near = np.flatnonzero(np.abs(xyz[:, 0] - xyz[row, 0]) < radius)
        keep[near[np.square(xyz[near] - xyz[row]).sum(1) < radius ** 2]] = False
    return labelled.take(np.flatnonzero(keep)) if keep.any() else labelled


def random_shift(labelled: LabelledScan, rng: np.random.Generator) -> LabelledScan:
    """Centre a scan, then move it by up to half of its extent on each axis."""
    xyz = labelled.scan.xyz
    centered = xyz - xyz.mean(0, np.float64).astype(xyz.dtype)
    shift = rng.uniform(centered.min(0), centered.max(0)) / 2
    return _at(labelled, centered + shift.astype(xyz.dtype))


def random_flip(labelled: LabelledScan, rng: np.random.Generator, probability: float,
                ) -> LabelledScan:
    """Mirror x, and mirror y: each becomes its largest value minus itself."""
    xyz = labelled.scan.xyz.copy()
    for axis in np.flatnonzero(rng.random(2) < probability):
        xyz[:, axis] = xyz[:, axis].max() - xyz[:, axis]
    return _at(labelled, xyz)


def random_elastic(labelled: LabelledScan, rng: np.random.Generator, granularity: float,
                   magnitude: float) -> LabelledScan:
    """Apply `elastic_distortion` to a scan."""
    return _at(labelled, elastic_distortion(labelled.scan.xyz, rng, granularity, magnitude))


def random_scale(labelled: LabelledScan, rng: np.random.Generator, limit: float) -> LabelledScan:
    """Scale each axis independently, by 1 - limit to 1 + limit."""
    factors = rng.uniform(1 - limit, 1 + limit, 3)
    return _at(labelled, labelled.scan.xyz * factors.astype(labelled.scan.xyz.dtype))


def random_rotation(labelled: LabelledScan, rng: np.random.Generator, yaw: float, tilt: float,
                    ) -> LabelledScan:
    """Rotate a scan around its mean: about z by up to `yaw`, then y and x by up to `tilt`."""
    about_z, about_y, about_x = rng.uniform(-1, 1, 3) * (yaw, tilt, tilt)
    turn = rotation(0, about_x) @ rotation(1, about_y) @ rotation(2, about_z)
    xyz = labelled.scan.xyz
    mean = xyz.mean(0, np.float64).astype(xyz.dtype)
    return _at(labelled, (xyz - mean) @ turn.T.astype(xyz.dtype) + mean)


def rotation(axis: int, angle: float) -> NDArray[np.float64]:
    """Return the rotation matrix for an angle in radians about x, y or z (0, 1, 2)."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = math.cos(angle)
    matrix[second, first] = math.sin(angle)
    matrix[first, second] = -math.sin(angle)
    return matrix


def _at(labelled: LabelledScan, xyz: NDArray[np.floating]) -> LabelledScan:
    return replace(labelled, scan=replace(labelled.scan, xyz=xyz))
