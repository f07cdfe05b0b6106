"""Labelled scans, written and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mask3d_core.data.labels import LabelledScan, read_labelled, write_labelled
from mask3d_core.errors import InputError
from mask3d_core.files.ply import write_ply
from mask3d_core.files.results import write_labelled_ply
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask_rows import rows_of
import numpy as np
import pytest

XYZ = np.arange(30, dtype=np.float32).reshape(10, 3) / 8
RGB = np.arange(30, dtype=np.uint8).reshape(10, 3) * 8
LABEL = np.array([-1, -1, 3, 3, 3, 5, 5, -1, -1, 9], np.int32)
INSTANCE = np.array([-1, -1, 0, 0, 1, 7, 7, 4, 4, -1], np.int32)


def labelled(**changes: object) -> LabelledScan:
    """Return ten points with every combination of label and instance."""
    columns = {'xyz': XYZ, 'color': RGB, 'label': LABEL, 'instance': INSTANCE,
               'segment': np.arange(10) // 2} | changes
    return LabelledScan.from_columns(
        {key: np.asarray(value) for key, value in columns.items() if value is not None}, 'room')


def assert_same(found: LabelledScan, expected: LabelledScan) -> None:
    np.testing.assert_array_equal(found.scan.xyz, expected.scan.xyz)
    np.testing.assert_array_equal(found.scan.color, expected.scan.color)
    np.testing.assert_array_equal(found.scan.segment, expected.scan.segment)
    np.testing.assert_array_equal(found.label, expected.label)
    np.testing.assert_array_equal(found.instance, expected.instance)
    assert found.name == expected.name
    assert found.label.dtype == found.instance.dtype == np.int32


@pytest.mark.parametrize('suffix', ['npz', 'ply'])
@pytest.mark.parametrize('changes', [{}, {'color': None, 'segment': None}])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, changes: dict) -> None:
    scan = labelled(**changes)
    path = tmp_path / f'room.{suffix}'

    write_labelled(path, scan)

    assert_same(read_labelled(path), scan)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    (tmp_path / 'plain').touch()
    assert path.stat().st_mode == (tmp_path / 'plain').stat().st_mode


def test_the_archive_has_the_promised_types(tmp_path: Path) -> None:
    write_labelled(tmp_path / 'room.npz', labelled(xyz=XYZ.astype(np.float64)))
    with np.load(tmp_path / 'room.npz') as archive:
        types = {key: archive[key].dtype.name for key in archive}
    assert types == {'xyz': 'float32', 'color': 'uint8', 'label': 'int32', 'instance': 'int32',
                     'segment': 'int32'}


def test_points_without_a_position_take_their_labels_along() -> None:
    holes = XYZ.copy()
    holes[[0, 5], 1] = np.nan
    scan = labelled(xyz=holes)
    np.testing.assert_array_equal(scan.label, np.delete(LABEL, [0, 5]))
    np.testing.assert_array_equal(scan.instance, np.delete(INSTANCE, [0, 5]))
    assert len(scan) == len(scan.scan) == 8


def test_take_keeps_what_belongs_together() -> None:
    part = labelled().take(np.array([9, 2]))
    np.testing.assert_array_equal(part.scan.xyz, XYZ[[9, 2]])
    np.testing.assert_array_equal(part.scan.kept, [9, 2])
    assert part.label.tolist() == [9, 3] and part.instance.tolist() == [-1, 0]
    np.testing.assert_array_equal(part.scan.segment, [4, 1])


def vertices(**columns: object) -> np.ndarray:
    """Return the rows of a .ply file: positions, and what is given."""
    given = {'x': XYZ[:, 0], 'y': XYZ[:, 1], 'z': XYZ[:, 2]} | columns
    arrays = {key: np.asarray(value) for key, value in given.items()}
    rows = np.empty(10, [(key, array.dtype) for key, array in arrays.items()])
    for key, array in arrays.items():
        rows[key] = array
    return rows


def test_a_file_saved_by_cloudcompare_is_read(tmp_path: Path) -> None:
    label = np.array([0, 0, 3, 3, 3, 5, 5, np.nan, -1, 9], np.float32)
    instance = np.array([0, 0, 1, 1, 2, 8, 8, 5, 5, np.nan], np.float32)
    write_ply(tmp_path / 'room.ply', vertices(
        red=RGB[:, 0], green=RGB[:, 1], blue=RGB[:, 2], scalar_label=label,
        scalar_Instance=instance, scalar_segment=np.arange(10, dtype=np.float32) // 2))
    expected = labelled()
    expected.label[7] = 0  # "not set" is 0: with an instance, that of class 0 if there is one
    assert_same(read_labelled(tmp_path / 'room.ply'), expected)


@pytest.mark.parametrize('color', [None, RGB / np.float32(255)])
def test_what_segment_writes_is_read_with_the_colours_of_the_scan(
        tmp_path: Path, color: np.ndarray | None) -> None:
    scan = Scan.from_points(XYZ, color)
    masks = np.zeros((2, 10), bool)
    masks[0, 2:5] = masks[1, 4:8] = True
    boxes = np.zeros((2, 3))
    instances = Instances(rows_of(masks), 10, np.array([3, 0], np.int32),
                          np.array([.9, .8], np.float32), {0: 'a', 3: 'b'}, {}, boxes, boxes,
                          boxes, boxes, boxes, np.zeros(2))

    write_labelled_ply(tmp_path / 'found.ply', scan, instances)
    found = read_labelled(tmp_path / 'found.ply')

    np.testing.assert_array_equal(found.scan.xyz, XYZ)
    np.testing.assert_array_equal(found.scan.color, scan.color)
    np.testing.assert_array_equal(found.label, [-1, -1, 3, 3, 3, 0, 0, 0, -1, -1])
    np.testing.assert_array_equal(found.instance, [-1, -1, 0, 0, 0, 1, 1, 1, -1, -1])


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / 'unlabelled.npz', xyz=XYZ)
    np.savez(tmp_path / 'short.npz', xyz=XYZ, label=LABEL[:5], instance=INSTANCE)
    np.savez(tmp_path / 'float.npz', xyz=XYZ, label=LABEL / 2, instance=INSTANCE)
    np.savez(tmp_path / 'negative.npz', xyz=XYZ, label=LABEL - 5, instance=INSTANCE)
    (tmp_path / 'text.npz').write_text('x')
    write_ply(tmp_path / 'unlabelled.ply', vertices())
    write_ply(tmp_path / 'fraction.ply', vertices(label=LABEL + np.float32(.5),
                                                  instance=INSTANCE))
    write_ply(tmp_path / 'tiny.ply', vertices(label=LABEL - np.float64(3e9), instance=INSTANCE))
    with (tmp_path / 'single.npz').open('wb') as file:
        np.save(file, XYZ)
    write_ply(tmp_path / 'huge.ply', vertices(label=LABEL, instance=INSTANCE + np.float64(1e12)))
    for name, message in {
            'unlabelled.npz': "the array 'label', got: xyz", 'short.npz': 'label as 10 integers',
            'float.npz': 'label as 10 integers', 'negative.npz': 'label from -1',
            'text.npz': 'not a readable .npz', 'unlabelled.ply': "the field 'label'",
            'fraction.ply': 'whole numbers, got -0.5', 'huge.ply': 'instance as numbers up to',
            'tiny.ply': 'label as numbers from -2147483648, got -', 'single.npz': 'single .npy',
            'none.ply': 'no such file', 'scan.gif': 'as .npz, .ply'}.items():
        with pytest.raises(InputError, match=f'{name}.*{message}'):
            read_labelled(tmp_path / name)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / 'room.npz'
    write_labelled(path, labelled())
    before = path.read_bytes()
    broken = replace(labelled(), label=np.array([object()]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='pickle'):
        write_labelled(path, broken)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match='none/a.npz: No such file'):
        write_labelled(tmp_path / 'none' / 'a.npz', labelled())
    with pytest.raises(InputError, match=r'ends with \.npz or \.ply'):
        write_labelled(tmp_path / 'a.pcd', labelled())
