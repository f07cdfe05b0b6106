"""Draw many scans on one sheet, to see at a glance what a data set is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mask3d_core.colors import paint_instances
from mask3d_core.drawing.camera import find_view
from mask3d_core.drawing.raster import eye_dome_shade, rasterize
from mask3d_core.drawing.side_by_side import (
    BACKGROUND,
    BANNER_COLOR,
    font,
    OVERSAMPLING,
    own_color,
    paint_panel,
)
from mask3d_core.errors import InputError
from mask3d_core.files.target import writing
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from os import PathLike

    from PIL.Image import Image

PANEL = (300, 240)
"""Width and height of a view, pixels."""
TITLE = 20
"""Height of the line above it, pixels."""
COLUMNS = 4


@dataclass(frozen=True, eq=False)
class SheetScan:
    """
    A scan on a sheet.

    Attributes
    ----------
    name : str
    scan : Scan
        Metres, z up.
    instance : [N] integer, or None
        -1: none. Its instances are drawn below the scan.

    """

    name: str
    scan: Scan
    instance: NDArray[np.integer] | None = None


def draw_contact_sheet(path: str | PathLike[str], scans: Sequence[SheetScan]) -> None:
    """
    Write a picture of scans side by side, and below each one its instances.

    Each is seen as `draw_side_by_side` shows it. The picture has 256 colours, to be small.

    Parameters
    ----------
    path : path
        Where the .png goes.
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
    rows = [[_column(one) for one in scans[start:start + COLUMNS]]
            for start in range(0, len(scans), COLUMNS)]
    heights = [max(column.height for column in row) for row in rows]
    sheet = Image.new('RGB', (PANEL[0] * len(rows[0]), sum(heights)), BACKGROUND)
    for row, top in zip(rows, np.cumsum([0, *heights]).tolist()):
        for number, column in enumerate(row):
            sheet.paste(column, (PANEL[0] * number, top))
    with writing(path) as file:
        sheet.quantize(256, dither=Image.Dither.NONE).save(file, 'PNG', optimize=True)


def _column(one: SheetScan) -> Image:
    """Draw a scan and its name, and its instances below."""
    from PIL import Image, ImageDraw

    scan = one.scan
    camera, shown = find_view(scan.xyz, OVERSAMPLING * PANEL[0], OVERSAMPLING * PANEL[1])
    point, depth = rasterize(scan.xyz[shown], camera)
    colors: list[NDArray[np.floating]] = [own_color(scan)]
    if one.instance is not None:
        colors.append(paint_instances(scan, _largest_first(one.instance)).astype(np.float32) / 255)
    column = Image.new('RGB', (PANEL[0], TITLE + len(colors) * PANEL[1]), BANNER_COLOR)
    for number, color in enumerate(colors):
        panel = paint_panel(color[shown], point, eye_dome_shade(depth))
        column.paste(panel, (0, TITLE + number * PANEL[1]))
    ImageDraw.Draw(column).text((6, TITLE / 2), one.name, fill=(240, 242, 246), font=font(13),
                                anchor='lm')
    return column


def _largest_first(instance: NDArray[np.integer]) -> NDArray[np.int64]:
    """Give instances numbers by their size, so that big ones have colours that are far apart."""
    _, place, count = np.unique(instance, return_inverse=True, return_counts=True)
    count[place.reshape(-1)[instance < 0]] = len(instance) + 1  # what is none comes before all
    rank = np.empty(len(count), np.int64)
    rank[np.argsort(-count, kind='stable')] = np.arange(len(count))
    return rank[place.reshape(-1)] - bool((instance < 0).any())
