"""Soft and bumpy things: bags, clothes, hats, shoes, toys, baskets."""

from __future__ import annotations

from dataclasses import replace

from mask3d_core.rooms.materials import (
    fabric,
    hsv,
    leather,
    Material,
    one_of,
    paper,
    plastic,
    value_noise,
    wood,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import ball, box, cushion, cylinder, lathe, sheet, tube
import numpy as np


def bumpy(mesh: Mesh, rng: np.random.Generator, amount: float, wavelength: float) -> Mesh:
    """Push the surface in and out by smooth noise, metres; nothing goes below z = 0."""
    place = mesh.vertices / wavelength
    shift = np.stack([value_noise(place, seed) for seed in rng.integers(0, 90, 3)], axis=1) - 0.5
    vertices = mesh.vertices + 2 * amount * shift
    vertices[:, 2] = np.maximum(vertices[:, 2], 0)
    return replace(mesh, vertices=vertices)


def cloth(rng: np.random.Generator) -> Material:
    """Return what bags and clothes are made of."""
    return one_of(rng, fabric, fabric, leather, plastic)(rng)


def bag(rng: np.random.Generator) -> Piece:
    """Make a soft bag: of crisps, sugar, shopping or sports, slumped."""
    size = rng.uniform((0.1, 0.06, 0.08), (0.45, 0.24, 0.35))
    skin = one_of(rng, paper, plastic, cloth)(rng)
    body = cushion(size, skin, rng.uniform(0.3, 0.7), 12)
    if rng.random() < 0.4:  # lies flat
        body = body.scaled(z=0.4)
    parts = [bumpy(body, rng, 0.06 * max(size[:2]), 0.35 * max(size))]
    if rng.random() < 0.35 and size[2] > 0.15:
        x, rise = size[0] * 0.25, body.size[2]
        strap = [(-x, 0, 0), (-x * 0.8, 0, 0.1), (0, 0, 0.16), (x * 0.8, 0, 0.1), (x, 0, 0)]
        parts += [tube(strap, 0.008, skin).moved(0, side * size[1] * 0.2, rise * 0.9)
                  for side in (-1, 1)]
    return assemble('object', *parts)


def paper_bag(rng: np.random.Generator) -> Piece:
    """Make an open shopping bag of paper or plastic with two handles."""
    width, depth, height = rng.uniform((0.14, 0.07, 0.16), (0.38, 0.18, 0.42))
    skin = one_of(rng, paper, paper, plastic, fabric)(rng)
    x, y = width / 2, depth / 2
    levels = [[(s * f, t * g, z) for s, t in
               ((-x, -y), (0, -y), (x, -y), (x, 0), (x, y), (0, y), (-x, y), (-x, 0), (-x, -y))]
              for f, g, z in ((1, 1, 0), (1, 0.95, height / 2), (0.98, 0.75, height))]
    parts = [bumpy(sheet(levels, skin), rng, 0.012, 0.15), box((width, depth, 0.003), skin)]
    strap = [(-x / 2, 0, 0), (-x / 3, 0, 0.07), (x / 3, 0, 0.07), (x / 2, 0, 0)]
    if rng.random() < 0.8:
        parts += [tube(strap, 0.005, skin).moved(0, side * y * 0.75, height - 0.01)
                  for side in (-1, 1)]
    return assemble('object', *parts)


def backpack(rng: np.random.Generator) -> Piece:
    """Make a backpack with pockets and straps, upright or lying on its back."""
    size = rng.uniform((0.24, 0.13, 0.35), (0.36, 0.22, 0.52))
    skin = cloth(rng)
    second = skin if rng.random() < 0.5 else cloth(rng)
    pocket = size * (rng.uniform(0.6, 0.85), 0.45, rng.uniform(0.35, 0.5))
    body = [cushion(size, skin, 0.4, 12),
            cushion(pocket, second, 0.4, 8).moved(0, -size[1] * 0.5, size[2] * 0.06)]
    mesh = bumpy(join(body), rng, 0.02, 0.15)
    strap = np.array([(0, 0, 0.85), (0, 0.12, 0.75), (0, 0.14, 0.45), (0, 0.03, 0.1)]) * (
        1, 0.6, size[2])
    straps = [tube(strap + (s * size[0] * 0.22, size[1] * 0.42, 0), 0.018, second)
              for s in (-1, 1)]
    grip = tube([(-0.04, 0, 0), (-0.03, 0, 0.05), (0.03, 0, 0.05), (0.04, 0, 0)], 0.009, second)
    mesh = join([mesh, *straps, grip.moved(z=size[2] * 0.97)])
    if rng.random() < 0.3:
        mesh = mesh.turned(-np.pi / 2, 'x')
    elif rng.random() < 0.4:
        mesh = mesh.turned(-rng.uniform(0.1, 0.3), 'x')
    return assemble('object', mesh)


def handbag(rng: np.random.Generator) -> Piece:
    """Make a handbag or laptop bag with a flap and a strap."""
    width, depth, height = rng.uniform((0.22, 0.06, 0.16), (0.42, 0.16, 0.32))
    skin = cloth(rng)
    body = bumpy(cushion((width, depth, height), skin, 0.25, 10), rng, 0.015, 0.2)
    flap = cushion((width * 0.95, 0.015, height * 0.5), skin, 0.2, 6).moved(
        0, -depth / 2, height * 0.48)
    rise = rng.uniform(0.06, 0.2)
    strap = tube([(-width * 0.3, 0, 0), (-width * 0.22, 0, rise), (width * 0.22, 0, rise),
                  (width * 0.3, 0, 0)], 0.008, cloth(rng)).moved(z=height * 0.95)
    return assemble('object', body, flap, strap)


def folded_clothes(rng: np.random.Generator) -> Piece:
    """Make folded towels, trousers and pullovers on each other."""
    size = rng.uniform((0.2, 0.15), (0.4, 0.32))
    parts, z = [], 0.0
    for _ in range(rng.integers(1, 6)):
        thick = rng.uniform(0.012, 0.06)
        layer = cushion((*(size * rng.uniform(0.85, 1.05, 2)), thick), fabric(rng), 0.25, 8)
        parts.append(bumpy(layer, rng, 0.008, 0.15).moved(*rng.normal(0, 0.008, 2)).moved(
            z=z))
        z += thick * 0.92
    return assemble('object', *parts)


def crumpled_cloth(rng: np.random.Generator) -> Piece:
    """Make a thrown pullover, towel or blanket: a low heap with folds."""
    count = 13
    x, y = np.meshgrid(np.linspace(-1, 1, count), np.linspace(-1, 1, count), indexing='ij')
    extent = rng.uniform((0.12, 0.1), (0.35, 0.3))
    radius = np.maximum(np.hypot(x, y), 1e-6)
    round_ = np.minimum(1, np.maximum(abs(x), abs(y)) / radius * 1.1)
    height = rng.uniform(0.04, 0.16) * np.clip(1 - radius * round_ ** 2 / 1.05, 0, 1) ** 0.5
    place = np.stack([x * 2, y * 2, 0 * x], axis=2).reshape(-1, 3)
    folds = value_noise(place, int(rng.integers(90))).reshape(count, count)
    z = np.maximum(height * (0.3 + 1.2 * folds), 0)
    z[[0, -1]] = z[:, [0, -1]] = 0
    surface = np.stack([x * round_ * extent[0], y * round_ * extent[1], z], axis=2)
    return assemble('object', bumpy(sheet(surface, fabric(rng)), rng, 0.02, 0.1))


def hat(rng: np.random.Generator) -> Piece:
    """Make a hat with a brim, a woollen cap, a baseball cap or a helmet."""
    radius, height = rng.uniform(0.085, 0.105), rng.uniform(0.09, 0.15)
    skin = one_of(rng, fabric, fabric, leather, plastic)(rng)
    dome = [(radius * np.cos(a), height * np.sin(a)) for a in np.linspace(0, np.pi / 2, 7)]
    kind = rng.random()
    if kind < 0.35:
        brim = radius + rng.uniform(0.04, 0.1)
        crown = [(brim, rng.uniform(0, 0.015)), (radius, 0.004), (radius * 0.95, height * 0.85),
                 (radius * 0.75, height), (0, height * rng.uniform(0.8, 1))]
        return assemble('object', bumpy(lathe(crown, skin, 18), rng, 0.008, 0.1))
    shell = lathe(dome, skin, 16).scaled(1, 1.15)
    if kind < 0.65:
        visor = lathe([(0, 0.01), (radius * 0.85, 0.012)], cloth(rng), 14).moved(y=-radius * 1.05)
        return assemble('object', shell, visor)
    if kind < 0.85:
        bobble = ball(0.025, fabric(rng), 8).moved(z=height - 0.01)
        return assemble('object', bumpy(shell, rng, 0.015, 0.08), bobble)
    return assemble('object', shell)


def shoe(rng: np.random.Generator) -> Piece:
    """Make a pair of shoes, slippers or boots."""
    length, width = rng.uniform(0.22, 0.31), rng.uniform(0.08, 0.11)
    ankle = rng.choice([0.05, 0.09, 0.12, 0.25])
    skin, sole = cloth(rng), plastic(rng)
    toe = cushion((width, length * 0.62, 0.075), skin, 0.6, 8).moved(y=-length * 0.19)
    heel = lathe([(width * 0.45, 0), (width * 0.42, ankle), (width * 0.36, ankle),
                  (width * 0.36, 0.03)], skin, 10).scaled(1, 1.15).moved(y=length * 0.26)
    base = cushion((width, length, 0.025), sole, 0.4, 8)
    one = join([base, toe.moved(z=0.015), heel.moved(z=0.015)])
    gap = width * rng.uniform(1.05, 1.5)
    return assemble('object', one, one.turned(rng.normal(0, 0.2)).moved(
        gap, rng.normal(0, 0.03)))


def plush(rng: np.random.Generator) -> Piece:
    """Make a sitting or lying soft toy: belly, head, ears, arms and legs."""
    size = rng.uniform(0.08, 0.3)
    fur, light = (Material(hsv(rng.uniform(0, 0.15) if rng.random() < 0.6 else rng.random(),
                               rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.95)), speckle=0.06)
                  for _ in range(2))
    head = size * rng.uniform(0.4, 0.55)
    parts = [ball(size * 0.3, fur, 10).scaled(0.9, 0.8, 1),
             ball(head / 2, fur, 10).moved(z=size * 0.5),
             ball(head * 0.2, light, 6).moved(0, -head * 0.45, size * 0.5 + head * 0.25)]
    for s in (-1, 1):
        ear = rng.choice([0.8, 1.0, 2.5])
        parts += [ball(head * 0.18, light, 6).scaled(z=ear).moved(s * head * 0.35, 0,
                                                                 size * 0.5 + head * 0.75),
                  ball(size * 0.12, fur, 6).scaled(1, 2.2).moved(s * size * 0.2, -size * 0.25),
                  ball(size * 0.09, fur, 6).scaled(1.8, 1.5).moved(
                      s * size * 0.3, -size * 0.08, size * 0.3)]
    mesh = join(parts)
    return assemble('object', mesh.turned(np.pi / 2, 'x') if rng.random() < 0.2 else mesh)


