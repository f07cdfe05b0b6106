"""Materials: procedural colours and patterns of surfaces."""

from __future__ import annotations

from collections.abc import Sequence
import colorsys
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Color = tuple[float, float, float]
Option = TypeVar('Option')
PATTERNS = ('plain', 'grain', 'stripes', 'checks', 'tiles', 'blotches', 'print')
PLAIN, GRAIN, STRIPES, CHECKS, TILES, BLOTCHES, PRINT = range(len(PATTERNS))
OCTAVES = (1.0, 2.7)
"""Frequencies of the noise in blotches, relative to the scale of the pattern."""


@dataclass(frozen=True)
class Material:
    """
    The appearance of a surface.

    Attributes
    ----------
    color, second : 3 floats
        The two colours of its pattern, 0..1.
    pattern : str
        'plain'; 'grain' of wood; 'stripes'; 'checks'; 'tiles' with joints in the second colour;
        'blotches', soft spots; 'print', coloured fields as on a package or a picture.
    scale : float
        Size of the pattern, metres.
    gloss : float
        0 dull .. 1 mirror; depth sensors often lose glossy surfaces.
    speckle : float
        Standard deviation of the brightness from point to point.

    """

    color: Color
    second: Color = (0.0, 0.0, 0.0)
    pattern: str = 'plain'
    scale: float = 0.1
    gloss: float = 0.0
    speckle: float = 0.02


def paint_colors(materials: Sequence[Material], material: NDArray, position: NDArray,
                 ) -> NDArray[np.float64]:
    """
    Evaluate the patterns of materials at surface points.

    Parameters
    ----------
    materials : sequence of Material
    material : [P] int
        Index of each point's material.
    position : [P, 3] float
        Texture coordinates, metres.

    Returns
    -------
    [P, 3] float64
        Colours 0..1, without light.

    """
    first, second = (np.array([getattr(m, key) for m in materials], np.float64)
                     for key in ('color', 'second'))
    scale = np.array([m.scale for m in materials])
    pattern = np.array([PATTERNS.index(m.pattern) for m in materials])
    place = position / scale[material][:, None]
    kind = pattern[material]
    mix = np.zeros(len(material))
    colors = first[material]
    for number, weight in ((GRAIN, _grain), (STRIPES, _stripes), (CHECKS, _checks),
                           (TILES, _tiles), (BLOTCHES, _blotches)):
        rows = np.flatnonzero(kind == number)
        if len(rows):
            mix[rows] = weight(place[rows], material[rows])
    colors += mix[:, None] * (second[material] - colors)
    rows = np.flatnonzero(kind == PRINT)
    if len(rows):
        colors[rows] = _print(place[rows], material[rows], colors[rows], second[material[rows]])
    return colors


def value_noise(place: NDArray, seed: NDArray | int) -> NDArray[np.float64]:
    """Return smooth value noise 0..1 of unit wavelength: [P, 3] -> [P]; `seed` shifts it."""
    shifted = place + (np.asarray(seed)[..., None] * (12.9898, 78.233, 37.719)) % 97.0
    cell = np.floor(shifted)
    part = shifted - cell
    part = part * part * (3 - 2 * part)  # smoothstep
    corner = cell.astype(np.int64)
    total = np.zeros(len(place))
    for offset in np.ndindex(2, 2, 2):
        weight = np.where(offset, part, 1 - part).prod(1)
        total += weight * _hash(corner + offset)
    return total


def _hash(cell: NDArray) -> NDArray[np.float64]:
    """Return a pseudorandom number 0..1 for integer cells: [..., 3] -> [...]."""
    key = cell.astype(np.uint64) @ np.array([73856093, 19349663, 83492791], np.uint64)
    key ^= key >> np.uint64(15)
    key *= np.uint64(0x2C1B3C6D)
    key ^= key >> np.uint64(12)
    key *= np.uint64(0x297A2D39)
    key ^= key >> np.uint64(15)
    return (key & np.uint64(0xFFFFFF)).astype(np.float64) / 0xFFFFFF


def _grain(place: NDArray, seed: NDArray) -> NDArray:
    """Return streaks along the axis that the seed selects."""
    stretched = place.copy()
    stretched[np.arange(len(place)), seed % 3] *= 0.12
    return value_noise(stretched * 2.0, seed)


