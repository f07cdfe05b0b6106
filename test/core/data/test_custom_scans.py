"""Scans of one's own: formats, colours, axes and units that `mask3d prepare` reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import shutil

from labelled_folder import labelled, plys, run
from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import write_labelled
from mask3d_core.files import read_scan
import numpy as np
from numpy.typing import NDArray
import pytest
from shared import find_shared

__all__ = ['plys']  # a fixture


def arrays(seed: int) -> dict[str, NDArray]:
    """Return points with label and instance 0 for none, as in a .ply."""
    rng = np.random.default_rng(seed)
    return {'xyz': rng.uniform(0, 3, (60, 3)).astype(np.float32),
            'color': rng.integers(0, 256, (60, 3), dtype=np.uint8),
            'label': np.repeat([0, 1, 4], 20), 'instance': np.repeat([0, 1, 2], 20)}


def as_text(path: Path, columns: dict[str, NDArray]) -> None:
    rows = np.column_stack(list(columns.values()))
    np.savetxt(path, rows, '%.9g', header='x y z red green blue label instance')


def as_pcd(path: Path, columns: dict[str, NDArray]) -> None:
    rows = np.column_stack(list(columns.values()))
    with path.open('w') as file:
        file.write('FIELDS x y z r g b label instance\nSIZE 4 4 4 1 1 1 4 4\n'
                   'TYPE F F F U U U U I\nPOINTS 60\nDATA ascii\n')
        np.savetxt(file, rows, '%.9g')


def as_csv(path: Path, columns: dict[str, NDArray]) -> None:
    rows = np.column_stack(list(columns.values()))
    np.savetxt(path, rows, '%.9g', ',', header='X,Y,Z,R,G,B,scalar_Label,scalar_Instance',
               comments='')


WRITERS: dict[str, Callable[[Path, dict[str, NDArray]], None]] = {
    '.txt': as_text, '.pcd': as_pcd, '.csv': as_csv,
    '.npz': lambda path, columns: np.savez(path, **columns)}  # type: ignore[arg-type]


@pytest.mark.parametrize('suffix', WRITERS)
def test_instance_0_is_none_in_every_format(plys: Path, suffix: str,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(plys)
    plys.mkdir()
    for number in range(2):
        WRITERS[suffix](plys / f'hall_{number}{suffix}', arrays(number))
    (plys / 'README.txt').write_text('what this is')
    assert run(plys) == 0, capsys.readouterr().err
    found = Dataset.open(plys.parent / 'out').read('hall_0')
    expected = arrays(0)
    np.testing.assert_array_equal(found.scan.xyz, expected['xyz'])
    np.testing.assert_allclose(found.scan.color, expected['color'] / 255, atol=1e-6)
    np.testing.assert_array_equal(found.label, np.repeat([-1, 1, 4], 20))
    np.testing.assert_array_equal(found.instance, np.repeat([-1, 0, 1], 20))
    assert ('instance 0 is read as none' in capsys.readouterr().err) == (suffix == '.npz')


@pytest.mark.parametrize(('label', 'instance', 'classes'), [
    (np.repeat([-1, 1, 4], 20), np.repeat([0, 7, 3], 20), [-1, 1, 4]),   # -1 for no class only
    (np.repeat([0, 1, 4], 20)[:, None], np.repeat([0, 7, 3], 20)[:, None], [-1, 1, 4]),
    (np.repeat([-1, 1, 4], 20), np.repeat([-1, 1, 0], 20), [-1, 1, 4])])
def test_what_is_no_object_in_an_npz(plys: Path, label: NDArray, instance: NDArray,
                                     classes: list[int]) -> None:
    shutil.rmtree(plys)
    plys.mkdir()
    for number in range(2):
        np.savez(plys / f'hall_{number}.npz', **arrays(number) | {
            'label': label, 'instance': instance})
    assert run(plys) == 0
    found = Dataset.open(plys.parent / 'out').read('hall_0')
    np.testing.assert_array_equal(found.label, np.repeat(classes, 20))
    assert (found.instance[:20] == -1).all() and (found.instance[20:] >= 0).all()
    assert len(set(found.instance)) == 3


def test_labels_of_another_length_are_named(plys: Path, capsys: pytest.CaptureFixture[str],
                                            ) -> None:
    np.savez(plys / 'hall_9.npz', **arrays(0) | {'label': np.ones(57, int)})
    (plys / 'hall_8.txt').write_text('1 2 3 4 5 6 7 8\n' * 20)
    assert run(plys) == 1
    said = capsys.readouterr().err
    assert 'hall_9.npz: expected label with 60 values, one for each point, got 57' in said
    assert "hall_8.txt: expected the field 'label'" in said and 'first line names' in said


def test_a_prepared_npz_keeps_its_ids(plys: Path) -> None:
    shutil.rmtree(plys)
    plys.mkdir()
    for number in range(2):
        write_labelled(plys / f'hall_{number}.npz', labelled(number))
    assert run(plys) == 0
    found = Dataset.open(plys.parent / 'out').read('hall_0')
    np.testing.assert_array_equal(found.instance, labelled(0).instance)
    np.testing.assert_array_equal(found.label, labelled(0).label)


def test_some_scans_without_colour_are_refused_unless_told(
        plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labelled(plys / 'hall_2.ply', labelled(2, color=False))
    assert run(plys) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert '1 of 5 scans have no colour, the others have: hall_2' in said
    assert '--mixed-colour' in said and not (plys.parent / 'out' / 'dataset.json').exists()
    assert run(plys, '--mixed-colour') == 0
    for number in range(5):
        write_labelled(plys / f'hall_{number}.ply', labelled(number, color=False))
    assert run(plys) == 0, 'none has colour'


def test_colour_that_is_not_understood_is_named(plys: Path, capsys: pytest.CaptureFixture[str],
                                                ) -> None:
    file = plys / 'hall_1.ply'
    file.write_bytes(file.read_bytes().replace(b' red\n', b' hue_red\n'))
    assert run(plys, '--mixed-colour') == 0
    said = capsys.readouterr().err
    assert 'fields that look like colour and are not understood' in said
    assert 'hue_red, green, blue' in said


def test_axes_and_unit_of_the_files(plys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = labelled(0)
    xyz = scan.scan.xyz[:, [0, 2, 1]] * np.array([1000, 1000, -1000], np.float32)  # y up, mm
    write_labelled(plys / 'hall_0.ply', replace(scan, scan=replace(scan.scan, xyz=xyz)))
    assert run(plys) == 0
    assert 'hall_0  50 points; warning: is ' in capsys.readouterr().err
    assert run(plys, '--up', 'y', '--unit', 'mm') == 0
    said = capsys.readouterr().err
    assert '[1/5] hall_0  50 points' in said
    found = Dataset.open(plys.parent / 'out').read('hall_0')
    np.testing.assert_allclose(found.scan.xyz, scan.scan.xyz, atol=1e-5)


def test_which_cloud_of_a_bag(tmp_path: Path) -> None:
    pytest.importorskip('rosbags')
    bag = find_shared('data/bags/kinect_tabletop_ros2_mcap_zstd')
    arguments = ['prepare', 'bag', str(bag), str(tmp_path)]
    assert main([*arguments, '--cloud', '7']) == 1
    assert main([*arguments, '--cloud', '0', '--up=-y', '--name', 'level']) == 0
    level, camera = read_scan(tmp_path / 'level.ply'), read_scan(bag)
    np.testing.assert_array_equal(level.xyz[:, 2], -camera.xyz[:, 1])
