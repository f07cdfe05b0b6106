"""Seats, tables, beds and storage: sizes, positions and geometry."""

from collections.abc import Callable

from mask3d_core.rooms.furniture.beds import bedding, BEDS
from mask3d_core.rooms.furniture.joinery import bumps, leg, outline
from mask3d_core.rooms.furniture.seats import SEATS
from mask3d_core.rooms.furniture.shelves import bookshelf, BookStyle
from mask3d_core.rooms.furniture.storage import grid, STORAGE
from mask3d_core.rooms.furniture.tables import TABLES
from mask3d_core.rooms.materials import wood
from mask3d_core.rooms.piece import Piece
import numpy as np
import pytest

SEEDS = range(25)
SIZES = {
    'chair': ((0.3, 0.28, 0.34), (1.65, 1.1, 1.5)),
    'sofa': ((1.1, 0.75, 0.65), (3.6, 2.7, 1.2)),
    'table': ((0.28, 0.26, 0.28), (3.7, 1.4, 0.95)),
    'desk': ((0.88, 0.45, 0.69), (1.9, 1.9, 1.55)),
    'bed': ((0.8, 1.9, 0.4), (2.5, 2.5, 1.95)),
    'cabinet': ((0.35, 0.15, 0.34), (3.2, 1.3, 2.4)),
    'bookshelf': ((0.35, 0.2, 0.3), (2.2, 0.45, 2.25)),
    'otherfurniture': ((0.34, 0.14, 0.15), (2.6, 1.1, 2.05)),
}
"""Smallest and largest width, depth and height of each class, metres."""
Maker = Callable[[np.random.Generator], Piece]


@pytest.fixture(params=[*SEATS, *TABLES, *BEDS, *STORAGE], ids=lambda maker: maker.__name__,
                scope='module')
def pieces(request: pytest.FixtureRequest) -> list[Piece]:
    """Return pieces of one kind."""
    return [request.param(np.random.default_rng(seed)) for seed in SEEDS]


def test_pieces_stand_centered_on_the_floor(pieces: list[Piece]) -> None:
    for piece in pieces:
        low, high = piece.mesh.bounds
        assert np.allclose((*(low + high)[:2], low[2]), 0, atol=1e-9)


def test_pieces_have_the_size_of_their_class(pieces: list[Piece]) -> None:
    for piece in pieces:
        low, high = SIZES[piece.name]
        assert (piece.mesh.size >= low).all() and (piece.mesh.size <= high).all(), piece.mesh.size


def test_triangles_are_valid(pieces: list[Piece]) -> None:
    for piece in pieces:
        mesh = piece.mesh
        assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.texture).all()
        assert 30 <= len(mesh.faces) <= 3000


def test_tops_lie_on_a_surface(pieces: list[Piece]) -> None:
    """A ray from a little above the middle of a top, or near it, meets the piece at its height."""
    for piece in pieces:
        for top in piece.tops:
            drops = [drop(piece, top.center, np.multiply(top.size, share))
                     for share in ((0, 0), (0.2, 0.1), (-0.3, -0.2), (0.4, 0.35), (-0.45, 0.4))]
            assert np.allclose(drops, 0, atol=0.011), (piece.name, top, drops)


def test_the_space_above_tops_is_free(pieces: list[Piece]) -> None:
    for piece in pieces:
        corners = piece.mesh.vertices
        for top in piece.tops:
            inside = np.abs(corners[:, :2] - top.center[:2]) < np.divide(top.size, 2) - 0.005
            above = corners[:, 2] - top.center[2]
            assert not (inside.all(1) & (above > 0.012) & (above < top.room - 0.005)).any()


