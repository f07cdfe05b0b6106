"""Chairs for tables; all face -y."""

from __future__ import annotations

from mask3d_core.rooms.furniture.joinery import (
    bar,
    bumps,
    chance,
    finish,
    LegStyle,
    mirrored,
    rounded_board,
    upholstery,
)
from mask3d_core.rooms.materials import fabric, lacquer, Material, metal, plastic, wood
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece
from mask3d_core.rooms.solids import box, cushion, cylinder, sheet, tube
import numpy as np


def dining_chair(rng: np.random.Generator) -> Piece:
    """Make a chair for a table: of wood, a shell, steel or padded; at times a coat hangs on it."""
    kinds = (wooden_chair, wooden_chair, wooden_chair, shell_chair, shell_chair, cantilever_chair,
             cantilever_chair, upholstered_chair, upholstered_chair, folding_chair)
    piece = kinds[rng.integers(len(kinds))](rng)
    if chance(rng, 0.03):
        return finish('chair', [piece.mesh, garment(rng, piece.mesh)])
    return piece


def garment(rng: np.random.Generator, chair: Mesh) -> Mesh:
    """Hang a jacket over the back of a chair."""
    _, high = chair.bounds
    crest = chair.vertices[chair.vertices[:, 2] > high[2] - 0.06]
    half, y = np.ptp(crest[:, 0]) / 2 + 0.03, crest[:, 1].mean()
    front, rear = rng.uniform(0.15, 0.35), rng.uniform(0.25, 0.6)
    line = np.array([(y - 0.1, -front), (y - 0.07, -front / 2), (y - 0.05, 0.0), (y, 0.025),
                     (y + 0.05, 0.0), (y + 0.07, -rear / 2), (y + 0.07, -rear)])
    points = np.empty((len(line), 9, 3))
    points[:, :, 0] = np.linspace(-half, half, 9)
    points[:, :, 1:] = line[:, None] + (0, high[2])
    points += bumps(rng, len(line), 9, 0.012)[:, :, None] * (0.6, 1, 0.3)
    return sheet(points, fabric(rng))


def wooden_chair(rng: np.random.Generator) -> Piece:
    """Make a chair of wood or lacquer whose rear legs run on into the back."""
    material = wood(rng) if chance(rng, 0.75) else lacquer(rng)
    width, depth = rng.uniform(0.38, 0.48), rng.uniform(0.38, 0.46)
    height, back = rng.uniform(0.42, 0.47), rng.uniform(0.36, 0.58)
    thick = rng.uniform(0.028, 0.045)
    style = LegStyle.of(rng, material, thick)
    x, y = width / 2 - thick / 2, depth / 2 - thick / 2
    parts = [style.four(width, depth, height)]
    board = rng.uniform(0.02, 0.04)
    if chance(rng, 0.45):
        soft = upholstery(rng)
        parts += [cushion((width, depth, 0.09), soft, 0.3, 8).moved(z=height - 0.035)]
    else:
        parts += [rounded_board((width, depth, board), rng.choice([0, 0.04, 0.1]), material).moved(
            z=height - board / 2)]
    if chance(rng, 0.6):
        apron = box((width - 0.04, depth - 0.04, 0.055), material)
        parts += [apron.moved(z=height - 0.06)]
    if chance(rng, 0.4):
        low = height * rng.uniform(0.25, 0.5)
        parts += [mirrored(bar((x, -y, low), (x, y, low), 0.022, material)),
                  bar((-x, 0, low), (x, 0, low), 0.022, material)]
    frame = _wooden_back(rng, width, back, thick, material)
    lean = rng.uniform(0.05, 0.22)
    parts += [frame.turned(-lean, 'x').moved(y=y, z=height)]
    if chance(rng, 0.12):
        parts += [_arms(width, depth, height + rng.uniform(0.18, 0.25), material)]
    return finish('chair', parts)


def _wooden_back(rng: np.random.Generator, width: float, height: float, thick: float,
                 material: Material) -> Mesh:
    """Make an upright back over y = 0: ladder, slats, board, open, or padded."""
    inner = width - 2 * thick
    kind = rng.choice(['ladder', 'slats', 'slats', 'board', 'open', 'padded'])
    post = bar((width / 2 - thick / 2, 0, -0.02), (width / 2 - thick / 2, 0, height), thick,
               material)
    rail = box((inner + thick, 0.022, rng.uniform(0.05, 0.09)), material)
    parts = [mirrored(post), rail.moved(z=height - rail.size[2])]
    low = rng.uniform(0.08, 0.18)
    if kind == 'ladder':
        number = int(rng.integers(1, 4))
        slat = box((inner, 0.016, rng.uniform(0.03, 0.07)), material)
        parts += [slat.moved(z=z) for z in np.linspace(low, height - 0.1, number + 1)[:-1]]
    elif kind == 'slats':
        number = int(rng.integers(3, 8))
        wide = min(rng.uniform(0.012, 0.05), 0.6 * inner / number)
        slat = box((wide, 0.014, height - low), material).moved(z=low - 0.01)
        parts += [box((inner, 0.02, 0.03), material).moved(z=low - 0.02)]
        parts += [slat.moved(x=x) for x in np.linspace(-inner / 2, inner / 2, number + 2)[1:-1]]
    elif kind == 'board':
        low = rng.uniform(0.0, 0.15)
        parts += [box((inner, 0.016, height - low), material).moved(z=low)]
    elif kind == 'padded':
        parts += [cushion((inner, 0.06, height - low), upholstery(rng), 0.3, 8).moved(z=low)]
    return join(parts)


