from dataclasses import replace

from box_room import box_room
from mask3d_core.rooms.camera_path import add_drift, PATH_KINDS, random_path
import numpy as np
import pytest

ROOM = box_room()


def assert_orthonormal(turns: np.ndarray) -> None:
    eyes = np.tile(np.eye(3), (len(turns), 1, 1))
    assert turns @ turns.transpose(0, 2, 1) == pytest.approx(eyes)


@pytest.mark.parametrize('kind', PATH_KINDS)
@pytest.mark.parametrize('frames', [1, 2, 24])
def test_paths_are_upright_cameras_within_the_room(kind: str, frames: int) -> None:
    for seed in range(5):
        poses = random_path(ROOM, np.random.default_rng(seed), kind, frames)
        assert poses.shape == (frames, 4, 4)
        turns = poses[:, :3, :3]
        assert_orthonormal(turns)
        assert np.linalg.det(turns) == pytest.approx(1)
        assert (poses[:, 2, 1] < -0.3).all()  # the picture's down is the room's down
        assert (np.abs(poses[:, :2, 3]) < 2.2).all()
        assert ((poses[:, 2, 3] > 0.2) & (poses[:, 2, 3] < 2.2)).all()


def test_the_same_seed_is_the_same_path() -> None:
    for kind in PATH_KINDS:
        one, two = (random_path(ROOM, np.random.default_rng(3), kind, 7) for _ in range(2))
        assert np.array_equal(one, two)


def test_robots_are_lower_than_people_and_both_look_around() -> None:
    for seed in range(10):
        robot, person = (random_path(ROOM, np.random.default_rng(seed), kind, 30)
                         for kind in ('robot', 'person'))
        assert robot[:, 2, 3].max() < 1.25 < person[:, 2, 3].min() + 0.15
        for poses in (robot, person):
            yaw = np.arctan2(poses[:, 1, 2], poses[:, 0, 2])
            assert len(np.unique(np.floor(yaw / (np.pi / 4)))) >= 6
        assert (person[:, 2, 2] < 0).mean() > 0.95  # down


def test_close_ups_look_down_at_a_table() -> None:
    for seed in range(20):
        pose = random_path(ROOM, np.random.default_rng(seed), 'close', 1)[0]
        away = ROOM.targets[0] - pose[:3, 3]
        distance = np.linalg.norm(away)
        assert 0.4 < distance < 1.6
        assert pose[:3, 2] @ away / distance > np.cos(0.5)
        assert -0.95 < pose[2, 2] < -0.2


def test_close_without_a_target_is_a_frame() -> None:
    empty = replace(ROOM, targets=np.zeros((0, 3)))
    for kind in ('close', 'frame'):
        poses = random_path(empty, np.random.default_rng(3), kind, 1)
        assert np.array_equal(poses, random_path(ROOM, np.random.default_rng(3), 'frame', 1))


def test_drift_grows_slowly() -> None:
    poses = random_path(ROOM, np.random.default_rng(0), 'robot', 30)
    assert add_drift(poses, np.random.default_rng(1), 0, 0) == pytest.approx(poses)
    ends = []
    for seed in range(40):
        drifted = add_drift(poses, np.random.default_rng(seed), 0.01, 0.005)
        turns = drifted[:, :3, :3]
        assert_orthonormal(turns)
        away = np.linalg.norm(drifted[:, :3, 3] - poses[:, :3, 3], axis=1)
        ends.append((away[0], away[-1], np.arccos(np.clip(
            (np.trace(turns[-1] @ poses[-1, :3, :3].T) - 1) / 2, -1, 1))))
    first, last, turn = np.mean(ends, axis=0)
    assert first < 0.005 < 0.01 < last < 0.025 and 0.004 < turn < 0.013
