"""Clutter, devices, decoration, doors and windows, kitchens, bathrooms: sizes and positions."""

from collections.abc import Callable

from mask3d_core.rooms.furniture.bathroom import BATHROOM, bathtub, wash_basin
from mask3d_core.rooms.furniture.clutter import (
    boxes,
    CLUTTER,
    drop,
    full_bowl,
    heap,
    leaning,
    stack,
)
from mask3d_core.rooms.furniture.decoration import curtains, DECORATION
from mask3d_core.rooms.furniture.devices import DEVICES
from mask3d_core.rooms.furniture.kitchen import KITCHEN, kitchen_run
from mask3d_core.rooms.furniture.openings import OPENINGS, window
from mask3d_core.rooms.furniture.vessels import bowl, can, cup
from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece
from mask3d_core.rooms.solids import ball, box
import numpy as np
from numpy.typing import NDArray
import pytest

SEEDS = range(8)
SIZES = {
    'object': ((0.005, 0.005, 0.001), (1.6, 1.0, 1.2)),
    'otherfurniture': ((0.1, 0.01, 0.07), (2.2, 2.1, 2.6)),
    'picture': ((0.19, 0.003, 0.19), (1.25, 0.05, 1.05)),
    'curtain': ((0.55, 0.02, 0.2), (2.7, 0.2, 2.5)),
    'shower curtain': ((0.65, 0.02, 1.6), (1.8, 0.2, 2.1)),
    'floor': ((0.3, 0.3, 0.005), (2.7, 2.7, 0.02)),
    'door': ((0.7, 0.05, 1.9), (2.5, 1.2, 2.4)),
    'window': ((0.45, 0.03, 0.65), (2.5, 1.0, 1.7)),
    'counter': ((0.7, 0.5, 0.8), (4.8, 1.15, 2.6)),
    'cabinet': ((0.35, 0.1, 0.45), (1.7, 0.6, 1.3)),
    'refrigerator': ((0.45, 0.5, 0.8), (1.0, 0.85, 2.1)),
    'toilet': ((0.3, 0.4, 0.38), (0.5, 0.8, 1.0)),
    'bathtub': ((1.3, 0.6, 0.5), (1.9, 0.9, 0.85)),
    'sink': ((0.35, 0.3, 0.8), (0.75, 0.6, 1.25)),
}
"""Smallest and largest width, depth and height of each class with its parts, metres."""
GREY = Material((0.5, 0.5, 0.5))
Maker = Callable[[np.random.Generator], Piece]


@pytest.fixture(params=[*dict.fromkeys((*CLUTTER, *DEVICES, *DECORATION, *OPENINGS, *KITCHEN,
                                        *BATHROOM))],
                ids=lambda maker: maker.__name__, scope='module')
def pieces(request: pytest.FixtureRequest) -> list[Piece]:
    """Return pieces of one kind."""
    return [request.param(np.random.default_rng(seed)) for seed in SEEDS]


def heights(mesh: Mesh, place: tuple[float, float]) -> NDArray[np.float64]:
    """Return the heights at which a vertical line through a position meets a mesh, metres."""
    corner = mesh.vertices[mesh.faces]
    edges = np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], axis=2)[:, :2]
    upright = np.abs(np.linalg.det(edges)) < 1e-12
    edges[upright] = np.eye(2)
    weight = np.linalg.solve(edges, (place - corner[:, 0, :2])[..., None])[..., 0]
    inside = (weight >= 0).all(1) & (weight.sum(1) <= 1) & ~upright
    slope = corner[:, 1:, 2] - corner[:, :1, 2]
    return (corner[:, 0, 2] + (weight * slope).sum(1))[inside]


def test_pieces_stand_centered_on_the_floor(pieces: list[Piece]) -> None:
    for piece in pieces:
        low, high = join(part.mesh for part in piece.all()).bounds
        assert np.allclose((*(low + high)[:2] / 2, low[2]), 0, atol=1e-6)


def test_pieces_have_the_size_of_their_class(pieces: list[Piece]) -> None:
    for piece in pieces:
        low, high = SIZES[piece.name]
        size = join(part.mesh for part in piece.all()).size
        assert (size >= low).all() and (size <= high).all(), size


def test_triangles_are_valid(pieces: list[Piece]) -> None:
    for piece in pieces:
        for part in piece.all():
            mesh = part.mesh
            assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.texture).all()
            assert 12 <= len(mesh.faces) <= 2600
            assert mesh.material.max() < len(mesh.materials)


def test_tops_lie_on_a_surface(pieces: list[Piece]) -> None:
    for piece in pieces:
        for top in piece.tops:
            found = heights(piece.mesh, top.center[:2])
            assert np.abs(found - top.center[2]).min() < 0.02


