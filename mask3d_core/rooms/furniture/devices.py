"""Electric devices: screens, computers, loudspeakers, printers, ovens, heaters, fans."""

from __future__ import annotations

from mask3d_core.rooms.furniture.desk_things import casing
from mask3d_core.rooms.materials import (
    fabric,
    hsv,
    lacquer,
    Material,
    metal,
    one_of,
    plastic,
    screen,
)
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import assemble, Piece, Top
from mask3d_core.rooms.solids import ball, box, cushion, cylinder, lathe, sheet, tube
import numpy as np


def _display(width: float, height: float, depth: float, rng: np.random.Generator) -> Mesh:
    """Make a flat display, its front to -y: a frame and a screen within it."""
    edge = rng.uniform(0.008, 0.03)
    body = box((width, depth, height), casing(rng))
    glass = box((width - 2 * edge, 0.002, height - 2 * edge), screen(rng))
    bulge = box((width * 0.5, depth * 0.8, height * 0.5), body.materials[0])
    return join([body, glass.moved(y=-depth / 2, z=edge),
                 bulge.moved(y=depth * 0.6, z=height * 0.2)])


def monitor(rng: np.random.Generator) -> Piece:
    """Make a computer monitor on its stand."""
    width = rng.uniform(0.4, 0.75)
    height = width * (rng.uniform(0.52, 0.64) if rng.random() < 0.85 else rng.uniform(0.4, 0.78))
    lift, trim = rng.uniform(0.05, 0.16), casing(rng)
    foot = rng.uniform(0.16, 0.28)
    base = cylinder(foot / 2, 0.014, trim) if rng.random() < 0.4 else box(
        (foot * rng.uniform(1, 1.4), foot * 0.8, 0.014), trim)
    neck = box((rng.uniform(0.04, 0.08), 0.035, lift + height * 0.4), trim).moved(y=0.04)
    panel = _display(width, height, rng.uniform(0.025, 0.05), rng)
    if rng.random() < 0.1:  # upright
        panel = panel.moved(z=-height / 2).turned(np.pi / 2, 'y').moved(z=width / 2)
    panel = panel.turned(rng.uniform(-0.2, 0.05), 'x').settled()
    return assemble('otherfurniture', base, neck, panel.moved(z=lift))


def tv(rng: np.random.Generator) -> Piece:
    """Make a television with a foot or two feet."""
    width = rng.uniform(0.7, 1.45)
    depth, lift, trim = rng.uniform(0.04, 0.08), rng.uniform(0.04, 0.09), casing(rng)
    panel = _display(width, width * rng.uniform(0.55, 0.62), depth, rng).moved(z=lift)
    if rng.random() < 0.5:
        feet = [box((0.03, 0.24, lift + 0.02), trim).moved(s * width * 0.36) for s in (-1, 1)]
    else:
        feet = [box((width * 0.4, 0.24, 0.015), trim), box((width * 0.12, 0.05, lift + 0.02),
                                                          trim)]
    return assemble('otherfurniture', panel, *feet)


def wall_tv(rng: np.random.Generator) -> Piece:
    """Make a television to be hung on a wall."""
    width = rng.uniform(0.7, 1.5)
    return assemble('otherfurniture', _display(width, width * 0.58, rng.uniform(0.04, 0.08), rng))


def tube_tv(rng: np.random.Generator) -> Piece:
    """Make an old television or monitor: a deep box that narrows behind."""
    width = rng.uniform(0.36, 0.75)
    height, skin = width * rng.uniform(0.75, 0.85), casing(rng)
    front = box((width, width * 0.4, height), skin)
    back = cushion((width * 0.75, width * 0.6, height * 0.8), skin, 0.2, 8)
    glass = cushion((width * 0.84, 0.04, height * 0.76), screen(rng), 0.2, 8)
    return assemble('otherfurniture', front, back.moved(y=width * 0.4, z=height * 0.06),
                    glass.moved(0, -width * 0.2, height * 0.14))


