"""Boxes of all kinds: packages, cartons, cases, trays and crates."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.rooms.materials import (
    cardboard,
    fabric,
    hsv,
    lacquer,
    Material,
    metal,
    one_of,
    paper,
    plastic,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import box, cushion, cylinder, sheet, tube
import numpy as np
from numpy.typing import ArrayLike, NDArray

PROPORTIONS = (
    (.16, .08, .07), (.13, .07, .08), (.19, .07, .28), (.23, .08, .32), (.14, .05, .21),
    (.09, .06, .13), (.24, .12, .09), (.12, .12, .13), (.33, .20, .12), (.20, .15, .05),
    (.26, .19, .04), (.08, .08, .08), (.12, .05, .04), (.30, .10, .10), (.18, .13, .10),
    (.06, .04, .10), (.28, .28, .06), (.10, .07, .24), (.40, .08, .06), (.15, .03, .20))
"""Width, depth and height of packages as they stand, metres: of tea, cereal, tissues, shoes."""


def package(rng: np.random.Generator) -> Piece:
    """Make a closed printed package, standing or on one of its other sides."""
    size = np.array(PROPORTIONS[rng.integers(len(PROPORTIONS))]) * rng.uniform(0.8, 1.25, 3)
    if rng.random() < 0.2:
        size = np.exp(rng.uniform(np.log(0.03), np.log(0.3), 3))
    if rng.random() < 0.35:
        size = rng.permutation(size)
    parts = [printed_box(size, rng)]
    if rng.random() < 0.08:
        parts += ribbon(size, fabric(rng))
    return assemble('object', *parts)


def printed_box(size: ArrayLike, rng: np.random.Generator) -> Mesh:
    """Make a slightly bent box whose sides are printed alike, or some of them plain."""
    print_ = one_of(rng, paper, paper, paper, lacquer, cardboard, plastic)(rng)
    second = replace(print_, color=print_.second, second=print_.color)
    plain = replace(print_, pattern='plain')
    sides = [plain, *(one_of(rng, print_, second, plain) for _ in range(4))]
    front = print_ if rng.random() < 0.8 else plain
    return dented(box_of_sides(size, [sides[0], sides[1], front, front, sides[2], sides[2]]), rng)


def box_of_sides(size: ArrayLike, sides: list[Material]) -> Mesh:
    """Make a block whose bottom, top, front, back, left and right have materials of their own."""
    return replace(box(size, sides[0]), materials=tuple(sides), material=np.tile(np.arange(6), 2))


def dented(mesh: Mesh, rng: np.random.Generator, amount: float = 0.012) -> Mesh:
    """Move the corners of a box by a small part of its size, but those below only sideways."""
    shift = rng.normal(0, amount, (len(mesh.vertices), 3)) * mesh.size
    shift[mesh.vertices[:, 2] <= mesh.vertices[:, 2].min(), 2] = 0
    return replace(mesh, vertices=mesh.vertices + shift)


def ribbon(size: NDArray, material: Material) -> list[Mesh]:
    """Wrap a ribbon around a present both ways, and tie it."""
    width, depth, height = size + 0.002
    return [box((0.02, depth, height), material), box((width, 0.02, height), material),
            cushion((0.07, 0.04, 0.03), material, 0.8, 6).moved(z=height)]


def milk_carton(rng: np.random.Generator) -> Piece:
    """Make a drink carton with a gable or a flat top, at times lying."""
    side, height = rng.uniform(0.06, 0.1), rng.uniform(0.12, 0.24)
    size = np.array([side, side * rng.uniform(0.7, 1), height])
    mesh = printed_box(size, rng)
    ink = plastic(rng)
    cap = cylinder(0.012, 0.014, ink, segments=8)
    if rng.random() < 0.7:
        rise = side * rng.uniform(0.35, 0.55)
        x, y = size[:2] / 2
        ridge = [[(-x, -y, height), (x, -y, height)], [(-x, 0, height + rise),
                 (x, 0, height + rise)], [(-x, y, height), (x, y, height)]]
        ends = [sheet([[(s * x, -y, height), (s * x * 0.6, 0, height + rise * 0.9)],
                       [(s * x, 0, height), (s * x, y, height)]], mesh.materials[0])
                for s in (-1, 1)]
        fin = box((2 * x, 0.003, 0.018), mesh.materials[0]).moved(z=height + rise)
        mesh = join([mesh, sheet(ridge, mesh.materials[2]), *ends, fin])
        cap = cap.turned(0.7, 'x').moved(y=-y / 2, z=height + rise / 2)
    else:
        cap = cap.moved(y=-size[1] / 4, z=height)
    if rng.random() < 0.6:
        mesh = join([mesh, cap])
    return assemble('object', mesh.turned(np.pi / 2, 'x') if rng.random() < 0.15 else mesh)


def tissue_box(rng: np.random.Generator) -> Piece:
    """Make a box of paper handkerchiefs with one of them hanging out."""
    size = np.array([0.23, 0.12, rng.uniform(0.06, 0.1)]) if rng.random() < 0.7 else np.array(
        [0.12, 0.12, 0.13])
    size = size * rng.uniform(0.9, 1.1, 3)
    angle = np.linspace(0, 2 * np.pi, 10)
    rings = [[(radius * np.cos(a) * rng.uniform(0.7, 1.3), radius * np.sin(a), z * rng.uniform(
        0.8, 1.1)) for a in angle] for radius, z in ((0.02, 0), (0.025, 0.025), (0.05, 0.06))]
    white = Material((0.95, 0.95, 0.93), speckle=0.01)
    return assemble('object', printed_box(size, rng), sheet(rings, white).moved(z=size[2]))


def _carton(size: NDArray, rng: np.random.Generator) -> list[Mesh]:
    """Make a box of thin card that is open, with its four flaps in any position."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    card = cardboard(rng) if rng.random() < 0.75 else paper(rng)
    corners = [(-x, -y), (x, -y), (x, y), (-x, y), (-x, -y)]
    parts = [sheet([[(*corner, 0) for corner in corners], [(*corner, z) for corner in corners]],
                   card), box((*size[:2], 0.003), card)]
    flap_length = min(size[:2]) * rng.uniform(0.3, 0.5)
    has_flaps = rng.random() < 0.8
    for (x1, y1), (x2, y2) in zip(corners, corners[1:]):
        if not has_flaps:
            break
        tilt = rng.uniform(-0.6, 3.4)  # 0 straight up, 1.6 level outwards
        out = np.array([y2 - y1, x1 - x2]) / np.hypot(x2 - x1, y2 - y1) * np.sin(tilt)
        rise = min(z, flap_length) * np.cos(tilt)
        outer = [(*(np.array(p) + out * flap_length), max(z + rise, 0.001))
                 for p in ((x1, y1), (x2, y2))]
        parts.append(sheet([[(x1, y1, z), (x2, y2, z)], outer], card))
    return parts


