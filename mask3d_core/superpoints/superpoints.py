"""
Superpoints: small patches of surface that belong to one object, of clouds and of meshes.

The masks of a model on segments consist of them. Both kinds come from the same graph segmentation
and differ in their edges and edge weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

from mask3d_core.errors import InputError
from mask3d_core.geometry.normals import smallest_eigenvectors, vertex_normals
from mask3d_core.scan import Scan
from mask3d_core.sparse.grid import Grid, NEIGHBOR_OFFSETS, occupied_cells
from mask3d_core.stop import check_stop, until_stopped
from mask3d_core.superpoints.graph_segmentation import segment_graph
from mask3d_core.voxels import voxel_grid, VoxelGrid
import numpy as np
from numpy.typing import NDArray
import torch
from torch.nn import functional

GROWTH_FACTORS = (1.25, 1.5, 2, 2.5, 3, 4)
"""Growth factors of the voxel size for clouds with gaps; the first that closes them is used."""
MAX_PARENT_RATIO = 0.36
"""
Largest number of voxels of twice the size, relative to the number of voxels, of a surface without
gaps. Dense real clouds have 0.26 to 0.35.
"""
VOXELS_PER_FIT = 4096
"""Voxels whose normals are computed at once: their neighborhoods then stay in the cache."""


@dataclass(frozen=True)
class SuperpointSettings:
    """
    Parameters of superpoints of clouds; the defaults were chosen on real scans.

    Attributes
    ----------
    scale : float
        k of Felzenszwalb and Huttenlocher, in units of the edge weight. Larger values give larger
        superpoints; 0.02 gives fewer and no better ones.
    min_size : int
        Smaller superpoints are merged with their most similar neighbor; in voxels. ScanNet's 20
        merges small objects with what they stand on.
    color_weight : float
        Weight of a squared difference of colour (red, green, blue in 0..1) relative to 1 minus the
        cosine between normals; 0: colour is ignored.

    """

    scale: float = 0.01
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
                     settings: SuperpointSettings | None = None, grid: VoxelGrid | None = None,
                     ) -> NDArray[np.int64]:
    """
    Segment a cloud into superpoints.

    The cloud is thinned to one mean point per voxel, so density does not matter and all points of
    a voxel share a superpoint. The result does not depend on the order of the points. Voxels that
    share a face or an edge are connected. Clouds that were thinned before may have gaps between
    voxels; the voxel size then grows up to four times, for the whole cloud. The weight of an edge
    of the graph is 1 - |cos| of the angle between the normals, plus `color_weight` times the
    squared difference of colour. The normals have no sign, because a map does not store from
    where its points were seen: convex and concave edges cannot be told apart, and both separate.

    Parameters
    ----------
    scan : Scan
    voxel_size : float
        Metres; that of the model that will use the superpoints. Voxels without neighbors become
        superpoints of their own.
    settings : SuperpointSettings, optional
    grid : VoxelGrid, optional
        The cloud on a grid, which is used if it has this voxel size.

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
    if grid is None or grid.size != voxel_size:
        grid = voxel_grid(scan, voxel_size)
    voxels = _touching_voxels(scan, grid)
    check_stop()
    cells, _ = Grid.sort(functional.pad(voxels.coords, (1, 0)))  # one scan, already in this order
    neighbors = cells.neighbors()
    edges = _edges(neighbors)
    a, b = edges.t()
    normals = voxel_normals(voxels.centers, neighbors)
    weight = 1 - (normals.index_select(0, a) * normals.index_select(0, b)).sum(1).abs()
    if voxels.color is not None and settings.color_weight > 0:
        color = torch.from_numpy(voxels.color.astype(np.float32))
        step = color.index_select(0, a) - color.index_select(0, b)
        weight += settings.color_weight * step.square_().sum(1)
    superpoint = segment_graph(edges.numpy(), weight.numpy(), len(voxels), settings.scale,
                               settings.min_size, exact=False)
    return superpoint[voxels.inverse.numpy()]