def printer(rng: np.random.Generator) -> Piece:
    """Make a printer or scanner: body, lid, slot, paper tray, keys."""
    width, depth, height = rng.uniform((0.34, 0.28, 0.12), (0.52, 0.45, 0.38))
    skin, dark = casing(rng), casing(rng)
    lid = height * rng.uniform(0.12, 0.3)
    parts = [box((width, depth, height - lid), skin),
             box((width * 0.98, depth * 0.9, lid), dark).moved(0, depth * 0.05, height - lid),
             box((width * 0.7, 0.004, height * 0.2), Material((0.05, 0.05, 0.05))).moved(
                 0, -depth / 2, height * 0.3),
             box((width * 0.22, 0.02, height * 0.15), screen(rng)).turned(0.4, 'x').moved(
                 width * 0.3, -depth / 2, height * 0.7)]
    if rng.random() < 0.6:
        parts.append(box((width * 0.6, depth * 0.4, 0.01), skin).moved(
            0, -depth * 0.6, height * 0.28))
    if rng.random() < 0.5:
        sheets = Material((0.95, 0.95, 0.95))
        parts.append(box((0.22, 0.008, 0.25), sheets).turned(-0.4, 'x').moved(
            0, depth * 0.35, height))
    return assemble('otherfurniture', *parts)


def microwave(rng: np.random.Generator) -> Piece:
    """Make a microwave or small oven: door with window, handle, panel with knobs."""
    width, depth, height = rng.uniform((0.42, 0.3, 0.23), (0.56, 0.42, 0.34))
    skin, trim, glass = casing(rng), one_of(rng, metal, casing)(rng), screen(rng)
    door = width * rng.uniform(0.68, 0.78)
    left = (door - width) / 2
    parts = [box((width, depth, height), skin),
             box((door * 0.8, 0.004, height * 0.66), glass).moved(left, -depth / 2, height * 0.17),
             box((0.02, 0.03, height * 0.7), trim).moved(door - width / 2, -depth / 2 - 0.015,
                                                         height * 0.15),
             box((width * 0.18, 0.004, height * 0.12), screen(rng)).moved(
                 (door + width) / 2 - width / 2, -depth / 2, height * 0.75)]
    for row in range(int(rng.integers(1, 4))):
        knob = cylinder(0.02, 0.02, trim, segments=8).turned(np.pi / 2, 'x')
        parts.append(knob.moved(door / 2, -depth / 2, height * (0.2 + 0.2 * row)))
    piece = assemble('otherfurniture', *parts)
    top = Top((0, float(piece.mesh.bounds[1][1]) - depth / 2, height), (width * 0.9, depth * 0.9))
    return Piece(piece.name, piece.mesh, (top,))


def speaker(rng: np.random.Generator) -> Piece:
    """Make a loudspeaker, from a desk's to a standing one."""
    height = np.exp(rng.uniform(np.log(0.12), np.log(1.1)))
    width = min(height * rng.uniform(0.45, 0.8), rng.uniform(0.16, 0.3))
    depth = width * rng.uniform(0.7, 1.3)
    dark = Material(hsv(0, 0, rng.uniform(0.03, 0.25)), gloss=0.1)
    parts = [box((width, depth, height), one_of(rng, casing, lacquer)(rng))]
    if rng.random() < 0.4:
        parts.append(box((width * 0.92, 0.01, height * 0.92), fabric(rng)).moved(
            0, -depth / 2, height * 0.04))
    else:
        cones = ((0.4, 0.3), (0.2, 0.75)) if height < 2.2 * width else (
            (0.4, 0.25), (0.4, 0.58), (0.2, 0.85))
        for radius, part in cones:
            cone = lathe([(0, 0.02), (width * radius * 0.3, 0.015), (width * radius, -0.004),
                          (width * radius * 1.1, 0)], dark, 14).turned(-np.pi / 2, 'x')
            parts.append(cone.moved(0, -depth / 2 - 0.004, height * part))
    return assemble('object' if height < 0.3 else 'otherfurniture', *parts)


def computer(rng: np.random.Generator) -> Piece:
    """Make a computer case, upright or small, with drives, keys and vents."""
    width, depth, height = rng.uniform((0.09, 0.32, 0.3), (0.22, 0.5, 0.5))
    skin, face = casing(rng), casing(rng)
    parts = [box((width, depth, height), skin), box((width, 0.02, height), face).moved(
        y=-depth / 2 - 0.01)]
    for number in range(int(rng.integers(0, 4))):
        parts.append(box((width * 0.8, 0.004, 0.035), casing(rng)).moved(
            0, -depth / 2 - 0.021, height * 0.9 - 0.05 * number))
    vent = Material((0.05, 0.05, 0.05), (0.25, 0.25, 0.25), 'stripes', 0.008)
    parts.append(box((width * 0.7, 0.004, height * 0.3), vent).moved(
        0, -depth / 2 - 0.021, height * 0.12))
    return assemble('otherfurniture', *parts)