def open_carton(rng: np.random.Generator) -> Piece:
    """Make a small open box with flaps, perhaps with something in it."""
    size = rng.uniform((0.12, 0.1, 0.06), (0.35, 0.25, 0.25))
    parts = _carton(size, rng)
    for _ in range(rng.integers(0, 4)):
        inner = rng.uniform(0.2, 0.45, 3) * size * (1, 1, 1.6)
        x, y = rng.uniform(-1, 1, 2) * (size - inner)[:2] * 0.45
        parts.append(printed_box(inner, rng).moved(x, y, 0.004))
    return assemble('object', *parts)


def moving_box(rng: np.random.Generator) -> Piece:
    """Make a cardboard box for the floor, up to 60 cm, taped or open."""
    size = rng.uniform((0.25, 0.2, 0.15), (0.6, 0.45, 0.5))
    if rng.random() < 0.35:
        return assemble('object', *_carton(size, rng))
    card = cardboard(rng)
    parts = [dented(box(size, card), rng)]
    if rng.random() < 0.7:
        tape = Material(hsv(rng.uniform(0.05, 0.12), rng.uniform(0, 0.5), 0.75), gloss=0.3)
        parts.append(box((size[0] + 0.004, 0.05, 0.003), tape).moved(z=size[2]))
        parts += [box((0.003, 0.05, 0.08), tape).moved(s * (size[0] / 2 + 0.001), 0,
                                                       size[2] - 0.08) for s in (-1, 1)]
    if rng.random() < 0.5:
        parts.append(box((size[0] * 0.3, 0.004, size[2] * 0.3), paper(rng)).moved(
            size[0] * rng.uniform(-0.2, 0.2), -size[1] / 2, size[2] * 0.4))
    return assemble('object', *parts)


def hard_case(rng: np.random.Generator) -> Piece:
    """Make a tool box or camera case: body, lid and handle."""
    width, depth, height = rng.uniform((0.22, 0.1, 0.1), (0.45, 0.24, 0.24))
    body, lid, trim = plastic(rng), plastic(rng), one_of(rng, plastic, metal)(rng)
    if rng.random() < 0.5:
        lid = body
    split = height * rng.uniform(0.55, 0.8)
    roundness = rng.uniform(0.05, 0.3)
    grip = width * rng.uniform(0.15, 0.3)
    rise = rng.uniform(0.02, 0.07)
    handle = tube([(-grip, 0, 0), (-grip, 0, rise), (grip, 0, rise), (grip, 0, 0)], 0.009, trim)
    latches = [box((0.03, 0.01, 0.05), trim).moved(s * width * 0.3, -depth / 2, split - 0.025)
               for s in (-1, 1)]
    return assemble(
        'object', cushion((width, depth, split), body, roundness, 8),
        cushion((width * 1.02, depth * 1.03, height - split + 0.02), lid, roundness, 8).moved(
            z=split - 0.02), handle.moved(z=height - 0.005), *latches)