def _stripes(place: NDArray, seed: NDArray) -> NDArray:
    across = place[np.arange(len(place)), seed % 3]
    return (np.floor(across) % 2).astype(np.float64)


def _checks(place: NDArray, seed: NDArray) -> NDArray:
    return np.floor(place + 1e-6).sum(1) % 2


def _tiles(place: NDArray, seed: NDArray) -> NDArray:
    """Return joints between tiles: near integers on the two axes that span the surface."""
    gap = np.abs(place - np.round(place))
    near = np.sort(gap < 0.03, axis=1)
    # On an axis-parallel surface one coordinate is constant; if it is an integer, ignore it.
    constant = np.sort(gap, axis=1)[:, 0] < 1e-6
    return np.where(constant, near[:, :2].any(1) & near[:, 1], near.any(1)).astype(np.float64)


def _blotches(place: NDArray, seed: NDArray) -> NDArray:
    rough = sum(value_noise(place * octave, seed) for octave in OCTAVES) / len(OCTAVES)
    return np.clip((rough - 0.35) / 0.3, 0, 1)


def _print(place: NDArray, seed: NDArray, color: NDArray, second: NDArray) -> NDArray:
    """Return fields of the two colours and of random colours, with lines of small print."""
    field = np.floor(place + 0.5 * value_noise(place * 0.7, seed)[:, None]).astype(np.int64)
    draw = _hash(field + np.asarray(seed)[:, None])
    other = np.stack([_hash(field + np.asarray(seed)[:, None] + shift) for shift in (7, 17, 29)],
                     axis=1)
    colors = np.where((draw < 0.45)[:, None], color, np.where((draw < 0.8)[:, None], second,
                                                             other))
    lines = (value_noise(place * 9, seed) > 0.68) & (draw > 0.5)
    return np.where(lines[:, None], colors * 0.5, colors)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """Convert HSV to RGB, all 0..1; the hue is cyclic, the others are clipped."""
    return colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0), 1), min(max(value, 0), 1))


def _shade(color: Color, factor: float) -> Color:
    red, green, blue = (min(1.0, part * factor) for part in color)
    return red, green, blue


def one_of(rng: np.random.Generator, *options: Option) -> Option:
    """Return one of several options with equal probability."""
    return options[rng.integers(len(options))]


def wood(rng: np.random.Generator) -> Material:
    """Draw anything from white pine to black-brown oak; lacquered at times."""
    color = hsv(rng.uniform(0.04, 0.12), rng.uniform(0.2, 0.7), rng.uniform(0.2, 0.85))
    return Material(color, _shade(color, rng.uniform(0.6, 0.9)), 'grain', rng.uniform(0.04, 0.12),
                    gloss=rng.uniform(0, 0.3))


def paint(rng: np.random.Generator) -> Material:
    """Draw wall paint: mostly whites and creams, sometimes a colour."""
    if rng.random() < 0.7:
        color = hsv(rng.uniform(0.05, 0.2), rng.uniform(0, 0.15), rng.uniform(0.65, 1))
    else:
        color = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.4, 0.95))
    return Material(color, _shade(color, 0.9), 'blotches', rng.uniform(0.3, 1.5), speckle=0.01)


def lacquer(rng: np.random.Generator) -> Material:
    """Draw smooth furniture fronts: white, grey, black or a colour."""
    if rng.random() < 0.7:
        color = hsv(rng.random(), rng.uniform(0, 0.05), rng.choice([0.12, 0.3, 0.6, 0.85, 0.95]))
    else:
        color = hsv(rng.random(), rng.uniform(0.1, 0.65), rng.uniform(0.25, 0.9))
    return Material(color, gloss=rng.uniform(0.1, 0.5), speckle=0.01)


def plastic(rng: np.random.Generator) -> Material:
    """Draw coloured, black, grey or white plastic."""
    saturation = 0.0 if rng.random() < 0.4 else rng.uniform(0.4, 1)
    return Material(hsv(rng.random(), saturation, rng.uniform(0.08, 0.95)),
                    gloss=rng.uniform(0, 0.5), speckle=0.01)


