"""Contact sheets of several scans."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.classes import ClassTable
from mask3d_core.cli import main
from mask3d_core.colors import instance_color
from mask3d_core.data.dataset import Dataset, ScanFacts
from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.drawing.contact_sheet import (
    draw_contact_sheet,
    SCANS_PER_ROW,
    SheetScan,
    THUMBNAIL_SIZE,
    TITLE_HEIGHT,
)
from mask3d_core.drawing.view import BACKGROUND
from mask3d_core.errors import InputError
from mask3d_core.geometry.upright import upright
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray
from PIL import Image
import pytest

DEMO = Path(__file__).resolve().parents[3] / 'demo' / 'office.ply'


def table_with_box() -> tuple[Scan, NDArray[np.int32]]:
    """Return a grey table top of 1 m, instance 7, and a smaller red box on it, instance 3."""
    x, y = (axis.reshape(-1) for axis in np.meshgrid(*2 * [np.linspace(0, 1, 60)]))
    table = np.stack([x, y, 0 * x], axis=1)
    box = table[::4] * 0.3 + (0.35, 0.35, 0.1)
    color = np.repeat([(0.5, 0.5, 0.5), (1.0, 0.0, 0.0)], (3600, 900), axis=0)
    scan = Scan.from_points(np.concatenate([table, box]), color)
    return scan, np.repeat(np.array([7, 3], np.int32), (3600, 900))


def read(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        assert image.format == 'PNG'
        return np.asarray(image.convert('RGB')).astype(np.int64)


def share(pixels: NDArray[np.int64], color: tuple[int, ...]) -> float:
    return float((np.abs(pixels - color).max(axis=2) <= 25).mean())


def test_instances_are_below_their_scan_the_largest_in_the_first_colour(tmp_path: Path) -> None:
    scan, instance = table_with_box()
    draw_contact_sheet(tmp_path / 'a.png', [SheetScan('one', scan, instance),
                                            SheetScan('two', scan)])
    pixels = read(tmp_path / 'a.png')
    assert pixels.shape == (TITLE_HEIGHT + 2 * THUMBNAIL_SIZE[1], 2 * THUMBNAIL_SIZE[0], 3)
    own, painted = np.split(pixels[TITLE_HEIGHT:], 2)
    first, second = own[:, :THUMBNAIL_SIZE[0]], own[:, THUMBNAIL_SIZE[0]:]
    assert share(first, (255, 0, 0)) > 0.01
    np.testing.assert_array_equal(first, second)
    assert share(painted[:, :THUMBNAIL_SIZE[0]], instance_color(0)) > 0.1
    assert share(painted[:, :THUMBNAIL_SIZE[0]], instance_color(1)) > 0.01
    assert (painted[:, THUMBNAIL_SIZE[0]:] == BACKGROUND).all()


def test_points_without_an_instance_have_no_instance_colour(tmp_path: Path) -> None:
    scan, instance = table_with_box()
    instance[:3600] = -1
    draw_contact_sheet(tmp_path / 'a.png', [SheetScan('one', scan, instance)])
    painted = read(tmp_path / 'a.png')[TITLE_HEIGHT + THUMBNAIL_SIZE[1]:]
    assert 0.01 < share(painted, instance_color(0)) < 0.1


def test_scans_are_laid_out_in_rows(tmp_path: Path) -> None:
    scan, instance = table_with_box()
    scans = [SheetScan('a', scan)] * SCANS_PER_ROW + [SheetScan('b', scan, instance)]
    draw_contact_sheet(tmp_path / 'a.png', scans)
    width, height = THUMBNAIL_SIZE
    assert read(tmp_path / 'a.png').shape == (
        2 * TITLE_HEIGHT + 3 * height, SCANS_PER_ROW * width, 3)
    with pytest.raises(InputError, match='missing'):
        draw_contact_sheet(tmp_path / 'missing' / 'a.png', scans[:1])


def test_a_data_set_and_another_cloud(tmp_path: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    scan, instance = table_with_box()
    (tmp_path / 'scans').mkdir()
    names = ('a', 'b', 'c')
    for name in names:
        write_labelled(tmp_path / 'scans' / f'{name}.npz',
                       LabelledScan(scan, np.ones(4500, np.int32), instance, name))
    facts = ScanFacts(4500)
    Dataset(tmp_path, 'ours', ClassTable((1,), ('box',), ((1, 2, 3),)),
            splits={'train': names}, scans=dict.fromkeys(names, facts)).save()
    picture = tmp_path / 'sheet.png'
    assert main(['prepare', 'draw', str(tmp_path), str(picture), '--count', '2', '--beside',
                 str(DEMO)]) == 0
    assert str(picture) in capsys.readouterr().out
    assert read(picture).shape == (TITLE_HEIGHT + 2 * THUMBNAIL_SIZE[1], 3 * THUMBNAIL_SIZE[0], 3)
    beside = tmp_path / 'hall.ply'
    beside.write_text('of the user')
    assert main(['prepare', 'draw', str(tmp_path), str(beside)]) == 1
    assert 'expected a .png to draw into, got' in capsys.readouterr().err
    assert beside.read_text() == 'of the user'


def test_scans_in_the_frame_of_a_camera_are_turned() -> None:
    rng = np.random.default_rng(0)
    floor = np.stack([*rng.uniform(-2, 2, (2, 5000)), rng.normal(0, 0.003, 5000)], axis=1)
    level = Scan.from_points(floor)
    assert upright(level) is level
    x, y, z = floor.T
    seen = Scan.from_points(np.stack([x, 1 - z, y + 3], axis=1))  # 1 m below the camera
    np.testing.assert_allclose(upright(seen).xyz, floor + (0, 3, -1), atol=1e-6)
