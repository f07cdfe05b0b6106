"""A piece of furniture: one object instance, and the places on it where things stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mask3d_core.rooms.mesh import join, Mesh
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Top:
    """
    A flat place to put things on.

    Attributes
    ----------
    center : (x, y, z), metres
        In the coordinates of its piece.
    size : (x, y), metres
    room : float
        Free height above it, metres.

    """

    center: tuple[float, float, float]
    size: tuple[float, float]
    room: float = 1.0


@dataclass(frozen=True, eq=False)
class Piece:
    """
    A thing in a room.

    Attributes
    ----------
    name : str
        Of its class: 'chair', 'otherfurniture', 'object'.
    mesh : Mesh
        It stands on z = 0 with its footprint centred on x = y = 0, its back towards +y (to a
        wall) and its front towards -y.
    tops : tuple of Top
    parts : tuple of Piece
        Objects of their own that come with it, already in place: the sink in a counter.

    """

    name: str
    mesh: Mesh
    tops: tuple[Top, ...] = ()
    parts: tuple[Piece, ...] = ()

    def all(self) -> list[Piece]:
        """List itself and its parts, and theirs."""
        return [self, *(piece for part in self.parts for piece in part.all())]

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest and largest coordinates with all parts, metres."""
        low, high = zip(*(piece.mesh.bounds for piece in self.all()))
        return np.min(low, 0), np.max(high, 0)

    @property
    def size(self) -> NDArray[np.float64]:
        """Extent along x, y and z with all parts, metres."""
        return np.subtract(*self.bounds[::-1])

    def moved(self, x: float = 0, y: float = 0, z: float = 0) -> Piece:
        """Shift by metres, with all that stands on it."""
        tops = tuple(replace(top, center=tuple(np.add(top.center, (x, y, z)).tolist()))
                     for top in self.tops)
        return replace(self, mesh=self.mesh.moved(x, y, z), tops=tops,
                       parts=tuple(part.moved(x, y, z) for part in self.parts))

    def settled(self) -> Piece:
        """Put it with its parts on z = 0, their footprint centred on x = y = 0."""
        low, high = self.bounds
        return self.moved(*-(low + high)[:2] / 2).moved(z=-low[2])


def assemble(name: str, *meshes: Mesh) -> Piece:
    """Make a piece of meshes that are in place to each other."""
    return Piece(name, join(meshes).settled())
