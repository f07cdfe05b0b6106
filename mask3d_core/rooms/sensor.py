"""A model of structured-light and time-of-flight sensors, applied to a perfect depth image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from mask3d_core.rooms.depth_camera import Frame, Lens
from mask3d_core.rooms.materials import Material
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

MIN_EDGE_BEND = 0.04
"""Second difference of 1 / depth, relative to 1 / depth, from which a pixel is a depth edge."""
GLARE_CELLS = 26
"""Cells across the image width of the noise that decides where glossy surfaces are lost."""
NOISE_CELLS = 100
"""Cells across the image width of the depth noise: it is correlated over 5 of 640 pixels."""
EMITTER_FOCAL = 580
"""Focal length of a Kinect, pixels, for the quantization of disparities."""


@dataclass(frozen=True, eq=False)
class Sensor:
    """
    The properties of a depth sensor during one scan.

    Attributes
    ----------
    min_range, max_range : float
        Metres; surfaces outside give no depth.
    noise : float
        Factor on the depth noise of a Kinect (Nguyen et al. 2012, equation 3).
    disparity_step : float
        Quantization of disparities, pixels; 0 for time of flight.
    baseline : float
        Metres from the camera to the emitter on its right, whose shadows give no depth; 0: none.
    jitter, flying : float
        Shares of the pixels at depth edges with the depth of a neighbor, or with one in between.
    min_cosine : float
        Smallest cosine between ray and normal at which a surface gives a depth.
    bias : [R, C] float
        Relative depth error over the image, on a coarse grid.
    loss : [materials] float
        Share of the surface of each material that gives no depth.

    """

    min_range: float
    max_range: float
    noise: float
    disparity_step: float
    baseline: float
    jitter: float
    flying: float
    min_cosine: float
    bias: NDArray[np.float64]
    loss: NDArray[np.float64]


def random_sensor(rng: np.random.Generator, max_range: float, width: int,
                  materials: Sequence[Material]) -> Sensor:
    """
    Draw a random sensor: two in three use structured light, the others time of flight.

    Edge artefacts have the size, in metres, that they have at the resolution of a real sensor,
    whatever the image width in pixels.
    """
    structured = rng.random() < 0.67
    fine = min(1.0, width / 320)
    glare, darkness = rng.uniform(0.2, 0.9), rng.uniform(0, 0.3)
    gloss = np.array([material.gloss for material in materials])
    dark = np.array([max(material.color) < 0.15 for material in materials])
    variation = rng.uniform(0.5, 1.2, len(materials))
    return Sensor(
        min_range=rng.uniform(0.3, 0.5), max_range=max_range, noise=rng.uniform(0.7, 1.5),
        disparity_step=0.125 if structured else 0.0,
        baseline=rng.uniform(0.05, 0.075) if structured else 0.0,
        jitter=rng.uniform(0.2, 0.5) * fine,
        flying=rng.uniform(*((0, 0.05) if structured else (0.02, 0.15))) * fine,
        min_cosine=rng.uniform(0.05, 0.14),
        bias=rng.normal(0, rng.uniform(0.001, 0.006), (4, 5)),
        loss=np.clip(variation * (glare * gloss ** 1.5 + darkness * dark), 0, 0.97))


def measure_depth(frame: Frame, facing: NDArray, material: NDArray, sensor: Sensor,
                  rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """
    Measure the depth of P pixels.

    Parameters
    ----------
    frame : Frame
    facing : [P] float
        Cosine between the ray of each pixel and the surface normal, 0..1.
    material : [P] int
        Material indices, for `Sensor.loss`.
    sensor : Sensor
    rng : Generator

    Returns
    -------
    depth : [P] float64
        Metres, infinity for no depth.
    source : [P] int64
        Pixel whose surface was measured: the pixel itself, or a neighbor at a depth edge.

    """
    lens = frame.lens
    inverse_depth = np.where(np.isfinite(frame.depth), 1 / frame.depth, 0)
    lost = _lost_returns(facing, sensor.loss[material], sensor, lens, rng)
    if sensor.baseline:
        lost |= _emitter_shadow(inverse_depth, sensor.baseline, lens)
    seen, source = _fray_edges(inverse_depth, sensor, lens, rng)
    with np.errstate(divide='ignore'):
        depth = 1 / seen
    depth *= 1 + _upsample(sensor.bias, lens)
    depth += _noise(depth, facing, sensor, lens, rng)
    lost |= lost[source] | ~(depth > sensor.min_range) | (depth > sensor.max_range)
    if sensor.disparity_step:
        unit = sensor.disparity_step / (EMITTER_FOCAL * 0.075)
        depth = 1 / np.maximum(np.round(1 / depth / unit), 1) / unit
    depth[lost] = np.inf
    return depth, source


def _lost_returns(facing: NDArray, loss: NDArray, sensor: Sensor, lens: Lens,
                  rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return pixels without depth: patches of glossy or dark surfaces, and grazing angles."""
    white = rng.standard_normal(len(facing))
    patches = smooth_noise(rng, GLARE_CELLS, lens) + 0.4 * white
    # Specular surfaces return light to the sensor at normal incidence only.
    share = np.clip(loss * (1.3 - 0.6 * facing), 0, 0.98)
    return (patches < 1.08 * ndtri(share)) | (facing < sensor.min_cosine * (1 + 0.3 * white))


