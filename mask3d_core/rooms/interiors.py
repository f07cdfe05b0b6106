"""Furnish rooms: which pieces each kind of room has, and how they are arranged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mask3d_core.rooms.arrangement import Arrangement, PlacedPiece
from mask3d_core.rooms.furniture import (
    bathroom,
    beds,
    clutter,
    decoration,
    devices,
    kitchen,
    seats,
    shelves,
    storage,
    tables,
)
from mask3d_core.rooms.furniture.chairs import dining_chair
from mask3d_core.rooms.furniture.desks import desk
from mask3d_core.rooms.furniture.office_chairs import office_chair
from mask3d_core.rooms.furniture.sofas import armchair, corner_sofa, sofa
from mask3d_core.rooms.piece import Piece, Top
import numpy as np

Maker = Callable[[np.random.Generator], Piece]
BED_MAKERS = (beds.bed, beds.bed, beds.bed, beds.bunk_bed)
LOW_STORAGE = (storage.low_cabinet, storage.dresser, storage.shoe_cupboard)
SHELVES = (shelves.bookshelf, shelves.bookshelf, shelves.cube_shelf, shelves.rack)
REFERENCE_AREA = 13.0
"""Square metres of a room for which `scaled_count` returns counts as given."""
CROWDED_COUNTS = (8, 22)
"""Range of the number of objects on each table of a crowded room."""


class Furnisher:
    """
    Places furniture and objects in one room.

    Attributes
    ----------
    room : Arrangement
    rng : numpy Generator
    crowded : bool
        Whether tables are full of objects.

    """

    def __init__(self, room: Arrangement, crowded: bool = False) -> None:
        self.room, self.rng, self.crowded = room, room.rng, crowded

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return bool(self.rng.random() < probability)

    def scaled_count(self, least: int, most: int) -> int:
        """Draw a count between two bounds, proportional to the area of the room."""
        number = self.rng.integers(least, most + 1) * self.room.plan.area / REFERENCE_AREA
        return int(number + self.rng.random())  # rounded at random, so that the mean is kept

    def make(self, makers: Sequence[Maker]) -> Piece:
        """Make a piece with one of several makers, chosen at random."""
        return self.make_with(makers[int(self.rng.integers(len(makers)))], self.rng)

    def make_with(self, maker: Maker, rng: np.random.Generator) -> Piece:
        """Make a piece; a subclass may take another piece of the same kind."""
        return maker(rng)

    def add_pieces(self) -> None:
        """Add more to a furnished room: nothing, unless a subclass does."""

    def place_along_walls(self, makers: Sequence[Maker], count: int = 1,
                          gap: float | None = None) -> list[PlacedPiece]:
        """Place pieces with their backs to walls, and objects on top of them."""
        done = []
        for _ in range(count):
            placed = self.room.place_against_wall(self.make(makers), gap=gap)
            if placed is not None:
                self.fill_tops(placed)
                done.append(placed)
        return done

    def scatter(self, makers: Sequence[Maker], count: int = 1) -> None:
        """Place pieces anywhere on the floor."""
        for _ in range(count):
            self.room.place_anywhere(self.make(makers))

    def things(self, host: Piece) -> Iterator[Piece]:
        """Yield random objects that fit the class of a host, such as kitchenware; endless."""
        makers: Sequence[Maker] = {
            'bookshelf': clutter.SHELF_THINGS,
            'counter': clutter.KITCHEN_THINGS + devices.KITCHEN_DEVICES,
            'desk': clutter.TABLE_THINGS + devices.DESK_DEVICES,
            'cabinet': clutter.TABLE_THINGS + decoration.TABLE_DECORATION + devices.LOW_DEVICES,
        }.get(host.name, clutter.TABLE_THINGS + decoration.TABLE_DECORATION)
        while True:
            yield self.make(makers)

    def fill_tops(self, host: PlacedPiece, most: int = 5) -> None:
        """Place objects on all tops of a piece."""
        for top in host.piece.tops:
            count = int(self.rng.integers(0, most + 1))
            if self.crowded and min(top.size) > 0.35 and top.center[2] < 1.1:
                count = int(self.rng.integers(*CROWDED_COUNTS))
            self.room.place_on_top(host, top, self.things(host.piece), count)

    def place_chairs_around(self, table: PlacedPiece, makers: Sequence[Maker], most: int) -> None:
        """Place equal chairs around a table, pushed in at random distances."""
        maker = makers[int(self.rng.integers(len(makers)))]
        state = int(self.rng.integers(1 << 31))
        width, depth = table.piece.size[:2] / 2
        seats_of_side = max(1, int(width * 2 // 0.65))
        places = [(x, side * depth, 0.0 if side > 0 else np.pi) for side in (-1, 1)
                  for x in (np.arange(seats_of_side) - (seats_of_side - 1) / 2) * 0.65]
        places += [(side * width, 0.0, side * -np.pi / 2) for side in (-1, 1)]
        for x, y, angle in self.rng.permutation(np.array(places))[:most]:
            chair = self.make_with(maker, np.random.default_rng(state))
            pulled = self.rng.uniform(0.0, 0.45) + (0.2 if self.chance(0.2) else 0)
            if table.piece.parts:  # cabinets below leave no space for knees
                pulled += chair.size[1] / 2
            away = np.array([-np.sin(angle), np.cos(angle)]) * pulled
            self.room.place_beside(table, chair, x + away[0], y + away[1],
                             angle + self.rng.normal(0, 0.2))

    def place_table_with_chairs(self, makers: Sequence[Maker], chairs: Sequence[Maker],
                                most: int = 6) -> None:
        """Place a table with chairs around it and objects on it."""
        table = self.room.place_anywhere(self.make(makers), straight=self.chance(0.7), margin=0.3)
        if table is None:
            return
        self.place_chairs_around(table, chairs, int(self.rng.integers(1, most + 1)))
        self.fill_tops(table, 6)

    def place_workplace(self) -> None:
        """Place a desk at a wall, with a chair and a monitor."""
        place = self.room.place_against_wall(self.make_with(desk, self.rng))
        if place is None or not place.piece.tops:
            return
        top = place.piece.tops[0]
        chair = self.make((office_chair, office_chair, dining_chair))
        self.room.place_beside(place, chair, top.center[0] + self.rng.normal(0, 0.1),
                         top.center[1] - top.size[1] / 2 - self.rng.uniform(0, 0.4),
                         np.pi + self.rng.normal(0, 0.5))
        if self.chance(0.8):
            self._screen(place, top)
        self.fill_tops(place, 6)

    def _screen(self, host: PlacedPiece, top: Top) -> None:
        """Place one or two monitors at the back of a desk."""
        for side in ((-0.3, 0.3) if top.size[0] > 1.3 and self.chance(0.3) else (0.0,)):
            piece = self.make_with(devices.monitor, self.rng)
            x = top.center[0] + side + self.rng.normal(0, 0.03)
            y = top.center[1] + top.size[1] / 2 - piece.size[1] / 2 - 0.03
            place = host.point_in_room((x, y, top.center[2])).tolist()
            self.room.place(piece, place, host.angle + self.rng.normal(0, 0.15), 0.0, host)

    def place_bed(self, makers: Sequence[Maker]) -> None:
        """Place a bed with its head at a wall, and nightstands."""
        bed = self.room.place_against_wall(self.make(makers))
        if bed is None:
            return
        half, depth = bed.piece.size[0] / 2, bed.piece.size[1] / 2
        for side in (-1, 1):
            if self.chance(0.6):
                piece = self.make((storage.nightstand, tables.side_table))
                width, length = piece.size[:2] / 2
                stand = self.room.place_beside(bed, piece, side * (half + width + 0.06),
                                         depth - length - 0.02)
                if stand is not None:
                    for top in stand.piece.tops:
                        if self.chance(0.5):
                            lamp = self.make(decoration.TABLE_DECORATION)
                            self.room.place_on_top(stand, top, iter([lamp]), 1)
                    self.fill_tops(stand, 3)

    def place_sofa_corner(self) -> None:
        """Place a sofa with a coffee table, armchairs, and a television."""
        place = self.room.place_against_wall(self.make((sofa, sofa, sofa, corner_sofa)))
        if place is not None:
            low = self.make_with(tables.coffee_table, self.rng)
            depth = place.piece.size[1] / 2 + low.size[1] / 2
            table = self.room.place_beside(place, low, self.rng.normal(0, 0.2),
                                     -depth - self.rng.uniform(0.25, 0.5))
            if table is not None:
                self.fill_tops(table, 5)
        self.scatter((armchair,), int(self.rng.integers(0, 3)))
        if self.chance(0.6):
            for stand in self.place_along_walls((storage.tv_stand,)):
                if stand.piece.tops:
                    self._screen_on(stand, stand.piece.tops[0])

    def _screen_on(self, stand: PlacedPiece, top: Top) -> None:
        place = stand.point_in_room(top.center).tolist()
        self.room.place(self.make_with(devices.tv, self.rng), place, stand.angle, 0.0, stand)

    def hang_on_walls(self, makers: Sequence[Maker], count: int, low: float, high: float) -> None:
        """Hang pieces on walls, with their lower ends at a height of low..high metres."""
        for _ in range(count):
            self.room.place_against_wall(self.make(makers), self.rng.uniform(low, high), 0.002)

    def hang_from_ceiling(self, makers: Sequence[Maker], count: int) -> None:
        """Hang pieces from the ceiling."""
        for _ in range(count):
            piece = self.make(makers)
            low, high = self.room.plan.corners.min(0), self.room.plan.corners.max(0)
            x, y = self.rng.uniform(low, high)
            self.room.place(piece, (x, y, self.room.plan.height - piece.size[2] - 0.001))

    def scatter_clutter(self, count: int) -> None:
        """Place bins, plants, lamps, boxes and bags at walls or anywhere on the floor."""
        for _ in range(count):
            piece = self.make(decoration.FLOOR_DECORATION + clutter.FLOOR_THINGS)
            if self.chance(0.6):
                self.room.place_against_wall(piece)
            else:
                self.room.place_anywhere(piece)


def living_room(f: Furnisher) -> None:
    """Put sofas, low tables and shelves."""
    f.place_sofa_corner()
    f.place_along_walls(SHELVES + LOW_STORAGE, f.scaled_count(1, 3))
    if f.chance(0.4):
        f.place_table_with_chairs((tables.dining_table,), (dining_chair,), 4)
    f.scatter_clutter(f.scaled_count(2, 6))


def bedroom(f: Furnisher) -> None:
    """Put beds, wardrobes, perhaps a desk."""
    for _ in range(1 + f.chance(0.25)):
        f.place_bed(BED_MAKERS)
    f.place_along_walls((storage.wardrobe, storage.wardrobe, storage.high_cabinet))
    f.place_along_walls((storage.dresser, shelves.bookshelf, shelves.cube_shelf),
                        f.scaled_count(0, 2))
    if f.chance(0.5):
        f.place_workplace()
    if f.chance(0.3):
        f.scatter((armchair, seats.stool))
    f.scatter_clutter(f.scaled_count(1, 5))


def kitchen_room(f: Furnisher) -> None:
    """Put a counter with a sink, a refrigerator, a table."""
    f.place_along_walls((kitchen.kitchen_run,), f.scaled_count(1, 2), gap=0.0)
    f.place_along_walls((kitchen.refrigerator,), 1, gap=0.03)
    f.place_along_walls(kitchen.KITCHEN_FLOOR, f.scaled_count(0, 2), gap=0.02)
    f.hang_on_walls(kitchen.KITCHEN_WALL + (storage.wall_cabinet,), f.scaled_count(0, 3),
                    1.35, 1.5)
    f.place_along_walls((storage.high_cabinet,), f.scaled_count(0, 1))
    if f.chance(0.7):
        f.place_table_with_chairs(
            (tables.dining_table, tables.dining_table, kitchen.kitchen_island),
            (dining_chair, seats.stool, seats.bar_stool), 4)
    f.scatter_clutter(f.scaled_count(1, 4))


def office(f: Furnisher) -> None:
    """Put desks with screens, cabinets and shelves."""
    for _ in range(max(1, f.scaled_count(1, 4))):
        f.place_workplace()
    f.place_along_walls(
        SHELVES + (storage.high_cabinet, storage.low_cabinet, storage.filing_cabinet),
        f.scaled_count(1, 3))
    f.hang_on_walls((decoration.whiteboard,), f.chance(0.4), 0.8, 1.0)
    f.place_along_walls(devices.FLOOR_DEVICES, f.scaled_count(0, 1))
    f.scatter_clutter(f.scaled_count(1, 6))


def meeting_room(f: Furnisher) -> None:
    """Put a long table and many chairs."""
    f.place_table_with_chairs((tables.conference_table, tables.dining_table),
                        (office_chair, dining_chair), 10)
    f.hang_on_walls((decoration.whiteboard,), f.chance(0.7), 0.8, 1.0)
    f.place_along_walls(LOW_STORAGE + (tables.console,), f.scaled_count(0, 2))
    f.scatter_clutter(f.scaled_count(1, 4))


def dining_room(f: Furnisher) -> None:
    """Put a table with chairs, and sideboards."""
    f.place_table_with_chairs((tables.dining_table,), (dining_chair,), 8)
    f.place_along_walls(LOW_STORAGE + (tables.console,), f.scaled_count(1, 2))
    f.scatter_clutter(f.scaled_count(1, 4))


def bath(f: Furnisher) -> None:
    """Put a toilet, a basin, a bathtub."""
    tubs = (bathroom.bathtub, bathroom.bathtub, bathroom.shower_tray)
    for tub in f.place_along_walls(tubs, f.chance(0.8), gap=0.0):
        if f.chance(0.7):
            curtain = decoration.shower_curtain(f.rng, tub.piece.size[0])
            y = -(tub.piece.size[1] + curtain.size[1]) / 2 - 0.01
            f.room.place_beside(tub, curtain, 0.0, y)
    f.place_along_walls((bathroom.toilet,), 1, gap=0.01)
    f.place_along_walls(bathroom.BASINS, f.scaled_count(1, 2), gap=0.0)
    f.place_along_walls((storage.low_cabinet, kitchen.washing_machine), f.scaled_count(0, 1))
    f.hang_on_walls(bathroom.BATHROOM_WALL, f.scaled_count(0, 3), 1.0, 1.3)
    f.scatter_clutter(f.scaled_count(1, 3))


def store_room(f: Furnisher) -> None:
    """Put racks, boxes and tables, as in workshops, laboratories and corridors."""
    f.place_along_walls(SHELVES + (shelves.rack, storage.high_cabinet, storage.wardrobe),
                 f.scaled_count(1, 4))
    f.place_along_walls((tables.dining_table, tables.console, seats.bench), f.scaled_count(0, 3))
    if f.chance(0.5):
        f.place_table_with_chairs((tables.dining_table,), (seats.stool, dining_chair), 3)
    f.scatter_clutter(f.scaled_count(4, 11))


def table_top(f: Furnisher) -> None:
    """Put a table or desk, and little else; for crowded rooms."""
    if f.chance(0.3):
        f.place_workplace()
    else:
        f.place_table_with_chairs(
            (tables.dining_table, tables.dining_table, tables.coffee_table),
            (dining_chair, office_chair, seats.stool), 2)
    f.place_along_walls((tables.console, storage.low_cabinet), 1)
    f.scatter_clutter(f.scaled_count(0, 3))


ROOM_KINDS: dict[Callable[[Furnisher], None], tuple[float, tuple[float, float]]] = {
    living_room: (0.2, (3.2, 6.0)),
    bedroom: (0.19, (2.8, 5.0)),
    kitchen_room: (0.19, (2.4, 4.5)),
    office: (0.12, (2.6, 6.0)),
    meeting_room: (0.05, (3.5, 6.5)),
    dining_room: (0.05, (3.0, 5.0)),
    bath: (0.15, (1.8, 3.2)),
    store_room: (0.05, (2.2, 5.5)),
}
"""Probability of each kind of room, and the range of the length of its walls, metres."""