def toy(rng: np.random.Generator) -> Piece:
    """Make a toy of simple shapes: a car, a ring tower or a tower of bricks."""
    kind = rng.random()
    if kind < 0.4:
        length = rng.uniform(0.08, 0.35)
        paint_, dark = plastic(rng), Material((0.08, 0.08, 0.08))
        wheel = cylinder(length * 0.11, length * 0.06, dark, segments=10).turned(np.pi / 2, 'x')
        wheels = [wheel.moved(x * length * 0.3, y * length * 0.2 + length * 0.03, length * 0.11)
                  for x in (-1, 1) for y in (-1, 1)]
        cabin = rng.uniform(0.25, 0.6)
        return assemble('object', cushion((length, length * 0.42, length * 0.2), paint_, 0.2,
                                          6).moved(z=length * 0.08), cushion(
            (length * cabin, length * 0.38, length * 0.2), one_of(rng, plastic, wood)(rng), 0.25,
            6).moved(rng.uniform(-0.15, 0.2) * length, 0, length * 0.26), *wheels)
    if kind < 0.6:
        rings = int(rng.integers(3, 7))
        return assemble('object', *(lathe([(0, 0), (r, 0), (r * 1.1, 0.012), (r, 0.025),
                                           (0, 0.025)], plastic(rng), 14).moved(z=0.025 * n)
                                    for n, r in enumerate(np.linspace(0.06, 0.03, rings))))
    parts: list[Mesh] = []
    side = rng.uniform(0.025, 0.05)
    for _ in range(rng.integers(3, 8)):
        shape = box(side * rng.choice([(1, 1, 1), (2, 1, 1), (1, 1, 2)]), one_of(
            rng, plastic, wood)(rng))
        z = parts[-1].bounds[1][2] if parts else 0
        parts.append(shape.turned(rng.normal(0, 0.2)).moved(z=z))
    return assemble('object', *parts)


