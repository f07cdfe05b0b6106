from dataclasses import replace

from box_room import box_room, CUP, FLOOR, WALL
from mask3d_core.rooms.color_camera import (
    ambient_occlusion,
    Exposure,
    random_exposure,
    render_colors,
    VisiblePoints,
)
from mask3d_core.rooms.depth_camera import face_normals
import numpy as np
import pytest

ROOM = box_room()
NORMALS = face_normals(ROOM.mesh)
PLAIN = Exposure(gain=np.ones((2, 3)), brightness=0.5, ambient=0.5, patches=0, occlusion=0,
                 saturation=1, vignette=0, noise=0, speckle=1)


def face_centers(faces: np.ndarray, frame: int = 0) -> VisiblePoints:
    count = len(faces)
    return VisiblePoints(faces, np.full((count, 3), 1 / 3), np.ones(count),
                         np.full(count, frame), np.zeros(count))


def colors(visible: VisiblePoints, exposure: Exposure = PLAIN) -> np.ndarray:
    return render_colors(ROOM, NORMALS, visible, exposure, np.random.default_rng(0))


def test_the_red_cup_is_red() -> None:
    red, green, blue = colors(face_centers(np.flatnonzero(ROOM.label == CUP))).T
    assert (red > 3 * green).all() and green == pytest.approx(blue)
    red, green, _ = colors(face_centers(np.flatnonzero(ROOM.label == CUP)),
                           replace(PLAIN, saturation=0)).T
    assert red == pytest.approx(green)


def test_surfaces_near_a_lamp_are_brighter() -> None:
    face = np.flatnonzero(ROOM.label == FLOOR)[:1]
    corners = ROOM.mesh.vertices[ROOM.mesh.faces[face[0]]]
    weight = np.array([(1.0, 0, 0), (1 / 3, 1 / 3, 1 / 3)])
    place = weight @ corners
    up = np.sign(NORMALS[face, 2]).repeat(2)
    below, aside = np.argsort(np.linalg.norm(place[:, :2], axis=1))
    lit = colors(VisiblePoints(face.repeat(2), weight, up, np.zeros(2, int), np.zeros(2)))
    assert lit[below, 0] > lit[aside, 0] * 1.1


def test_without_lamps_there_is_ambient_light() -> None:
    dark = replace(ROOM, lights=np.zeros((0, 3)))
    visible = face_centers(np.flatnonzero(ROOM.label == WALL))
    seen = render_colors(dark, NORMALS, visible, PLAIN, np.random.default_rng(0))
    assert seen.min() > 0.2 and np.ptp(seen, axis=0).max() < 0.1


def test_frames_have_their_own_white_balance() -> None:
    warm = replace(PLAIN, gain=np.array([(1, 1, 1), (1.2, 1, 0.8)]))
    walls = np.flatnonzero(ROOM.label == WALL)
    first, second = colors(face_centers(walls), warm), colors(face_centers(walls, 1), warm)
    assert second == pytest.approx(first * (1.2, 1, 0.8))


def test_corners_are_darker_and_noise_is_noise() -> None:
    walls = np.flatnonzero(ROOM.label == WALL).repeat(100)
    corner = replace(face_centers(walls), offset=np.ones(len(walls)))
    assert (colors(corner, replace(PLAIN, vignette=0.3)) < colors(face_centers(walls))).all()
    noisy = colors(face_centers(walls), replace(PLAIN, noise=0.02))
    assert (noisy - colors(face_centers(walls))).std() == pytest.approx(0.02, rel=0.1)


def test_random_exposures_give_colors() -> None:
    visible = face_centers(np.arange(len(ROOM.mesh.faces)))
    for seed in range(20):
        exposure = random_exposure(np.random.default_rng(seed), 5)
        assert exposure.gain.shape == (5, 3)
        seen = colors(visible, exposure)
        assert seen.min() >= 0 and seen.max() <= 1 and 0.15 < seen.mean() < 0.9


def test_light_varies_over_a_room() -> None:
    walls = np.flatnonzero(ROOM.label == WALL)
    dark = replace(ROOM, lights=np.zeros((0, 3)))
    even, patchy = (
        render_colors(dark, NORMALS, face_centers(walls), replace(PLAIN, patches=patches),
                      np.random.default_rng(0))[:, 0] for patches in (0, 0.6))
    assert patchy.std() > 1.4 * even.std()


def test_corners_are_occluded_and_tables_are_not() -> None:
    x, y = np.meshgrid(np.arange(0, 1, 0.02), np.arange(0, 1, 0.02))
    floor = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    wall = np.stack([0 * x, x, y], axis=-1).reshape(-1, 3)
    normals = np.repeat([(0.0, 0, 1), (1, 0, 0)], len(floor), axis=0)
    occluded = ambient_occlusion(np.concatenate([floor, wall]), normals)
    corner, middle = floor[:, 0] < 0.02, floor[:, 0] > 0.5
    assert occluded[:len(floor)][middle].max() == 0
    assert 0.2 < occluded[:len(floor)][corner].mean() < 0.8
    assert ambient_occlusion(floor, -normals[:len(floor)]).max() == 0
