"""Augmentation of colours: contrast, white balance, blur, and colours of single objects."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.data.labels import byte_color, LabelledScan
from mask3d_core.geometry.cells import numbered
import numpy as np
from numpy.typing import NDArray

COLOR_LEVELS = np.arange(256, dtype=np.float32)
"""All values of a colour channel."""
BLUR_CELLS = (0.05, 0.15)
"""Metres, minimum and maximum edge of the cells over which colours are averaged."""


def random_contrast(labelled: LabelledScan, rng: np.random.Generator, contrast: float,
                    brightness: float) -> LabelledScan:
    """Multiply all colours by 1 +- contrast, then add +- brightness times white."""
    gain, offset = rng.uniform(-1, 1, 2) * (contrast, brightness) + (1, 0)
    return _mapped(labelled, [COLOR_LEVELS * np.float32(gain) + np.float32(255 * offset)] * 3)


def random_color_shift(labelled: LabelledScan, rng: np.random.Generator, limit: float,
                       ) -> LabelledScan:
    """Add up to +- limit, of 0..255, to red, to green and to blue."""
    return _mapped(labelled, [COLOR_LEVELS + np.float32(shift)
                              for shift in rng.uniform(-limit, limit, 3)])


def random_spread(labelled: LabelledScan, rng: np.random.Generator,
                  factors: tuple[float, float], gain: float) -> LabelledScan:
    """
    Multiply the contrast about the mean colour by a log-uniform factor, then each channel.

    Parameters
    ----------
    labelled : LabelledScan
    rng : Generator
    factors : 2 floats
        Least and largest factor on the contrast.
    gain : float
        Each channel is multiplied by 1 - gain to 1 + gain: the white balance.

    """
    spread = np.exp(rng.uniform(*np.log(factors)))
    gains = rng.uniform(1 - gain, 1 + gain, 3)
    if labelled.scan.color is None:
        return labelled
    means = 255 * labelled.scan.color.mean(0, np.float64)
    return _mapped(labelled, [(own * (mean + spread * (COLOR_LEVELS - mean))).astype(np.float32)
                              for own, mean in zip(gains, means)])


def random_blur(labelled: LabelledScan, rng: np.random.Generator) -> LabelledScan:
    """Give all points in a cell the mean colour of the cell; its size is random."""
    size = rng.uniform(*BLUR_CELLS)
    xyz, color = labelled.scan.xyz, labelled.scan.color
    if color is None:
        return labelled
    cells = np.floor((xyz - xyz.min(0)) / size).astype(np.int64)
    shape = cells.max(0) + 1
    _, cell = numbered((cells[:, 0] * shape[1] + cells[:, 1]) * shape[2] + cells[:, 2])
    count = np.bincount(cell)
    mean = np.stack([np.bincount(cell, color[:, channel]) / count for channel in range(3)], axis=1)
    return _recolored(labelled, mean[cell])


def random_object_colors(labelled: LabelledScan, rng: np.random.Generator, limit: float,
                         drop: float, neutral: tuple[float, float, float]) -> LabelledScan:
    """
    Shift the colour of each instance, and of each class of background, or remove it.

    Parameters
    ----------
    labelled : LabelledScan
    rng : Generator
    limit : float
        Largest change of red, of green and of blue, of 0..255.
    drop : float
        Probability of the neutral colour instead.
    neutral : 3 floats
        0..1.

    """
    _, part = np.unique(np.where(labelled.instance >= 0, labelled.instance, -2 - labelled.label),
                        return_inverse=True)
    part = part.reshape(-1)
    count = int(part.max(initial=-1)) + 1
    shift = rng.uniform(-limit, limit, (count, 3)) / 255
    dropped = rng.random(count) < drop
    if labelled.scan.color is None:
        return labelled
    color = np.clip(labelled.scan.color + shift[part], 0, 1)
    color[dropped[part]] = neutral
    return _recolored(labelled, color)


def random_color_drop(labelled: LabelledScan, rng: np.random.Generator, probability: float,
                      neutral: tuple[float, float, float]) -> LabelledScan:
    """Set all points to the neutral colour, with the given probability."""
    color = labelled.scan.color
    if rng.random() >= probability or color is None:
        return labelled
    return _recolored(labelled, np.broadcast_to(np.array(neutral, np.float32), color.shape))


def _recolored(labelled: LabelledScan, color: NDArray[np.floating]) -> LabelledScan:
    color = color.astype(np.float32, copy=False)
    return replace(labelled, scan=replace(labelled.scan, color=color))


def _mapped(labelled: LabelledScan, tables: list[NDArray[np.float32]]) -> LabelledScan:
    """Map each channel, 0..255, by a lookup table; results are truncated to whole levels."""
    if labelled.scan.color is None:
        return labelled
    levels = byte_color(labelled.scan.color)
    color = np.empty(levels.shape, np.float32)
    for channel, table in enumerate(tables):
        unit = np.floor(np.clip(table, 0, 255)) / np.float32(255)
        color[:, channel] = unit[levels[:, channel]]
    return _recolored(labelled, color)
