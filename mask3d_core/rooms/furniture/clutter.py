"""Hand-size objects, single and in groups: piles, heaps, full bowls."""

from __future__ import annotations

from collections.abc import Callable

from mask3d_core.rooms.furniture import desk_things as desk
from mask3d_core.rooms.furniture import packages, vessels
from mask3d_core.rooms.furniture import soft_things as soft
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.piece import Piece
import numpy as np
from numpy.typing import NDArray

Maker = Callable[[np.random.Generator], Piece]

FLAT_THINGS = (packages.package, packages.package, packages.package, packages.package, desk.book,
        desk.book, packages.lidded_box, packages.tray, vessels.plate, desk.binder)
"""Objects on which others are stacked."""
SMALL_THINGS = (packages.package, packages.package, packages.milk_carton, vessels.can, vessels.can,
         vessels.mug, vessels.mug, vessels.cup, vessels.bowl, vessels.bowl, vessels.bottle,
         vessels.jar, vessels.fruit, vessels.tissue_roll, vessels.soap, vessels.banana,
         desk.book, desk.remote, desk.phone, desk.mouse, soft.toy, soft.bag, vessels.spray_bottle)


def pick(makers: tuple[Maker, ...], rng: np.random.Generator) -> Piece:
    """Make one of the things."""
    return makers[rng.integers(len(makers))](rng)


def turned(mesh: Mesh, angle: float, axis: str = 'z') -> Piece:
    """Rotate an object and put it back onto z = 0."""
    return Piece('object', mesh.turned(angle, axis).settled())


def together(things: list[Piece]) -> Piece:
    """Group objects that are in place into one piece; each remains an instance."""
    first, *others = things
    return Piece(first.name, first.mesh, parts=tuple(others)).settled()


def _surface(mesh: Mesh, place: NDArray, lowest: bool) -> NDArray[np.float64]:
    """Return the height of the upper or lower side at positions [P, 2]; -inf or inf outside."""
    corners = mesh.vertices[mesh.faces]  # [F, 3, 3]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v = (second - first)[:, :2], (third - first)[:, :2]
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    flat = np.abs(area) > 1e-10
    first, u, v, area = first[flat], u[flat], v[flat], area[flat]
    slope = (corners[flat, 1:, 2] - first[:, 2:]).T
    way = place[:, None] - first[:, :2]  # [P, F, 2]
    s = (way[..., 0] * v[:, 1] - way[..., 1] * v[:, 0]) / area
    t = (u[:, 0] * way[..., 1] - u[:, 1] * way[..., 0]) / area
    height = first[:, 2] + s * slope[0] + t * slope[1]
    outside = (s < 0) | (t < 0) | (s + t > 1)
    if lowest:
        return np.where(outside, np.inf, height).min(1, initial=np.inf)
    return np.where(outside, -np.inf, height).max(1, initial=-np.inf)


def drop(thing: Mesh, below: Mesh) -> Mesh:
    """Lower an object until it touches the mesh below, or the floor z = 0."""
    low, high = thing.bounds
    middle = (low + high) / 2
    # Slightly inwards, so that neighbors that only touch it do not lift it.
    inward = middle + (0.98, 0.98, 1.0) * (thing.vertices - middle)
    near = below.vertices[((below.vertices > low) & (below.vertices < high))[:, :2].all(1)]
    gap = [-low[2], (_surface(below, inward[:, :2], lowest=False) - inward[:, 2]).max()]
    if len(near):
        gap.append((near[:, 2] - _surface(thing, near[:, :2], lowest=True)).max())
    return thing.moved(z=max(gap))


def stack(rng: np.random.Generator) -> Piece:
    """Pile two to five flat things, and often something small on top."""
    things = [pick(FLAT_THINGS, rng)]
    for _ in range(rng.integers(0, 3)):
        things.append(pick(FLAT_THINGS, rng))
    things.sort(key=lambda thing: -float(np.prod(thing.mesh.size[:2])))
    if rng.random() < 0.75 or len(things) == 1:
        things += _fitting(things[-1].mesh.size, rng)
    placed: list[Piece] = []
    for thing in things:
        spare = 0.15 * placed[-1].mesh.size[:2] if placed else (0, 0)
        angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.25)
        x, y = rng.uniform(-1, 1, 2) * spare
        _put(turned(thing.mesh, angle).moved(x, y), placed)
    return together(placed)


