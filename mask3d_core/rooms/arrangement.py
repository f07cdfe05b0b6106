"""Place pieces of furniture in a room without collisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mask3d_core.rooms.floorplan import FloorPlan, Wall
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.piece import Piece, Top
from mask3d_core.rooms.shell import Opening
import numpy as np
from numpy.typing import NDArray

MAX_PLACEMENT_TRIES = 12
MAX_WALL_OVERLAP = 0.005
"""Metres that a piece may overlap with the wall it hangs on."""
STANDPOINT_CLEARANCE = 0.22
"""Metres of free floor around a person or a robot."""


@dataclass(frozen=True, eq=False)
class PlacedPiece:
    """A piece with its pose in the room: rotated about z by `angle`, then moved to `position`."""

    piece: Piece
    position: tuple[float, float, float]
    angle: float

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Minimum and maximum coordinates, including all parts, metres."""
        low, high = zip(*(self.mesh_in_room(piece.mesh).bounds for piece in self.piece.all()))
        return np.min(low, 0), np.max(high, 0)

    def mesh_in_room(self, mesh: Mesh) -> Mesh:
        """Transform a mesh from the piece's coordinates to the room's."""
        return mesh.turned(self.angle).moved(*self.position)

    def point_in_room(self, point: Sequence[float]) -> NDArray[np.float64]:
        """Transform a point (x, y, z) from the piece's coordinates to the room's."""
        x, y, z = point
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([cos * x - sin * y, sin * x + cos * y, z]) + self.position

    def opening(self, wall: Wall) -> Opening | None:
        """Return the part of a wall that the piece covers; None if its back is not at it."""
        low, high = self.piece.bounds
        middle = wall.distance_along(self.point_in_room((0, high[1], 0))[:2])
        if middle is None or self.angle != wall.angle:
            return None
        bottom = self.position[2]
        return Opening(middle - high[0], middle - low[0], bottom, bottom + high[2])


