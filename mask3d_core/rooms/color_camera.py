"""What a colour camera makes of lit surfaces."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.rooms.materials import noise, paint_colors
from mask3d_core.rooms.scene import Scene
import numpy as np
from numpy.typing import NDArray

REACH = 2.5
"""Metres: where a lamp gives half its light."""
RESPONSE = 0.6
"""Exponent from light to the value of a pixel, next to a material's colour."""
PATCH = 1.3
"""Metres between brighter and darker places of a room."""
CELL = 0.05
REACHES = (0.05, 0.15)
"""Metres: where to look for what keeps the light away."""
DIRECTIONS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / np.sqrt(3)


@dataclass(frozen=True, eq=False)
class Sight:
    """
    Places of surfaces, each in a pixel of a frame.

    Attributes
    ----------
    face : [S] int
        Rows of the mesh's faces.
    weight : [S, 3] float
        Shares of the face's corners.
    side : [S] float
        1 where the face's normal points to the camera, -1 where it points away.
    frame : [S] int
        Number of the frame.
    offset : [S] float
        Distance of the pixel to the middle of the picture, relative to a corner's.

    """

    face: NDArray[np.integer]
    weight: NDArray[np.floating]
    side: NDArray[np.floating]
    frame: NDArray[np.integer]
    offset: NDArray[np.floating]

    def rows(self, chosen: NDArray) -> Sight:
        """Return some of the places."""
        return Sight(self.face[chosen], self.weight[chosen], self.side[chosen],
                     self.frame[chosen], self.offset[chosen])

    def between(self, faces: NDArray, table: NDArray) -> NDArray[np.float64]:
        """Interpolate what vertices have, [M, D], in the corners of faces: [S, D]."""
        return np.einsum('sk,skd->sd', self.weight, table[faces[self.face]])


@dataclass(frozen=True, eq=False)
class Exposure:
    """
    A colour camera of one day.

    Attributes
    ----------
    gain : [frames, 3] float
        Relative brightness and white balance of frames.
    brightness : float
        Mean value of the pixels it aims at, 0..1.
    ambient : float
        Share of the light that comes from everywhere.
    patches : float
        How much it differs from place to place: daylight here, a dim corner there.
    contact : float
        Share of the light that is missing where everything around is occupied.
    saturation : float
        1 keeps colours, 0 makes them grey.
    vignette : float
        Share of the light that is missing in the corners.
    noise : float
        Standard deviation of a pixel.
    speckle : float
        Factor on the speckle of materials; less where many frames were averaged.

    """

    gain: NDArray[np.float64]
    brightness: float
    ambient: float
    patches: float
    contact: float
    saturation: float
    vignette: float
    noise: float
    speckle: float


def random_exposure(rng: np.random.Generator, frames: int) -> Exposure:
    """Draw a camera for so many frames: automatic exposure wanders, white balance too."""
    wander = np.cumsum(rng.normal(0, 0.025, frames))
    balance = rng.normal(0, (0.07, 0.02, 0.09), 3) + rng.normal(0, 0.012, (frames, 3))
    return Exposure(
        gain=np.exp((wander - wander.mean()).clip(-0.2, 0.2)[:, None] + balance),
        brightness=rng.uniform(0.35, 0.78), ambient=rng.uniform(0.35, 0.8),
        patches=rng.uniform(0, 0.6), contact=rng.uniform(0.1, 0.9),
        saturation=rng.uniform(0.6, 1.1), vignette=rng.uniform(0, 0.2),
        noise=np.exp(rng.uniform(*np.log((0.002, 0.02)))), speckle=rng.uniform(0.1, 1))


def photograph(scene: Scene, normals: NDArray, sight: Sight, exposure: Exposure,
               rng: np.random.Generator) -> NDArray[np.float64]:
    """
    Return the colours 0..1 of places, [S, 3].

    Parameters
    ----------
    scene : Scene
    normals : [F, 3] float
        Of the faces of the scene.
    sight : Sight
    exposure : Exposure
    rng : Generator

    """
    mesh = scene.mesh
    texture, place = (sight.between(mesh.faces, table) for table in (mesh.texture, mesh.vertices))
    material = mesh.material[sight.face]
    colors = paint_colors(mesh.materials, material, texture)
    speckle = exposure.speckle * np.array([m.speckle for m in mesh.materials])
    colors += (speckle[material] * rng.standard_normal(len(colors)))[:, None]
    light = _light(scene.lights, normals[sight.face] * sight.side[:, None], place,
                   exposure.ambient)
    light *= 1 + exposure.patches * (noise(place / PATCH, 3) - 0.5)
    colors *= (light * (1 - exposure.vignette * sight.offset ** 2))[:, None]
    colors *= _automatic(colors.mean(), exposure.brightness) * exposure.gain[sight.frame]
    grey = colors.mean(1, keepdims=True)
    colors = grey + exposure.saturation * (colors - grey)
    colors += exposure.noise * rng.standard_normal(colors.shape)
    return colors.clip(0, 1)


def _light(lamps: NDArray, normals: NDArray, place: NDArray, ambient: float,
           ) -> NDArray[np.float64]:
    """Return the light on surfaces, around 1: [S]; the normals point to the camera."""
    direct = np.zeros(len(place))
    for lamp in lamps:
        way = lamp - place
        distance = np.linalg.norm(way, axis=1).clip(0.1)
        slope = ((way * normals).sum(1) / distance).clip(0)
        direct += slope / (1 + (distance / REACH) ** 2)
    upwards = 0.85 + 0.15 * normals[:, 2]
    return (ambient * upwards + (1 - ambient) * 2 * direct) ** RESPONSE


def crowding(xyz: NDArray, normals: NDArray) -> NDArray[np.float64]:
    """
    Return the share of the surroundings of points that other points occupy, 0..1.

    Light does not reach such points well: in corners, under things and between them.

    Parameters
    ----------
    xyz : [N, 3] float
        Metres.
    normals : [N, 3] float
        Unit vectors away from the surface.

    """
    low = xyz.min(0) - REACHES[-1] - 3 * CELL
    size = ((xyz.max(0) + REACHES[-1] + 3 * CELL - low) / CELL).astype(np.int64) + 2
    stride = np.array([size[1] * size[2], size[2], 1])
    occupied = np.zeros(int(size.prod()), bool)
    occupied[((xyz - low) / CELL).astype(np.int64) @ stride] = True
    start = xyz + CELL * normals - low
    share = np.zeros(len(xyz))
    for direction in DIRECTIONS:
        # Sums of the normal and a point of the sphere are denser around the normal.
        way = normals + 0.95 * direction
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        blocked = np.zeros(len(xyz), bool)
        for reach in REACHES:
            blocked |= occupied[((start + reach * way) / CELL).astype(np.int64) @ stride]
        share += blocked
    return share / len(DIRECTIONS)


def _automatic(mean: float, wanted: float) -> float:
    """Return the factor of an exposure that goes most of the way to the wanted brightness."""
    return float(np.clip((wanted / max(mean, 0.02)) ** 0.7, 0.5, 2.0))
