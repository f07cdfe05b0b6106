"""A noise-free depth camera: render the visible triangle and the depth of each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mask3d_core.rooms.mesh import Mesh
import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_DEPTH = 0.02
"""Metres; closer surfaces are discarded."""
EDGE_TOLERANCE = 1e-9
"""Pixels; edge pixels belong to both triangles, so that there is no gap between neighbors."""


@dataclass(frozen=True)
class Lens:
    """
    The intrinsics of a pinhole camera with H x W pixels.

    Attributes
    ----------
    width, height : int
        Image size, pixels; the principal point is the image center.
    focal : float
        Focal length, pixels.

    """

    width: int
    height: int
    focal: float

    @cached_property
    def rays(self) -> NDArray[np.float64]:
        """Points at depth 1 of the pixel centers, in row-major order: [H * W, 3]."""
        across = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        down = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        rays = np.ones((self.height, self.width, 3))
        rays[..., 0], rays[..., 1] = across, down[:, None]
        return rays.reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class Frame:
    """
    A rendered depth image with P = H * W pixels, in row-major order.

    Attributes
    ----------
    lens : Lens
    pose : [4, 4] float64
        Camera (x right, y down, z forward) to room.
    depth : [P] float64
        Metres along the optical axis, infinity for no surface.
    face : [P] int64
        Index of the visible face, -1 for none.
    weight : [P, 3] float64
        Barycentric coordinates of the visible point in its face.

    """

    lens: Lens
    pose: NDArray[np.float64]
    depth: NDArray[np.float64]
    face: NDArray[np.int64]
    weight: NDArray[np.float64]

    def points(self) -> NDArray[np.float64]:
        """Return the surface points in room coordinates, metres: [P, 3]; infinite for none."""
        return unproject(self.lens, self.pose, self.depth)


def unproject(lens: Lens, pose: NDArray, depth: NDArray) -> NDArray[np.float64]:
    """Return the points of pixels with depth [P], metres, in room coordinates: [P, 3]."""
    return depth[:, None] * (lens.rays @ pose[:3, :3].T) + pose[:3, 3]


def camera_pose(position: ArrayLike, yaw: float, pitch: float, roll: float = 0.0,
                ) -> NDArray[np.float64]:
    """
    Return the pose [4, 4] of a camera: camera to room.

    Parameters
    ----------
    position : (x, y, z)
        Metres.
    yaw : float
        Horizontal direction, radians from the x axis.
    pitch : float
        Radians below the horizon.
    roll : float
        Rotation about the optical axis, radians, clockwise in the view direction.

    """
    ahead = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0])
    down = np.cross(ahead, right)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(roll) * right + np.sin(roll) * down
    pose[:3, 1] = np.cos(roll) * down - np.sin(roll) * right
    pose[:3, 2] = ahead
    pose[:3, 3] = position
    return pose


def render_frame(mesh: Mesh, pose: NDArray, lens: Lens) -> Frame:
    """
    Render the nearest triangle of each pixel, two-sided.

    Homogeneous rasterization: with the corners a, b, c of a triangle in camera coordinates and
    M = [a b c], the ray d of a pixel meets the triangle's plane at depth z where d z = M w, with
    barycentric coordinates w. So w / z = M^-1 d is linear over the image, and so is its sum 1 / z.
    A triangle covers the pixels where w / z is not negative. This also holds for triangles that
    cross the camera plane, so no clipping is needed.
    """
    corners = ((mesh.vertices - pose[:3, 3]) @ pose[:3, :3])
    faces = _faces_in_view(corners, mesh.faces, lens)
    matrices, faces = _barycentric_matrices(corners, mesh.faces, faces, lens)
    triangle, row = _row_pairs(corners, mesh.faces[faces], lens)
    pixel, owner, inverse_depth = _covered_pixels(matrices, triangle, row, lens)

    count = lens.height * lens.width
    nearest = np.zeros(count)
    np.maximum.at(nearest, pixel, inverse_depth)
    best = np.flatnonzero(inverse_depth == nearest[pixel])
    seen = np.full(count, -1)
    seen[pixel[best]] = owner[best]

    hit = np.flatnonzero(seen >= 0)
    depth, face, weight = np.full(count, np.inf), np.full(count, -1), np.zeros((count, 3))
    depth[hit] = 1 / nearest[hit]
    face[hit] = faces[seen[hit]]
    place = np.stack([hit % lens.width, hit // lens.width, np.ones(len(hit))], axis=1)
    weight[hit] = np.einsum('pik,pk->pi', matrices[seen[hit]], place) * depth[hit, None]
    return Frame(lens, pose, depth, face, weight)


def _faces_in_view(corners: NDArray, faces: NDArray, lens: Lens) -> NDArray[np.int64]:
    """Return the faces whose corners are not all outside the same side of the view frustum."""
    across, down, ahead = corners.T
    reach_x, reach_y = (size / 2 / lens.focal * ahead for size in (lens.width, lens.height))
    beyond = np.zeros(len(corners), np.uint8)
    for bit, out in enumerate((ahead < MIN_DEPTH, across > reach_x, across < -reach_x,
                               down > reach_y, down < -reach_y)):
        beyond |= out.astype(np.uint8) << bit
    first, second, third = beyond[faces.T]
    return np.flatnonzero(first & second & third == 0)


def _barycentric_matrices(corners: NDArray, all_faces: NDArray, faces: NDArray, lens: Lens,
                          ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """
    Return w / z of faces as matrices [T, 3, 3] that multiply (column, row, 1) of a pixel.

    Faces that are seen edge-on or have no area are left out; the remaining faces are returned.
    """
    a, b, c = (corners[all_faces[faces, side]].T for side in range(3))
    normals = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)])  # [3 corners, 3 axes, T]
    volume = (a * normals[0]).sum(0)
    solid = np.flatnonzero(np.abs(volume) > 1e-12)
    matrices = (normals[:, :, solid] / volume[solid]).transpose(2, 0, 1)
    camera = np.array([[1, 0, 0.5 - lens.width / 2], [0, 1, 0.5 - lens.height / 2],
                       [0, 0, lens.focal]]) / lens.focal
    return matrices @ camera, faces[solid]


def _cross(a: NDArray, b: NDArray) -> NDArray:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
                     a[0] * b[1] - a[1] * b[0]])


def _row_pairs(corners: NDArray, faces: NDArray, lens: Lens,
               ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs (triangle, image row) that can intersect."""
    ahead = corners[:, 2]
    in_front = ahead > MIN_DEPTH
    scale = lens.focal / np.where(in_front, ahead, 1)
    across = corners[:, 0] * scale + (lens.width / 2 - 0.5)
    down = corners[:, 1] * scale + (lens.height / 2 - 0.5)
    all_in_front = in_front[faces].all(1)
    x, y = across[faces].T, down[faces].T
    left = np.ceil(_min_of_three(x) - EDGE_TOLERANCE)
    right = np.floor(_max_of_three(x) + EDGE_TOLERANCE)
    top = np.ceil(_min_of_three(y) - EDGE_TOLERANCE)
    bottom = np.floor(_max_of_three(y) + EDGE_TOLERANCE)
    # A triangle that crosses the camera plane can cover any row.
    first = np.where(all_in_front, top, 0).clip(0)
    last = np.where(all_in_front, bottom, lens.height).clip(max=lens.height - 1)
    count = np.where(all_in_front & (left > right), 0, (last - first + 1).clip(0)).astype(int)
    triangle = np.repeat(np.arange(len(faces)), count)
    row = _concatenated_ranges(count) + np.repeat(first.astype(np.int64), count)
    return triangle, row