def radiator(rng: np.random.Generator) -> Piece:
    """Make a radiator that hangs at a wall, 10 cm above the floor: panels or pipes."""
    width, height = rng.uniform(0.5, 1.8), rng.uniform(0.4, 0.75)
    white = Material(hsv(rng.random(), rng.uniform(0, 0.05), rng.uniform(0.75, 1)), gloss=0.2)
    parts = []
    if rng.random() < 0.5:
        count = int(width / 0.06)
        rib = cushion((0.045, 0.1, height), white, 0.3, 4)
        parts += [rib.moved((number + 0.5) * width / count - width / 2) for number in range(count)]
    else:
        steps = int(width / 0.04)
        x = np.repeat(np.linspace(-width / 2, width / 2, steps), 2)
        y = np.where(np.arange(2 * steps) // 2 % 2, -0.05, -0.042)
        folds = np.array([np.column_stack([x, y, 0 * x + z]) for z in (0, height)])
        parts += [sheet(folds, white),
                  box((width, 0.08, 0.02), white).moved(z=height - 0.02),
                  box((width, 0.01, height), white).moved(y=0.035)]
    pipe = cylinder(0.011, 0.12, white, segments=6).moved(width / 2 - 0.02, 0.02)
    valve = cylinder(0.02, 0.06, white, segments=8).turned(np.pi / 2, 'x').moved(
        width / 2 + 0.02, 0.03, 0.14)
    return assemble('otherfurniture', *(part.moved(z=0.1) for part in parts), pipe, valve,
                    box((0.02, 0.03, height + 0.1), white).moved(-width / 2 + 0.05, 0.035))


def fan(rng: np.random.Generator) -> Piece:
    """Make a fan on a table or a stand: cage, blades, motor, pole, foot."""
    radius = rng.uniform(0.12, 0.22)
    tall = rng.random() < 0.5
    pole = rng.uniform(0.6, 1.0) if tall else rng.uniform(0.06, 0.2)
    skin, blade = casing(rng), plastic(rng)
    wires = []
    for a in np.linspace(0, np.pi, 7)[:-1]:
        line = [(r * np.cos(a), -0.05 * (1 - (r / radius) ** 2) - 0.01, r * np.sin(a))
                for r in np.linspace(-radius, radius, 5)]
        wires += [tube(line, 0.003, skin, 4), tube(line, 0.003, skin, 4).scaled(y=-1)]
    rim = [(radius * np.cos(a), 0, radius * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 17)]
    blades = [box((radius * 0.75, 0.006, radius * 0.5), blade).turned(0.5, 'x').moved(
        radius * 0.4, 0, -radius * 0.25).turned(turn, 'y') for turn in (0, 2.1, 4.2)]
    motor = cylinder(0.045, 0.12, skin, 0.03).turned(-np.pi / 2, 'x').moved(y=0.03)
    head = join([*wires, tube(rim, 0.008, skin, 4), *blades, motor]).turned(
        rng.uniform(-0.2, 0.1), 'x').moved(0, -0.06, pole + radius)
    return assemble('otherfurniture', head, cylinder(0.014, pole + radius, skin, segments=8),
                    cylinder(radius * 0.85, 0.03, skin, radius * 0.5))


def toaster(rng: np.random.Generator) -> Piece:
    """Make a toaster, coffee machine, mixer or radio: a kitchen's or shelf's small device."""
    kind = rng.random()
    skin, trim = one_of(rng, metal, plastic, casing)(rng), casing(rng)
    if kind < 0.35:
        slot = Material((0.03, 0.03, 0.03))
        width, depth, height = rng.uniform((0.24, 0.14, 0.16), (0.38, 0.24, 0.21))
        return assemble('object', cushion((width, depth, height), skin, 0.25, 8), *(
            box((width * 0.75, 0.028, 0.003), slot).moved(0, s * depth * 0.15, height - 0.002)
            for s in (-1, 1)), box((0.02, 0.04, 0.02), trim).moved(width / 2, 0, height * 0.6))
    if kind < 0.7:
        width, depth, height = rng.uniform((0.16, 0.2, 0.27), (0.26, 0.32, 0.4))
        jug = lathe([(0, 0), (0.06, 0), (0.068, 0.06), (0.045, 0.12)], screen(rng), 14)
        return assemble('object', box((width, depth, 0.04), skin),
                        jug.moved(0, -depth * 0.15, 0.04),
                        box((width, depth * 0.4, height), skin).moved(y=depth * 0.3),
                        box((width, depth, height * 0.3), trim).moved(z=height * 0.7))
    width, depth, height = rng.uniform((0.18, 0.06, 0.09), (0.42, 0.2, 0.2))
    knob = cylinder(0.022, 0.02, metal(rng), segments=10).turned(np.pi / 2, 'x')
    return assemble('object', cushion((width, depth, height), skin, 0.15, 6), *(knob.moved(
        x * width * 0.35, -depth / 2, height * 0.6) for x in (-1, 1)), box(
            (width * 0.35, 0.004, height * 0.3), screen(rng)).moved(0, -depth / 2, height * 0.4))


def router(rng: np.random.Generator) -> Piece:
    """Make a flat box with lights: router, set-top box, player, power supply."""
    width, depth, height = rng.uniform((0.1, 0.08, 0.025), (0.43, 0.3, 0.09))
    parts = [box((width, depth, height), casing(rng)),
             box((width * 0.4, 0.002, height * 0.4), screen(rng)).moved(
                 0, -depth / 2, height * 0.3)]
    if width < 0.25:
        aerial = cylinder(0.005, rng.uniform(0.08, 0.16), parts[0].materials[0], segments=6)
        parts += [aerial.moved(s * width * 0.4, depth / 2 - 0.01, height) for s in (-1, 1)]
    return assemble('object', *parts)


def vacuum_cleaner(rng: np.random.Generator) -> Piece:
    """Make a vacuum cleaner with wheels, hose and pipe, or a cleaning robot."""
    skin, dark = plastic(rng), casing(rng)
    if rng.random() < 0.3:
        return assemble('otherfurniture', cylinder(0.17, 0.08, dark, segments=20), cylinder(
            0.08, 0.015, skin).moved(z=0.08))
    body = cushion((0.28, 0.42, 0.24), skin, 0.45, 10)
    wheels = [cylinder(0.08, 0.03, dark, segments=10).turned(np.pi / 2, 'y').moved(
        x, 0.12, 0.08) for x in (-0.16, 0.13)]
    hose = [(0, -0.18, 0.18), (0.05, -0.35, 0.3), (0.2, -0.45, 0.25), (0.3, -0.3, 0.12),
            (0.32, 0.1, 0.04), (0.3, 0.4, 0.03)]
    return assemble('otherfurniture', body, *wheels, tube(hose, 0.02, dark), box(
        (0.26, 0.1, 0.05), dark).moved(0.3, 0.42), ball(0.03, dark, 8).moved(0, -0.19, 0.15))


def ironing_board(rng: np.random.Generator) -> Piece:
    """Make an ironing board on crossed legs."""
    length, height, trim = rng.uniform(1.1, 1.35), rng.uniform(0.75, 0.95), metal(rng)
    board = cushion((length, 0.36, 0.035), fabric(rng), 0.45, 8).moved(z=height)
    x = length * 0.35
    legs = [tube([(-s * x, y, 0.01), (s * x, y, height + 0.01)], 0.012, trim)
            for s in (-1, 1) for y in (-0.13, 0.13)]
    feet = [tube([(s * x, -0.18, 0.012), (s * x, 0, 0.012), (s * x, 0.18, 0.012)], 0.012, trim)
            for s in (-1, 1)]
    return assemble('otherfurniture', board, *legs, *feet)


DESK_DEVICES = (monitor, monitor, monitor, printer, speaker, router, tube_tv, computer)
"""For desks and tables."""
LOW_DEVICES = (tv, tv, tube_tv, router, speaker)
"""For low cabinets."""
KITCHEN_DEVICES = (microwave, microwave, toaster, toaster, toaster)
"""For worktops in kitchens."""
FLOOR_DEVICES = (computer, fan, speaker, vacuum_cleaner, ironing_board, printer)
"""For floors."""
WALL_DEVICES = (radiator,)
"""For floors at walls, often below windows."""
HANGING_DEVICES = (wall_tv,)
"""To be hung on walls."""
DEVICES = tuple(dict.fromkeys((*DESK_DEVICES, *LOW_DEVICES, *KITCHEN_DEVICES, *FLOOR_DEVICES,
                               *WALL_DEVICES, *HANGING_DEVICES)))
"""All of them, each once."""
