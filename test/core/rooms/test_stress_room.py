"""Rooms of the stress set: what hangs on their walls is no object, and they are full."""

from mask3d_core.classes import load_classes
from mask3d_core.rooms.furniture.wall_features import FLAT_FEATURES, STANDING_FEATURES
from mask3d_core.rooms.interiors import Maker
from mask3d_core.rooms.stress_room import make_stress_room
from mask3d_core.rooms.stress_scan import scan_stress_room
import numpy as np
import pytest

CLASSES = load_classes('rooms')
WALL = CLASSES.ids[CLASSES.names.index('wall')]


@pytest.mark.parametrize('maker', dict.fromkeys((*FLAT_FEATURES, *STANDING_FEATURES)))
def test_wall_features_are_flat_and_belong_to_the_wall(maker: Maker) -> None:
    for seed in range(5):
        piece = maker(np.random.default_rng(seed))
        low, high = piece.bounds
        assert piece.name == 'wall' and not piece.parts
        assert low[2] == pytest.approx(0, abs=1e-9) and high[2] < 2.4
        assert high[1] - low[1] <= 0.26
        np.testing.assert_allclose(low[:2], -high[:2], atol=1e-9)


def test_the_room_is_full_and_its_ceiling_is_a_wall() -> None:
    scene = make_stress_room(np.random.default_rng(4), CLASSES)
    assert len(np.unique(scene.instance)) > 30
    assert set(np.unique(scene.label)) <= set(CLASSES.ids)
    assert (scene.label[scene.instance < 0] == WALL).mean() > 0.5


def test_the_scan_is_sparse_and_its_colors_are_uneven() -> None:
    rng = np.random.default_rng(4)
    columns = scan_stress_room(make_stress_room(rng, CLASSES), rng)
    assert len(columns['xyz']) <= 50_000
    assert len(np.unique(np.floor(columns['xyz'] / 0.03), axis=0)) > 0.6 * len(columns['xyz'])
    assert columns['color'].std() > 30
