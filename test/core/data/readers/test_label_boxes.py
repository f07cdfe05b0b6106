"""Boxes in the formats of labelCloud."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path

from mask3d_core.data.readers.label_boxes import LabelBox, read_label_boxes
from mask3d_core.errors import InputError
import numpy as np
import pytest

INSIDE = np.array([[.1, .1, .1], [1.9, .9, .4], [1, .5, .25]])
OUTSIDE = np.array([[-.1, .1, .1], [2.1, .9, .4], [1, .5, .6], [1, 1.1, .2]])


def box(name: str = 'cart', turn: float = 0.0, axis: str = 'z') -> dict:
    """Return a box of 2 x 1 x 0.5 m with its middle in (1, 0.5, 0.25), turned about it."""
    return {'name': name, 'centroid': {'x': 1, 'y': .5, 'z': .25},
            'dimensions': {'length': 2, 'width': 1, 'height': .5},
            'rotations': dict.fromkeys('xyz', 0.0) | {axis: turn}}


def write(path: Path, *objects: object) -> Path:
    path.write_text(json.dumps({'folder': 'plys', 'filename': 'a.ply', 'path': 'plys/a.ply',
                                'objects': list(objects)}))
    return path


def read(path: Path, *objects: object) -> list[LabelBox]:
    boxes = read_label_boxes(write(path, *objects))
    assert boxes is not None
    return boxes


def test_middle_size_and_angle(tmp_path: Path) -> None:
    plain, turned = read(tmp_path / 'a.json', box(), box('bin', 90.0))
    assert (plain.name, turned.name) == ('cart', 'bin')
    assert plain.volume == pytest.approx(1) and turned.volume == pytest.approx(1)
    assert plain.contains(INSIDE).all() and not plain.contains(OUTSIDE).any()
    middle = [1, .5, .25]
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    for points, expected in ((INSIDE, True), (OUTSIDE, False)):
        np.testing.assert_array_equal(
            turned.contains((points - middle) @ quarter.T + middle), expected)


def test_angles_rotate_as_in_labelcloud(tmp_path: Path) -> None:
    for axis, tip in (('z', [1 + np.cos(.5), .5 + np.sin(.5), .25]),
                      ('y', [1 + np.cos(.5), .5, .25 - np.sin(.5)]), ('x', [2, .5, .25])):
        turned, = read(tmp_path / 'a.json', box(turn=float(np.degrees(.5)), axis=axis))
        middle = np.array([1, .5, .25])
        assert turned.contains(middle + .99 * (np.array([tip]) - middle)).all()
        assert not turned.contains(middle + 1.01 * (np.array([tip]) - middle)).any()


def test_corners(tmp_path: Path) -> None:
    low, high = np.array([0, 0, 0]), np.array([2, 1, .5])
    order = [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1),
             (1, 0, 1)]
    corners = [(low + np.array(place) * (high - low)).tolist() for place in order]
    drawn, = read(tmp_path / 'a.json', {'name': 'cart', 'vertices': corners})
    assert drawn.contains(INSIDE).all() and not drawn.contains(OUTSIDE).any()


def test_files_of_other_programs_are_ignored(tmp_path: Path) -> None:
    (tmp_path / 'a.json').write_text('{"points": 5, "instances": []}')
    assert read_label_boxes(tmp_path / 'a.json') is None
    assert read(tmp_path / 'b.json') == []


def without(key: str) -> dict:
    return {name: value for name, value in box().items() if name != key}


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: box(turn=1.57), r'may be radians \(centroid_rel\): expected'),
    (lambda: box(turn=-45.0), 'may be radians'),
    (lambda: without('centroid'), 'object 1 is no box of labelCloud'),
    (lambda: without('name'), 'object 1 is no box'),
    (lambda: 'cart', 'object 1 is no box'),
    (lambda: box() | {'rotations': [0, 0, 1]}, 'object 1 is no box'),
    (lambda: box() | {'rotations': 5}, 'object 1 is no box'),
    (lambda: {'name': 'a', 'vertices': [[0, 0, 0]] * 7}, 'object 1 is no box'),
    (lambda: {'name': 'a', 'vertices': [[0, 0, 0]] * 8}, "object 1, 'a', is a box without volume"),
    (lambda: box() | {'centroid': {'x': 'a', 'y': 0, 'z': 0}}, 'object 1 is no box')])
def test_invalid_objects_are_named(tmp_path: Path, make: Callable[[], object], message: str,
                                   ) -> None:
    with pytest.raises(InputError, match=f'a.json: .*{message}'):
        read_label_boxes(write(tmp_path / 'a.json', make()))


def test_a_truncated_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / 'a.json').write_text('{"objects": [')
    with pytest.raises(InputError, match='a.json: not readable as json'):
        read_label_boxes(tmp_path / 'a.json')
