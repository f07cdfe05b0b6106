"""What a structured-light or time-of-flight sensor makes of a perfect depth picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from mask3d_core.rooms.depth_camera import Frame, Lens
from mask3d_core.rooms.materials import Material
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

EDGE = 0.04
"""Second difference of 1 / depth, relative to it, that no plane and no gentle curve has."""
GLARE_CELLS = 26
"""Cells across a picture: how large patches without a return are."""
NOISE_CELLS = 100
"""Cells across a picture: neighbouring pixels share their noise, as far as 5 of 640 pixels."""
EMITTER_FOCAL = 580
"""Pixels of the sensor's own picture, in which it measures disparities."""


@dataclass(frozen=True, eq=False)
class Sensor:
    """
    A depth sensor of one day.

    Attributes
    ----------
    nearest, farthest : float
        Metres: beyond them is no return.
    noise : float
        Factor on the usual noise of a Kinect (Nguyen et al. 2012, equation 3).
    step : float
        Pixels: disparities are multiples of it; 0 for sensors that measure none.
    baseline : float
        Metres from the emitter, on the right, to the camera: what only one of them sees is lost.
    jitter, flying : float
        Shares of the pixels on an edge of depth that get a neighbour's depth, or one in between.
    grazing : float
        Cosine of the angle to the normal below which a surface returns nothing.
    bias : [R, C] float
        Relative error of the depth over the picture, coarse.
    blindness : [materials] float
        Shares of the surface of materials that return nothing.

    """

    nearest: float
    farthest: float
    noise: float
    step: float
    baseline: float
    jitter: float
    flying: float
    grazing: float
    bias: NDArray[np.float64]
    blindness: NDArray[np.float64]


def random_sensor(rng: np.random.Generator, farthest: float, width: int,
                  materials: Sequence[Material]) -> Sensor:
    """
    Draw a sensor: two in three project a pattern, the others measure the time of flight.

    Its edges are as ragged, in metres, as with the resolution of a real one, whatever the width
    of the picture, pixels.
    """
    pattern = rng.random() < 0.67
    fine = min(1.0, width / 320)
    glare, darkness = rng.uniform(0.2, 0.9), rng.uniform(0, 0.3)
    gloss = np.array([material.gloss for material in materials])
    dark = np.array([max(material.color) < 0.15 for material in materials])
    luck = rng.uniform(0.5, 1.2, len(materials))
    return Sensor(
        nearest=rng.uniform(0.3, 0.5), farthest=farthest, noise=rng.uniform(0.7, 1.5),
        step=0.125 if pattern else 0.0,
        baseline=rng.uniform(0.05, 0.075) if pattern else 0.0,
        jitter=rng.uniform(0.2, 0.5) * fine,
        flying=rng.uniform(*((0, 0.05) if pattern else (0.02, 0.15))) * fine,
        grazing=rng.uniform(0.05, 0.14),
        bias=rng.normal(0, rng.uniform(0.001, 0.006), (4, 5)),
        blindness=np.clip(luck * (glare * gloss ** 1.5 + darkness * dark), 0, 0.97))


