from box_room import box_room, GREY
from mask3d_core.rooms.depth_camera import camera_pose, face_normals, Lens, render_frame
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.solids import ball, box, panel
import numpy as np
import pytest

LENS = Lens(40, 30, 32.0)
AHEAD = camera_pose((0, 0, 0), np.pi / 2, 0)  # along +y


def brute_force(mesh: Mesh, pose: np.ndarray, lens: Lens) -> np.ndarray:
    """Return depths [P] by intersecting every ray with every triangle."""
    a, b, c = ((mesh.vertices - pose[:3, 3]) @ pose[:3, :3])[mesh.faces.T]
    depth = np.full(len(lens.rays), np.inf)
    for row, ray in enumerate(lens.rays):
        across = np.cross(ray, c - a)
        volume = (across * (b - a)).sum(1)
        with np.errstate(divide='ignore', invalid='ignore'):
            u = -(across * a).sum(1) / volume
            up = np.cross(-a, b - a)
            v = (up * ray).sum(1) / volume
            far = (up * (c - a)).sum(1) / volume
            hit = far[(u >= 0) & (v >= 0) & (u + v <= 1) & (far > 0)]
        depth[row] = hit.min(initial=np.inf)
    return depth


def test_the_depth_of_a_wall() -> None:
    wall = panel(10, 10, GREY).moved(y=2.5, z=-5)
    frame = render_frame(wall, AHEAD, LENS)
    assert frame.depth == pytest.approx(np.full(1200, 2.5))
    assert frame.points()[:, 1] == pytest.approx(np.full(1200, 2.5))


def test_left_and_up_are_where_they_should_be() -> None:
    frame = render_frame(box((0.5, 0.5, 0.5), GREY).moved(-1, 3, 0.6), AHEAD, LENS)
    row, column = np.nonzero(np.isfinite(frame.depth).reshape(30, 40))
    assert column.max() < 20 and row.max() < 15
    assert frame.depth.min() == pytest.approx(2.75)


def test_no_surface_is_infinite_depth() -> None:
    frame = render_frame(box((1, 1, 1), GREY).moved(y=-3), AHEAD, LENS)  # behind the camera
    assert np.isinf(frame.depth).all() and (frame.face == -1).all()


@pytest.mark.parametrize('order', [1, -1])
def test_the_nearer_surface_is_seen(order: int) -> None:
    near, far = panel(1, 1, GREY).moved(y=1, z=-0.5), panel(9, 9, GREY).moved(y=3, z=-4.5)
    frame = render_frame(join([near, far][::order]), AHEAD, LENS)
    assert set(np.round(frame.depth, 9)) == {1.0, 3.0}
    assert frame.depth.reshape(30, 40)[15, 20] == pytest.approx(1)


def test_a_floor_through_the_camera_plane_needs_no_clipping() -> None:
    floor = box((50, 50, 1), GREY).moved(z=-1)
    pose = camera_pose((0, 0, 1.5), 0.3, 0.5)
    frame = render_frame(floor, pose, LENS)
    assert np.isfinite(frame.depth).mean() > 0.9
    assert frame.points()[np.isfinite(frame.depth), 2] == pytest.approx(0, abs=1e-9)


def test_a_closed_room_has_no_gaps() -> None:
    room = box((4, 3, 2.5), GREY)
    for yaw in np.linspace(0, 6, 7):
        pose = camera_pose((0.1, -0.2, 1.2), yaw, 0.4 * np.sin(3 * yaw), 0.1)
        assert np.isfinite(render_frame(room, pose, Lens(160, 120, 130)).depth).all()


def test_depths_equal_those_of_brute_force() -> None:
    rng = np.random.default_rng(3)
    soup = Mesh.of(rng.normal(0, 2, (120, 3)), np.arange(120).reshape(-1, 3), GREY)
    mesh = join([soup, ball(0.7, GREY).moved(0.3, 2, 0)])
    for pose in (AHEAD, camera_pose((0.2, 0.1, 0.3), 1.0, 0.3, 0.2)):
        found, expected = render_frame(mesh, pose, LENS).depth, brute_force(mesh, pose, LENS)
        assert np.array_equal(np.isfinite(found), np.isfinite(expected))
        seen = np.isfinite(found) & (expected > 0.05)
        assert found[seen] == pytest.approx(expected[seen])


def test_barycentric_weights_give_the_visible_point() -> None:
    scene = box_room()
    frame = render_frame(scene.mesh, camera_pose((0, 0, 1.5), 0.2, 0.3), LENS)
    corners = scene.mesh.vertices[scene.mesh.faces[frame.face]]
    assert np.einsum('pk,pkd->pd', frame.weight, corners) == pytest.approx(frame.points())
    assert frame.weight.sum(1) == pytest.approx(1)


def test_camera_pose() -> None:
    pose = camera_pose((1, 2, 3), np.pi / 2, np.pi / 6)
    assert pose[:3, 2] == pytest.approx([0, np.cos(np.pi / 6), -0.5])  # ahead, and down
    assert pose[:3, 0] == pytest.approx([1, 0, 0])
    assert pose[:3, 3] == pytest.approx([1, 2, 3])
    assert np.linalg.det(camera_pose((0, 0, 0), 1, 0.3, 0.4)[:3, :3]) == pytest.approx(1)


def test_face_normals() -> None:
    mesh = Mesh.of([(0, 0, 0), (2, 0, 0), (0, 2, 0)], [(0, 1, 2), (0, 1, 1)], GREY)
    assert face_normals(mesh) == pytest.approx(np.array([[0, 0, 1], [0, 0, 0]]))
