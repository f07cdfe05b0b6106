"""Generated rooms with models of catalogues: determined by their content; the command."""

from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.data.check import check_dataset
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.generated import (
    floor_sources,
    generate_room,
    generate_storey,
    room_sources,
)
from mask3d_core.data.stress import generate_stress_room, stress_sources
import numpy as np
import pytest
from tiny_catalogue import furniture_catalogue, TinyModel, write_catalogue
from tiny_gazebo import box_dae, write_model, write_world

pytest.importorskip('trimesh')


@pytest.mark.parametrize('generate', [generate_room, generate_stress_room])
def test_a_room_follows_from_seed_number_and_catalogues(tmp_path: Path, generate: object) -> None:
    assert callable(generate)
    files = (furniture_catalogue(tmp_path / 'tiny.sh3f'),)
    one, same, ours = generate(0, 3, files), generate(0, 3, files), generate(0, 3)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert one['xyz'].shape != ours['xyz'].shape or (one['xyz'] != ours['xyz']).any()


@pytest.mark.parametrize('sources', [
    room_sources, stress_sources,
    lambda *given: floor_sources(*given[:3], 2, *given[3:])])
def test_the_version_names_the_catalogues(tmp_path: Path, sources: object) -> None:
    assert callable(sources)
    file = furniture_catalogue(tmp_path / 'tiny.sh3f')
    with_models, again = (sources(1, 1, 0, (file,))[0].version for _ in range(2))
    plain = sources(1, 1, 0)[0].version
    write_catalogue(file, [TinyModel('Sofa')])
    changed = sources(1, 1, 0, (file,))[0].version
    assert with_models == again and len({with_models, plain, changed}) == 3
    assert 'tiny.sh3f' in with_models and 'models' not in plain


def test_the_command_in_any_number_of_processes(tmp_path: Path) -> None:
    furniture_catalogue(tmp_path / 'tiny.sh3f')
    xyz = []
    for workers in ('1', '2'):
        folder = tmp_path / workers
        assert main(['prepare', 'rooms', str(folder), '--models', str(tmp_path), '--count', '1',
                     '--held-out', '1', '--workers', workers]) == 0
        data = Dataset.open(folder)
        assert data.name == 'rooms 0, with models' and len(data.scans) == 2
        xyz.append(np.concatenate([data.read(name).scan.xyz for name in data.scans]))
    assert np.array_equal(*xyz)


def test_the_command_for_a_stress_set(tmp_path: Path) -> None:
    file = furniture_catalogue(tmp_path / 'tiny.sh3f')
    assert main(['prepare', 'rooms', str(tmp_path / 'out'), '--models', str(file), '--stress',
                 '--held-out', '1', '--workers', '1']) == 0
    data = Dataset.open(tmp_path / 'out')
    assert data.name == 'rooms 0, stress, with models'
    assert not [finding for finding in check_dataset(data) if finding.is_error]


def test_the_command_for_a_floor(tmp_path: Path) -> None:
    file = furniture_catalogue(tmp_path / 'tiny.sh3f')
    out = tmp_path / 'out'
    assert main(['prepare', 'rooms', str(out), '--models', str(file), '--floor', '2', '--workers',
                 '1']) == 0
    data = Dataset.open(out)
    assert data.name == 'rooms 0, floors of 2 rooms, with models'
    assert not [finding for finding in check_dataset(data) if finding.is_error]
    with_models, same = (generate_storey(0, -1, 2, (file,)) for _ in range(2))
    assert all(np.array_equal(one['xyz'], two['xyz']) for one, two in zip(with_models, same))
    assert np.array_equal(data.read('held_out_floor_000000').scan.xyz,
                          np.concatenate([part['xyz'] for part in with_models]))
    ours = generate_storey(0, -1, 2)
    assert any(one['xyz'].shape != two['xyz'].shape or (one['xyz'] != two['xyz']).any()
               for one, two in zip(with_models, ours))


def test_the_command_for_gazebo_models(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('collada')
    world = write_world(tmp_path / 'world')
    write_model(world / 'models' / 'Table', box_dae()[:900])
    file = furniture_catalogue(tmp_path / 'tiny.sh3f')
    assert main(['prepare', 'rooms', str(tmp_path / 'out'), '--models', str(world), str(file),
                 '--count', '1', '--held-out', '0', '--workers', '1']) == 0
    assert capsys.readouterr().err.count('warning: the Gazebo model Table is left out') == 1
    data = Dataset.open(tmp_path / 'out')
    assert not [finding for finding in check_dataset(data) if finding.is_error]


def test_what_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f', [TinyModel('Bed'),
                                                    TinyModel('Sofa', more={'width': 'wide'})])
    command = ['prepare', 'rooms', str(tmp_path / 'out'), '--count', '1', '--held-out', '0']
    (tmp_path / 'empty').mkdir()
    assert main([*command, '--models', str(tmp_path / 'empty')]) == 1
    assert ('empty: expected a folder with .sh3f files or with Gazebo models (model.sdf), got '
            'neither') in capsys.readouterr().err
    assert main([*command, '--models', str(tmp_path / 'none.sh3f')]) == 1
    assert 'none.sh3f: no such file' in capsys.readouterr().err
    assert main([*command, '--models', str(file), '--workers', '1']) == 0
    assert capsys.readouterr().err.count('warning: model 2 of') == 1