def _arms(width: float, depth: float, height: float, material: Material) -> Mesh:
    """Make two arm rests at a height, each on a post in front, metres."""
    x = width / 2 - 0.005
    return mirrored(join([
        box((0.05, depth, 0.025), material).moved(x, 0.02, height),
        bar((x, -depth / 2 + 0.04, height - 0.25), (x, -depth / 2 + 0.04, height), 0.03,
            material)]))


def shell_chair(rng: np.random.Generator) -> Piece:
    """Make a moulded shell on four legs, a wire frame, runners or a foot."""
    material = plastic(rng) if chance(rng, 0.7) else wood(rng)
    width, height = rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.46)
    tub = chance(rng, 0.35)
    parts = [_shell(rng, width, rng.uniform(0.32, 0.46), tub, material).moved(z=height)]
    if chance(rng, 0.3):
        parts += [cushion((width * 0.8, 0.38, 0.05), upholstery(rng), 0.4, 8).moved(
            z=height - 0.01)]
    stand = rng.choice(['legs', 'legs', 'runners', 'foot'])
    under = height - 0.02
    if stand == 'legs':
        style = LegStyle(wood(rng) if chance(rng, 0.5) else metal(rng), 0.012, 0.016, 6,
                         rng.uniform(0.05, 0.2))
        parts += [style.four(width * 0.75, 0.34, under),
                  bar((-width / 3, 0, under - 0.02), (width / 3, 0, under - 0.02), 0.02,
                      style.material)]
    elif stand == 'runners':
        steel, x = metal(rng), width * 0.42
        parts += [mirrored(tube([(x * 0.6, -0.1, under), (x, -0.16, under - 0.03),
                                 (x, -0.2, 0.01), (x, 0.2, 0.01), (x, 0.14, under - 0.03),
                                 (x * 0.6, 0.1, under)], 0.01, steel, 5)),
                  bar((-x, 0.2, 0.01), (x, 0.2, 0.01), 0.02, steel, 5)]
    else:
        steel = metal(rng)
        parts += [cylinder(0.025, under, steel, segments=8),
                  cylinder(rng.uniform(0.2, 0.25), 0.015, steel, segments=16)]
    return finish('chair', parts)


def _shell(rng: np.random.Generator, width: float, back: float, tub: bool, material: Material,
           ) -> Mesh:
    """Make a bent sheet: seat over z = 0 and back; a tub's sides rise to arm rests."""
    depth = rng.uniform(0.38, 0.44)
    lean = rng.uniform(0.08, 0.2)
    # Its middle line from the front edge to the top of the back: (y, z, half width).
    line = np.array([(-depth / 2, -0.02, 0.44), (-depth / 2 + 0.05, 0.0, 0.48),
                     (0.0, -0.02, 0.5), (depth / 2 - 0.07, -0.005, 0.48),
                     (depth / 2, 0.05, 0.45), (depth / 2 + 0.4 * lean * back, 0.4 * back, 0.46),
                     (depth / 2 + lean * back * 0.8, 0.8 * back, 0.45),
                     (depth / 2 + lean * back, back, rng.uniform(0.25, 0.42))])
    across = np.linspace(-1, 1, 9)[None]
    upright = np.clip(line[:, 1:2] / (0.4 * back), 0, 1)
    y = line[:, :1] - upright * across ** 2 * rng.uniform(0.03, 0.09)
    z = line[:, 1:2] + (1 - upright) * across ** 4 * rng.uniform(0.0, 0.03)
    x = line[:, 2:] * across * width
    if tub:
        arm = np.array([0.02, 0.1, 0.16, 0.18, 0.17, 0.05, 0, 0])[:, None]
        z = z + np.abs(across) ** 4 * arm
        x = x * (1 + 0.15 * across ** 2 * (arm > 0.03))
        y = y - upright * across ** 4 * 0.12
    return sheet(np.stack(np.broadcast_arrays(x, y, z), axis=2), material)


