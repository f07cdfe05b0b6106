"""Maps whose objects are known, and a network that finds exactly these."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mask3d_core.classes import ClassTable
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

CLASSES = ClassTable((10, 20), ('chair', 'table'), ((255, 0, 0), (0, 0, 255)))
SPACING = 0.04
"""Metres between points."""
NOTHING = -1

Surface = tuple[NDArray[np.float64], int]
"""Points [n, 3] and the label of their object."""


def box(low: Sequence[float], high: Sequence[float], label: int = NOTHING) -> Surface:
    """Return the points of a block: a grid in the box from low to high."""
    axes = [np.arange(a, b + 1e-9, SPACING) if b > a else np.array([a])
            for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing='ij'), -1).reshape(-1, 3)
    return grid, label


def rooms(count: int, side: float = 4.0) -> list[Surface]:
    """
    Return rooms in a row along x, with walls of 12 cm and doorways of 0.8 m between them.

    Room k lies from x = k (side + 0.12) to that plus side, and from y = 0 to side.
    """
    pitch = side + 0.12
    surfaces = [box((0, 0, 0), (count * pitch - 0.12, side, 0))]
    for y in (0, side):
        surfaces.append(box((0, y, 0), (count * pitch - 0.12, y, 2.4)))
    for x in (0, count * pitch - 0.12):
        surfaces.append(box((x, 0, 0), (x, side, 2.4)))
    for number in range(1, count):
        for x in (number * pitch - 0.12, number * pitch):
            surfaces += [box((x, 0, 0), (x, 1.0, 2.4)), box((x, 1.8, 0), (x, side, 2.4))]
    return surfaces


def labelled_map(surfaces: Sequence[Surface], seed: int = 0, noise: float = 0.0) -> Scan:
    """Return surfaces as one scan in random order; its segments are the labels of the objects."""
    rng = np.random.default_rng(seed)
    xyz = np.concatenate([points for points, _ in surfaces])
    label = np.concatenate([np.full(len(points), label) for points, label in surfaces])
    order = rng.permutation(len(xyz))
    xyz = xyz[order] + 0.01 + noise * rng.standard_normal(xyz.shape)
    gray = np.full((len(xyz), 3), 0.5, np.float32)
    gray[::2] += 0.01  # a single colour would be none
    return Scan.from_points(xyz.astype(np.float32), gray, label[order])


def find_labelled(scan: Scan) -> Instances:
    """Return each labelled object of a scan as an instance: what a perfect network finds."""
    assert scan.segment is not None
    labels = np.unique(scan.segment[scan.segment != NOTHING])
    found = measure_masks([np.flatnonzero(scan.segment == label) for label in labels], scan,
                          CLASSES)
    return replace(found, class_id=np.array([CLASSES.ids[label % 2] for label in labels],
                                            np.int32),
                   score=(1 / (2 + labels)).astype(np.float32))


def counted(segment: Callable[[Scan], Instances]) -> tuple[Callable[[Scan], Instances], list[int]]:
    """Return a function that segments, and the sizes of the scans it was called with."""
    sizes: list[int] = []

    def run(scan: Scan) -> Instances:
        sizes.append(len(scan))
        return segment(scan)

    return run, sizes
