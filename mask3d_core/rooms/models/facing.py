"""Find the back of a model, for catalogues that do not say where it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_ELONGATION = 1.2
"""The back of a model with one side longer by this factor is along a longer side."""
SIDE_DEPTH, MIN_COSINE = 0.03, 0.9
"""Of a triangle of a side: maximum distance to the side, as a share of the extent across it;
minimum cosine between both normals."""
TOP_SHARE, TOP_WEIGHT = 0.25, 0.5
"""Share of the height that counts as the top; weight of the offset of the top towards a side."""
SIDES = ((1, 1), (0, 1), (1, -1), (0, -1))
"""Axis and sign of the sides that 0, 1, 2 and 3 quarter turns about z bring to +y."""


def turns_to_back(triangles: NDArray) -> int:
    """
    Return the number of quarter turns, counter-clockwise about z, that bring the back to +y.

    A back is flat, as of a cabinet or a screen, or high, as of a chair.

    Parameters
    ----------
    triangles : [F, 3, 3] float
        Corners, metres, z up.

    """
    low = triangles.min((0, 1))
    size = np.maximum(np.ptp(triangles, axis=(0, 1)), 1e-6)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(normal, axis=1) / 2
    place = (triangles.mean(1) - low) / size * 2 - 1  # -1 .. 1 in the bounding box
    top = place[:, 2] > 1 - 2 * TOP_SHARE
    offset = np.average(place[top], axis=0, weights=area[top]) if area[top].any() else np.zeros(3)
    scores = {}
    for turns, (axis, sign) in enumerate(SIDES):
        if size[axis] > MIN_ELONGATION * size[1 - axis]:
            continue  # the shorter sides are across the longer axis
        flat = ((sign * place[:, axis] > 1 - 2 * SIDE_DEPTH)
                & (np.abs(normal[:, axis]) > MIN_COSINE * 2 * area))
        share = min(area[flat].sum() / (size[1 - axis] * size[2]), 1.0)
        scores[turns] = round(float(share + TOP_WEIGHT * sign * offset[axis]), 2)
    return max(scores, key=scores.__getitem__)  # the first of equal ones
