"""
Superpoints: small patches of surface that belong to one object, with or without a mesh.

Masks of a model on segments are made of them. Both kinds come from the same graph segmentation;
they differ in what an edge is and what it weighs.
"""

from __future__ import annotations

from dataclasses import dataclass

from mask3d_core.errors import InputError
from mask3d_core.graph_segmentation import segment_graph
from mask3d_core.normals import neighbour_normals, vertex_normals
from mask3d_core.scan import Scan
from mask3d_core.voxels import Voxelization, voxelize
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


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
        Smaller superpoints are joined to their most similar neighbour; voxels. ScanNet uses 20
        vertices.
    neighbours : int
        Nearest voxels each voxel is linked to.
    normal_neighbours : int
        Nearest voxels, itself included, that a normal is fitted to. More of them blur creases,
        fewer follow the noise.
    color_weight : float
        What a squared difference of colour (red, green, blue in 0..1) weighs against 1 minus the
        cosine between normals; 0: colour is ignored.

    """

    scale: float = 0.05
    min_size: int = 20
    neighbours: int = 8
    normal_neighbours: int = 12
    color_weight: float = 1.0

    def __post_init__(self) -> None:
        for holds, text in (
                (0 < self.scale < np.inf, 'scale above 0'),
                (self.min_size >= 1, 'min_size of at least 1'),
                (self.neighbours >= 1, 'neighbours of at least 1'),
                (self.normal_neighbours >= 3, 'normal_neighbours of at least 3'),
                (0 <= self.color_weight < np.inf, 'color_weight of 0 or more')):
            if not holds:
                raise InputError(f'expected {text}, got {getattr(self, text.split()[0])}')


def find_superpoints(scan: Scan, voxel_size: float = 0.02,
                     settings: SuperpointSettings | None = None) -> NDArray[np.int64]:
    """
    Divide a cloud into superpoints.

    The cloud is thinned to one mean point per voxel, so density does not matter and all points
    of a voxel share a superpoint. The result does not depend on the order of the points.

    Parameters
    ----------
    scan : Scan
    voxel_size : float
        Metres; that of the model which shall use the superpoints.
    settings : SuperpointSettings, optional

    Returns
    -------
    [N] int64
        Superpoint of each point, 0..S-1.

    Raises
    ------
    InputError
        If all points fall into one voxel, or there are more voxels than can be numbered.

    """
    colors = None if scan.color is None else (0.0, 0.0, 0.0)
    spread = None if scan.color is None else (1.0, 1.0, 1.0)
    voxels = voxelize(scan, Voxelization(voxel_size, color_mean=colors, color_std=spread))
    color = None if scan.color is None else voxels.features.numpy()
    return group_points(voxels.centers.numpy(), color, settings)[voxels.inverse.numpy()]


def group_points(xyz: NDArray[np.floating], color: NDArray[np.floating] | None = None,
                 settings: SuperpointSettings | None = None) -> NDArray[np.int64]:
    """
    Divide points of about even density into superpoints, each point for itself.

    Every point is linked to its nearest neighbours. An edge weighs 1 - |cos| of the angle between
    the normals plus `color_weight` times the squared difference of colour. The normals have no
    sign: a map does not tell from where its points were seen, so a convex edge cannot be told
    from a concave one and both divide.

    Parameters
    ----------
    xyz : [M, 3] float
        Metres.
    color : [M, 3] float, optional
        0..1.
    settings : SuperpointSettings, optional

    Returns
    -------
    [M] int64
        0..S-1, in the order of their first points.

    """
    settings = settings or SuperpointSettings()
    wanted = min(max(settings.neighbours + 1, settings.normal_neighbours), len(xyz))
    tree = cKDTree(xyz, balanced_tree=False, compact_nodes=False)
    nearest = tree.query(xyz, wanted, workers=-1)[1].reshape(len(xyz), wanted)
    normals = neighbour_normals(xyz, nearest[:, :settings.normal_neighbours])
    edges = _links(nearest[:, :settings.neighbours + 1])
    weight = 1 - np.abs(_dot(normals[edges[:, 0]], normals[edges[:, 1]]))
    if color is not None and settings.color_weight > 0:
        step = color[edges[:, 0]] - color[edges[:, 1]]
        weight += settings.color_weight * _dot(step, step)
    return segment_graph(edges, weight, len(xyz), settings.scale, settings.min_size)


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


def _links(nearest: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of points of which one is among the other's nearest: [E, 2], sorted."""
    count = len(nearest)
    here = np.repeat(np.arange(count), nearest.shape[1])
    there = nearest.reshape(-1)
    pairs = np.sort(np.minimum(here, there) * count + np.maximum(here, there))
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]               # np.unique is far slower
    edges = np.stack(np.divmod(pairs, count), axis=1)
    return edges[edges[:, 0] != edges[:, 1]]


def _dot(u: NDArray[np.floating], v: NDArray[np.floating]) -> NDArray[np.floating]:
    return u[:, 0] * v[:, 0] + u[:, 1] * v[:, 1] + u[:, 2] * v[:, 2]