def _put(thing: Piece, things: list[Piece]) -> None:
    """Lower an object onto the others and add it to them."""
    if things:
        thing = Piece('object', drop(thing.mesh, join(other.mesh for other in things)))
    things.append(thing)


def _fitting(size: NDArray, rng: np.random.Generator) -> list[Piece]:
    """Pick a small object that fits on a top of (x, y) metres: a list of one, or of none."""
    offered = [pick(SMALL_THINGS, rng) for _ in range(4)]
    return [thing for thing in offered if max(thing.mesh.size[:2]) < 1.3 * max(size[:2])
            and min(thing.mesh.size[:2]) < 1.5 * min(size[:2])][:1]


def boxes(rng: np.random.Generator) -> Piece:
    """Stand packages next to each other, and one or two across them."""
    things: list[Piece] = []
    x = 0.0
    for _ in range(rng.integers(2, 5)):
        thing = turned(packages.package(rng).mesh, rng.normal(0, 0.1))
        width = thing.mesh.size[0]
        things.append(thing.moved(x + width / 2, rng.normal(0, 0.02)))
        x += width + rng.exponential(0.006)
    for _ in range(rng.integers(0, 3)):
        lower = things[rng.integers(len(things))].mesh
        for thing in _fitting(lower.size, rng):
            place = (lower.bounds[0] + lower.bounds[1])[:2] / 2
            _put(turned(thing.mesh, rng.uniform(0, 6.3)).moved(*place), things)
    return together(things)


def leaning(rng: np.random.Generator) -> Piece:
    """Lean a package, book or plate against another thing."""
    support = pick((packages.package, packages.package, vessels.can, vessels.jar, vessels.bowl,
                    packages.milk_carton, packages.lidded_box), rng)
    flat = pick((packages.package, packages.package, desk.book, vessels.plate, desk.phone,
                 packages.tray), rng).mesh
    narrow = int(flat.size.argmin())
    if narrow == 2:  # lies: put it up, its thickness along y
        flat = flat.turned(np.pi / 2, 'x').settled()
    elif narrow == 0:
        flat = flat.turned(np.pi / 2).settled()
    thick, length = flat.size[1], flat.size[2]
    tilt = rng.uniform(0.15, 0.9)
    leaner = Piece('object', flat.turned(-tilt, 'x').settled())
    front, height = support.mesh.bounds[0][1], support.mesh.size[2]
    # Its back is a line that starts at the low corner behind and leans towards the support.
    start = leaner.mesh.bounds[0][1] + thick * np.cos(tilt)
    contact = min(height - thick * np.sin(tilt), length * np.cos(tilt))
    reach = start + max(contact, 0) * np.tan(tilt)
    if height < thick * np.sin(tilt):
        reach = leaner.mesh.bounds[1][1]
    return together([support, leaner.moved(rng.normal(0, 0.02), front - reach)])


def full_bowl(rng: np.random.Generator) -> Piece:
    """Fill a bowl, basket, plate or tray with fruit and small things."""
    vessel = pick((vessels.bowl, vessels.bowl, vessels.plate, packages.tray, soft.basket), rng)
    if vessel.mesh.vertices[:, 2][np.hypot(*vessel.mesh.vertices[:, :2].T) < 0.03].max(
            initial=0) > vessel.mesh.size[2] / 2:  # upside down
        return stack(rng)
    things, room = [vessel], vessel.mesh.size[:2] / 2
    for _ in range(rng.integers(1, 6)):
        thing = pick((vessels.fruit, vessels.fruit, vessels.banana, vessels.soap, vessels.can,
                      vessels.cup, packages.package), rng)
        size = thing.mesh.size
        if max(size[:2]) > 1.2 * min(room):
            continue
        place = rng.uniform(-1, 1, 2) * (room - size[:2] / 2).clip(0) * 0.5
        _put(turned(thing.mesh, rng.uniform(0, 6.3)).moved(*place), things)
    return together(things)


def nested(rng: np.random.Generator) -> Piece:
    """Put equal bowls, plates or cups into each other, as in a cupboard."""
    one = pick((vessels.bowl, vessels.plate, vessels.plate, vessels.cup), rng).mesh
    step = one.size[2] * rng.uniform(0.2, 0.4) + 0.004
    return Piece('object', join([one.moved(z=number * step) for number in range(
        rng.integers(2, 5))]).settled())


