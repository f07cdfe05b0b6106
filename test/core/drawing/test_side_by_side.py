"""Side-by-side images of real and of degenerate scans."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.colors import instance_color
from mask3d_core.drawing.side_by_side import BANNER_HEIGHT, draw_side_by_side, PANEL_SIZE
from mask3d_core.drawing.view import BACKGROUND
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask_rows import rows_of
import numpy as np
from numpy.typing import NDArray
from PIL import Image
import pytest

DEMO = Path(__file__).resolve().parents[3] / 'demo' / 'office.ply'


def instances(scan: Scan, masks: NDArray[np.bool_]) -> Instances:
    """Return chairs with these masks over the points of a scan."""
    whole = np.zeros((len(masks), scan.input_size), bool)
    whole[:, scan.kept] = masks
    boxes = np.zeros((len(masks), 3))
    return Instances(rows_of(whole), scan.input_size, np.full(len(masks), 5, np.int32),
                     np.linspace(0.9, 0.1, len(masks), dtype=np.float32), {5: 'chair'},
                     {5: (1, 2, 3)}, boxes, boxes, boxes, boxes, boxes, np.zeros(len(masks)),
                     {'unet': 1.0})


def panels(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the left and the right view."""
    with Image.open(path) as image:
        width, height = PANEL_SIZE
        assert image.format == 'PNG' and image.size == (2 * width, BANNER_HEIGHT + height)
        pixels = np.asarray(image.convert('RGB'))[BANNER_HEIGHT:]
    return pixels[:, :PANEL_SIZE[0] - 2], pixels[:, PANEL_SIZE[0] + 2:]


def share(pixels: NDArray[np.uint8], color: tuple[int, ...], tolerance: int = 12) -> float:
    """Return the share of pixels near a colour."""
    return float((np.abs(pixels.astype(int) - color).max(axis=2) <= tolerance).mean())


def test_the_demo_scan(tmp_path: Path) -> None:
    scan = read_scan(DEMO)
    door = (scan.xyz[:, 0] > 4.5) & (np.abs(scan.xyz[:, 1] - 0.2) < 0.5) & (scan.xyz[:, 2] < 2)
    floor = np.abs(scan.xyz[:, 2]) < 0.06
    draw_side_by_side(tmp_path / 'a.png', scan, instances(scan, np.stack([floor, door])), 'office')
    left, right = panels(tmp_path / 'a.png')
    for view in (left, right):
        assert 0.2 < share(view, BACKGROUND, 0) < 0.7
    for index in (0, 1):
        assert share(right, instance_color(index)) > 0.005 > share(left, instance_color(index))


def test_the_same_picture_twice(tmp_path: Path) -> None:
    scan = read_scan(DEMO)
    for name in 'ab':
        draw_side_by_side(tmp_path / name, scan, instances(scan, np.eye(3, len(scan), dtype=bool)))
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_height_colors_without_color(tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).uniform(0, 1, (5000, 3))
    scan = Scan.from_points(xyz)
    draw_side_by_side(tmp_path / 'a.png', scan, instances(scan, np.zeros((0, 5000), bool)))
    left, right = panels(tmp_path / 'a.png')
    assert np.ptp(left.astype(int), axis=2).max() > 100
    assert np.ptp(right.astype(int), axis=2).max() < 10  # nothing found: all grey


def test_many_overlapping_instances(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    xyz = random.uniform(0, 3, (20000, 3))
    scan = Scan.from_points(xyz, random.random((20000, 3)))
    masks = np.linalg.norm(xyz[None] - xyz[:60, None], axis=2) < 0.8
    draw_side_by_side(tmp_path / 'a.png', scan, instances(scan, masks))
    assert share(panels(tmp_path / 'a.png')[1], BACKGROUND, 0) < 0.9


@pytest.mark.parametrize('xyz', [np.zeros((8, 3)), np.arange(24).reshape(8, 3) * 3e3,
                                 np.eye(3).repeat(4, axis=0)])
def test_awkward_scans(tmp_path: Path, xyz: NDArray) -> None:
    scan = Scan.from_points(xyz)
    draw_side_by_side(tmp_path / 'a.png', scan, instances(scan, np.ones((1, len(xyz)), bool)))
    assert share(panels(tmp_path / 'a.png')[1], BACKGROUND, 0) < 1


def test_errors(tmp_path: Path) -> None:
    scan = Scan.from_points(np.random.default_rng(0).random((50, 3)))
    other = Scan.from_points(np.random.default_rng(0).random((40, 3)))
    found = instances(scan, np.ones((1, 50), bool))
    with pytest.raises(InputError, match='of 50 points, the scan was made of one of 40'):
        draw_side_by_side(tmp_path / 'a.png', other, found)
    with pytest.raises(InputError, match='absent'):
        draw_side_by_side(tmp_path / 'absent' / 'a.png', scan, found)
