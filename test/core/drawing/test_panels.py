"""Panels: one view of a scan in several colourings."""

from pathlib import Path

from mask3d_core.drawing.panels import draw_panels, heat_colors, Panel, PANEL_SIZE, TITLE_HEIGHT
import numpy as np
from PIL import Image
from toy_rooms import make_room


def test_heat_runs_from_the_first_to_the_last_colour() -> None:
    colors = np.rint(255 * heat_colors(np.array([0, 255], np.uint8)))
    assert colors.tolist() == [[66, 70, 88], [255, 240, 150]]


def test_every_panel_has_its_colour(tmp_path: Path) -> None:
    scan = make_room(0).scan
    colors = np.eye(3).repeat(2, axis=0)[:4]
    draw_panels(tmp_path / 'panels.png', scan, [
        Panel(str(number), np.tile(color, (len(scan), 1))) for number, color in enumerate(colors)])
    picture = np.asarray(Image.open(tmp_path / 'panels.png')).astype(int)
    width, height = PANEL_SIZE[0], PANEL_SIZE[1] + TITLE_HEIGHT
    assert picture.shape == (2 * height, 3 * width, 3)
    for number, color in enumerate(colors):
        top, left = number // 3 * height, number % 3 * width
        panel = picture[top + TITLE_HEIGHT:top + height, left:left + width]
        middle = panel[height // 2 - 60:height // 2, width // 2 - 40:width // 2 + 40]
        assert middle.reshape(-1, 3).mean(axis=0).argmax() == color.argmax()
