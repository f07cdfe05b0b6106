"""Random changes of the colours of a model from use to use."""

from __future__ import annotations

import colorsys
from dataclasses import replace

from mask3d_core.rooms.materials import Color, hsv, Material
from mask3d_core.rooms.mesh import Mesh
import numpy as np

TINT_PROBABILITY = 0.3
"""That all colours are multiplied by a random one, so that white models get a colour."""
HUE_PROBABILITY = 0.35
"""That all hues are turned by any angle, not by a small one only."""
HUE_STD, GAINS, SATURATIONS = 0.02, (0.65, 1.3), (0.6, 1.4)
"""Standard deviation of small turns of the hue, 0..1; ranges of the factors on both others."""
SCALES = (0.02, 0.15)
"""Metres, minimum and maximum size of patterns."""


def vary_colors(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Change hue, saturation and brightness of all materials of a mesh in the same way."""
    turn = rng.random() if rng.random() < HUE_PROBABILITY else rng.normal(0, HUE_STD)
    saturation, gain = rng.uniform(*SATURATIONS), rng.uniform(*GAINS)
    tint = (hsv(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.3, 1))
            if rng.random() < TINT_PROBABILITY else (1.0, 1.0, 1.0))
    scale, gloss, speckle = rng.uniform(*SCALES), rng.uniform(0, 0.4), rng.uniform(0.01, 0.04)

    def changed(color: Color) -> Color:
        hue, strength, value = colorsys.rgb_to_hsv(*(a * b for a, b in zip(color, tint)))
        return hsv(hue + turn, strength * saturation, value * gain)

    def look(material: Material) -> Material:
        return replace(material, color=changed(material.color), second=changed(material.second),
                       scale=scale, gloss=gloss, speckle=speckle)

    return replace(mesh, materials=tuple(look(material) for material in mesh.materials))
