"""Draw one view of a scan in several colourings, side by side, with a title above each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mask3d_core.drawing.side_by_side import BANNER_COLOR, font
from mask3d_core.drawing.view import View
from mask3d_core.files.target import atomic_write
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from os import PathLike

PANEL_SIZE = (480, 400)
"""Width and height, pixels."""
TITLE_HEIGHT = 28
PANELS_PER_ROW = 3
HEAT_COLORS = np.array([(66, 70, 88), (96, 36, 130), (190, 50, 100), (250, 130, 50),
                        (255, 240, 150)], np.float32) / 255
"""Colour scale of heatmaps, from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Panel:
    """
    A colouring of a scan.

    Attributes
    ----------
    title : str
    color : [N, 3] float
        0..1, of each point of the scan.

    """

    title: str
    color: NDArray[np.floating]


def heat_colors(heat: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the colours of heat 0..255: [N] -> [N, 3] float32, 0..1."""
    steps = np.linspace(0, 255, len(HEAT_COLORS))
    return np.stack([np.interp(heat, steps, channel) for channel in HEAT_COLORS.T],
                    axis=1).astype(np.float32)


def draw_panels(path: str | PathLike[str], scan: Scan, panels: Sequence[Panel]) -> None:
    """
    Write an image of panels, `PANELS_PER_ROW` in a row.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    from PIL import Image, ImageDraw

    view = View.of(scan, PANEL_SIZE)
    columns = min(len(panels), PANELS_PER_ROW)
    rows = -(-len(panels) // PANELS_PER_ROW)
    width, height = PANEL_SIZE[0], PANEL_SIZE[1] + TITLE_HEIGHT
    picture = Image.new('RGB', (columns * width, rows * height), BANNER_COLOR)
    pen = ImageDraw.Draw(picture)
    for number, panel in enumerate(panels):
        left, top = number % PANELS_PER_ROW * width, number // PANELS_PER_ROW * height
        picture.paste(view.paint(panel.color), (left, top + TITLE_HEIGHT))
        pen.text((left + 10, top + TITLE_HEIGHT / 2), panel.title, fill=(240, 242, 246),
                 font=font(15), anchor='lm')
    with atomic_write(path) as file:
        picture.save(file, 'PNG', optimize=True)
