"""Putting pieces into a room so that nothing stands in anything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mask3d_core.rooms.floorplan import FloorPlan, Wall
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.shell import Opening
import numpy as np
from numpy.typing import NDArray

TRIES = 12
TOUCH = 0.005
"""Metres that a piece may reach into the wall it hangs on."""
STANDING_ROOM = 0.22
"""Metres around a person or a robot."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A piece at its place: turned around z by an angle, then moved."""

    piece: Piece
    position: tuple[float, float, float]
    angle: float

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest and largest coordinates with all parts, metres."""
        low, high = zip(*(self.at(piece.mesh).bounds for piece in self.piece.all()))
        return np.min(low, 0), np.max(high, 0)

    def at(self, mesh: Mesh) -> Mesh:
        """Bring a mesh from the piece's coordinates to the room's."""
        return mesh.turned(self.angle).moved(*self.position)

    def point(self, place: Sequence[float]) -> NDArray[np.float64]:
        """Bring a point (x, y, z) of the piece to the room."""
        x, y, z = place
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([cos * x - sin * y, sin * x + cos * y, z]) + self.position

    def opening(self, wall: Wall) -> Opening | None:
        """Return what the piece covers of a wall behind it; None if its back is not at it."""
        low, high = self.piece.bounds
        middle = wall.along(self.point((0, high[1], 0))[:2])
        if middle is None or self.angle != wall.angle:
            return None
        bottom = self.position[2]
        return Opening(middle - high[0], middle - low[0], bottom, bottom + high[2])


@dataclass(eq=False)
class Arrangement:
    """
    The things in a room so far.

    Attributes
    ----------
    plan : FloorPlan
    rng : numpy Generator
    placed : list of Placed
    openings : mapping of the number of a wall to its holes
    niches : mapping of the number of a wall to its niches
        Each with its depth, metres.

    """

    plan: FloorPlan
    rng: np.random.Generator
    placed: list[Placed] = field(default_factory=list)
    openings: dict[int, list[Opening]] = field(default_factory=dict)
    niches: dict[int, list[tuple[Opening, float]]] = field(default_factory=dict)
    _taken: list[tuple[NDArray[np.float64], Placed | None]] = field(default_factory=list)

    def open_wall(self, number: int, opening: Opening, clearance: float) -> None:
        """Cut a hole, and keep the space before it free, metres into the room."""
        wall = self.plan.walls[number]
        self.openings.setdefault(number, []).append(opening)
        first, second = wall.place(opening.start, -0.05), wall.place(opening.end, clearance)
        room = np.array([*np.minimum(first, second), opening.bottom,
                         *np.maximum(first, second), opening.top])
        self._taken.append((room, None))

    def set_back(self, placed: Placed, depth: float) -> None:
        """Move a piece that is at a wall into a niche of it, metres, if the wall leads nowhere."""
        for number, wall in enumerate(self.plan.walls):
            opening = placed.opening(wall)
            if opening is not None and number not in self.openings:
                self.niches.setdefault(number, []).append((opening, depth))
                x, y, z = placed.point((0, depth, 0)).tolist()
                back = Placed(placed.piece, (x, y, z), placed.angle)
                self.placed[self.placed.index(placed)] = back
                return

    def add(self, placed: Placed) -> None:
        """Put a piece where it belongs, whatever is there: a door into its opening."""
        self.placed.append(placed)
        self._taken.append((np.concatenate(placed.bounds), placed))

    def lay(self, piece: Piece, x: float, y: float, angle: float) -> None:
        """Put something flat on the floor, under whatever stands there."""
        self.placed.append(Placed(piece, (x, y, 0.0), angle))

    def keep_free(self, placed: Placed, clearance: float) -> None:
        """Let nothing stand before a piece, metres."""
        low, high = placed.piece.bounds
        corners = np.array([placed.point((x, y, 0)) for x in (low[0], high[0])
                            for y in (low[1] - clearance, high[1])])
        room = np.array([*corners.min(0), *corners.max(0)])
        room[5] = room[2] + high[2]
        self._taken.append((room, placed))

    def put(self, piece: Piece, place: Sequence[float], angle: float = 0.0,
            margin: float = 0.02, host: Placed | None = None) -> Placed | None:
        """
        Put a piece at a place, unless something is there or a wall is in the way.

        It may reach into the space of its host: a chair under a table, a book into a shelf.
        """
        x, y, z = place
        there = Placed(piece, (float(x), float(y), float(z)), angle)
        room = np.concatenate(there.bounds)
        if not self._inside(room) or any(
                _overlap(room, other, margin) for other, owner in self._taken
                if owner is None or owner is not host):
            return None
        self.add(there)
        return there

    def _inside(self, room: NDArray) -> bool:
        x0, y0, _, x1, y1, top = room
        if top > self.plan.height:
            return False
        # Some points are enough where all walls are longer than a quarter of a piece.
        xs, ys = (np.linspace(low + TOUCH, high - TOUCH, 5) for low, high in ((x0, x1), (y0, y1)))
        points = np.array([(x, y) for x in xs for y in ys])
        return bool(self.plan.contains(points).all())

    def against_wall(self, piece: Piece, z: float = 0.0, gap: float | None = None,
                     wall: int | None = None, along: float | None = None) -> Placed | None:
        """
        Put a piece with its back to some wall.

        Parameters
        ----------
        piece : Piece
        z : float
            Of its lower end, metres.
        gap : float, optional
            Metres between its back and the wall; by default a few centimetres by chance.
        wall, along : optional
            Number of the wall; metres from its start to the piece's middle.

        """
        width, depth = piece.size[:2]
        walls = self.plan.walls
        lengths = np.array([max(w.length - width, 0) for w in walls])
        if wall is None and not lengths.any():
            return None
        for _ in range(TRIES):
            number = wall if wall is not None else int(
                self.rng.choice(len(walls), p=lengths / lengths.sum()))
            side = walls[number]
            if side.length < width:
                return None
            middle = along if along is not None else self.rng.uniform(
                width / 2, side.length - width / 2)
            space = gap if gap is not None else self.rng.uniform(0.02, 0.08)
            back = piece.bounds[1][1]
            x, y = side.place(middle, space + back)
            found = self.put(piece, (x, y, z), side.angle, margin=0.01)
            if found is not None or along is not None:
                return found
        return None

    def anywhere(self, piece: Piece, straight: bool = False, margin: float = 0.1) -> Placed | None:
        """Put a piece somewhere on the floor, at any angle or along the walls."""
        low, high = self.plan.corners.min(0), self.plan.corners.max(0)
        for _ in range(TRIES):
            x, y = self.rng.uniform(low, high)
            angle = self.rng.integers(4) * np.pi / 2 + (0 if straight else self.rng.normal(0, 0.4))
            found = self.put(piece, (x, y, 0.0), angle, margin)
            if found is not None:
                return found
        return None

    def before(self, host: Placed, piece: Piece, x: float, y: float, angle: float = 0.0,
               ) -> Placed | None:
        """Put a piece on the floor at (x, y) of another's coordinates, turned relative to it."""
        place = host.point((x, y, -host.position[2]))
        return self.put(piece, place.tolist(), host.angle + angle, 0.0, host)

    def on_top(self, host: Placed, top: Top, pieces: Iterator[Piece], count: int) -> list[Placed]:
        """Put things on a flat place of another, as many of `count` as fit."""
        done: list[Placed] = []
        for _ in range(count):
            piece = next(pieces)
            if piece.size[2] > top.room:
                continue
            for _ in range(5):
                angle = self.rng.uniform(-np.pi, np.pi)
                low, high = Placed(piece, (0.0, 0.0, 0.0), angle).bounds
                free = np.asarray(top.size) / 2 - (high - low)[:2] / 2
                if (free <= 0).any():
                    continue
                x, y = self.rng.uniform(-free, free)
                place = host.point((top.center[0] + x, top.center[1] + y, top.center[2] + 0.001))
                found = self.put(piece, place.tolist(), host.angle + angle, 0.004, host)
                if found is not None:
                    done.append(found)
                    break
        return done

    def standpoints(self, spacing: float = 0.3) -> NDArray[np.float64]:
        """Return free places on the floor, [S, 2] metres."""
        low, high = self.plan.corners.min(0), self.plan.corners.max(0)
        grid = np.stack(np.meshgrid(*(np.arange(a + spacing / 2, b, spacing)
                                      for a, b in zip(low, high))), axis=-1).reshape(-1, 2)
        free = self.plan.contains(grid, STANDING_ROOM)
        for x0, y0, _, x1, y1, _ in (room for room, _ in self._taken if room[2] < 1.7):
            free &= ~((grid[:, 0] > x0 - STANDING_ROOM) & (grid[:, 0] < x1 + STANDING_ROOM)
                      & (grid[:, 1] > y0 - STANDING_ROOM) & (grid[:, 1] < y1 + STANDING_ROOM))
        return grid[free] if free.any() else grid[self.plan.contains(grid)][:1]


def _overlap(room: NDArray, other: NDArray, margin: float) -> bool:
    """Tell whether two boxes come nearer than a margin to each other at the same height."""
    flat = (room[:2] < other[3:5] + margin) & (other[:2] < room[3:5] + margin)
    return bool(flat.all() and room[2] < other[5] and other[2] < room[5])
