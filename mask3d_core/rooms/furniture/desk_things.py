"""Objects on desks: books, papers, and small electronics."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.rooms.furniture.vessels import crockery, hollow
from mask3d_core.rooms.materials import (
    fabric,
    hsv,
    lacquer,
    leather,
    Material,
    metal,
    one_of,
    paper,
    plastic,
    screen,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import ball, box, cushion, cylinder, lathe, sheet, tube
import numpy as np

PAGES = Material((0.9, 0.87, 0.78), (0.7, 0.67, 0.6), 'stripes', 0.004)


def casing(rng: np.random.Generator) -> Material:
    """Return black, grey, silver or white plastic of electronics; seldom a colour."""
    if rng.random() < 0.15:
        return plastic(rng)
    return Material(hsv(rng.random(), rng.uniform(0, 0.08), rng.choice(
        [0.06, 0.1, 0.15, 0.3, 0.6, 0.8, 0.92])), gloss=rng.uniform(0.05, 0.5), speckle=0.01)


def book_mesh(rng: np.random.Generator) -> Mesh:
    """Make a lying book, its spine to the front: two covers, a spine and the pages."""
    width, depth = (sorted(rng.uniform((0.15, 0.1), (0.32, 0.24)), reverse=True))
    thickness = float(np.exp(rng.uniform(np.log(0.008), np.log(0.06))))
    cover = one_of(rng, paper, paper, lacquer, plastic, leather)(rng)
    spine = cover if rng.random() < 0.5 else replace(cover, pattern='plain')
    board = min(0.003, thickness / 4)
    return join([box((width, depth, board), cover),
                 box((width, depth, board), cover).moved(z=thickness - board),
                 box((width, board, thickness), spine).moved(y=(board - depth) / 2),
                 box((width - 0.008, depth - 0.008, thickness - 2 * board), PAGES).moved(
                     y=-0.003, z=board)])


def book(rng: np.random.Generator) -> Piece:
    """Make one book, lying or upright."""
    mesh = book_mesh(rng)
    return assemble('object', mesh.turned(np.pi / 2, 'x') if rng.random() < 0.2 else mesh)


def open_book(rng: np.random.Generator) -> Piece:
    """Make a book or magazine that lies open, or stands like a roof."""
    half, depth, rise = rng.uniform((0.12, 0.18, 0.006), (0.21, 0.3, 0.03))
    x = np.linspace(-half, half, 9)
    z = rise * np.abs(np.sin(np.abs(x) / half * np.pi)) + 0.002
    ink = Material((0.93, 0.92, 0.88), (0.55, 0.55, 0.55), 'print', 0.02) if (
        rng.random() < 0.6) else paper(rng)
    pages = sheet([[(a, s * depth / 2, b) for a, b in zip(x, z)] for s in (-1, 1)], ink)
    if rng.random() < 0.15:
        steep = sheet([[(a, s * depth / 2, half * 1.2 * (1 - abs(a) / half)) for a in x]
                       for s in (-1, 1)], paper(rng)).scaled(x=0.6)
        return assemble('object', steep)
    return assemble('object', pages, box((2 * half, depth, 0.002), paper(rng)))


def book_row(rng: np.random.Generator) -> Piece:
    """Make a row of upright books, files or records, the last one leaning at times."""
    parts, x = [], 0.0
    depth, tall = rng.uniform(0.12, 0.26), rng.uniform(0.15, 0.34)
    files = rng.random() < 0.2
    count = int(rng.integers(2, 14))
    for number in range(count):
        thickness = rng.uniform(0.05, 0.08) if files else np.exp(rng.uniform(-4.8, -3))
        height = tall * (1 if files else rng.uniform(0.75, 1.05))
        size = (thickness, depth * rng.uniform(0.85, 1), height)
        cover = one_of(rng, paper, lacquer, plastic)(rng)
        spine = replace(cover, color=hsv(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.1, 0.9)),
                        scale=0.03)
        volume = join([box(size, cover), box((thickness * 1.01, 0.003, height), spine).moved(
            y=-size[1] / 2 - 0.001)]).moved(y=(size[1] - depth) / 2)
        lean = rng.uniform(0.1, 0.35) if number == count - 1 and rng.random() < 0.4 else 0
        volume = volume.settled().turned(-lean, 'y').settled()
        parts.append(volume.moved(x + volume.size[0] / 2))
        x += volume.size[0] + 0.001
    return assemble('object', *parts)


def papers(rng: np.random.Generator) -> Piece:
    """Make a heap of loose papers, letters or magazines."""
    parts = []
    sheet_size = rng.choice([(0.21, 0.297), (0.21, 0.28), (0.22, 0.11), (0.15, 0.21)])
    for number in range(rng.integers(2, 9)):
        ink = Material((0.93, 0.93, 0.92), (0.6, 0.6, 0.6), 'print', 0.02) if (
            rng.random() < 0.6) else paper(rng)
        parts.append(box((*sheet_size, 0.004), ink).turned(rng.normal(0, 0.15)).moved(
            *rng.normal(0, 0.015, 2)).moved(z=0.004 * number))
    return assemble('object', *parts)


def binder(rng: np.random.Generator) -> Piece:
    """Make a ring binder or file box, standing or lying."""
    size = (rng.uniform(0.04, 0.09), rng.uniform(0.24, 0.3), rng.uniform(0.26, 0.33))
    cover = one_of(rng, plastic, paper, lacquer)(rng)
    label = Material((0.9, 0.9, 0.9), (0.3, 0.3, 0.3), 'print', 0.03)
    mesh = join([box(size, cover), box((size[0] * 0.7, 0.003, 0.15), label).moved(
        y=-size[1] / 2, z=0.1)])
    return assemble('object', mesh.turned(np.pi / 2, 'y') if rng.random() < 0.4 else mesh)


def keys(width: float, depth: float, rng: np.random.Generator) -> list[Mesh]:
    """Make rows of keys on a keyboard whose top is z = 0, metres."""
    cap = casing(rng)
    rows = [box((width * 0.94, depth / 6.5, 0.004), replace(
        cap, pattern='stripes', scale=0.019, second=hsv(0, 0, 0.1))).moved(
            y=(row - 2) * depth / 5.4) for row in range(5)]
    return rows


def keyboard(rng: np.random.Generator) -> Piece:
    """Make a keyboard, slightly tilted."""
    width, depth = rng.uniform(0.28, 0.47), rng.uniform(0.11, 0.19)
    parts = [box((width, depth, rng.uniform(0.008, 0.02)), casing(rng))]
    parts += [row.moved(z=parts[0].size[2]) for row in keys(width, depth * 0.9, rng)]
    return assemble('object', join(parts).turned(rng.uniform(0, 0.09), 'x'))


def mouse(rng: np.random.Generator) -> Piece:
    """Make a computer mouse, sometimes on its pad."""
    shell = cushion((rng.uniform(0.05, 0.07), rng.uniform(0.09, 0.125), rng.uniform(0.05, 0.075)),
                    casing(rng), 0.75, 10)
    half = shell.moved(z=-shell.size[2] / 2)
    half = replace(half, vertices=half.vertices.clip((-1, -1, 0)))
    if rng.random() < 0.4:
        pad = box((*rng.uniform((0.2, 0.18), (0.3, 0.24)), 0.004), one_of(
            rng, fabric, plastic, paper)(rng))
        return assemble('object', pad, half.moved(z=0.004).moved(*rng.uniform(-0.05, 0.05, 2)))
    return assemble('object', half)


def phone(rng: np.random.Generator) -> Piece:
    """Make a mobile phone, tablet or e-book reader, lying or propped up."""
    size = rng.uniform((0.062, 0.125, 0.007), (0.08, 0.165, 0.013)) if (
        rng.random() < 0.6) else rng.uniform((0.13, 0.18, 0.006), (0.2, 0.28, 0.012))
    skin = one_of(rng, casing, plastic, leather)(rng)
    mesh = join([box(size, skin), box((size[0] * 0.92, size[1] * 0.9, 0.001), screen(rng)).moved(
        z=size[2])])
    if rng.random() < 0.2:
        mesh = mesh.turned(rng.uniform(0.9, 1.3), 'x')
        prop = box((size[0] * 0.5, 0.03, size[1] * 0.35), casing(rng)).moved(y=0.025)
        return assemble('object', mesh.settled(), prop)
    return assemble('object', mesh)


def desk_phone(rng: np.random.Generator) -> Piece:
    """Make a telephone with its receiver and keys."""
    width, depth = rng.uniform(0.15, 0.23), rng.uniform(0.16, 0.23)
    shell = casing(rng)
    body = box((width, depth, 0.03), shell)
    back = box((width, depth * 0.6, 0.025), shell).turned(0.25, 'x').moved(y=depth * 0.12, z=0.025)
    receiver = [cushion((0.05, depth * 0.95, 0.03), shell, 0.3, 8).moved(-width * 0.3, 0, 0.07),
                *(cushion((0.055, 0.06, 0.05), shell, 0.3, 6).moved(
                    -width * 0.3, s * depth * 0.38, 0.04) for s in (-1, 1))]
    pad = box((width * 0.4, depth * 0.4, 0.02), casing(rng)).turned(0.25, 'x').moved(
        width * 0.18, 0, 0.045)
    return assemble('object', body, back, pad, *receiver)


def laptop(rng: np.random.Generator) -> Piece:
    """Make a laptop: open, wide open, or closed."""
    width = rng.uniform(0.27, 0.39)
    depth, thick = width * rng.uniform(0.62, 0.73), rng.uniform(0.012, 0.028)
    shell = casing(rng)
    base = box((width, depth, thick), shell)
    if rng.random() < 0.25:
        logo = box((width * 0.12, width * 0.12, 0.001), casing(rng))
        return assemble('object', base, logo.moved(z=thick))
    pads = [row.scaled(x=0.95).moved(y=depth * 0.16, z=thick - 0.003) for row in keys(
        width, depth * 0.5, rng)]
    touch = box((width * 0.3, depth * 0.25, 0.001), casing(rng)).moved(y=-depth * 0.3, z=thick)
    lid = join([box((width, 0.008, depth), shell), box((width * 0.94, 0.002, depth * 0.88), screen(
        rng)).moved(y=-0.004, z=depth * 0.07)])
    lid = lid.turned(-rng.uniform(0.05, 0.7), 'x').moved(y=depth / 2, z=thick)
    return assemble('object', base, *pads, touch, lid)


def remote(rng: np.random.Generator) -> Piece:
    """Make a remote control, calculator, game pad or hard disk."""
    size = np.array([(0.045, 0.18, 0.02), (0.08, 0.15, 0.015), (0.15, 0.1, 0.045),
                     (0.08, 0.12, 0.02), (0.05, 0.1, 0.02), (0.18, 0.16, 0.035)][
                         rng.integers(6)]) * rng.uniform(0.85, 1.2, 3)
    buttons = [box((size[0] * 0.14, size[1] * 0.07, 0.004), plastic(rng)).moved(
        size[0] * 0.25 * column, size[1] * (0.1 * row - 0.35), size[2] - 0.001)
        for column in (-1, 0, 1) for row in range(int(rng.integers(0, 7)))]
    return assemble('object', cushion(size, casing(rng), 0.15, 6), *buttons)


def headphones(rng: np.random.Generator) -> Piece:
    """Make headphones, lying flat or standing on the ears."""
    radius = rng.uniform(0.07, 0.085)
    shell, pad = casing(rng), one_of(rng, leather, fabric, casing)(rng)
    angle = np.linspace(0, np.pi, 11)
    band = tube([(radius * np.cos(a), radius * 1.1 * np.sin(a), 0) for a in angle], 0.009, shell)
    ears = [lathe([(0, 0), (0.035, 0), (0.04, 0.01), (0.036, 0.03), (0.015, 0.028)], pad,
                  12).turned(s * np.pi / 2, 'y').moved(-s * (radius + 0.012), -0.005)
            for s in (-1, 1)]
    mesh = join([band, *ears])
    return assemble('object', mesh.turned(np.pi / 2, 'x') if rng.random() < 0.4 else mesh)


def camera(rng: np.random.Generator) -> Piece:
    """Make a camera, webcam or projector: a body and a lens."""
    size = rng.uniform((0.08, 0.04, 0.06), (0.3, 0.2, 0.1))
    skin = casing(rng)
    radius = size[2] * rng.uniform(0.3, 0.45)
    lens = cylinder(radius, size[1] * rng.uniform(0.2, 0.8), casing(rng)).turned(np.pi / 2, 'x')
    glass = cylinder(radius * 0.8, 0.002, screen(rng)).turned(np.pi / 2, 'x')
    x = size[0] * rng.uniform(-0.2, 0.2)
    return assemble('object', cushion(size, skin, 0.12, 6), lens.moved(
        x, -size[1] / 2, size[2] / 2), glass.moved(x, -size[1] / 2 - lens.size[1], size[2] / 2),
        box((0.03, 0.02, 0.012), skin).moved(-x, 0, size[2]))


def spectacles(rng: np.random.Generator) -> Piece:
    """Make a pair of spectacles or a case for them."""
    if rng.random() < 0.5:
        return assemble('object', cushion((0.16, 0.06, 0.045), one_of(rng, leather, casing)(rng),
                                          0.5, 8))
    rim = casing(rng)
    angle = np.linspace(0, 2 * np.pi, 9)
    rings = [tube([(0.026 * np.cos(a) + s * 0.034, 0, 0.02 + 0.02 * np.sin(a)) for a in angle],
                  0.003, rim) for s in (-1, 1)]
    arms = [tube([(s * 0.062, 0, 0.03), (s * 0.062, 0.07, 0.03), (s * 0.06, 0.13, 0.005)], 0.003,
                 rim) for s in (-1, 1)]
    return assemble('object', *rings, *arms, ball(0.005, rim, 6).moved(z=0.02))


def pen_cup(rng: np.random.Generator) -> Piece:
    """Make a cup full of pens, brushes or spoons."""
    radius, height = rng.uniform(0.03, 0.05), rng.uniform(0.08, 0.12)
    skin = one_of(rng, plastic, metal, crockery, wood)(rng)
    parts = [hollow([(radius, 0), (radius, height)], 0.003, skin, segments=12)]
    for _ in range(rng.integers(2, 8)):
        lean, turn = rng.uniform(0, 0.25), rng.uniform(0, 2 * np.pi)
        pen = box((0.008, 0.008, rng.uniform(0.13, 0.2)), plastic(rng)).turned(lean, 'y')
        parts.append(pen.moved(radius * 0.2, 0, 0.003).turned(turn))
    return assemble('object', *parts)
