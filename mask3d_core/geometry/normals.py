"""Surface normals: of a cloud from the neighbors of each point, of a mesh from its faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

POINTS_PER_FIT = 1 << 13
"""Points whose normals are computed at once: their neighbors stay in the processor's cache."""


def neighbor_normals(xyz: NDArray[np.floating], neighbors: NDArray[np.integer],
                     ) -> NDArray[np.float64]:
    """
    Fit a plane to the neighbors of each point: its normal is their direction of least variance.

    Parameters
    ----------
    xyz : [N, 3] float
        Metres.
    neighbors : [N, n] integer
        Rows of the neighbors of each point.

    Returns
    -------
    [N, 3] float64
        Unit vectors of arbitrary sign. Neighbors on one line or in one point fit many planes and
        get the normal of any of them.

    """
    columns = np.ascontiguousarray(xyz.T, np.float64)
    normals = np.empty((len(neighbors), 3))
    for first in range(0, len(neighbors), POINTS_PER_FIT):
        part = slice(first, first + POINTS_PER_FIT)
        normals[part] = smallest_eigenvectors(_moments(columns[:, neighbors[part]]))
    return normals


def smallest_eigenvectors(moments: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """
    Return the direction of least variance of N sets of points.

    It is the eigenvector of the smallest eigenvalue of the covariance matrix A, in closed form.
    The eigenvalue comes from the cosine of a third of an angle (Smith 1961). The eigenvector is
    perpendicular to all rows of A - eigenvalue: the largest cross product of two of them.

    Parameters
    ----------
    moments : six [N] float64
        Sums (or means) of xx, yy, zz, xy, xz, yz about the mean of each set.

    Returns
    -------
    [N, 3] float64
        Unit vectors, as from `neighbor_normals`.

    """
    trace = moments[0] + moments[1] + moments[2]
    trace = np.where(trace > 0, trace, 1)
    xx, yy, zz, xy, xz, yz = (moment / trace for moment in moments)
    mean = (xx + yy + zz) / 3
    a, b, c = xx - mean, yy - mean, zz - mean
    radius = np.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
    half = (a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)) / 2
    cosine = half / np.where(radius > 0, radius, 1) ** 3
    angle = np.arccos(np.clip(cosine, -1, 1)) / 3
    least = 2 * radius * np.cos(angle + 2 * np.pi / 3)          # relative to the mean
    rows = [np.stack(row) for row in ((a - least, xy, xz), (xy, b - least, yz),
                                      (xz, yz, c - least))]
    products = np.stack([_cross(rows[i], rows[j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    length = (products ** 2).sum(axis=1)                        # [3, N]
    best = length.argmax(axis=0)
    each = np.arange(len(best))
    vector, size = products[best, :, each], np.sqrt(length[best, each])[:, None]
    return np.where(size > 1e-15, vector / np.maximum(size, 1e-300), (0, 0, 1))


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer],
                   ) -> NDArray[np.float32]:
    """
    Average the unit normals of the faces around each vertex of a mesh.

    Equals ScanNet's segmentator to the last bit: a running mean in single precision, in the order
    of the faces. All faces have equal weight, whatever their size. The mean is not normalised to
    unit length, so the normals of vertices on a crease are shorter than 1.

    Parameters
    ----------
    vertices : [N, 3] float
        Metres.
    faces : [F, 3] integer
        Rows of the corners of triangles. The normal of a degenerate triangle is zero.

    Returns
    -------
    [N, 3] float32

    """
    first, second, third = vertices.astype(np.float32)[faces].transpose(1, 2, 0)
    normal = _cross(second - first, third - first)              # [3, F]
    length = np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2])
    normal = (normal / np.where(length > 0, length, 1)).T
    mean = np.zeros((len(vertices), 3), np.float32)
    corner = faces.reshape(-1)
    # the nth face of each vertex at once: the order of the additions at a vertex is kept
    for count, places in enumerate(_occurrences(corner)):
        weight = np.float32(1) / np.float32(count + 1)
        vertex = corner[places]
        mean[vertex] = weight * normal[places // 3] + (1 - weight) * mean[vertex]
    return mean


def _occurrences(values: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Return the indices of the first occurrence of each value, of the second one, and so on."""
    order = np.argsort(values, kind='stable')
    ranked = values[order]
    number = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
    return np.split(order[np.argsort(number, kind='stable')], np.cumsum(np.bincount(number))[:-1])


def _moments(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the sums of xx, yy, zz, xy, xz, yz about the mean: [3, N, n] -> six [N]."""
    x, y, z = points - points.mean(axis=2, keepdims=True)
    return [np.einsum('ij,ij->i', a, b)
            for a, b in ((x, x), (y, y), (z, z), (x, y), (x, z), (y, z))]


def _cross(u: NDArray[np.floating], v: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the cross products of vectors [3, N]."""
    return np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
                     u[0] * v[1] - u[1] * v[0]])
