"""Which axis of a file points up, and its unit of length."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

ROTATED_AXES = {
    'z': ((0, 1), (1, 1), (2, 1)), '-z': ((0, 1), (1, -1), (2, -1)),
    'y': ((0, 1), (2, -1), (1, 1)), '-y': ((0, 1), (2, 1), (1, -1)),
    'x': ((1, 1), (2, 1), (0, 1)), '-x': ((2, 1), (1, 1), (0, -1))}
"""
For the axis that points up: which axis, of which sign, becomes x, y and z. All are rotations;
-y is that of the optical frame of a level camera.
"""
UNITS = {'m': 1.0, 'dm': 0.1, 'cm': 0.01, 'mm': 0.001, 'ft': 0.3048, 'in': 0.0254, 'km': 1000.0}
"""Metres of a unit, by its symbol."""


@dataclass(frozen=True)
class Conventions:
    """
    Which axis points up, and the unit of length.

    Attributes
    ----------
    up : str or None
        One of `ROTATED_AXES`; None: as the format defines, z if it does not.
    unit : float
        Metres.

    """

    up: str | None = None
    unit: float = 1.0

    def to_metres(self, xyz: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return positions [N, 3] in metres with z up, of the same precision."""
        if self.up in (None, 'z') and self.unit == 1:
            return xyz
        moved = np.empty_like(xyz)
        for place, (axis, sign) in enumerate(ROTATED_AXES[self.up or 'z']):
            moved[:, place] = sign * self.unit * xyz[:, axis]
        return moved

    def axis_of_file(self, direction: str) -> str:
        """Return the direction in the file, such as '-y', of one in metres with z up."""
        axis, sign = ROTATED_AXES[self.up or 'z']['xyz'.index(direction[-1])]
        return ('-' if (sign < 0) != direction.startswith('-') else '') + 'xyz'[axis]

    def unit_of_file(self, factor: float) -> str:
        """Return the unit of the file, as for `parse_unit`, if lengths are to be multiplied."""
        metres = factor * self.unit
        return next((symbol for symbol, unit in UNITS.items()
                     if unit <= 1 and math.isclose(unit, metres)), f'{metres:.6g}')


AS_IS = Conventions()
"""Metres, and the axes of the format."""


def parse_unit(text: str) -> float:
    """
    Return the metres of a unit: of a symbol in `UNITS`, or a number.

    Raises
    ------
    InputError
        For other symbols, and numbers that are not positive.

    """
    try:
        metres = UNITS[text] if text in UNITS else float(text)
    except ValueError:
        metres = 0.0
    if not 0 < metres < float('inf'):
        raise InputError(f'expected a unit of {", ".join(UNITS)} or its metres, such as 0.1, '
                         f'got {text}')
    return metres
