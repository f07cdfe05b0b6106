"""Round things: cans, bottles, cups, bowls, plates, pots, vases, jars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mask3d_core.rooms.materials import ceramic, hsv, Material, metal, one_of, paper, plastic, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece
from mask3d_core.rooms.solids import ball, box, cushion, cylinder, lathe, tube
import numpy as np

Profile = Sequence[tuple[float, float]]


def crockery(rng: np.random.Generator) -> Material:
    """Return glazed, coloured, patterned or plastic ware."""
    kind = rng.random()
    if kind < 0.45:
        return ceramic(rng)
    if kind < 0.75:
        color = hsv(rng.random(), rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.95))
        second = hsv(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.3, 1))
        pattern = str(rng.choice(['plain', 'plain', 'plain', 'blotches', 'print', 'stripes']))
        return Material(color, second, pattern, rng.uniform(0.02, 0.05), gloss=0.3, speckle=0.01)
    return one_of(rng, plastic, plastic, metal, wood)(rng)


def glass(rng: np.random.Generator) -> Material:
    """Return clear, green or brown glass, which a depth camera sees badly."""
    color = hsv(rng.choice([0.1, 0.3, 0.35, 0.55]), rng.choice([0.05, 0.1, 0.6]), rng.uniform(
        0.15, 0.8))
    return Material(color, gloss=rng.uniform(0.3, 0.8), speckle=0.02)


def hollow(outer: Profile, wall: float, material: Material, inside: Material | None = None,
           segments: int = 20) -> Mesh:
    """Turn an outer line, from the bottom up, into a vessel with walls of a thickness, metres."""
    inner = [(max(r - wall, 0), max(z, wall) if n < len(outer) - 1 else z)
             for n, (r, z) in enumerate(outer)]
    rim = [outer[-1], inner[-1]]
    parts = [lathe([(0, 0), *outer], material, segments), lathe(rim, material, segments),
             lathe([(0, wall), *inner], inside or material, segments)]
    return join(parts)


def laid(mesh: Mesh, rng: np.random.Generator, chance: float) -> Mesh:
    """Lay a thing on its side, with a chance."""
    return mesh.turned(np.pi / 2, 'x').turned(rng.uniform(0, 2 * np.pi)) if (
        rng.random() < chance) else mesh


def can(rng: np.random.Generator) -> Piece:
    """Make a drink, food, paint or crisps can."""
    radius, height = [(0.033, 0.115), (0.0265, 0.135), (0.037, 0.11), (0.05, 0.06), (0.04, 0.24),
                      (0.05, 0.12), (0.042, 0.05), (0.06, 0.17), (0.085, 0.19)][rng.integers(9)]
    radius, height = radius * rng.uniform(0.9, 1.1), height * rng.uniform(0.85, 1.15)
    skin, lid = one_of(rng, paper, paper, plastic, metal)(rng), one_of(rng, metal, plastic)(rng)
    neck = radius * rng.uniform(0.82, 1)
    body = lathe([(neck, 0), (radius, 0.008), (radius, height - 0.012), (neck, height)], skin, 18)
    caps = [lathe([(0, z), (neck - 0.003, z), (neck, z + 0.003)], lid, 18)
            for z in (0, height - 0.003)]
    return assemble('object', laid(join([body, *caps]), rng, 0.15))


def bottle(rng: np.random.Generator) -> Piece:
    """Make a bottle: drink, wine, soap, shampoo; its shoulder, neck, cap and label at random."""
    radius = rng.uniform(0.022, 0.048)
    height = radius * rng.uniform(4, 8)
    neck = radius * rng.uniform(0.25, 0.5)
    shoulder, throat = height * rng.uniform(0.45, 0.75), height * rng.uniform(0.78, 0.9)
    waist = radius * (rng.uniform(0.85, 0.95) if rng.random() < 0.3 else 1)
    skin = one_of(rng, glass, glass, plastic, plastic)(rng)
    body = lathe([(0, 0), (radius * 0.9, 0), (radius, 0.01), (waist, shoulder * 0.5),
                  (radius, shoulder), (neck + (radius - neck) * 0.45, (shoulder + throat) / 2),
                  (neck, throat), (neck, height - 0.015)], skin, 18)
    parts = [body, cylinder(neck * 1.15, 0.018, plastic(rng), segments=10).moved(
        z=height - 0.018)]
    if rng.random() < 0.8:
        low, high = shoulder * rng.uniform(0.1, 0.3), shoulder * rng.uniform(0.65, 0.95)
        line = [(radius * 1.01, low), (waist * 1.01, shoulder * 0.5), (radius * 1.01, high)]
        parts.append(lathe(line, paper(rng), 18))
    mesh = join(parts)
    if rng.random() < 0.25:  # flat, as shampoo comes
        mesh = mesh.scaled(y=rng.uniform(0.5, 0.8))
    return assemble('object', laid(mesh, rng, 0.12))


def spray_bottle(rng: np.random.Generator) -> Piece:
    """Make a cleaner's bottle with a pump or trigger, or a soap dispenser."""
    radius, height = rng.uniform(0.03, 0.045), rng.uniform(0.12, 0.2)
    body, head = one_of(rng, plastic, glass)(rng), plastic(rng)
    parts = [lathe([(0, 0), (radius, 0), (radius, height * 0.6), (0.014, height),
                    (0.014, height + 0.02)], body, 14).scaled(y=rng.uniform(0.55, 1))]
    if rng.random() < 0.6:
        parts += [box((0.09, 0.022, 0.03), head).moved(-0.02, 0, height + 0.03),
                  cylinder(0.016, 0.02, head, segments=8).moved(z=height + 0.015),
                  box((0.012, 0.014, 0.055), head).turned(0.4, 'y').moved(
                      -0.045, 0, height - 0.02)]
    else:
        parts += [cylinder(0.006, 0.05, head, segments=6).moved(z=height + 0.015),
                  box((0.05, 0.016, 0.012), head).moved(-0.015, 0, height + 0.06)]
    if rng.random() < 0.8:
        parts.append(box((radius * 1.3, radius * 1.2, height * 0.4), paper(rng)).moved(
            z=height * 0.12))
    return assemble('object', *parts)