def _emitter_shadow(inverse_depth: NDArray, baseline: float, lens: Lens) -> NDArray[np.bool_]:
    """Return pixels that nearer surfaces hide from the emitter, to the left of depth edges."""
    grid = inverse_depth.reshape(lens.height, lens.width)
    shift = np.round(lens.focal * baseline * grid).astype(np.int64)
    width = lens.width + int(shift.max()) + 2
    place = np.arange(lens.width) - shift + width - lens.width  # column in the emitter's image
    place += np.arange(lens.height)[:, None] * width
    front = np.zeros(lens.height * width)
    for column in (0, 1):  # closes gaps where neighbors shift differently
        np.maximum.at(front, (place + column).clip(max=len(front) - 1).reshape(-1), inverse_depth)
    return inverse_depth < front[place.reshape(-1)] * (1 - 2 * MIN_EDGE_BEND)


def _fray_edges(inverse_depth: NDArray, sensor: Sensor, lens: Lens, rng: np.random.Generator,
                ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Add jitter and flying pixels at depth edges; return 1 / depth and its source pixel."""
    grid = inverse_depth.reshape(lens.height, lens.width)
    bend = np.zeros_like(grid)
    bend[:, 1:-1] = np.abs(grid[:, 2:] + grid[:, :-2] - 2 * grid[:, 1:-1])
    bend[1:-1] = np.maximum(bend[1:-1], np.abs(grid[2:] + grid[:-2] - 2 * grid[1:-1]))
    edge = np.flatnonzero(bend.reshape(-1) > MIN_EDGE_BEND * inverse_depth)
    step = rng.choice([-1, 1, -lens.width, lens.width], len(edge))
    neighbor = (edge + step).clip(0, len(inverse_depth) - 1)
    kind = rng.random(len(edge))
    swapped = kind < sensor.jitter
    both = (inverse_depth[edge] > 0) & (inverse_depth[neighbor] > 0)  # no surface, no depth to mix
    flying = ~swapped & both & (kind < sensor.jitter + sensor.flying)
    source, seen = np.arange(len(inverse_depth)), inverse_depth.copy()
    source[edge[swapped]] = neighbor[swapped]
    seen[edge[swapped]] = inverse_depth[neighbor[swapped]]
    mix = rng.beta(0.5, 0.5, len(edge))
    between = inverse_depth[edge] + mix * (inverse_depth[neighbor] - inverse_depth[edge])
    seen[edge[flying]] = between[flying]
    from_other = flying & (mix > 0.5)
    source[edge[from_other]] = neighbor[from_other]
    return seen, source


def _noise(depth: NDArray, facing: NDArray, sensor: Sensor, lens: Lens,
           rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw depth noise, most of it correlated between neighbors by the matching window."""
    near = np.minimum(depth, 10)
    sigma = sensor.noise * (0.0012 + 0.0019 * (near - 0.4) ** 2) / np.sqrt(np.maximum(facing, 0.2))
    return sigma * (0.95 * smooth_noise(rng, NOISE_CELLS, lens)
                    + 0.3 * rng.standard_normal(len(depth)))


def smooth_noise(rng: np.random.Generator, cells: int, lens: Lens) -> NDArray[np.float64]:
    """Draw noise of variance about 1 that is smooth over 1 / `cells` of the image width: [P]."""
    rows = max(2, round(cells * lens.height / lens.width))
    return _upsample(1.5 * rng.standard_normal((rows, cells)), lens)


def _upsample(coarse: NDArray, lens: Lens) -> NDArray[np.float64]:
    """Interpolate a coarse image [R, C] bilinearly at all pixels: [P]."""
    rows, columns = coarse.shape
    down, across = _linear_weights(lens.height, rows), _linear_weights(lens.width, columns)
    return (down @ coarse @ across.T).reshape(-1)


@lru_cache(maxsize=32)
def _linear_weights(fine: int, coarse: int) -> NDArray[np.float64]:
    """Return the matrix [fine, coarse] of linear interpolation from coarse to fine samples."""
    place = np.linspace(0, coarse - 1, fine)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(coarse)), 0)