def test_the_same_seed_gives_the_same_piece_and_others_differ(pieces: list[Piece],
                                                              request: pytest.FixtureRequest,
                                                              ) -> None:
    maker: Maker = request.node.callspec.params['pieces']
    again = maker(np.random.default_rng(SEEDS[-1]))
    assert np.array_equal(again.mesh.vertices, pieces[-1].mesh.vertices)
    assert again.mesh.materials == pieces[-1].mesh.materials
    assert len({(*piece.mesh.size.round(4), piece.mesh.materials) for piece in pieces}) == len(
        pieces)


def test_drop_puts_a_box_on_a_box() -> None:
    table, cube = box((1, 1, 0.5), GREY), box((0.1, 0.1, 0.1), GREY)
    assert drop(cube.moved(0.2, 0.1), table).bounds[0][2] == pytest.approx(0.5)
    assert drop(cube.moved(2.0), table).bounds[0][2] == pytest.approx(0)


def test_drop_puts_a_board_on_a_tip() -> None:
    """The tip lies under none of the board's corners."""
    board = box((1, 1, 0.1), GREY)
    assert drop(board, ball(0.1, GREY)).bounds[0][2] == pytest.approx(0.2)


def test_objects_in_a_bowl_are_below_its_rim() -> None:
    vessel = join([box((0.4, 0.4, 0.01), GREY)] + [box((0.01, 0.4, 0.2), GREY).moved(x)
                                                   for x in (-0.2, 0.2)])
    assert drop(ball(0.05, GREY), vessel).bounds[0][2] == pytest.approx(0.01, abs=1e-3)


@pytest.mark.parametrize('maker', [stack, boxes, leaning, full_bowl, heap])
def test_groups_consist_of_touching_instances(maker: Maker) -> None:
    several = 0
    for seed in SEEDS:
        piece = maker(np.random.default_rng(seed))
        things = piece.all()
        assert {thing.name for thing in things} == {'object'}
        several += len(things) > 1
        for number, thing in enumerate(things):
            low, high = thing.mesh.bounds
            if low[2] > 0.002:  # something lies right below it
                others = [other.mesh.bounds for other in things[:number]]
                assert any((a[:2] < high[:2]).all() and (b[:2] > low[:2]).all()
                           and b[2] > low[2] - 0.02 for a, b in others)
    assert several > len(SEEDS) / 2


def test_vessels_are_hollow() -> None:
    """Most of them: some stand upside down. A can is closed."""
    share = {}
    for maker in (bowl, cup, can):
        meshes = [maker(np.random.default_rng(seed)).mesh for seed in range(20)]
        share[maker] = np.mean([heights(mesh, (0.001, 0.0005)).max() < 0.2 * mesh.size[2]
                                for mesh in meshes])
    assert share[bowl] > 0.7 and share[cup] > 0.3 and share[can] == 0


def test_basins_and_tubs_are_hollow() -> None:
    for seed in SEEDS:
        tub = bathtub(np.random.default_rng(seed)).mesh
        assert heights(tub, (0.0, 0.0)).max() < 0.2
        basin = wash_basin(np.random.default_rng(seed)).mesh
        middle = (0.0, float(basin.bounds[0][1]) * 0.2)
        assert heights(basin, middle).max() < basin.size[2] - 0.15


def test_a_kitchen_has_a_worktop_with_a_hole_for_its_sink() -> None:
    sinks = 0
    for seed in range(12):
        piece = kitchen_run(np.random.default_rng(seed))
        names = [part.name for part in piece.parts]
        assert piece.name == 'counter'
        fronts = sorted((part.mesh.bounds[0][0], part.mesh.bounds[1][0], part.mesh.bounds[0][2])
                        for part in piece.parts if part.name == 'cabinet')
        for (_, end, low), (start, _, other) in zip(fronts, fronts[1:]):
            assert low != other or start > end + 0.01, 'cabinets side by side are one'
        assert set(names) <= {'cabinet', 'sink', 'otherfurniture'}
        for part in piece.parts:
            if part.name == 'sink':
                sinks += 1
                x, y, _ = part.mesh.vertices[part.mesh.vertices[:, 2].argmin()]
                seen = np.concatenate([heights(other.mesh, (x + 0.05, y - 0.06))
                                       for other in piece.all()])
                assert seen[seen < 1.3].max() == pytest.approx(part.mesh.bounds[0][2], abs=0.03)
    assert sinks > 4


def test_curtains_and_windows_take_a_size() -> None:
    rng = np.random.default_rng(0)
    assert window(rng, width=1.3, height=1.1).mesh.size[0] == pytest.approx(1.3, abs=0.1)
    cloth = curtains(rng, width=1.5, height=2.0).mesh
    assert cloth.size[2] == pytest.approx(2.0, abs=0.05)
    assert cloth.size[0] == pytest.approx(1.66, abs=0.05)