def _handle(reach: float, height: float, thickness: float, material: Material) -> Mesh:
    """Bend a cup's handle in the plane y = 0, from (0, 0) to (0, height), metres."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    path = [(reach * np.cos(a), 0, height / 2 * (1 + np.sin(a))) for a in angle]
    return tube(path, thickness, material)


def mug(rng: np.random.Generator) -> Piece:
    """Make a mug or tea cup with a handle, and drink in it at times."""
    radius, height = rng.uniform(0.032, 0.055), rng.uniform(0.06, 0.125)
    foot = radius * rng.uniform(0.6, 1.05)
    belly = radius * rng.uniform(0.92, 1.12)
    skin, inside = crockery(rng), None if rng.random() < 0.6 else ceramic(rng)
    parts = [hollow([(foot, 0), (belly, height * 0.4), (radius, height)], 0.004, skin, inside, 18),
             _handle(height * rng.uniform(0.25, 0.42), height * rng.uniform(0.45, 0.7),
                     rng.uniform(0.004, 0.008), skin).moved(
                         min(belly, radius) - 0.003, 0, height * 0.18)]
    if rng.random() < 0.3:
        drink = Material(hsv(rng.uniform(0.04, 0.12), 0.7, rng.uniform(0.1, 0.5)), gloss=0.3)
        parts.append(lathe([(0, height * 0.75), (min(belly, radius) - 0.004, height * 0.75)],
                           drink, 14))
    return assemble('object', laid(join(parts), rng, 0.06))


def cup(rng: np.random.Generator) -> Piece:
    """Make a tumbler, paper cup or wine glass; some stand upside down."""
    radius, height = rng.uniform(0.03, 0.05), rng.uniform(0.07, 0.16)
    skin = one_of(rng, glass, crockery, plastic, paper)(rng)
    if rng.random() < 0.2:
        stem = height * 0.5
        mesh = join([lathe([(0, 0), (radius * 0.9, 0.002), (0.005, 0.006), (0.005, stem)],
                           glass(rng), 14),
                     hollow([(0.006, 0), (radius, height * 0.25), (radius * 0.85, height * 0.6)],
                            0.002, skin, segments=14).moved(z=stem)])
    else:
        mesh = hollow([(radius * rng.uniform(0.65, 1), 0), (radius, height)], 0.003, skin,
                      segments=16)
        if rng.random() < 0.25:
            lid = cylinder(radius * 1.04, 0.012, plastic(rng), radius * 0.9)
            return assemble('object', mesh, lid.moved(z=height - 0.003))
    return assemble('object', mesh.turned(np.pi, 'x') if rng.random() < 0.12 else laid(
        mesh, rng, 0.08))


def bowl(rng: np.random.Generator) -> Piece:
    """Make an open bowl, from a dip dish to a salad bowl, now and then upside down."""
    radius = np.exp(rng.uniform(np.log(0.05), np.log(0.16)))
    height = radius * rng.uniform(0.4, 1.0)
    foot = radius * rng.uniform(0.3, 0.65)
    bulge = rng.uniform(0.5, 1.1)
    turn = np.linspace(0, np.pi / 2, 6)
    line = [(foot + (radius - foot) * np.sin(a) ** bulge, height * (1 - np.cos(a))) for a in turn]
    skin = crockery(rng)
    inside = skin if rng.random() < 0.6 else crockery(rng)
    mesh = hollow(line, rng.uniform(0.002, 0.006), skin, inside)
    return assemble('object', mesh.turned(np.pi, 'x') if rng.random() < 0.15 else mesh)


def plate(rng: np.random.Generator) -> Piece:
    """Make a plate or saucer, round or oval, or a frisbee of that shape."""
    radius, height = rng.uniform(0.06, 0.16), rng.uniform(0.012, 0.035)
    flat = radius * rng.uniform(0.55, 0.8)
    mesh = hollow([(flat * 0.95, 0), (flat, 0.004), (radius, height)], 0.004, crockery(rng))
    return assemble('object', mesh.scaled(y=rng.uniform(0.65, 0.9)) if rng.random() < 0.1
                    else mesh)


def vase(rng: np.random.Generator) -> Piece:
    """Make a vase of any profile."""
    height, radius = rng.uniform(0.12, 0.35), rng.uniform(0.03, 0.09)
    line = [(radius * rng.uniform(0.4, 1.1), height * part) for part in np.linspace(0, 1, 6)]
    smooth = [(np.mean([r for r, _ in line[max(n - 1, 0):n + 2]]), z)
              for n, (_, z) in enumerate(line)]
    return assemble('object', hollow([(float(r), z) for r, z in smooth], 0.005, crockery(rng),
                                     segments=20))


def jar(rng: np.random.Generator) -> Piece:
    """Make a jar, tin or tub with a lid: jam, spices, cream, yoghurt, candle."""
    radius, height = rng.uniform(0.022, 0.07), rng.uniform(0.03, 0.2)
    body = one_of(rng, glass, plastic, paper, crockery)(rng)
    mouth = radius * rng.uniform(0.7, 1.02)
    rim = min(height * 0.25, rng.uniform(0.008, 0.025))
    parts = [lathe([(0, 0), (radius * rng.uniform(0.8, 1), 0), (radius, height * 0.25),
                    (radius, height * 0.75), (mouth, height)], body, 18),
             cylinder(mouth * 1.04, rim, one_of(rng, metal, plastic, wood)(rng)).moved(
                 z=height - 0.002)]
    if rng.random() < 0.5:
        parts.append(lathe([(radius * 1.015, height * 0.28), (radius * 1.015, height * 0.7)],
                           paper(rng), 18))
    if rng.random() < 0.2:
        parts.append(ball(rim * 0.7, metal(rng), 8).moved(z=height + rim * 0.8))
    return assemble('object', laid(join(parts), rng, 0.08))


def pot(rng: np.random.Generator) -> Piece:
    """Make a saucepan, cooking pot or frying pan, with handles and perhaps a lid."""
    radius = rng.uniform(0.08, 0.15)
    height = radius * rng.uniform(0.25, 1.2)
    skin, grip = one_of(rng, metal, metal, crockery)(rng), plastic(rng)
    parts = [hollow([(radius * 0.92, 0), (radius, height)], 0.004, skin)]
    if height < radius * 0.7 or rng.random() < 0.4:
        parts.append(box((radius * rng.uniform(1.1, 1.7), 0.022, 0.014), grip).turned(
            -0.12, 'y').moved(radius * 1.75, 0, height * 0.8))
    else:
        ear = tube([(0, -0.04, 0), (0.035, -0.03, 0), (0.035, 0.03, 0), (0, 0.04, 0)], 0.006, grip)
        parts += [ear.turned(turn).moved(np.cos(turn) * radius, 0, height * 0.8)
                  for turn in (0, np.pi)]
    if rng.random() < 0.5:
        parts += [lathe([(radius * 1.02, 0), (radius, 0.01), (radius * 0.3, 0.028), (0, 0.03)],
                        skin, 20).moved(z=height), ball(0.014, grip, 8).moved(z=height + 0.026)]
    return assemble('object', *parts)


def kettle(rng: np.random.Generator) -> Piece:
    """Make a kettle, tea pot, coffee pot or jug: body, spout, handle, lid."""
    radius, height = rng.uniform(0.06, 0.09), rng.uniform(0.11, 0.24)
    skin = one_of(rng, metal, plastic, crockery)(rng)
    grip = skin if rng.random() < 0.4 else plastic(rng)
    mouth = radius * rng.uniform(0.5, 0.85)
    parts = [lathe([(0, 0), (radius, 0), (radius * rng.uniform(0.9, 1.15), height * 0.45),
                    (mouth, height)], skin, 18),
             _handle(radius * rng.uniform(0.6, 0.9), height * 0.75, 0.009, grip).moved(
                 radius * 0.8, 0, height * 0.15),
             cylinder(mouth, 0.015, grip, mouth * 0.5).moved(z=height - 0.002)]
    spout = tube([(-radius * 0.9, 0, height * 0.4), (-radius * 1.25, 0, height * 0.62),
                  (-radius * 1.5, 0, height * 0.88)], 0.014, skin)
    return assemble('object', *parts, spout)


def thermos(rng: np.random.Generator) -> Piece:
    """Make a flask, sports bottle or travel mug."""
    radius, height = rng.uniform(0.03, 0.045), rng.uniform(0.17, 0.3)
    skin, lid = one_of(rng, metal, plastic)(rng), plastic(rng)
    part = height * rng.uniform(0.7, 0.9)
    upper = radius * rng.uniform(0.65, 1)
    mesh = join([lathe([(0, 0), (radius * 0.95, 0), (radius, 0.01), (radius, part * 0.92),
                        (upper, part)], skin, 18),
                 cylinder(upper, height - part, lid, upper * rng.uniform(0.8, 1)).moved(z=part)])
    return assemble('object', laid(mesh, rng, 0.12))


def tissue_roll(rng: np.random.Generator) -> Piece:
    """Make a roll of toilet or kitchen paper, or tape, standing or lying."""
    white = Material((0.94, 0.93, 0.91), speckle=0.02)
    kind = rng.random()
    radius, hole, height = ((rng.uniform(0.045, 0.06), 0.021, 0.1) if kind < 0.5 else
                            (rng.uniform(0.045, 0.07), 0.02, rng.uniform(0.2, 0.26)) if kind < 0.8
                            else (rng.uniform(0.03, 0.055), 0.025, rng.uniform(0.015, 0.05)))
    skin = white if kind < 0.8 else replace(plastic(rng), gloss=0.2)
    mesh = lathe([(hole, 0), (radius, 0), (radius, height), (hole, height), (hole, 0)], skin, 18)
    return assemble('object', laid(mesh, rng, 0.35))


def fruit(rng: np.random.Generator) -> Piece:
    """Make an apple, orange, lemon, tomato, melon or ball."""
    kind = rng.random()
    radius = rng.uniform(0.025, 0.045) if kind < 0.7 else rng.uniform(0.05, 0.12)
    hue = rng.choice([0.0, 0.02, 0.08, 0.13, 0.17, 0.25]) if kind < 0.85 else rng.random()
    color, second = (hsv(hue + rng.uniform(-0.03, 0.03), rng.uniform(0.6, 0.95), rng.uniform(
        0.4, 0.95)) for _ in range(2))
    skin = Material(color, second, 'blotches', 0.05, gloss=rng.uniform(0, 0.3))
    round_ = ball(radius, skin).scaled(1, rng.uniform(0.75, 1), rng.uniform(0.85, 1.05))
    return assemble('object', round_)


def banana(rng: np.random.Generator) -> Piece:
    """Make one or a few bananas, or cucumbers and sausages of that shape."""
    hue, bend = rng.choice([0.14, 0.14, 0.2, 0.33, 0.03]), rng.uniform(0.1, 0.9)
    skin = Material(hsv(hue, rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.9)), (0.3, 0.2, 0.1),
                    'blotches', 0.03)
    length, radius = rng.uniform(0.13, 0.22), rng.uniform(0.015, 0.024)
    ends = np.linspace(-0.5, 0.5, 7)
    path = np.stack([length * ends, bend * length * (0.25 - ends ** 2), np.zeros(7)], axis=1)
    one = tube(path, radius, skin)
    thick = 0.15 + 0.85 * np.cos(np.repeat(ends, 7) * np.pi)
    middle = np.repeat(path, 7, axis=0)
    one = replace(one, vertices=middle + (one.vertices - middle) * thick[:, None])
    count = rng.integers(1, 4)
    return assemble('object', *(one.turned(0.12 * n).moved(0, radius * 1.6 * n) for n in range(
        count)))


def soap(rng: np.random.Generator) -> Piece:
    """Make a sponge, piece of soap, bread roll or stone: small and rounded."""
    size = rng.uniform((0.06, 0.04, 0.02), (0.14, 0.08, 0.07))
    hue, saturation = rng.random(), rng.uniform(0, 0.7)
    skin = Material(hsv(hue, saturation, rng.uniform(0.4, 0.95)), hsv(hue, saturation, 0.5),
                    'blotches', 0.03)
    return assemble('object', cushion(size, skin, rng.uniform(0.2, 0.8), 6))