def _min_of_three(three: NDArray) -> NDArray:
    return np.minimum(np.minimum(three[0], three[1]), three[2])


def _max_of_three(three: NDArray) -> NDArray:
    return np.maximum(np.maximum(three[0], three[1]), three[2])


def _concatenated_ranges(count: NDArray) -> NDArray[np.int64]:
    """Return the concatenated ranges 0 .. count - 1."""
    end = np.cumsum(count)
    return np.arange(end[-1] if len(end) else 0) - np.repeat(end - count, count)


def _covered_pixels(matrices: NDArray, triangle: NDArray, row: NDArray, lens: Lens,
                    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return pixel, triangle and 1 / depth of all pixels covered in pairs (triangle, row)."""
    first, last = np.zeros(len(triangle)), np.full(len(triangle), lens.width - 1.0)
    slope_sum, start_sum = np.zeros(len(triangle)), np.zeros(len(triangle))
    with np.errstate(divide='ignore', invalid='ignore'):
        for corner in range(3):
            # + 0.0 turns -0 into +0: the sign of the slope decides which side is inside.
            slope = matrices[triangle, corner, 0] + 0.0
            start = matrices[triangle, corner, 1] * row + matrices[triangle, corner, 2]
            crossing = -start / slope
            rising = slope >= 0
            first = np.fmax(first, np.where(rising, crossing, -np.inf))
            last = np.fmin(last, np.where(rising, np.inf, crossing))
            slope_sum += slope
            start_sum += start
    first, last = np.ceil(first - EDGE_TOLERANCE), np.floor(last + EDGE_TOLERANCE)
    some = np.flatnonzero(last >= first)
    count = (last[some] - first[some] + 1).astype(np.int64)
    column = _concatenated_ranges(count) + np.repeat(first[some].astype(np.int64), count)
    inverse_depth = np.repeat(start_sum[some], count) + np.repeat(slope_sum[some], count) * column
    pixel = column + np.repeat(row[some] * lens.width, count)
    owner = np.repeat(triangle[some], count)
    valid = (inverse_depth > 0) & (inverse_depth < 1 / MIN_DEPTH)
    if valid.all():
        return pixel, owner, inverse_depth
    return pixel[valid], owner[valid], inverse_depth[valid]


def face_normals(mesh: Mesh) -> NDArray[np.float64]:
    """Return the unit normals of faces: [F, 3]; zero for faces without area."""
    a, b, c = mesh.vertices[mesh.faces.T]
    normals = np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
