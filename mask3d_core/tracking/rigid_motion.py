"""Rigid motions of a map: it may turn about z only, as maps know what is down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """
    A rotation about z, and a translation after it.

    Attributes
    ----------
    yaw : float
        Radians.
    translation : [3] float64
        Metres.

    """

    yaw: float
    translation: NDArray[np.float64]

    def apply(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions [..., 3] after the motion."""
        return xyz @ _rotation(self.yaw).T + self.translation

    @classmethod
    def between(cls, source: NDArray[np.float64], target: NDArray[np.float64]) -> RigidMotion:
        """Return the motion that fits matching points [n, 3] best (least squares)."""
        from_center, to_center = source.mean(axis=0), target.mean(axis=0)
        a, b = (source - from_center)[:, :2], (target - to_center)[:, :2]
        yaw = float(np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum()))
        return cls(yaw, to_center - _rotation(yaw) @ from_center)


def _rotation(yaw: float) -> NDArray[np.float64]:
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
