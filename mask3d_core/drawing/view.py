"""A view of a scan: which point each pixel shows, and how it is shaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mask3d_core.drawing.camera import find_view
from mask3d_core.drawing.raster import eye_dome_shade, rasterize
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

OVERSAMPLING = 2
"""Pixels of a view along each axis per pixel of the picture, which smooths edges."""
BACKGROUND = (245, 246, 249)


@dataclass(frozen=True, eq=False)
class View:
    """
    A scan seen by a camera that finds its place by itself (`find_view`).

    Attributes
    ----------
    shown : [N] bool
        Points that are drawn: not the ceiling, nor the walls in front.
    point : [height, width] int64
        Row of the point of each pixel among those that are drawn, -1 for none, oversampled.
    shade : [height, width] float32
        From `eye_dome_shade`.

    """

    shown: NDArray[np.bool_]
    point: NDArray[np.int64]
    shade: NDArray[np.float32]

    @classmethod
    def of(cls, scan: Scan, size: tuple[int, int]) -> View:
        """Return the view of a scan, metres, z up; `size` is width and height of the picture."""
        camera, shown = find_view(scan.xyz, *(OVERSAMPLING * length for length in size))
        point, depth = rasterize(scan.xyz[shown], camera)
        return cls(shown, point, eye_dome_shade(depth))

    def paint(self, color: NDArray[np.floating]) -> Image:
        """Return the picture, given the colour of each point of the scan: [N, 3] float, 0..1."""
        from PIL import Image

        background = np.array([BACKGROUND], np.float32) / 255
        pixels = np.concatenate([color[self.shown], background])[self.point]
        pixels *= np.where(self.point < 0, 1, self.shade)[..., None]
        fine = Image.fromarray((255 * pixels + 0.5).astype(np.uint8))
        return fine.reduce(OVERSAMPLING)

    def pixels(self, value: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the value of the point of each pixel, -1 for none, given that of each point."""
        return np.append(value[self.shown], np.int32(-1))[self.point[::OVERSAMPLING,
                                                                    ::OVERSAMPLING]]
