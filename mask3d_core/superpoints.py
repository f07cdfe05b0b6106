"""
Superpoints: small patches of surface that belong to one object, with or without a mesh.

Masks of a model on segments are made of them. Both kinds come from the same graph segmentation;
they differ in what an edge is and what it weighs.
"""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.errors import InputError
from mask3d_core.graph_segmentation import segment_graph
from mask3d_core.normals import vertex_normals, voxel_normals
from mask3d_core.scan import Scan
from mask3d_core.sparse.grid import Grid, STEPS
from mask3d_core.voxels import batch_coords, Voxelization, voxelize
import numpy as np
from numpy.typing import NDArray
import torch


@dataclass(frozen=True)
class SuperpointSettings:
    """
    How superpoints of bare clouds are made; the defaults were chosen on real scans.

    Attributes
    ----------
    scale : float
        k of Felzenszwalb and Huttenlocher, in units of the edge weight. Larger values give larger
        superpoints. Normals fitted to points are noisier than a mesh's, hence more than ScanNet's
        0.01; up to 0.1 there are fewer superpoints, no worse ones.
    min_size : int
        Smaller superpoints are joined to their most similar neighbour; voxels. With ScanNet's 20
        small things are lost to what they stand on.
    color_weight : float
        What a squared difference of colour (red, green, blue in 0..1) weighs against 1 minus the
        cosine between normals; 0: colour is ignored.

    """

    scale: float = 0.05
    min_size: int = 10
    color_weight: float = 1.0

    def __post_init__(self) -> None:
        for holds, text in (
                (0 < self.scale < np.inf, 'scale above 0'),
                (self.min_size >= 1, 'min_size of at least 1'),
                (0 <= self.color_weight < np.inf, 'color_weight of 0 or more')):
            if not holds:
                raise InputError(f'expected {text}, got {getattr(self, text.split()[0])}')


def find_superpoints(scan: Scan, voxel_size: float = 0.02,
                     settings: SuperpointSettings | None = None) -> NDArray[np.int64]:
    """
    Divide a cloud into superpoints.

    The cloud is thinned to one mean point per voxel, so density does not matter and all points
    of a voxel share a superpoint. The result does not depend on the order of the points. Voxels
    that touch in a side or an edge are linked. A link weighs 1 - |cos| of the angle between the
    normals plus `color_weight` times the squared difference of colour. The normals have no sign: a
    map does not tell from where its points were seen, so a convex edge cannot be told from a
    concave one and both divide.

    Parameters
    ----------
    scan : Scan
    voxel_size : float
        Metres; that of the model which shall use the superpoints. Points that lie further apart
        have no neighbours, and each is a superpoint.
    settings : SuperpointSettings, optional

    Returns
    -------
    [N] int64
        Superpoint of each point, 0..S-1, in the order of their first voxels in x, y, z.

    Raises
    ------
    InputError
        If all points fall into one voxel, or there are more voxels than can be numbered.

    """
    settings = settings or SuperpointSettings()
    plain = Voxelization(voxel_size, color_mean=None if scan.color is None else (0.0, 0.0, 0.0),
                         color_std=None if scan.color is None else (1.0, 1.0, 1.0))
    voxels = voxelize(scan, plain)
    neighbors = Grid.sort(batch_coords([voxels]))[0].neighbors()  # voxels are in its order already
    edges = _links(neighbors)
    a, b = edges.unbind(1)
    normals = voxel_normals(voxels.centers, neighbors)
    weight = 1 - (normals.index_select(0, a) * normals.index_select(0, b)).sum(1).abs()
    if scan.color is not None and settings.color_weight > 0:
        step = voxels.features.index_select(0, a) - voxels.features.index_select(0, b)
        weight += settings.color_weight * step.square_().sum(1)
    superpoint = segment_graph(edges.numpy(), weight.numpy(), len(voxels), settings.scale,
                               settings.min_size)
    return superpoint[voxels.inverse.numpy()]


def group_mesh(vertices: NDArray[np.floating], faces: NDArray[np.integer], scale: float = 0.01,
               min_size: int = 20) -> NDArray[np.int64]:
    """
    Divide a mesh into superpoints as ScanNet's segmentator does.

    The edges are those of the faces. An edge weighs 1 - cos of the angle between the normals of
    its vertices, and the square of that where the second normal points away from the first
    vertex: convex edges divide less. Weights have single precision and equal its weights to the
    last bit; it leaves open which of equal ones comes first, here the order of the faces decides.

    Parameters
    ----------
    vertices : [N, 3] float
        Metres.
    faces : [F, 3] integer
        Rows of the corners of triangles, counter-clockwise from outside.
    scale, min_size
        As in `SuperpointSettings`, of vertices; the defaults are ScanNet's.

    Returns
    -------
    [N] int64
        Superpoint of each vertex, 0..S-1 in the order of their first vertices.

    Raises
    ------
    InputError
        If the arrays are not of these shapes, or faces name vertices that do not exist.

    """
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError('expected vertices [N, 3] and triangles [F, 3], got '
                         f'{list(vertices.shape)} and {list(faces.shape)}')
    if faces.size and not (0 <= faces.min() and faces.max() < len(vertices)):
        raise InputError(f'expected faces of vertices 0..{len(vertices) - 1}, got '
                         f'{faces.min()}..{faces.max()}')
    normals = vertex_normals(vertices, faces)
    edges = faces[:, [0, 1, 0, 2, 2, 1]].reshape(-1, 2)
    return segment_graph(edges, _mesh_weights(vertices.astype(np.float32), normals, edges),
                         len(vertices), scale, min_size)


def _mesh_weights(vertices: NDArray[np.float32], normals: NDArray[np.float32],
                  edges: NDArray[np.integer]) -> NDArray[np.float32]:
    a, b = edges.T
    along = vertices[b] - vertices[a]
    length = np.sqrt(_dot(along, along))
    along /= np.where(length > 0, length, 1)[:, None]
    weight = 1 - _dot(normals[a], normals[b])
    return np.where(_dot(normals[b], along) > 0, weight * weight, weight)


def _links(neighbors: torch.Tensor) -> torch.Tensor:
    """Return the pairs of voxels that share a side or an edge, each once: [E, 2] int64."""
    wanted = [k for k in range(14, 27) if STEPS[k].abs().sum() <= 2]
    offset, here = (neighbors[wanted] < neighbors.shape[1]).nonzero(as_tuple=True)
    return torch.stack([here, neighbors[wanted][offset, here].long()], 1)


def _dot(u: NDArray[np.floating], v: NDArray[np.floating]) -> NDArray[np.floating]:
    return u[:, 0] * v[:, 0] + u[:, 1] * v[:, 1] + u[:, 2] * v[:, 2]
