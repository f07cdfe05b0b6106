"""Storeys: rooms beside a corridor that do not overlap, each with a doorway to it."""

from __future__ import annotations

from mask3d_core.classes import load_classes
from mask3d_core.errors import InputError
from mask3d_core.rooms.floorplan import WALL_THICKNESS
from mask3d_core.rooms.storey import DOORWAY_HEIGHT, make_storey, StoreyPart
import numpy as np
from numpy.typing import NDArray
import pytest
from wall_gaps import gaps, WALL

CLASSES = load_classes('rooms')
FLOOR = CLASSES.ids[CLASSES.names.index('floor')]
COUNT = 40


@pytest.fixture(scope='module')
def storey() -> list[StoreyPart]:
    return make_storey((3, 1), COUNT, CLASSES)


def moved(points: NDArray, pose: NDArray) -> NDArray[np.float64]:
    """Transform points [..., 3] by a pose [4, 4]."""
    return points @ pose[:3, :3].T + pose[:3, 3]


def poses_beside(storey: list[StoreyPart]) -> list[NDArray[np.float64]]:
    """Return the poses of the rooms in the frame of the corridor, which begins at x = y = 0."""
    back = np.linalg.inv(storey[-1].pose)
    return [back @ part.pose for part in storey[:-1]]


def test_a_storey_has_its_rooms_and_a_corridor(storey: list[StoreyPart]) -> None:
    assert [len(make_storey((3, 1), count, CLASSES)) for count in (1, 2)] == [2, 3]
    assert len(storey) == COUNT + 1
    length, width, height = storey[-1].scene.mesh.size
    assert length > 30 and 1.5 <= width <= 2.2
    for part in storey:
        assert part.scene.mesh.bounds[1][2] == pytest.approx(height)
        assert set(part.scene.label.tolist()) <= {*CLASSES.ids, -1}
        assert part.style.upright and len(part.scene.standpoints)
        np.testing.assert_allclose(part.pose[2, :3], (0, 0, 1))
        assert part.pose[2, 3] == storey[-1].pose[2, 3]


def test_rooms_do_not_overlap(storey: list[StoreyPart]) -> None:
    """Rugs are left out: what lies under a wall is not seen."""
    boxes = []
    for part, pose in zip(storey, [*poses_beside(storey), np.eye(4)]):
        mesh = part.scene.mesh
        corners = mesh.vertices[mesh.faces[part.scene.label != FLOOR]].reshape(-1, 3)
        corners = moved(corners, pose)
        boxes.append((corners.min(0)[:2], corners.max(0)[:2]))
    for number, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:number]:
            assert np.maximum(low - other_high, other_low - high).max() > -0.006


def test_each_room_has_a_doorway_to_the_corridor(storey: list[StoreyPart]) -> None:
    corridor = storey[-1].scene
    width = corridor.mesh.size[1]
    found = []
    for part, pose in zip(storey, poses_beside(storey)):
        [(start, end)] = gaps(part.scene, 0.0)
        assert 0.8 <= end - start <= 1.0
        ends = moved(np.array([(x, -WALL_THICKNESS, 0) for x in (start, end)]), pose)
        assert np.ptp(ends[:, 1]) < 1e-9
        side = 0.0 if ends[0, 1] < width / 2 else width
        assert ends[0, 1] == pytest.approx(side)
        found.append((side > 0, *sorted(ends[:, 0].tolist())))
    there = [(side > 0, *gap) for side in (0.0, width) for gap in gaps(corridor, side)]
    np.testing.assert_allclose(sorted(found), sorted(there), atol=1e-5)
    assert sum(above for above, *_ in found) == pytest.approx(COUNT / 2, abs=COUNT / 4)


def test_doorways_have_a_floor_and_jambs_and_are_free(storey: list[StoreyPart]) -> None:
    for part in storey[:-1]:
        scene = part.scene
        [(start, end)] = gaps(scene, 0.0)
        triangles = scene.mesh.vertices[scene.mesh.faces]
        low, high = triangles.min(1), triangles.max(1)
        for side in (start, end):
            here = ((np.abs(triangles[:, :, 0] - side) < 1e-5).all(1) & (scene.label == WALL)
                    & (np.abs(low[:, 1] + WALL_THICKNESS) < 1e-9) & (high[:, 1] < 1e-9))
            assert high[here, 2].max() == pytest.approx(DOORWAY_HEIGHT)
        middle = ((start + end) / 2, -WALL_THICKNESS / 2)
        over = ((low[:, :2] <= middle) & (high[:, :2] >= middle)).all(1)
        assert FLOOR in scene.label[over]
        near = ((low < (end - 0.01, 0.5, 1.9)) & (high > (start + 0.01, -1, 0.1))).all(1)
        assert not (near & (scene.instance >= 0)).any()


def test_a_storey_of_more_rooms_begins_with_the_same(storey: list[StoreyPart]) -> None:
    few = make_storey((3, 1), 5, CLASSES)
    for one, other in zip(few[:-1], storey):
        assert np.array_equal(one.scene.mesh.vertices, other.scene.mesh.vertices)
        assert np.array_equal(one.scene.instance, other.scene.instance)
        assert np.array_equal(one.pose, other.pose) and one.style == other.style
    assert few[-1].scene.mesh.size[0] < storey[-1].scene.mesh.size[0] / 2
    different = make_storey((3, 2), 1, CLASSES)[0].scene.mesh
    assert different.size.tolist() != few[0].scene.mesh.size.tolist()


@pytest.mark.parametrize('count', [0, -1])
def test_a_storey_without_rooms_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f'expected a floor of 1 room or more, got {count}'):
        make_storey((0, 0), count, CLASSES)