def lidded_box(rng: np.random.Generator) -> Piece:
    """Make a storage or lunch box with a lid that stands out a little."""
    size = rng.uniform((0.1, 0.08, 0.04), (0.38, 0.28, 0.2))
    body = one_of(rng, plastic, lacquer, wood, metal, paper)(rng)
    lid = body if rng.random() < 0.4 else plastic(rng)
    rim = size[2] * rng.uniform(0.08, 0.3)
    return assemble('object', box(size, body).scaled(0.95, 0.95), box((*size[:2], rim), lid).moved(
        z=size[2]))


def _open_box(size: NDArray, wall: float, material: Material, inside: Material) -> list[Mesh]:
    """Make a box without a lid, whose walls have a thickness."""
    width, depth, height = size
    front = box((width, wall, height), material).moved(y=(wall - depth) / 2)
    left = box((wall, depth - 2 * wall, height), material).moved((wall - width) / 2)
    return [front, front.scaled(y=-1), left, left.scaled(x=-1),
            box((width - 2 * wall, depth - 2 * wall, wall), inside)]


def tray(rng: np.random.Generator) -> Piece:
    """Make a flat tray or letter tray, with grips at times."""
    size = rng.uniform((0.22, 0.16, 0.015), (0.5, 0.36, 0.07))
    body = one_of(rng, wood, plastic, metal)(rng)
    inside = one_of(rng, body, paper(rng), fabric(rng))
    parts = _open_box(size, rng.uniform(0.004, 0.015), body, inside)
    if rng.random() < 0.4:
        grip = tube([(0, -0.06, 0), (0, -0.05, 0.035), (0, 0.05, 0.035), (0, 0.06, 0)], 0.006,
                    metal(rng))
        parts += [grip.moved(s * (size[0] / 2 - 0.006), 0, size[2]) for s in (-1, 1)]
    return assemble('object', *parts)


def cutlery_box(rng: np.random.Generator) -> Piece:
    """Make a box with compartments, and handles of what is in them."""
    size = rng.uniform((0.15, 0.1, 0.06), (0.34, 0.26, 0.12))
    body = one_of(rng, wood, plastic)(rng)
    parts = _open_box(size, 0.006, body, body)
    cells = int(rng.integers(2, 5))
    steel = metal(rng)
    for number in range(cells):
        x = (number + 0.5) / cells * size[0] - size[0] / 2
        if number:
            parts.append(box((0.004, size[1] - 0.01, size[2] * 0.9), body).moved(
                x - size[0] / cells / 2))
        for _ in range(rng.integers(0, 4)):
            stick = box((0.014, 0.006, rng.uniform(0.12, 0.2)), steel).turned(
                rng.uniform(-0.15, 0.15), 'y')
            parts.append(stick.moved(x, rng.uniform(-0.3, 0.3) * size[1], 0.006))
    return assemble('object', *parts)


def crate(rng: np.random.Generator) -> Piece:
    """Make a bigger open box for the floor: plastic crate, slatted wooden one, fabric cube."""
    width, depth, height = size = rng.uniform((0.28, 0.25, 0.15), (0.6, 0.42, 0.36))
    if rng.random() < 0.6:
        body = one_of(rng, plastic, fabric, wood)(rng)
        return assemble('object', *_open_box(size, rng.uniform(0.008, 0.02), body, body))
    body = wood(rng)
    slats = int(rng.integers(2, 5))
    tall = height / slats * rng.uniform(0.6, 0.9)
    slat = join([box((width, 0.012, tall), body).moved(y=depth / 2),
                 box((width, 0.012, tall), body).moved(y=-depth / 2),
                 box((0.012, depth, tall), body).moved(x=width / 2),
                 box((0.012, depth, tall), body).moved(x=-width / 2)])
    posts = [box((0.025, 0.025, height), body).moved(sx * (width / 2 - 0.02), sy * (
        depth / 2 - 0.02)) for sx in (-1, 1) for sy in (-1, 1)]
    return assemble('object', *(slat.moved(z=number * height / slats) for number in range(slats)),
                    *posts, box((width, depth, 0.01), body))
