"""Scan a room as real scans are: thin meshes with gaps and cuts, uneven light and exposure."""

from __future__ import annotations

from mask3d_core.rooms.materials import value_noise
from mask3d_core.rooms.scanning import scan_scene, ScanStyle
from mask3d_core.rooms.scene import Scene
import numpy as np
from numpy.typing import NDArray

MAX_POINTS = 50_000
VERTEX_SPACINGS = (0.018, 0.032)
"""Metres, minimum and maximum, of the mesh before it is thinned at random."""
FRAMES = (12, 26)
CUT_SHARES = (0.0, 0.2)
"""Minimum and maximum share of the points that each of two vertical cuts removes."""
HOLES, HOLE_RADII = (10, 40), (0.08, 0.35)
"""Number of holes, and their radii in metres."""
THINNING_WAVELENGTH = 0.8
"""Metres over which the density varies."""
WARPS, WARP_WAVELENGTHS = (0.005, 0.03), (0.4, 1.5)
"""Minimum and maximum amplitude of the distortion of the map, and its wavelength; metres."""
CONTRASTS = (1.0, 1.7)
"""Minimum and maximum factor on the contrast about the mean colour of the scan."""
EXPOSURES, EXPOSURE_STD, BALANCE_STD = (3, 9), 0.25, 0.06
"""Number of parts with different exposure; standard deviation of the logarithm of gain and
white balance."""
SUNLIGHT = (1.3, 2.2)
"""Minimum and maximum gain where the sun shines."""
NOISE = (0.01, 0.05)
"""Minimum and maximum standard deviation of the colour of a point, 0..1."""

Columns = dict[str, NDArray]


def scan_stress_room(scene: Scene, rng: np.random.Generator) -> Columns:
    """
    Scan a room into at most `MAX_POINTS` points; arguments and columns as of `scan_scene`.

    Raises
    ------
    InputError
        If no surface is within range of the standpoints.

    """
    style = ScanStyle('person', frames=int(rng.integers(*FRAMES)), width=160, height=120,
                      field_of_view=rng.uniform(0.95, 1.3), fusion='mesh', max_points=10 ** 6,
                      voxel_size=rng.uniform(*VERTEX_SPACINGS), max_range=rng.uniform(3.5, 5.0))
    columns = scan_scene(scene, rng, style)
    for degrade in (_cut, _cut, _pierce, _thin):
        keep = degrade(columns['xyz'].astype(np.float64), rng)
        columns = {name: column[keep] for name, column in columns.items()}
    xyz = columns['xyz'] + _warp(columns['xyz'].astype(np.float64), rng)
    return columns | {'xyz': xyz.astype(np.float32), 'color': _recolor(columns, rng)}


def _cut(xyz: NDArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the points in front of a vertical plane near the border of the scan."""
    angle = rng.uniform(-np.pi, np.pi)
    along = xyz[:, :2] @ (np.cos(angle), np.sin(angle))
    return np.flatnonzero(along >= np.quantile(along, rng.uniform(*CUT_SHARES)))


def _pierce(xyz: NDArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the points outside random spheres."""
    keep = np.ones(len(xyz), bool)
    for center in xyz[rng.integers(len(xyz), size=rng.integers(*HOLES))]:
        keep &= ((xyz - center) ** 2).sum(1) > rng.uniform(*HOLE_RADII) ** 2
    return np.flatnonzero(keep)


def _thin(xyz: NDArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a random choice of points, fewer of them in some places."""
    density = 0.4 + 0.6 * value_noise(xyz / THINNING_WAVELENGTH, int(rng.integers(97)))
    keep = np.flatnonzero(rng.random(len(xyz)) < density)
    return np.sort(rng.permutation(keep)[:MAX_POINTS])


def _warp(xyz: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a smooth distortion [N, 3], as of maps whose frames do not fit together."""
    place = xyz / rng.uniform(*WARP_WAVELENGTHS)
    noise = np.stack([value_noise(place, int(seed)) for seed in rng.integers(97, size=3)], axis=1)
    return 2 * rng.uniform(*WARPS) * (noise - 0.5)


def _recolor(columns: Columns, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return colours with steps of exposure, patches of sunlight, more contrast and noise."""
    xyz, color = columns['xyz'].astype(np.float64), columns['color'] / 255
    mean = color.mean(0)
    color = mean + rng.uniform(*CONTRASTS) * (color - mean)
    color *= _exposure(xyz, rng) * _sunlight(xyz, rng)[:, None]
    color += rng.uniform(*NOISE) * rng.standard_normal((len(color), 1))
    return (255 * color.clip(0, 1) + 0.5).astype(np.uint8)


def _exposure(xyz: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the gain of each point [N, 3]: the room is divided among frames, with seams."""
    centers = xyz[rng.integers(len(xyz), size=rng.integers(*EXPOSURES))]
    nearest = ((xyz[:, None] - centers) ** 2).sum(2).argmin(1)
    gain = rng.normal(0, EXPOSURE_STD, (len(centers), 1)) + rng.normal(
        0, BALANCE_STD, (len(centers), 3))
    return np.exp(gain)[nearest]


def _sunlight(xyz: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the gain of each point [N]: above 1 in beams of light with a rectangular section."""
    gain = np.ones(len(xyz))
    for _ in range(int(rng.integers(0, 4))):
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        across = np.abs((xyz - xyz[rng.integers(len(xyz))]) @ axes[:, :2])
        gain[(across < rng.uniform(0.15, 0.7, 2)).all(1)] *= rng.uniform(*SUNLIGHT)
    return gain