def basket(rng: np.random.Generator) -> Piece:
    """Make a round, oval or angular basket, woven or of fabric, with handles at times."""
    radius, height = rng.uniform(0.09, 0.22), rng.uniform(0.07, 0.3)
    color = hsv(rng.uniform(0.06, 0.12), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.85))
    weave = Material(color, (color[0] * 0.6, color[1] * 0.6, color[2] * 0.6), 'checks', 0.015)
    skin = weave if rng.random() < 0.6 else one_of(rng, fabric, plastic)(rng)
    foot = radius * rng.uniform(0.7, 1)
    segments = int(rng.choice([4, 16, 16]))
    mesh = join([lathe([(0, 0), (foot, 0), (radius, height)], skin, segments),
                 lathe([(radius, height), (radius - 0.012, height), (foot - 0.012, 0.01),
                        (0, 0.01)], skin, segments)]).turned(np.pi / 4)
    mesh = mesh.scaled(y=rng.uniform(0.6, 1))
    if rng.random() < 0.3:
        bow = [(radius * np.cos(a), 0, radius * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
        mesh = join([mesh, tube(bow, 0.008, skin).scaled(mesh.size[0] / 2.1 / radius).moved(
            z=height - 0.01)])
    return assemble('object', mesh)


def cushion_heap(rng: np.random.Generator) -> Piece:
    """Make a pillow that lies on a floor or leans."""
    side = rng.uniform(0.3, 0.6)
    soft = cushion((side, side * rng.uniform(0.6, 1), rng.uniform(0.1, 0.2)), fabric(rng), 0.5, 12)
    return assemble('object', bumpy(soft, rng, 0.02, 0.2))