def heap(rng: np.random.Generator) -> Piece:
    """Push a few small things together so that they touch and hide each other."""
    things: list[Piece] = []
    places: list[tuple[NDArray, float]] = []  # middles and radii
    for _ in range(rng.integers(3, 7)):
        thing = turned(pick(SMALL_THINGS, rng).mesh, rng.uniform(0, 6.3))
        angle, reach = rng.uniform(0, 6.3), 0.45 * max(thing.mesh.size[:2])
        place = np.zeros(2)
        if things:  # from far away towards the middle, until it touches
            way = np.arange(0.5, 0, -0.01)[:, None] * (np.cos(angle), np.sin(angle))
            hit = np.any([np.hypot(*(way - middle).T) < reach + radius
                          for middle, radius in places], axis=0)
            place = way[max(hit.argmax() - 1, 0)] if hit.any() else way[-1]
        places.append((place, reach))
        things.append(thing.moved(*place))
    return together(things)


THING_GROUPS = (stack, stack, stack, boxes, boxes, leaning, leaning, full_bowl, nested, heap)
TABLE_THINGS = (
    *(packages.package,) * 10, *(vessels.can,) * 4, *(vessels.bottle,) * 2, *(vessels.mug,) * 3,
    *(vessels.bowl,) * 4, *THING_GROUPS, *THING_GROUPS, vessels.cup, vessels.cup, vessels.plate,
    vessels.vase,
    vessels.jar, vessels.jar, vessels.pot, vessels.kettle, vessels.thermos, vessels.tissue_roll,
    vessels.fruit, vessels.fruit, vessels.banana, desk.pen_cup, vessels.soap,
    vessels.spray_bottle, packages.milk_carton, packages.milk_carton, packages.tissue_box,
    packages.open_carton, packages.hard_case, packages.lidded_box, packages.tray,
    packages.cutlery_box, desk.book, desk.book, desk.open_book, desk.book_row, desk.papers,
    desk.binder, desk.phone, desk.desk_phone, desk.laptop, desk.laptop, desk.keyboard, desk.mouse,
    desk.remote, desk.headphones, desk.camera, desk.spectacles, soft.bag, soft.handbag,
    soft.folded_clothes, soft.crumpled_cloth, soft.hat, soft.plush, soft.toy, soft.toy,
    soft.basket, soft.paper_bag)
"""Objects and groups for tables and other tops; frequent ones are repeated."""
SHELF_THINGS = (
    *(desk.book_row,) * 6, desk.binder, desk.book, stack, nested, boxes, vessels.vase, vessels.jar,
    vessels.bottle, vessels.can, vessels.mug, vessels.bowl, packages.package, packages.package,
    packages.lidded_box, packages.open_carton, soft.toy, soft.plush, soft.basket,
    soft.folded_clothes, desk.camera, desk.pen_cup)
"""Things for the boards of shelves."""
FLOOR_THINGS = (
    *(packages.moving_box,) * 4, packages.crate, packages.crate, packages.hard_case, soft.bag,
    soft.bag, soft.backpack, soft.backpack, soft.handbag, soft.paper_bag, soft.paper_bag,
    soft.shoe, soft.shoe, soft.crumpled_cloth, soft.basket, soft.plush, soft.toy,
    soft.cushion_heap, vessels.fruit, desk.papers, packages.open_carton)
"""Things that lie on floors."""
KITCHEN_THINGS = (
    *(vessels.mug,) * 2, *(vessels.bottle,) * 2, *(vessels.can,) * 2, *(vessels.bowl,) * 2,
    vessels.plate, vessels.cup, vessels.jar, vessels.jar, vessels.pot, vessels.pot, vessels.kettle,
    vessels.thermos, vessels.tissue_roll, vessels.fruit, vessels.banana, vessels.spray_bottle,
    vessels.soap, packages.package, packages.package, packages.milk_carton, packages.cutlery_box,
    packages.tray, stack, full_bowl, nested)
"""Things for worktops in kitchens."""
CLUTTER = tuple(dict.fromkeys((*TABLE_THINGS, *SHELF_THINGS, *FLOOR_THINGS, *KITCHEN_THINGS)))
"""All of them, each once."""