def cantilever_chair(rng: np.random.Generator) -> Piece:
    """Make a chair of bent steel tube without rear legs, or a stacking chair with four."""
    steel, soft = metal(rng), upholstery(rng) if chance(rng, 0.7) else plastic(rng)
    width, depth = rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.48)
    height, top = rng.uniform(0.43, 0.47), rng.uniform(0.78, 0.95)
    x, y = width / 2, depth / 2
    rear = y + rng.uniform(0.04, 0.12)
    if chance(rng, 0.5):
        side = [(x, y, 0.013), (x, -y + 0.03, 0.013), (x, -y, 0.06), (x, -y, height - 0.04),
                (x, -y + 0.04, height), (x, y - 0.02, height), (x, y, height + 0.05),
                (x, rear, top)]
        frame = [mirrored(tube(side, 0.012, steel, 6)),
                 bar((-x, y, 0.013), (x, y, 0.013), 0.024, steel, 6)]
    else:
        frame = [mirrored(tube([(x, -y, 0.0), (x, -y + 0.02, height - 0.02),
                                (x, y - 0.02, height), (x, rear, top)], 0.011, steel, 6)),
                 mirrored(bar((x, y + 0.06, 0), (x, y - 0.03, height), 0.022, steel, 6))]
    low = rng.uniform(0.1, 0.25)
    back = cushion((width - 0.02, rng.uniform(0.02, 0.06), top - height - low + 0.02), soft, 0.25,
                   8)
    lean = np.arctan2(rear - y, top - height)
    parts = [*frame, cushion((width - 0.01, depth, rng.uniform(0.03, 0.08)), soft, 0.25, 8).moved(
        z=height - 0.01), back.turned(-lean, 'x').moved(y=y + lean * low, z=height + low)]
    if chance(rng, 0.3):
        arm = height + rng.uniform(0.18, 0.24)
        rest = plastic(rng)
        parts += [mirrored(join([box((0.045, depth - 0.06, 0.025), rest).moved(x, 0.02, arm),
                                 bar((x, -y + 0.05, height), (x, -y + 0.08, arm), 0.022, steel,
                                     6)]))]
    return finish('chair', parts)


def folding_chair(rng: np.random.Generator) -> Piece:
    """Make a chair of two crossed frames, with a thin seat and back."""
    frame = metal(rng) if chance(rng, 0.6) else wood(rng)
    skin = plastic(rng) if chance(rng, 0.6) else frame
    x, height, top = rng.uniform(0.19, 0.23), rng.uniform(0.43, 0.46), rng.uniform(0.76, 0.88)
    foot, slope = rng.uniform(0.2, 0.26), rng.uniform(0.25, 0.35)
    thick, inner = rng.uniform(0.018, 0.026), x - 0.03
    rear = -foot + slope * top
    parts = [mirrored(bar((x, -foot, 0), (x, rear, top), thick, frame, 6)),
             mirrored(bar((inner, foot, 0), (inner, -0.17, height), thick, frame, 6)),
             bar((-inner, foot - 0.08, 0.1), (inner, foot - 0.08, 0.1), thick, frame, 6),
             bar((-x, -foot + 0.04, 0.13), (x, -foot + 0.04, 0.13), thick, frame, 6),
             box((2 * inner, 0.38, 0.022), skin).moved(y=0.01, z=height)]
    tall = rng.uniform(0.12, 0.24)
    back = box((2 * x, 0.016, tall), skin).turned(-np.arctan(slope), 'x')
    return finish('chair', [*parts, back.moved(y=rear - slope * tall, z=top - tall)])


def upholstered_chair(rng: np.random.Generator) -> Piece:
    """Make a fully padded dining chair on four legs."""
    soft = upholstery(rng)
    width, depth = rng.uniform(0.44, 0.55), rng.uniform(0.44, 0.52)
    height, back = rng.uniform(0.45, 0.5), rng.uniform(0.36, 0.58)
    pad = rng.uniform(0.08, 0.14)
    style = LegStyle.of(rng, wood(rng) if chance(rng, 0.7) else metal(rng), 0.04)
    rest = cushion((width, rng.uniform(0.06, 0.1), back + pad), soft, 0.25, 8)
    parts = [style.four(width * 0.95, depth * 0.9, height - pad + 0.02),
             cushion((width, depth, pad), soft, 0.22, 8).moved(z=height - pad),
             rest.turned(-rng.uniform(0.05, 0.2), 'x').moved(y=depth / 2 - 0.03,
                                                            z=height - pad)]
    if chance(rng, 0.35):
        arm = cushion((0.06, depth * 0.9, rng.uniform(0.2, 0.26)), soft, 0.3, 8)
        parts += [mirrored(arm.moved(x=width / 2, z=height - pad / 2))]
    return finish('chair', parts)
