from dataclasses import replace

from box_room import GREY
from mask3d_core.rooms.depth_camera import camera_pose, Frame, Lens, render_frame
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.sensor import measure_depth, random_sensor, Sensor
from mask3d_core.rooms.solids import panel
import numpy as np
import pytest

LENS = Lens(160, 120, 140.0)
PERFECT = Sensor(min_range=0.1, max_range=10, noise=0, disparity_step=0, baseline=0, jitter=0,
                 flying=0, min_cosine=0, bias=np.zeros((2, 2)), loss=np.zeros(1))


def see(*meshes: Mesh) -> Frame:
    return render_frame(join(meshes), camera_pose((0, 0, 0), np.pi / 2, 0), LENS)


def sense(frame: Frame, sensor: Sensor, facing: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    count = len(frame.depth)
    return measure_depth(frame, np.full(count, facing), np.zeros(count, int), sensor,
                   np.random.default_rng(0))


def wall(distance: float) -> Mesh:
    return panel(20, 20, GREY).moved(y=distance, z=-10)


def board(distance: float) -> Mesh:
    """Cover the middle half of the picture."""
    width = 80 / 140 * distance
    return panel(width, 20, GREY).moved(y=distance, z=-10)


def test_a_perfect_sensor_changes_nothing() -> None:
    frame = see(wall(3), board(1))
    depth, source = sense(frame, PERFECT)
    assert depth == pytest.approx(frame.depth)
    assert np.array_equal(source, np.arange(len(depth)))


def test_surfaces_out_of_range_have_no_depth() -> None:
    depth, _ = sense(see(wall(3), board(1)), replace(PERFECT, min_range=1.1))
    assert set(depth.round(6)) == {3.0, np.inf}
    depth, _ = sense(see(wall(3), board(1)), replace(PERFECT, max_range=2.9))
    assert set(depth.round(6)) == {1.0, np.inf}


def test_pixels_without_a_surface_have_no_depth() -> None:
    depth, _ = sense(see(board(1)), replace(PERFECT, noise=1, disparity_step=0.125, baseline=0.07))
    assert np.isinf(depth).reshape(120, 160)[:, :35].all()
    assert np.isfinite(depth).reshape(120, 160)[:, 45:115].all()


def test_edges_of_empty_pixels_have_no_depth_in_between() -> None:
    depth, source = sense(see(board(1)), replace(PERFECT, jitter=0.4, flying=0.6))
    seen = np.isfinite(depth)
    assert seen.any() and (see(board(1)).face[source[seen]] >= 0).all()
    assert depth[seen] == pytest.approx(1)
    assert set(np.unique((seen != np.isfinite(see(board(1)).depth)).reshape(120, 160).any(0))) == {
        False, True}, 'edges are frayed all the same'


def test_noise_grows_with_the_distance() -> None:
    near, far = (sense(see(wall(z)), replace(PERFECT, noise=1))[0] for z in (1, 4))
    assert near.std() == pytest.approx(0.0012 + 0.0019 * 0.36, rel=0.2)
    assert far.std() == pytest.approx(0.0012 + 0.0019 * 3.6 ** 2, rel=0.2)
    assert far.mean() == pytest.approx(4, abs=0.01)


def test_noise_is_correlated_as_far_as_that_of_a_kinect() -> None:
    """Over a few of 640 pixels; real sensors have no independent noise per pixel."""
    lens = Lens(640, 480, 580.0)
    frame = render_frame(wall(3), camera_pose((0, 0, 0), np.pi / 2, 0), lens)
    depth = sense(frame, replace(PERFECT, noise=1))[0].reshape(480, 640) - 3

    def correlation(pixels: int) -> float:
        return float(np.corrcoef(depth[:, :-pixels].ravel(), depth[:, pixels:].ravel())[0, 1])

    assert 0.3 < correlation(3) < 0.8
    assert correlation(1) > correlation(5) > correlation(9)
    assert abs(correlation(20)) < 0.05


def test_disparities_are_multiples_of_a_step() -> None:
    depth, _ = sense(see(wall(3)), replace(PERFECT, noise=1, disparity_step=0.125))
    disparity = 580 * 0.075 / depth
    assert disparity == pytest.approx(np.round(disparity * 8) / 8)
    assert len(np.unique(disparity)) > 2


def test_the_emitter_shadow_is_left_of_near_surfaces() -> None:
    depth, _ = sense(see(wall(3), board(1)), replace(PERFECT, baseline=0.075))
    lost = np.isinf(depth).reshape(120, 160)
    width = 140 * 0.075 * (1 - 1 / 3)
    assert lost.sum(1) == pytest.approx(width, abs=1.01)
    assert np.flatnonzero(lost.any(0)).max() == 39  # the board begins in column 40


def test_only_edges_are_frayed() -> None:
    frame = see(wall(3), board(1))
    depth, source = sense(frame, replace(PERFECT, jitter=0.5))
    moved = np.flatnonzero(source != np.arange(len(source)))
    assert set(moved % 160) <= {39, 40, 119, 120}
    assert len(moved) > 120
    assert depth == pytest.approx(frame.depth[source])
    depth, _ = sense(frame, replace(PERFECT, flying=1.0))
    between = (depth > 1.01) & (depth < 2.99)
    assert 60 < between.sum() and set(np.flatnonzero(between) % 160) <= {39, 40, 119, 120}


def test_slopes_have_no_edges() -> None:
    floor = panel(40, 40, GREY).turned(np.pi / 2, 'x').moved(y=20, z=-1)
    _, source = sense(see(floor), replace(PERFECT, jitter=1.0))
    below = 160 * 70  # rows under the far end of the floor
    assert np.array_equal(source[below:], np.arange(below, len(source)))


def test_glossy_surfaces_lose_patches() -> None:
    for share in (0.2, 0.5, 0.8):
        depth, _ = sense(see(wall(2)), replace(PERFECT, loss=np.array([share])), 0.5)
        assert np.isinf(depth).mean() == pytest.approx(share, abs=0.1)


def test_surfaces_at_grazing_angles_have_no_depth() -> None:
    depth, _ = sense(see(wall(2)), replace(PERFECT, min_cosine=0.1), facing=0.02)
    assert np.isinf(depth).mean() > 0.9


def test_mirrors_are_lost_more_than_paper() -> None:
    dull, mirror = Material((0.5, 0.5, 0.5)), Material((0.5, 0.5, 0.5), gloss=1.0)
    for seed in range(20):
        sensor = random_sensor(np.random.default_rng(seed), 4.0, 160, [dull, mirror])
        assert sensor.loss[0] == 0 < 0.05 < sensor.loss[1] < 1