def voxel_normals(centers: torch.Tensor, neighbors: torch.Tensor) -> torch.Tensor:
    """
    Fit a plane to each voxel and its 26 neighbors, on the CPU.

    Neighbors are weighted by their distance: 1/e across a face, e^-2 across an edge, e^-3 across a
    corner. With equal weights the 27 voxels would blur creases.

    Parameters
    ----------
    centers : [V, 3] float
        Mean point of each voxel, metres.
    neighbors : [27, V] int32
        As `Grid.neighbors` returns them.

    Returns
    -------
    [V, 3] float32
        Unit vectors without sign, as from `neighbor_normals`.

    """
    columns = functional.pad(centers, (0, 0, 0, 1)).t().contiguous()  # [3, V + 1], last: absent
    falloff = torch.exp(-NEIGHBOR_OFFSETS.abs().sum(1)[:, None].to(centers.dtype))  # [27, 1]
    normals = torch.empty(len(centers), 3)
    for first in until_stopped(range(0, len(centers), VOXELS_PER_FIT)):
        rows = slice(first, first + VOXELS_PER_FIT)
        around = neighbors[:, rows]                             # [27, v]
        weight = falloff * (around < len(centers))
        offset = [column.index_select(0, around.reshape(-1)).view(around.shape) - center
                  for column, center in zip(columns, centers[rows].t())]
        weighted = [weight * step for step in offset]
        total, sums = weight.sum(0), [step.sum(0) for step in weighted]
        moments = [(weighted[i] * offset[j]).sum(0) - sums[i] * sums[j] / total
                   for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
        normals[rows] = torch.from_numpy(
            smallest_eigenvectors([moment.double().numpy() for moment in moments]))
    return normals


def group_mesh(vertices: NDArray[np.floating], faces: NDArray[np.integer], scale: float = 0.01,
               min_size: int = 20) -> NDArray[np.int64]:
    """
    Segment a mesh into superpoints as ScanNet's segmentator does.

    The edges are those of the faces. The weight of an edge is 1 - cos of the angle between the
    normals of its vertices, squared if the second normal points away from the first vertex:
    convex edges separate less. Weights equal the segmentator's to the last bit, in single
    precision. It does not define the order of equal weights; here it is that of the faces.

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


def _touching_voxels(scan: Scan, voxels: VoxelGrid) -> VoxelGrid:
    """Return a cloud on this grid, or on one of the first larger voxel size that has no gaps."""
    # the criterion of `_size_without_gaps`, from voxels that exist already
    if len(occupied_cells(voxels.coords >> 1)[0]) < MAX_PARENT_RATIO * len(voxels):
        return voxels
    size = _size_without_gaps(voxels.centers.double() + torch.from_numpy(voxels.origin),
                              voxels.size)
    return voxels if size is None else voxel_grid(scan, size)


def _size_without_gaps(xyz: torch.Tensor, voxel_size: float) -> float | None:
    """
    Return the first larger voxel size at which points [V, 3] have no gaps; None if none has.

    A surface without gaps has a quarter as many voxels of twice the size. Gaps come from the
    interference of the spacing of the points with the grid and disconnect the graph there.
    """
    count = cache(partial(_count_cells, xyz))
    for size in (factor * voxel_size for factor in GROWTH_FACTORS):
        if count(2 * size) < MAX_PARENT_RATIO * count(size):
            return size
    return None


def _count_cells(xyz: torch.Tensor, size: float) -> int:
    return len(occupied_cells((xyz / size).floor().long())[0])


def _edges(neighbors: torch.Tensor) -> torch.Tensor:
    """Return the pairs of voxels that share a face or an edge, each once: [E, 2] int64."""
    # offsets 0 to 12 are the opposites of 14 to 26
    wanted = [k for k in range(14, 27) if NEIGHBOR_OFFSETS[k].abs().sum() <= 2]
    neighbor, count = neighbors[wanted].numpy().reshape(-1), neighbors.shape[1]
    present = np.flatnonzero(neighbor < count)  # torch is slower
    return torch.from_numpy(np.stack([present % count, neighbor[present]]).astype(np.int64)).t()


def _dot(u: NDArray[np.floating], v: NDArray[np.floating]) -> NDArray[np.floating]:
    return u[:, 0] * v[:, 0] + u[:, 1] * v[:, 1] + u[:, 2] * v[:, 2]