def drop(piece: Piece, center: tuple[float, float, float], aside: np.ndarray) -> float:
    """Return the drop from a top to the first surface hit by a ray from 5 cm above, metres."""
    start = np.add(center, (*aside, 0.05))
    a, b, c = (piece.mesh.vertices[piece.mesh.faces[:, corner]] for corner in range(3))
    u, v, w = b[:, :2] - a[:, :2], c[:, :2] - a[:, :2], start[:2] - a[:, :2]
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    with np.errstate(divide='ignore', invalid='ignore'):
        s = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
        t = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
        hit = (np.abs(area) > 1e-12) & (s >= 0) & (t >= 0) & (s + t <= 1)
    height = a[hit, 2] + s[hit] * (b - a)[hit, 2] + t[hit] * (c - a)[hit, 2]
    return float(start[2] - 0.05 - height[height <= start[2]].max(initial=-1.0))


@pytest.mark.parametrize('maker', [*SEATS, *TABLES, *BEDS, *STORAGE])
def test_the_same_seed_gives_the_same_piece(maker: Maker) -> None:
    first, again, other = (maker(np.random.default_rng(seed)).mesh for seed in (1, 1, 2))
    assert np.array_equal(first.vertices, again.vertices)
    assert first.materials == again.materials
    assert not np.array_equal(first.size, other.size)


def test_legs_have_level_feet() -> None:
    splayed = leg((0.3, 0.1, 0.0), (0.2, 0.0, 0.7), (0.01, 0.02), wood(np.random.default_rng(0)))
    low, high = splayed.bounds
    assert (low[2], high[2]) == pytest.approx((0, 0.7))
    foot = splayed.vertices[splayed.vertices[:, 2] == 0]
    assert foot.mean(0) == pytest.approx((0.3, 0.1, 0), abs=0.005)


def test_the_outline_of_a_rounded_rectangle() -> None:
    corners = outline(2.0, 1.0, 0.2)
    assert (np.abs(corners).max(0) == (1.0, 0.5)).all()
    x, y = corners.T
    x_after, y_after = np.roll(corners, -1, axis=0).T
    area = (x * y_after - y * x_after).sum() / 2
    assert 2.0 - (4 - np.pi) * 0.04 - 0.006 < area < 2.0 - (4 - np.pi) * 0.04


def test_cells_fill_the_front() -> None:
    cells = grid((2.0, 0.4, 1.0), [(1.0, [(1.0, 'left')]), (3.0, [(1.0, 'drawer')] * 4)])
    assert [(cell.x, cell.z, cell.width, cell.height, cell.kind) for cell in cells] == [
        (-1.0, 0.0, 0.5, 1.0, 'left'), *((-0.5, z, 1.5, 0.25, 'drawer')
                                         for z in (0.0, 0.25, 0.5, 0.75))]


@pytest.mark.parametrize('seed', SEEDS)
def test_books_stay_in_their_compartment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for book in BookStyle.of(rng, 2.0).books(rng, 0.8, 0.25, 0.3):
        low, high = book.bounds
        assert low[0] >= -0.41 and high[0] <= 0.41
        assert low[1] >= -0.16 and high[1] <= 0.16
        assert low[2] >= -1e-9 and high[2] <= 0.31


def test_bookshelves_hold_many_books() -> None:
    shelves = [bookshelf(np.random.default_rng(seed)).mesh for seed in range(20)]
    assert np.median([len(mesh.faces) for mesh in shelves]) > 400
    assert min(len(mesh.materials) for mesh in shelves) > 3


def test_blankets_and_pillows_lie_on_the_mattress() -> None:
    for seed in SEEDS:
        for part in bedding(np.random.default_rng(seed), 1.6, 2.0, 0.5):
            low, high = part.bounds
            assert high[2] > 0.5 and low[2] > 0.02
            assert (np.abs([low[0], high[0]]) < 1.1).all()
            assert low[1] > -1.2 and high[1] < 1.2


def test_bumps_have_the_given_height() -> None:
    field = bumps(np.random.default_rng(0), 30, 20, 0.02)
    assert field.shape == (30, 20)
    assert field.std() == pytest.approx(0.02)
    assert np.abs(np.diff(field, axis=0)).mean() < 0.02  # neighbors are alike
