"""A perfect depth camera: which triangle each pixel sees, and how far away it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mask3d_core.rooms.mesh import Mesh
import numpy as np
from numpy.typing import ArrayLike, NDArray

NEAREST = 0.02
"""Metres: what is closer is inside the camera."""
ROUNDING = 1e-9
"""Pixels: a triangle gets the pixels on its edge, so that no gap opens between neighbours."""


@dataclass(frozen=True)
class Lens:
    """
    A pinhole in front of H x W pixels.

    Attributes
    ----------
    width, height : int
        Pixels; its axis meets the middle of the picture.
    focal : float
        Pixels.

    """

    width: int
    height: int
    focal: float

    @cached_property
    def rays(self) -> NDArray[np.float64]:
        """Points at depth 1 of the middles of the pixels, row by row: [H * W, 3]."""
        across = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        down = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        rays = np.ones((self.height, self.width, 3))
        rays[..., 0], rays[..., 1] = across, down[:, None]
        return rays.reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class Frame:
    """
    What a camera sees: P = H * W pixels, row by row.

    Attributes
    ----------
    lens : Lens
    pose : [4, 4] float64
        From the camera (x right, y down, z ahead) to the room.
    depth : [P] float64
        Metres along the axis of the camera, infinity where there is nothing.
    face : [P] int64
        Rows of the mesh's faces, -1 where there is nothing.
    weight : [P, 3] float64
        Shares of the face's three corners in the point that is seen; they add up to 1.

    """

    lens: Lens
    pose: NDArray[np.float64]
    depth: NDArray[np.float64]
    face: NDArray[np.int64]
    weight: NDArray[np.float64]

    def points(self) -> NDArray[np.float64]:
        """Return the surface points in the room, metres: [P, 3]; infinite where nothing is."""
        return unproject(self.lens, self.pose, self.depth)


def unproject(lens: Lens, pose: NDArray, depth: NDArray) -> NDArray[np.float64]:
    """Return where pixels of depth [P], metres, lie in the room: [P, 3]."""
    return depth[:, None] * (lens.rays @ pose[:3, :3].T) + pose[:3, 3]


def look(position: ArrayLike, yaw: float, pitch: float, roll: float = 0.0,
         ) -> NDArray[np.float64]:
    """
    Return the pose [4, 4] of a camera.

    Parameters
    ----------
    position : (x, y, z)
        Metres.
    yaw : float
        Direction over the floor, radians from the x axis.
    pitch : float
        Radians below the horizon.
    roll : float
        Radians around the axis of the camera, clockwise as the camera sees itself.

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


def take_frame(mesh: Mesh, pose: NDArray, lens: Lens) -> Frame:
    """
    See the nearest triangle in each pixel, from whichever side.

    With corners a, b, c of a triangle in the frame of the camera, a pixel's ray d meets its plane
    where d z = M w, M = [a b c], with the shares w of the corners: w / z = M^-1 d is linear over
    the picture, and so is its sum 1 / z. The pixels of a triangle are those where w / z is not
    negative; that holds behind the camera and through it too, so nothing has to be clipped.
    """
    corners = ((mesh.vertices - pose[:3, 3]) @ pose[:3, :3])
    faces = _in_view(corners, mesh.faces, lens)
    shares, faces = _shares(corners, mesh.faces, faces, lens)
    triangle, row = _rows(corners, mesh.faces[faces], lens)
    pixel, owner, nearness = _pixels(shares, triangle, row, lens)

    count = lens.height * lens.width
    nearest = np.zeros(count)
    np.maximum.at(nearest, pixel, nearness)
    best = np.flatnonzero(nearness == nearest[pixel])
    seen = np.full(count, -1)
    seen[pixel[best]] = owner[best]

    hit = np.flatnonzero(seen >= 0)
    depth, face, weight = np.full(count, np.inf), np.full(count, -1), np.zeros((count, 3))
    depth[hit] = 1 / nearest[hit]
    face[hit] = faces[seen[hit]]
    place = np.stack([hit % lens.width, hit // lens.width, np.ones(len(hit))], axis=1)
    weight[hit] = np.einsum('pik,pk->pi', shares[seen[hit]], place) * depth[hit, None]
    return Frame(lens, pose, depth, face, weight)


def _in_view(corners: NDArray, faces: NDArray, lens: Lens) -> NDArray[np.int64]:
    """Return the faces that are not all beyond one side of the picture or behind it."""
    across, down, ahead = corners.T
    reach_x, reach_y = (size / 2 / lens.focal * ahead for size in (lens.width, lens.height))
    beyond = np.zeros(len(corners), np.uint8)
    for bit, out in enumerate((ahead < NEAREST, across > reach_x, across < -reach_x,
                               down > reach_y, down < -reach_y)):
        beyond |= out.astype(np.uint8) << bit
    first, second, third = beyond[faces.T]
    return np.flatnonzero(first & second & third == 0)


def _shares(corners: NDArray, all_faces: NDArray, faces: NDArray, lens: Lens,
            ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """
    Return M^-1 of faces, [T, 3, 3], to be multiplied with (column, row, 1) of a pixel.

    Faces that are seen edge-on or have no area are left out.
    """
    a, b, c = (corners[all_faces[faces, side]].T for side in range(3))
    normals = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)])  # [3 corners, 3 axes, T]
    volume = (a * normals[0]).sum(0)
    solid = np.flatnonzero(np.abs(volume) > 1e-12)
    shares = (normals[:, :, solid] / volume[solid]).transpose(2, 0, 1)
    camera = np.array([[1, 0, 0.5 - lens.width / 2], [0, 1, 0.5 - lens.height / 2],
                       [0, 0, lens.focal]]) / lens.focal
    return shares @ camera, faces[solid]


