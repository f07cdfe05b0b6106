"""Furnished rooms: no collisions, known classes only, the same room from the same seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mask3d_core.classes import load_classes
from mask3d_core.rooms.arrangement import Arrangement, PlacedPiece
from mask3d_core.rooms.floorplan import FloorPlan, random_plan, WALL_THICKNESS
from mask3d_core.rooms.furniture.kitchen import kitchen_island
from mask3d_core.rooms.furniture.openings import ajar_door
from mask3d_core.rooms.furniture.seats import bar_stool
from mask3d_core.rooms.furniture.storage import wardrobe
from mask3d_core.rooms.interiors import Furnisher, ROOM_KINDS, table_top
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.room import doorways, make_room
from mask3d_core.rooms.scene import Scene
from mask3d_core.rooms.scene_assembly import BACKGROUND_CLASSES, make_scene, UNLABELLED
from mask3d_core.rooms.shell import floor_mesh
from mask3d_core.rooms.solids import box
import numpy as np
import pytest
from wall_gaps import gaps

CLASSES = load_classes('rooms')
NAMES = dict(zip(CLASSES.ids, CLASSES.names))
FLOOR = CLASSES.ids[CLASSES.names.index('floor')]
GREY = Material((0.5, 0.5, 0.5))
SEEDS = range(6)
KINDS = [*ROOM_KINDS, table_top]


@dataclass(eq=False)
class Recorded(Arrangement):
    """An arrangement that records the host of each piece."""

    hosts: dict[PlacedPiece, PlacedPiece | None] = field(default_factory=dict)

    def place(self, piece: Piece, position: Sequence[float], angle: float = 0.0,
              margin: float = 0.02, host: PlacedPiece | None = None) -> PlacedPiece | None:
        """Record the host."""
        placed = super().place(piece, position, angle, margin, host)
        if placed is not None:
            self.hosts[placed] = host
        return placed


@pytest.fixture(scope='module', params=KINDS, ids=lambda kind: kind.__name__)
def rooms(request: pytest.FixtureRequest) -> list[Recorded]:
    """Return rooms of one kind, half of them crowded."""
    kind: Callable[[Furnisher], None] = request.param
    low, high = ROOM_KINDS[kind][1] if kind in ROOM_KINDS else (2.5, 4.5)
    made = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        room = Recorded(random_plan(rng, *rng.uniform(low, high, 2)), rng)
        kind(Furnisher(room, crowded=seed % 2 == 1))
        made.append(room)
    return made


def test_pieces_overlap_with_their_host_only(rooms: list[Recorded]) -> None:
    for room in rooms:
        bounds = [placed.bounds for placed in room.placed]
        for number, one in enumerate(room.placed):
            low, high = bounds[number]
            for other, (other_low, other_high) in zip(room.placed[:number], bounds):
                if room.hosts[one] is other:
                    continue
                apart = np.maximum(low - other_high, other_low - high)
                assert apart.max() > -1e-9, (one.piece.name, other.piece.name, apart)


def test_everything_is_within_the_room(rooms: list[Recorded]) -> None:
    for room in rooms:
        for placed in room.placed:
            low, high = placed.bounds
            assert low[2] > -1e-6 and high[2] <= room.plan.height
            corners = np.array([(x, y) for x in (low[0] + 0.006, high[0] - 0.006)
                                for y in (low[1] + 0.006, high[1] - 0.006)])
            assert room.plan.contains(corners).all()


def test_hosted_pieces_lie_on_a_top_or_stand_on_the_floor(rooms: list[Recorded]) -> None:
    hosted = 0
    for room in rooms:
        for placed, host in room.hosts.items():
            low = placed.bounds[0][2]
            tops = [] if host is None else [
                host.point_in_room(top.center)[2] for top in host.piece.tops]
            if host is not None and low > 0.01:
                assert min(abs(low - top) for top in tops) < 0.002
                hosted += 1
    assert hosted > 3


def test_every_class_is_known_and_each_kind_has_its_furniture(rooms: list[Recorded],
                                                              request: pytest.FixtureRequest,
                                                              ) -> None:
    names = {piece.name for room in rooms for placed in room.placed
             for piece in placed.piece.all()}
    assert names <= set(CLASSES.names)
    kind = request.node.callspec.params['rooms'].__name__
    assert names >= {'living_room': {'sofa', 'table'}, 'bedroom': {'bed', 'cabinet'},
                     'kitchen_room': {'counter', 'refrigerator', 'sink', 'cabinet'},
                     'office': {'desk', 'chair'}, 'meeting_room': {'table', 'chair'},
                     'dining_room': {'table', 'chair'}, 'bath': {'toilet', 'sink', 'bathtub'},
                     'store_room': {'object'}, 'table_top': {'object'}}[kind]


def test_chairs_face_their_table() -> None:
    room = Recorded(FloorPlan(np.array([(0, 0), (6, 0), (6, 6), (0, 6)], float), 2.5),
                    np.random.default_rng(0))
    table = room.place(Piece('table', box((1.4, 0.9, 0.7), GREY)), (3, 3, 0), 0.4)
    assert table is not None
    chair = Piece('chair', box((0.4, 0.4, 0.9), GREY))
    Furnisher(room).place_chairs_around(table, [lambda rng: chair], 6)
    chairs = room.placed[1:]
    assert len(chairs) >= 4
    for placed in chairs:
        ahead = placed.point_in_room((0, -1, 0)) - placed.position
        there = np.subtract(table.position, placed.position)
        assert ahead[:2] @ there[:2] / np.linalg.norm(there[:2]) > 0.5


def test_a_scene_of_known_pieces() -> None:
    plan = FloorPlan(np.array([(0, 0), (4, 0), (4, 3), (0, 3)], float), 2.5)
    room = Arrangement(plan, np.random.default_rng(0))
    sink = Piece('sink', box((0.4, 0.4, 0.1), GREY).moved(z=0.9))
    counter = Piece('counter', box((2, 0.6, 0.9), GREY), (Top((0.5, 0, 0.9), (0.8, 0.5)),),
                    (sink,))
    room.place(counter, (2, 2.6, 0))
    room.place(Piece('object', box((0.1, 0.1, 0.1), GREY)), (1, 1, 0))
    room.lay_flat(Piece('floor', box((1, 1, 0.01), GREY)), 2, 1, 0)
    shell = [('floor', floor_mesh(plan, GREY)), ('', floor_mesh(plan, GREY, 2.5)),
             ('wall', box((4, 0.1, 2.5), GREY))]

    scene = make_scene([room], shell, CLASSES)

    count = np.repeat(np.arange(7), [2, 2, 12, 12, 12, 12, 12])
    names = ['floor', '', 'wall', 'counter', 'sink', 'object', 'floor']
    ids = {name: number for number, name in NAMES.items()} | {'': UNLABELLED}
    assert scene.label.tolist() == [ids[names[number]] for number in count]
    assert (np.diff(scene.instance[(count >= 3) & (count < 6)][::12]) > 0).all()
    assert (scene.instance[(count < 3) | (count == 6)] == UNLABELLED).all()
    assert scene.lights.tolist() == [[2, 1.5, 2.2]]
    np.testing.assert_allclose(scene.targets, [(2.5, 2.6, 0.9)])
    np.testing.assert_array_equal(scene.standpoints, room.standpoints())


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [make_room(np.random.default_rng(seed), CLASSES, seed % 3 == 0) for seed in range(12)]


def test_labels_and_instances_agree(scenes: list[Scene]) -> None:
    background = {number for number, name in NAMES.items() if name in BACKGROUND_CLASSES}
    background |= {UNLABELLED}
    for scene in scenes:
        assert len(scene.label) == len(scene.instance) == len(scene.mesh.faces)
        assert set(scene.label.tolist()) <= {*CLASSES.ids, UNLABELLED}
        pairs = set(zip(scene.instance.tolist(), scene.label.tolist()))
        of_instance = [instance for instance, _ in pairs if instance != UNLABELLED]
        assert len(of_instance) == len(set(of_instance)) > 2, 'an instance has one class'
        assert all((instance == UNLABELLED) == (label in background) for instance, label in pairs)


def test_lamps_targets_and_standpoints_are_in_the_room(scenes: list[Scene]) -> None:
    for scene in scenes:
        low, high = scene.mesh.bounds
        for points in (scene.lights, scene.targets):
            assert (points > low).all() and (points < high).all()
        assert len(scene.standpoints) > 0 and len(scene.lights) > 0
        assert (scene.standpoints > low[:2]).all() and (scene.standpoints < high[:2]).all()
        assert 2.3 < high[2] < 3.05 and low[2] > -0.001


def test_rooms_differ_in_their_class_and_in_their_furniture(scenes: list[Scene]) -> None:
    labels = [frozenset(scene.label.tolist()) for scene in scenes]
    assert len(set(labels)) > len(scenes) / 2
    assert len(frozenset.union(*labels)) > 15


def test_the_same_state_gives_the_same_room(scenes: list[Scene]) -> None:
    again = make_room(np.random.default_rng(4), CLASSES)
    assert np.array_equal(again.mesh.vertices, scenes[4].mesh.vertices)
    assert np.array_equal(again.instance, scenes[4].instance)
    assert again.mesh.materials == scenes[4].mesh.materials


def test_two_rooms_are_connected_by_holes_that_face_each_other() -> None:
    connected = 0
    for seed in range(16):
        scene = make_room(np.random.default_rng(seed), CLASSES)
        if scene.mesh.bounds[0][1] > -1:
            continue
        connected += 1
        [(start, end)] = gaps(scene, 0.0)
        assert gaps(scene, -WALL_THICKNESS) == [pytest.approx((start, end))]
        assert 0.79 < end - start < 2.21
        assert {bool(y > 0) for y in scene.standpoints[:, 1]} == {True, False}
        middle = np.array([(start + end) / 2, -WALL_THICKNESS / 2])
        floors = scene.mesh.vertices[scene.mesh.faces[scene.label == FLOOR]][:, :, :2]
        assert ((floors.min(1) <= middle) & (middle <= floors.max(1))).all(1).any()
    assert connected > 1


@pytest.mark.parametrize('number', range(4))
def test_doorways_are_where_doors_are(number: int) -> None:
    """Otherwise a skirting board would be visible behind an open door."""
    plan = FloorPlan(np.array([(0, 0), (4, 0), (4, 3), (0, 3)], float), 2.5)
    room = Arrangement(plan, np.random.default_rng(0))
    door = room.place_against_wall(ajar_door(room.rng), gap=0.0, wall=number, along=1.5)
    assert door is not None and room.place_against_wall(wardrobe(room.rng)) is not None
    found = [list(doorways(room, wall)) for wall in plan.walls]
    assert [len(here) for here in found] == [int(other == number) for other in range(4)]
    half = door.piece.size[0] / 2
    opening = found[number][0]
    assert (opening.start, opening.end) == pytest.approx((1.5 - half, 1.5 + half))
    assert opening.bottom == 0


def test_chairs_stand_in_front_of_cabinets() -> None:
    plan, closed = FloorPlan(np.array([(0, 0), (6, 0), (6, 6), (0, 6)], float), 2.5), 0
    for seed in range(30):
        furnisher = Furnisher(Arrangement(plan, np.random.default_rng(seed)))
        furnisher.place_table_with_chairs((kitchen_island,), (bar_stool,), 4)
        island, *others = furnisher.room.placed
        for chair in (other for other in others if island.piece.parts):
            if chair.piece.name == 'chair':
                away = np.subtract(chair.position, island.position)[:2]
                cos, sin = np.cos(island.angle), np.sin(island.angle)
                beside = np.abs((cos * away[0] + sin * away[1], cos * away[1] - sin * away[0]))
                assert (beside > island.piece.size[:2] / 2 + 0.1).any()
                closed += 1
    assert closed > 10
