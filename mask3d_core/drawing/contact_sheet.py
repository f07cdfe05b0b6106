"""Draw a contact sheet: thumbnails of many scans of a data set in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mask3d_core.colors import paint_instances
from mask3d_core.drawing.side_by_side import (
    BANNER_COLOR,
    font,
    point_colors,
)
from mask3d_core.drawing.view import BACKGROUND, View
from mask3d_core.errors import InputError
from mask3d_core.files.target import atomic_write
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from os import PathLike

    from PIL.Image import Image

THUMBNAIL_SIZE = (300, 240)
"""Width and height, pixels."""
TITLE_HEIGHT = 20
"""Of the title line above a thumbnail, pixels."""
SCANS_PER_ROW = 4


@dataclass(frozen=True, eq=False)
class SheetScan:
    """
    A scan on a contact sheet.

    Attributes
    ----------
    name : str
    scan : Scan
        Metres, z up.
    instance : [N] integer, or None
        Instance of each point, -1 for none; drawn below the scan if given.

    """

    name: str
    scan: Scan
    instance: NDArray[np.integer] | None = None


def draw_contact_sheet(path: str | PathLike[str], scans: Sequence[SheetScan]) -> None:
    """
    Write an image of scans side by side, each with its instances below.

    The views are those of `draw_side_by_side`. A palette of 256 colours keeps the image small.

    Parameters
    ----------
    path : path
        The .png file to write.
    scans : sequence of SheetScan
        At least one.

    Raises
    ------
    InputError
        If there is nothing to draw, or the file cannot be written.

    """
    from PIL import Image

    if not scans:
        raise InputError('there are no scans to draw')
    rows = [[_column(one) for one in scans[start:start + SCANS_PER_ROW]]
            for start in range(0, len(scans), SCANS_PER_ROW)]
    heights = [max(column.height for column in row) for row in rows]
    sheet = Image.new('RGB', (THUMBNAIL_SIZE[0] * len(rows[0]), sum(heights)), BACKGROUND)
    for row, top in zip(rows, np.cumsum([0, *heights]).tolist()):
        for number, column in enumerate(row):
            sheet.paste(column, (THUMBNAIL_SIZE[0] * number, top))
    with atomic_write(path) as file:
        sheet.quantize(256, dither=Image.Dither.NONE).save(file, 'PNG', optimize=True)


def _column(one: SheetScan) -> Image:
    """Draw the name of a scan, the scan, and its instances below."""
    from PIL import Image, ImageDraw

    scan = one.scan
    width, height = THUMBNAIL_SIZE
    view = View.of(scan, THUMBNAIL_SIZE)
    colors: list[NDArray[np.floating]] = [point_colors(scan)]
    if one.instance is not None:
        painted = paint_instances(scan, _rank_by_size(one.instance))
        colors.append(painted.astype(np.float32) / 255)
    column = Image.new('RGB', (width, TITLE_HEIGHT + len(colors) * height), BANNER_COLOR)
    for number, color in enumerate(colors):
        column.paste(view.paint(color), (0, TITLE_HEIGHT + number * height))
    ImageDraw.Draw(column).text((6, TITLE_HEIGHT / 2), one.name, fill=(240, 242, 246),
                                font=font(13), anchor='lm')
    return column


def _rank_by_size(instance: NDArray[np.integer]) -> NDArray[np.int64]:
    """Renumber instances by size, so that the large ones have clearly different colours."""
    _, place, count = np.unique(instance, return_inverse=True, return_counts=True)
    count[place.reshape(-1)[instance < 0]] = len(instance) + 1  # no instance ranks first
    rank = np.empty(len(count), np.int64)
    rank[np.argsort(-count, kind='stable')] = np.arange(len(count))
    return rank[place.reshape(-1)] - bool((instance < 0).any())