def _cross(a: NDArray, b: NDArray) -> NDArray:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
                     a[0] * b[1] - a[1] * b[0]])


def _rows(corners: NDArray, faces: NDArray, lens: Lens,
          ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs (triangle, row of the picture) that can meet."""
    ahead = corners[:, 2]
    in_front = ahead > NEAREST
    scale = lens.focal / np.where(in_front, ahead, 1)
    across = corners[:, 0] * scale + (lens.width / 2 - 0.5)
    down = corners[:, 1] * scale + (lens.height / 2 - 0.5)
    all_in_front = in_front[faces].all(1)
    x, y = across[faces].T, down[faces].T
    left, right = np.ceil(_least(x) - ROUNDING), np.floor(_most(x) + ROUNDING)
    first = np.where(all_in_front, np.ceil(_least(y) - ROUNDING), 0).clip(0)
    last = np.where(all_in_front, np.floor(_most(y) + ROUNDING), lens.height).clip(
        max=lens.height - 1)
    count = np.where(all_in_front & (left > right), 0, (last - first + 1).clip(0)).astype(int)
    triangle = np.repeat(np.arange(len(faces)), count)
    row = _count_up(count) + np.repeat(first.astype(np.int64), count)
    return triangle, row


def _least(three: NDArray) -> NDArray:
    return np.minimum(np.minimum(three[0], three[1]), three[2])


def _most(three: NDArray) -> NDArray:
    return np.maximum(np.maximum(three[0], three[1]), three[2])


def _count_up(count: NDArray) -> NDArray[np.int64]:
    """Return 0 .. count - 1 of each, one after the other."""
    end = np.cumsum(count)
    return np.arange(end[-1] if len(end) else 0) - np.repeat(end - count, count)


def _pixels(shares: NDArray, triangle: NDArray, row: NDArray, lens: Lens,
            ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return pixel, triangle and 1 / depth of all that triangles cover in rows of the picture."""
    first, last = np.zeros(len(triangle)), np.full(len(triangle), lens.width - 1.0)
    slope_sum, start_sum = np.zeros(len(triangle)), np.zeros(len(triangle))
    with np.errstate(divide='ignore', invalid='ignore'):
        for corner in range(3):
            # A negative zero would turn the side on which an edge without slope has its inside.
            slope = shares[triangle, corner, 0] + 0.0
            start = shares[triangle, corner, 1] * row + shares[triangle, corner, 2]
            crossing = -start / slope
            rising = slope >= 0
            first = np.fmax(first, np.where(rising, crossing, -np.inf))
            last = np.fmin(last, np.where(rising, np.inf, crossing))
            slope_sum += slope
            start_sum += start
    first, last = np.ceil(first - ROUNDING), np.floor(last + ROUNDING)
    some = np.flatnonzero(last >= first)
    count = (last[some] - first[some] + 1).astype(np.int64)
    column = _count_up(count) + np.repeat(first[some].astype(np.int64), count)
    nearness = np.repeat(start_sum[some], count) + np.repeat(slope_sum[some], count) * column
    pixel = column + np.repeat(row[some] * lens.width, count)
    owner = np.repeat(triangle[some], count)
    real = (nearness > 0) & (nearness < 1 / NEAREST)
    return (pixel, owner, nearness) if real.all() else (pixel[real], owner[real], nearness[real])


def face_normals(mesh: Mesh) -> NDArray[np.float64]:
    """Return the unit normals of faces, [F, 3]; zero for a face without area."""
    a, b, c = mesh.vertices[mesh.faces.T]
    normals = np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
