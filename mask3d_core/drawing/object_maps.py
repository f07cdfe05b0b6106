"""Draw the maps of one place one under the other, with the ids of their objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mask3d_core.colors import instance_of_points, paint_instances
from mask3d_core.drawing.side_by_side import (
    BANNER_COLOR,
    font,
    label_anchor,
)
from mask3d_core.drawing.view import BACKGROUND, View
from mask3d_core.files.target import atomic_write
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from os import PathLike

    from PIL.Image import Image

MAP_SIZE = (560, 330)
"""Width and height of the view of one map, pixels."""
TITLE_HEIGHT = 24
MIN_LABELLED_PIXELS = 40


@dataclass(frozen=True, eq=False)
class ObjectsOfMap:
    """
    A map and its objects.

    Attributes
    ----------
    scan : Scan
    instances : Instances
    ids : [I] integer
        They decide the colours.

    """

    scan: Scan
    instances: Instances
    ids: NDArray[np.integer]


def draw_object_maps(path: str | PathLike[str], columns: Mapping[str, Sequence[ObjectsOfMap]],
                     ) -> None:
    """
    Write an image with a column of maps for each name, each map with the ids of its objects.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    from PIL import Image, ImageDraw

    width, height = MAP_SIZE
    rows = max(map(len, columns.values()))
    picture = Image.new('RGB', (width * len(columns), TITLE_HEIGHT + height * rows), BACKGROUND)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, picture.width, TITLE_HEIGHT), fill=BANNER_COLOR)
    for column, (name, maps) in enumerate(columns.items()):
        pen.text((column * width + 8, TITLE_HEIGHT / 2), name, fill=(240, 242, 246),
                 font=font(15), anchor='lm')
        for row, one in enumerate(maps):
            picture.paste(_panel(one), (column * width, TITLE_HEIGHT + row * height))
            pen.text((column * width + 8, TITLE_HEIGHT + row * height + 8),
                     f'map {row + 1}: {len(one.ids)} objects', fill=BANNER_COLOR, font=font(14))
    with atomic_write(path) as file:
        picture.quantize(256, dither=Image.Dither.NONE).save(file, 'PNG', optimize=True)


def _panel(one: ObjectsOfMap) -> Image:
    """Draw a map, each object in the colour of its id, and the ids."""
    from PIL import ImageDraw

    best = instance_of_points(one.scan, one.instances)
    view = View.of(one.scan, MAP_SIZE)
    panel = view.paint(paint_instances(one.scan, best, one.ids).astype(np.float32) / 255)
    pen = ImageDraw.Draw(panel)
    seen = view.pixels(best)
    for index, identity in enumerate(one.ids.tolist()):
        if np.count_nonzero(seen == index) >= MIN_LABELLED_PIXELS:
            pen.text(label_anchor(seen == index), str(identity), fill=(15, 17, 22), font=font(15),
                     anchor='mm', stroke_width=2, stroke_fill=(255, 255, 255))
    return panel
