"""A colour camera: light, exposure and noise."""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.rooms.materials import paint_colors, value_noise
from mask3d_core.rooms.scene import Scene
import numpy as np
from numpy.typing import NDArray

LAMP_HALF_DISTANCE = 2.5
"""Metres from a lamp at which its light is halved."""
GAMMA = 0.6
"""Exponent from light to its factor on a pixel's value."""
PATCH_SIZE = 1.3
"""Metres, wavelength of the variation of light over a room."""
OCCUPANCY_CELL = 0.05
"""Metres, edge of the cells of the occupancy grid for ambient occlusion."""
OCCLUSION_DISTANCES = (0.05, 0.15)
"""Metres at which the rays of ambient occlusion are sampled."""
OCCLUSION_DIRECTIONS = np.array(
    [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / np.sqrt(3)


@dataclass(frozen=True, eq=False)
class VisiblePoints:
    """
    Surface points, each visible in a pixel of a frame.

    Attributes
    ----------
    face : [S] int
        Indices of faces.
    weight : [S, 3] float
        Barycentric coordinates in the face.
    side : [S] float
        1 if the normal of the face points towards the camera, -1 if it points away.
    frame : [S] int
        Index of the frame.
    offset : [S] float
        Distance of the pixel from the image center, 1 for the image corners.

    """

    face: NDArray[np.integer]
    weight: NDArray[np.floating]
    side: NDArray[np.floating]
    frame: NDArray[np.integer]
    offset: NDArray[np.floating]

    def select(self, chosen: NDArray) -> VisiblePoints:
        """Return a subset of the points."""
        return VisiblePoints(self.face[chosen], self.weight[chosen], self.side[chosen],
                     self.frame[chosen], self.offset[chosen])

    def interpolate(self, faces: NDArray, table: NDArray) -> NDArray[np.float64]:
        """Interpolate vertex attributes [M, D] at the points: [S, D]."""
        return np.einsum('sk,skd->sd', self.weight, table[faces[self.face]])


@dataclass(frozen=True, eq=False)
class Exposure:
    """
    Light and colour settings of one scan.

    Attributes
    ----------
    gain : [frames, 3] float
        Exposure times white balance of each frame.
    brightness : float
        Target of the automatic exposure: mean pixel value, 0..1.
    ambient : float
        Share of ambient light, 0..1.
    patches : float
        Amplitude of the variation of light over the room.
    occlusion : float
        Strength of ambient occlusion, 0..1.
    saturation : float
        1 keeps colours, 0 makes them grey.
    vignette : float
        Share of the light lost in the image corners.
    noise : float
        Standard deviation of the pixel noise.
    speckle : float
        Factor on the speckle of materials.

    """

    gain: NDArray[np.float64]
    brightness: float
    ambient: float
    patches: float
    occlusion: float
    saturation: float
    vignette: float
    noise: float
    speckle: float


def random_exposure(rng: np.random.Generator, frames: int) -> Exposure:
    """Draw random settings; exposure and white balance vary from frame to frame."""
    wander = np.cumsum(rng.normal(0, 0.025, frames))
    balance = rng.normal(0, (0.07, 0.02, 0.09), 3) + rng.normal(0, 0.012, (frames, 3))
    return Exposure(
        gain=np.exp((wander - wander.mean()).clip(-0.2, 0.2)[:, None] + balance),
        brightness=rng.uniform(0.35, 0.78), ambient=rng.uniform(0.35, 0.8),
        patches=rng.uniform(0, 0.6), occlusion=rng.uniform(0.1, 0.9),
        saturation=rng.uniform(0.6, 1.1), vignette=rng.uniform(0, 0.2),
        noise=np.exp(rng.uniform(*np.log((0.002, 0.02)))), speckle=rng.uniform(0.1, 1))


def render_colors(scene: Scene, normals: NDArray, visible: VisiblePoints, exposure: Exposure,
                  rng: np.random.Generator) -> NDArray[np.float64]:
    """
    Return the colours of visible points, 0..1: [S, 3].

    Parameters
    ----------
    scene : Scene
    normals : [F, 3] float
        Face normals of the scene.
    visible : VisiblePoints
    exposure : Exposure
    rng : Generator

    """
    mesh = scene.mesh
    texture, place = (visible.interpolate(mesh.faces, table)
                      for table in (mesh.texture, mesh.vertices))
    material = mesh.material[visible.face]
    colors = paint_colors(mesh.materials, material, texture)
    speckle = exposure.speckle * np.array([m.speckle for m in mesh.materials])
    colors += (speckle[material] * rng.standard_normal(len(colors)))[:, None]
    light = _lighting(scene.lights, normals[visible.face] * visible.side[:, None], place,
                      exposure.ambient)
    light *= 1 + exposure.patches * (value_noise(place / PATCH_SIZE, 3) - 0.5)
    colors *= (light * (1 - exposure.vignette * visible.offset ** 2))[:, None]
    colors *= _exposure_factor(colors.mean(), exposure.brightness) * exposure.gain[visible.frame]
    grey = colors.mean(1, keepdims=True)
    colors = grey + exposure.saturation * (colors - grey)
    colors += exposure.noise * rng.standard_normal(colors.shape)
    return colors.clip(0, 1)


def _lighting(lamps: NDArray, normals: NDArray, place: NDArray, ambient: float,
              ) -> NDArray[np.float64]:
    """Return the brightness of surfaces whose normals face the camera, about 1: [S]."""
    direct = np.zeros(len(place))
    for lamp in lamps:
        to_lamp = lamp - place
        distance = np.linalg.norm(to_lamp, axis=1).clip(0.1)
        cosine = ((to_lamp * normals).sum(1) / distance).clip(0)  # Lambert
        direct += cosine / (1 + (distance / LAMP_HALF_DISTANCE) ** 2)
    upwards = 0.85 + 0.15 * normals[:, 2]
    return (ambient * upwards + (1 - ambient) * 2 * direct) ** GAMMA


def ambient_occlusion(xyz: NDArray, normals: NDArray) -> NDArray[np.float64]:
    """
    Return the ambient occlusion of points, 0..1: the share of rays blocked by other points.

    It is high in corners, under objects and between them.

    Parameters
    ----------
    xyz : [N, 3] float
        Metres.
    normals : [N, 3] float
        Unit vectors pointing away from the surface.

    """
    low = xyz.min(0) - OCCLUSION_DISTANCES[-1] - 3 * OCCUPANCY_CELL
    high = xyz.max(0) + OCCLUSION_DISTANCES[-1] + 3 * OCCUPANCY_CELL
    size = ((high - low) / OCCUPANCY_CELL).astype(np.int64) + 2
    stride = np.array([size[1] * size[2], size[2], 1])
    occupied = np.zeros(int(size.prod()), bool)
    occupied[((xyz - low) / OCCUPANCY_CELL).astype(np.int64) @ stride] = True
    start = xyz + OCCUPANCY_CELL * normals - low
    blocked_rays = np.zeros(len(xyz))
    for direction in OCCLUSION_DIRECTIONS:
        # Normal plus a point on the sphere: a direction with a cosine-weighted distribution.
        ray = normals + 0.95 * direction
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        blocked = np.zeros(len(xyz), bool)
        for distance in OCCLUSION_DISTANCES:
            cell = ((start + distance * ray) / OCCUPANCY_CELL).astype(np.int64)
            blocked |= occupied[cell @ stride]
        blocked_rays += blocked
    return blocked_rays / len(OCCLUSION_DIRECTIONS)


def _exposure_factor(mean: float, target: float) -> float:
    """Return the factor of an automatic exposure, which only partly reaches its target."""
    return float(np.clip((target / max(mean, 0.02)) ** 0.7, 0.5, 2.0))
