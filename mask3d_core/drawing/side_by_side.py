"""Draw a scan and its instances side by side in one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.colors import (
    instance_color,
    instance_ids,
    instance_of_points,
    paint_instances,
)
from mask3d_core.drawing.view import View
from mask3d_core.errors import InputError
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import os

    from PIL.ImageDraw import ImageDraw

PANEL_SIZE = (800, 660)
"""Width and height of each of the two views, pixels."""
BANNER_HEIGHT = 44
"""Of the title line, pixels."""
MAX_LABELS = 20
MIN_LABELLED_PIXELS = 60
BANNER_COLOR = (33, 37, 46)
HEIGHT_COLORS = np.array([
    (68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float32) / 255
"""Colour scale for clouds without colour, from low to high."""


def draw_side_by_side(path: str | os.PathLike[str], scan: Scan, instances: Instances,
                      title: str = '', ids: NDArray[np.integer] | None = None) -> None:
    """
    Write an image: on the left the scan, on the right its instances.

    Both are shown from above, from the direction with the fewest occlusions, without the ceiling
    and the walls in front. Scans without colour are coloured by height. Each instance has its own
    colour; the best `MAX_LABELS` are labelled with class and score. Other points are nearly grey.

    Parameters
    ----------
    path : path
        The .png file to write.
    scan : Scan
        Metres, z up.
    instances : Instances
        Prediction for this scan.
    title : str
        Start of the title line, such as the name of the file.
    ids : [I] integer, optional
        Of the instances, which decide their colours; by default 1 + index.

    Raises
    ------
    InputError
        If the instances were predicted for another cloud, or the file cannot be written.

    """
    from PIL import Image, ImageDraw

    best = instance_of_points(scan, instances)
    width, height = PANEL_SIZE
    view = View.of(scan, PANEL_SIZE)

    picture = Image.new('RGB', (2 * width, BANNER_HEIGHT + height), BANNER_COLOR)
    picture.paste(view.paint(point_colors(scan)), (0, BANNER_HEIGHT))
    paint = paint_instances(scan, best, ids).astype(np.float32) / 255
    picture.paste(view.paint(paint), (width, BANNER_HEIGHT))

    pen = ImageDraw.Draw(picture)
    pen.line([(width, BANNER_HEIGHT), (width, BANNER_HEIGHT + height)], fill=BANNER_COLOR,
             width=2)
    _write_titles(pen, scan, instances, title)
    _write_labels(pen, instances, view.pixels(best), instance_ids(instances, ids))
    try:
        picture.save(Path(path), 'PNG')
    except OSError as error:
        raise InputError(f'{path}: {error.strerror or error}') from error


def point_colors(scan: Scan) -> NDArray[np.float32]:
    """Return the colours of a scan, or colours by height if it has none: [N, 3] float32."""
    if scan.color is not None:
        return scan.color
    height = scan.xyz[:, 2]
    low, high = np.quantile(height, (0.01, 0.99))
    step = np.linspace(low, max(high, low + 1e-3), len(HEIGHT_COLORS))
    return np.stack([np.interp(height, step, channel) for channel in HEIGHT_COLORS.T],
                    axis=1).astype(np.float32)


def _write_titles(pen: ImageDraw, scan: Scan, instances: Instances, title: str) -> None:
    x, y, z = np.ptp(scan.xyz, axis=0)
    colored = '' if scan.color is not None else ', coloured by height'
    left = f'{len(scan):,} points, {x:.1f} x {y:.1f} x {z:.1f} m{colored}'
    found = '1 instance' if len(instances) == 1 else f'{len(instances)} instances'
    time = sum(instances.seconds.values())
    right = f'{found} in {time:.2f} s' if time else found
    for text, column in ((f'{title}: {left}' if title else left, 0), (right, PANEL_SIZE[0])):
        pen.text((column + 16, BANNER_HEIGHT / 2), text, fill=(240, 242, 246), font=font(20),
                 anchor='lm')


def _write_labels(pen: ImageDraw, instances: Instances, seen: NDArray[np.int32],
                  ids: NDArray[np.int64]) -> None:
    """Label the best visible instances with class and score; labels do not overlap."""
    count = np.bincount(seen[seen >= 0], minlength=len(instances))
    visible = np.flatnonzero(count >= MIN_LABELLED_PIXELS)[:MAX_LABELS]
    taken: list[tuple[float, float, float, float]] = []
    for index in visible.tolist():
        anchor = label_anchor(seen == index)
        text = f'{instances.name(index)} {instances.score[index]:.2f}'
        width = pen.textlength(text, font=font(14)) + 12
        box = _free_box(anchor, width, 20, taken)
        if box is not None:
            taken.append(box)
            _write_label(pen, box, anchor, text, instance_color(int(ids[index]) - 1))


def label_anchor(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the pixel (x, y) of a mask that is nearest to the median of the mask."""
    rows, columns = np.nonzero(mask)
    middle = np.argmin((rows - np.median(rows)) ** 2 + (columns - np.median(columns)) ** 2)
    return float(columns[middle]), float(rows[middle])


def _free_box(anchor: tuple[float, float], width: float, height: float,
                taken: list[tuple[float, float, float, float]]
                ) -> tuple[float, float, float, float] | None:
    """Return a free box (left, top, right, bottom) in the panel near the anchor, or None."""
    for reach in (0, 26, 48, 72, 100):
        for across, down in ((0, -1), (0, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (1, 1), (-1, 1)):
            left = anchor[0] - width / 2 + across * (reach + width / 2)
            top = anchor[1] - height / 2 + down * reach
            left = min(max(left, 4), PANEL_SIZE[0] - width - 4)
            top = min(max(top, 4), PANEL_SIZE[1] - height - 4)
            box = (left, top, left + width, top + height)
            if not any(box[0] < other[2] + 3 and other[0] < box[2] + 3
                       and box[1] < other[3] + 3 and other[1] < box[3] + 3 for other in taken):
                return box
    return None


def _write_label(pen: ImageDraw, box: tuple[float, float, float, float],
                 anchor: tuple[float, float], text: str, color: tuple[int, int, int]) -> None:
    x, y = PANEL_SIZE[0], BANNER_HEIGHT  # of the right panel in the image
    left, top, right, bottom = box[0] + x, box[1] + y, box[2] + x, box[3] + y
    middle = ((left + right) / 2, (top + bottom) / 2)
    foot = (anchor[0] + x, anchor[1] + y)
    pen.line([middle, foot], fill=BANNER_COLOR, width=1)
    pen.ellipse((foot[0] - 3, foot[1] - 3, foot[0] + 3, foot[1] + 3), fill=color,
                outline=BANNER_COLOR)
    pen.rounded_rectangle((left, top, right, bottom), 5, fill=color, outline=BANNER_COLOR)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    pen.text(middle, text, fill=(15, 17, 22) if bright else (255, 255, 255), font=font(14),
             anchor='mm')


def font(size: int) -> Any:
    """Return the font of all images in a size in pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