@dataclass(eq=False)
class Arrangement:
    """
    A room with the pieces placed so far.

    Attributes
    ----------
    plan : FloorPlan
    rng : numpy Generator
    placed : list of PlacedPiece
    openings : mapping of int to list of Opening
        Openings by the index of their wall.
    niches : mapping of int to list of (Opening, float)
        Niches and their depths, metres, by the index of their wall.
    thin_walls : set of int
        Indices of walls without niches, because another room is behind them.

    """

    plan: FloorPlan
    rng: np.random.Generator
    placed: list[PlacedPiece] = field(default_factory=list)
    openings: dict[int, list[Opening]] = field(default_factory=dict)
    niches: dict[int, list[tuple[Opening, float]]] = field(default_factory=dict)
    thin_walls: set[int] = field(default_factory=set)
    _occupied: list[tuple[NDArray[np.float64], PlacedPiece | None]] = field(default_factory=list)

    def open_wall(self, number: int, opening: Opening, clearance: float) -> None:
        """Cut an opening into a wall, and keep `clearance` metres in front of it free."""
        wall = self.plan.walls[number]
        self.openings.setdefault(number, []).append(opening)
        first, second = wall.point_at(opening.start, -0.05), wall.point_at(opening.end, clearance)
        box = np.array([*np.minimum(first, second), opening.bottom,
                        *np.maximum(first, second), opening.top])
        self._occupied.append((box, None))

    def move_into_niche(self, placed: PlacedPiece, depth: float) -> None:
        """Move a piece at a wall into a niche `depth` metres deep, if the wall can have one."""
        for number, wall in enumerate(self.plan.walls):
            opening = placed.opening(wall)
            if opening is not None and number not in {*self.openings, *self.thin_walls}:
                self.niches.setdefault(number, []).append((opening, depth))
                x, y, z = placed.point_in_room((0, depth, 0)).tolist()
                moved = PlacedPiece(placed.piece, (x, y, z), placed.angle)
                self.placed[self.placed.index(placed)] = moved
                return

    def add(self, placed: PlacedPiece) -> None:
        """Add a piece without a collision check, such as a door in its opening."""
        self.placed.append(placed)
        self._occupied.append((np.concatenate(placed.bounds), placed))

    def lay_flat(self, piece: Piece, x: float, y: float, angle: float) -> None:
        """Lay a flat piece on the floor; it occupies no space, so other pieces may cover it."""
        self.placed.append(PlacedPiece(piece, (x, y, 0.0), angle))

    def keep_free(self, placed: PlacedPiece, clearance: float) -> None:
        """Keep `clearance` metres in front of a piece free."""
        low, high = placed.piece.bounds
        corners = np.array([placed.point_in_room((x, y, 0)) for x in (low[0], high[0])
                            for y in (low[1] - clearance, high[1])])
        box = np.array([*corners.min(0), *corners.max(0)])
        box[5] = box[2] + high[2]
        self._occupied.append((box, placed))

    def place(self, piece: Piece, position: Sequence[float], angle: float = 0.0,
              margin: float = 0.02, host: PlacedPiece | None = None) -> PlacedPiece | None:
        """
        Place a piece; return None if it would collide with another piece or a wall.

        Collisions with its host are allowed: a chair under a table, a book in a shelf.
        """
        x, y, z = position
        candidate = PlacedPiece(piece, (float(x), float(y), float(z)), angle)
        box = np.concatenate(candidate.bounds)
        if not self._inside(box) or any(
                _boxes_overlap(box, other, margin) for other, owner in self._occupied
                if owner is None or owner is not host):
            return None
        self.add(candidate)
        return candidate

    def _inside(self, box: NDArray) -> bool:
        """Return whether a box (min x, y, z, max x, y, z) is within the walls and the ceiling."""
        x0, y0, _, x1, y1, top = box
        if top > self.plan.height:
            return False
        # A 5 x 5 grid is enough, as all walls are longer than a quarter of a piece.
        xs, ys = (np.linspace(low + MAX_WALL_OVERLAP, high - MAX_WALL_OVERLAP, 5)
                  for low, high in ((x0, x1), (y0, y1)))
        points = np.array([(x, y) for x in xs for y in ys])
        return bool(self.plan.contains(points).all())

    def place_against_wall(self, piece: Piece, z: float = 0.0, gap: float | None = None,
                           wall: int | None = None, along: float | None = None,
                           ) -> PlacedPiece | None:
        """
        Place a piece with its back to a wall; return None if there is no free place.

        Parameters
        ----------
        piece : Piece
        z : float
            Height of its lower end, metres.
        gap : float, optional
            Distance between its back and the wall, metres; by default random, a few centimetres.
        wall : int, optional
            Index of the wall; by default random.
        along : float, optional
            Distance from the start of the wall to the middle of the piece, metres; by default
            random.

        """
        width, depth = piece.size[:2]
        walls = self.plan.walls
        lengths = np.array([max(w.length - width, 0) for w in walls])
        if wall is None and not lengths.any():
            return None
        for _ in range(MAX_PLACEMENT_TRIES):
            index = wall if wall is not None else int(
                self.rng.choice(len(walls), p=lengths / lengths.sum()))
            side = walls[index]
            if side.length < width:
                return None
            middle = along if along is not None else self.rng.uniform(
                width / 2, side.length - width / 2)
            space = gap if gap is not None else self.rng.uniform(0.02, 0.08)
            back = piece.bounds[1][1]
            x, y = side.point_at(middle, space + back)
            placed = self.place(piece, (x, y, z), side.angle, margin=0.01)
            if placed is not None or along is not None:
                return placed
        return None

    def place_anywhere(self, piece: Piece, straight: bool = False, margin: float = 0.1,
                       ) -> PlacedPiece | None:
        """Place a piece at a random position on the floor; `straight`: parallel to a wall."""
        low, high = self.plan.corners.min(0), self.plan.corners.max(0)
        for _ in range(MAX_PLACEMENT_TRIES):
            x, y = self.rng.uniform(low, high)
            angle = self.rng.integers(4) * np.pi / 2 + (0 if straight else self.rng.normal(0, 0.4))
            placed = self.place(piece, (x, y, 0.0), angle, margin)
            if placed is not None:
                return placed
        return None

    def place_beside(self, host: PlacedPiece, piece: Piece, x: float, y: float,
                     angle: float = 0.0) -> PlacedPiece | None:
        """Place a piece on the floor at a position and an angle in the coordinates of another."""
        position = host.point_in_room((x, y, -host.position[2]))
        return self.place(piece, position.tolist(), host.angle + angle, 0.0, host)

    def place_on_top(self, host: PlacedPiece, top: Top, pieces: Iterator[Piece], count: int,
                     ) -> list[PlacedPiece]:
        """Place up to `count` pieces on a top of another piece, as many as fit."""
        done: list[PlacedPiece] = []
        for _ in range(count):
            piece = next(pieces)
            if piece.size[2] > top.room:
                continue
            for _ in range(5):
                angle = self.rng.uniform(-np.pi, np.pi)
                low, high = PlacedPiece(piece, (0.0, 0.0, 0.0), angle).bounds
                free = np.asarray(top.size) / 2 - (high - low)[:2] / 2
                if (free <= 0).any():
                    continue
                x, y = self.rng.uniform(-free, free)
                position = host.point_in_room(
                    (top.center[0] + x, top.center[1] + y, top.center[2] + 0.001))
                placed = self.place(piece, position.tolist(), host.angle + angle, 0.004, host)
                if placed is not None:
                    done.append(placed)
                    break
        return done

    def standpoints(self, spacing: float = 0.3) -> NDArray[np.float64]:
        """Return free positions for a camera on the floor, [S, 2] metres; at least one."""
        low, high = self.plan.corners.min(0), self.plan.corners.max(0)
        grid = np.stack(np.meshgrid(*(np.arange(a + spacing / 2, b, spacing)
                                      for a, b in zip(low, high))), axis=-1).reshape(-1, 2)
        free = self.plan.contains(grid, STANDPOINT_CLEARANCE)
        x, y = grid.T
        for x0, y0, _, x1, y1, _ in (box for box, _ in self._occupied if box[2] < 1.7):
            free &= ~((x > x0 - STANDPOINT_CLEARANCE) & (x < x1 + STANDPOINT_CLEARANCE)
                      & (y > y0 - STANDPOINT_CLEARANCE) & (y < y1 + STANDPOINT_CLEARANCE))
        return grid[free] if free.any() else grid[self.plan.contains(grid)][:1]


def _boxes_overlap(box: NDArray, other: NDArray, margin: float) -> bool:
    """Return whether two boxes overlap in height and are closer than a margin horizontally."""
    horizontal = (box[:2] < other[3:5] + margin) & (other[:2] < box[3:5] + margin)
    return bool(horizontal.all() and box[2] < other[5] and other[2] < box[5])