def measure(frame: Frame, facing: NDArray, material: NDArray, sensor: Sensor,
            rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """
    Measure the depth of P pixels.

    Parameters
    ----------
    frame : Frame
    facing : [P] float
        Cosine between the ray of a pixel and the normal of the surface it meets, 0..1.
    material : [P] int
        Rows of the sensor's blindness.
    sensor : Sensor
    rng : Generator

    Returns
    -------
    depth : [P] float64
        Metres, infinity for no return.
    source : [P] int64
        Whose surface it is: the pixel itself, or a neighbour on an edge.

    """
    lens = frame.lens
    nearness = np.where(np.isfinite(frame.depth), 1 / frame.depth, 0)
    lost = _unreturned(facing, sensor.blindness[material], sensor, lens, rng)
    if sensor.baseline:
        lost |= _shadow(nearness, sensor.baseline, lens)
    seen, source = _ragged(nearness, sensor, lens, rng)
    with np.errstate(divide='ignore'):
        depth = 1 / seen
    depth *= 1 + _over_picture(sensor.bias, lens)
    depth += _noise(depth, facing, sensor, lens, rng)
    lost |= lost[source] | ~(depth > sensor.nearest) | (depth > sensor.farthest)
    if sensor.step:
        unit = sensor.step / (EMITTER_FOCAL * 0.075)
        depth = 1 / np.maximum(np.round(1 / depth / unit), 1) / unit
    depth[lost] = np.inf
    return depth, source


def _unreturned(facing: NDArray, blindness: NDArray, sensor: Sensor, lens: Lens,
                rng: np.random.Generator) -> NDArray[np.bool_]:
    """Find pixels of glossy and dark surfaces, in patches, and of surfaces seen edge-on."""
    white = rng.standard_normal(len(facing))
    patches = smooth_noise(rng, GLARE_CELLS, lens) + 0.4 * white
    # A mirror returns light straight to where it came from, or not at all.
    share = np.clip(blindness * (1.3 - 0.6 * facing), 0, 0.98)
    return (patches < 1.08 * ndtri(share)) | (facing < sensor.grazing * (1 + 0.3 * white))


def _shadow(nearness: NDArray, baseline: float, lens: Lens) -> NDArray[np.bool_]:
    """Find what the emitter cannot see for something nearer: left of edges."""
    grid = nearness.reshape(lens.height, lens.width)
    shift = np.round(lens.focal * baseline * grid).astype(np.int64)
    width = lens.width + int(shift.max()) + 2
    place = np.arange(lens.width) - shift + width - lens.width  # column of the emitter's picture
    place += np.arange(lens.height)[:, None] * width
    front = np.zeros(lens.height * width)
    for beside in (0, 1):  # surfaces that are spread out have gaps
        np.maximum.at(front, (place + beside).clip(max=len(front) - 1).reshape(-1), nearness)
    return nearness < front[place.reshape(-1)] * (1 - 2 * EDGE)


def _ragged(nearness: NDArray, sensor: Sensor, lens: Lens, rng: np.random.Generator,
            ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Fray the edges: return 1 / depth of each pixel, and the pixel it comes from."""
    grid = nearness.reshape(lens.height, lens.width)
    bend = np.zeros_like(grid)
    bend[:, 1:-1] = np.abs(grid[:, 2:] + grid[:, :-2] - 2 * grid[:, 1:-1])
    bend[1:-1] = np.maximum(bend[1:-1], np.abs(grid[2:] + grid[:-2] - 2 * grid[1:-1]))
    edge = np.flatnonzero(bend.reshape(-1) > EDGE * nearness)
    step = rng.choice([-1, 1, -lens.width, lens.width], len(edge))
    neighbour = (edge + step).clip(0, len(nearness) - 1)
    kind = rng.random(len(edge))
    swapped = kind < sensor.jitter
    beside = (nearness[edge] > 0) & (nearness[neighbour] > 0)  # nothing has no depth to mix
    flying = ~swapped & beside & (kind < sensor.jitter + sensor.flying)
    source, seen = np.arange(len(nearness)), nearness.copy()
    source[edge[swapped]] = neighbour[swapped]
    seen[edge[swapped]] = nearness[neighbour[swapped]]
    mix = rng.beta(0.5, 0.5, len(edge))
    between = nearness[edge] + mix * (nearness[neighbour] - nearness[edge])
    seen[edge[flying]] = between[flying]
    from_other = flying & (mix > 0.5)
    source[edge[from_other]] = neighbour[from_other]
    return seen, source


def _noise(depth: NDArray, facing: NDArray, sensor: Sensor, lens: Lens,
           rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw noise, part of which neighbouring pixels share, for they share their window."""
    near = np.minimum(depth, 10)
    sigma = sensor.noise * (0.0012 + 0.0019 * (near - 0.4) ** 2) / np.sqrt(np.maximum(facing, 0.2))
    return sigma * (0.95 * smooth_noise(rng, NOISE_CELLS, lens)
                    + 0.3 * rng.standard_normal(len(depth)))


def smooth_noise(rng: np.random.Generator, cells: int, lens: Lens) -> NDArray[np.float64]:
    """Draw noise of variance about 1 that is smooth over 1 / cells of the width: [P]."""
    rows = max(2, round(cells * lens.height / lens.width))
    return _over_picture(1.5 * rng.standard_normal((rows, cells)), lens)


def _over_picture(coarse: NDArray, lens: Lens) -> NDArray[np.float64]:
    """Interpolate a coarse picture [R, C] at all pixels: [P]."""
    rows, columns = coarse.shape
    return (_between(lens.height, rows) @ coarse @ _between(lens.width, columns).T).reshape(-1)


@lru_cache(maxsize=32)
def _between(fine: int, coarse: int) -> NDArray[np.float64]:
    """Return the weights of linear interpolation, [fine, coarse]."""
    place = np.linspace(0, coarse - 1, fine)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(coarse)), 0)
