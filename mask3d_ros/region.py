"""The region of interest: a cylinder or a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mask3d_core.errors import InputError
import numpy as np
from numpy.typing import NDArray

NO_REGION = (0.0, 0.0, 0.0)
"""Value of `roi` for the whole map: a parameter that is an empty array has no type in ROS."""


@dataclass(frozen=True)
class Region:
    """
    A part of space, in metres.

    Attributes
    ----------
    values : tuple of float
        x, y, radius: a cylinder of any height; or xmin, ymin, zmin, xmax, ymax, zmax: a box.

    """

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Region | None:
        """
        Make a region from the parameter `roi`; None for the whole map.

        Raises
        ------
        InputError
            For other than 3 or 6 finite numbers, a negative radius, or an empty box.

        """
        given = tuple(map(float, values))
        if not given or (len(given) == 3 and given[2] == 0):
            return None
        if not np.isfinite(given).all() or len(given) not in (3, 6):
            raise InputError(f'roi is {list(given)}, expected [x, y, radius] or '
                             '[xmin, ymin, zmin, xmax, ymax, zmax], in metres')
        if len(given) == 3 and given[2] < 0:
            raise InputError(f'the radius of roi is {given[2]:g}, expected 0 or more')
        if any(low >= high for low, high in zip(given[:3], given[3:])):
            raise InputError(f'roi is {list(given)}: expected each maximum above its minimum')
        return cls(given)

    def contains(self, xyz: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether points [N, 3], metres, are in the region: [N]."""
        if len(self.values) == 3:
            x, y, radius = self.values
            return np.asarray(np.hypot(xyz[:, 0] - x, xyz[:, 1] - y) <= radius)
        low, high = np.array(self.values).reshape(2, 3)
        return np.asarray(((xyz >= low) & (xyz <= high)).all(axis=1))