def fabric(rng: np.random.Generator) -> Material:
    """Draw upholstery, bedding, curtains: plain, striped, chequered or patterned."""
    color = hsv(rng.random(), 0.75 * rng.random() ** 2, rng.uniform(0.12, 0.95))
    second = _shade(color, rng.uniform(0.5, 1.4)) if rng.random() < 0.6 else hsv(
        rng.random(), 0.7 * rng.random() ** 2, rng.uniform(0.2, 1))
    pattern = rng.choice(['plain', 'plain', 'plain', 'blotches', 'stripes', 'checks', 'print'])
    return Material(color, second, str(pattern), rng.uniform(0.03, 0.2), speckle=0.04)


def leather(rng: np.random.Generator) -> Material:
    """Draw black, brown, cream or red leather."""
    color = hsv(rng.uniform(0, 0.1), rng.uniform(0, 0.7), rng.choice([0.12, 0.2, 0.35, 0.5, 0.85]))
    return Material(color, _shade(color, 0.8), 'blotches', 0.1, gloss=0.2)


def metal(rng: np.random.Generator) -> Material:
    """Draw steel, chrome, black or white coated metal."""
    return Material(hsv(rng.uniform(0.5, 0.7), 0.05, rng.choice([0.1, 0.4, 0.6, 0.75, 0.9])),
                    gloss=rng.uniform(0.3, 0.9), speckle=0.02)


def ceramic(rng: np.random.Generator) -> Material:
    """Draw sanitary ware and crockery: nearly always white."""
    saturation = rng.uniform(0, 0.06) if rng.random() < 0.8 else rng.uniform(0.2, 0.8)
    return Material(hsv(rng.random(), saturation, rng.uniform(0.75, 1)), gloss=0.4, speckle=0.01)


def stone(rng: np.random.Generator) -> Material:
    """Draw worktops, window sills, floors."""
    color = hsv(rng.uniform(0, 0.15), rng.uniform(0, 0.2), rng.uniform(0.15, 0.9))
    return Material(color, _shade(color, rng.uniform(0.6, 1.4)), 'blotches',
                    rng.uniform(0.02, 0.15), gloss=rng.uniform(0, 0.4), speckle=0.05)


def tiles(rng: np.random.Generator) -> Material:
    """Draw tiled floors and walls."""
    color = hsv(rng.uniform(0, 0.6), rng.uniform(0, 0.25), rng.uniform(0.35, 0.95))
    return Material(color, _shade(color, rng.uniform(0.5, 0.85)), 'tiles', rng.uniform(0.1, 0.5),
                    gloss=rng.uniform(0, 0.5))


def carpet(rng: np.random.Generator) -> Material:
    """Draw carpet: dull, mottled."""
    color = hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.15, 0.75))
    return Material(color, _shade(color, rng.uniform(0.7, 1.2)), 'blotches',
                    rng.uniform(0.02, 0.3), speckle=0.08)


def paper(rng: np.random.Generator) -> Material:
    """Draw printed paper and card: packages, posters, book covers; half of them mostly white."""
    color = hsv(rng.random(), rng.uniform(0, 0.1), rng.uniform(0.75, 1)) if (
        rng.random() < 0.5) else hsv(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.3, 1))
    second = hsv(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.2, 1))
    return Material(color, second, 'print', rng.uniform(0.04, 0.2), gloss=rng.uniform(0, 0.2))


def cardboard(rng: np.random.Generator) -> Material:
    """Draw brown cardboard."""
    return Material(hsv(rng.uniform(0.07, 0.1), rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.8)),
                    speckle=0.03)


def leaves(rng: np.random.Generator) -> Material:
    """Draw the green of plants."""
    color = hsv(rng.uniform(0.2, 0.38), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.6))
    return Material(color, _shade(color, 0.7), 'blotches', 0.05, speckle=0.06)


def picture(rng: np.random.Generator) -> Material:
    """Draw the print of a picture or poster: bigger fields than on packages."""
    return Material(hsv(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.2, 1)),
                    hsv(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.1, 0.9)), 'print',
                    rng.uniform(0.08, 0.3), gloss=0.1)


def screen(rng: np.random.Generator) -> Material:
    """Draw the dark glass of a display that is off, or the light of one that is on."""
    if rng.random() < 0.6:
        return Material(hsv(0.6, 0.1, rng.uniform(0.02, 0.15)), gloss=0.8, speckle=0.01)
    return Material(hsv(rng.uniform(0.5, 0.7), 0.4, 0.8), hsv(rng.random(), 0.3, 0.9), 'print',
                    0.1, gloss=0.5)
