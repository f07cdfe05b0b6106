"""A piece of furniture: one object instance, with tops on which other pieces can stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mask3d_core.rooms.mesh import join, Mesh
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Top:
    """
    A horizontal surface of a piece on which other pieces can stand.

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
    An object in a room.

    Attributes
    ----------
    name : str
        Class name: 'chair', 'otherfurniture', 'object'.
    mesh : Mesh
        Stands on z = 0 with its footprint centered on x = y = 0, its back towards +y (to a wall)
        and its front towards -y.
    tops : tuple of Top
    parts : tuple of Piece
        Separate object instances that belong to it, such as the sink in a counter, in its
        coordinates.

    """

    name: str
    mesh: Mesh
    tops: tuple[Top, ...] = ()
    parts: tuple[Piece, ...] = ()

    def all(self) -> list[Piece]:
        """Return the piece and all its parts, recursively."""
        return [self, *(piece for part in self.parts for piece in part.all())]

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Minimum and maximum coordinates, including all parts, metres."""
        low, high = zip(*(piece.mesh.bounds for piece in self.all()))
        return np.min(low, 0), np.max(high, 0)

    @property
    def size(self) -> NDArray[np.float64]:
        """Extent along x, y and z, including all parts, metres."""
        return np.subtract(*self.bounds[::-1])

    def moved(self, x: float = 0, y: float = 0, z: float = 0) -> Piece:
        """Shift the piece with its tops and parts, metres."""
        tops = tuple(replace(top, center=tuple(np.add(top.center, (x, y, z)).tolist()))
                     for top in self.tops)
        return replace(self, mesh=self.mesh.moved(x, y, z), tops=tops,
                       parts=tuple(part.moved(x, y, z) for part in self.parts))

    def settled(self) -> Piece:
        """Move the piece onto z = 0 with the footprint of all parts centered on x = y = 0."""
        low, high = self.bounds
        return self.moved(*-(low + high)[:2] / 2).moved(z=-low[2])


def assemble(name: str, *meshes: Mesh) -> Piece:
    """Join meshes into a piece that stands on z = 0, centered."""
    return Piece(name, join(meshes).settled())
