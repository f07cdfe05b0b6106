"""Folders with Gazebo models: found, named, measured; damaged ones named and left out."""

from pathlib import Path
import sys

from mask3d_core.errors import InputError
from mask3d_core.rooms.models.gazebo_models import (
    find_gazebo_models,
    read_gazebo_models,
    words_of,
)
from mask3d_core.rooms.models.model_mesh import read_model_mesh
import numpy as np
import pytest
from tiny_gazebo import box_dae, visual, write_model, write_world

pytest.importorskip('trimesh')
pytest.importorskip('collada')


@pytest.mark.parametrize(('name', 'words'), [
    ('aws_robomaker_residential_ChairA_01', 'Chair A 01'),
    ('aws_robomaker_retail_TVCabinet_01', 'TV Cabinet 01'),
    ('aws_robomaker_hospital_curtain_half_open_01', 'curtain half open 01'),
    ('DeskPortraitD_04', 'Desk Portrait D 04'), ('Coffee table', 'Coffee table'),
    ('office_chair2', 'office chair 2'),
])
def test_words_of_a_name(name: str, words: str) -> None:
    assert words_of(name) == words


def test_models_are_found_up_to_two_folders_below(tmp_path: Path) -> None:
    chair, sofa = (write_model(tmp_path / 'world' / 'models' / name) for name in ('Chair', 'Sofa'))
    write_model(tmp_path / 'world' / 'models' / 'Sofa' / 'old')  # a part of the sofa
    assert find_gazebo_models(tmp_path / 'world') == [chair, sofa]
    assert find_gazebo_models(tmp_path / 'world' / 'models') == [chair, sofa]
    assert find_gazebo_models(chair.parent) == [chair]
    assert not find_gazebo_models(tmp_path) and not find_gazebo_models(chair.parent / 'meshes')


def test_a_model_of_a_folder(tmp_path: Path) -> None:
    write_model(tmp_path / 'models' / 'aws_robomaker_residential_ChairA_01',
                box_dae((40, 50, 90), '<unit meter="0.01"/>'))
    (model,), damaged = read_gazebo_models(tmp_path)
    assert not damaged and model.file == tmp_path
    assert model.key == 'aws_robomaker_residential_ChairA_01' and model.name == 'Chair A 01'
    # the longer side is along the wall
    assert model.size == pytest.approx((0.5, 0.4, 0.9)) and model.elevation is None
    low, high = read_model_mesh(model).bounds
    assert low == pytest.approx((-0.25, -0.2, 0)) and high == pytest.approx((0.25, 0.2, 0.9))


@pytest.mark.parametrize('turn', [0, 1, 2, 3])
def test_the_back_is_towards_y(tmp_path: Path, turn: int) -> None:
    pose = f'<pose>0 0 0 0 0 {turn * np.pi / 2}</pose>'
    link = pose + visual('meshes/visual.DAE', '<scale>1.1 1 0.5</scale>') + visual(
        'meshes/visual.DAE', '<scale>1.1 0.5 0.5</scale>', '<pose>0 0.5 0.5 0 0 0</pose>')
    write_model(tmp_path / 'Sofa', link=link)
    (model,), _ = read_gazebo_models(tmp_path)
    mesh = read_model_mesh(model)
    assert model.size == pytest.approx((1.1, 1, 1)) and mesh.size == pytest.approx(model.size)
    assert (mesh.vertices[mesh.vertices[:, 2] > 0.6][:, 1] > -0.01).all()


def test_damaged_models_are_named_and_left_out(tmp_path: Path) -> None:
    write_world(tmp_path)
    write_model(tmp_path / 'models' / 'Broken', box_dae()[:900])
    write_model(tmp_path / 'models' / 'Missing', '')
    models, damaged = read_gazebo_models(tmp_path)
    assert len(models) == 6 and len(damaged) == 2
    assert damaged[0].startswith('the Gazebo model Broken is left out: ')
    assert 'visual.DAE: not a readable .dae file' in damaged[0]
    assert "the mesh 'model://Missing/meshes/visual.DAE' is missing" in damaged[1]


def test_a_flat_model_has_no_height(tmp_path: Path) -> None:
    write_model(tmp_path / 'Floor', box_dae((4, 3, 0)))
    (model,), damaged = read_gazebo_models(tmp_path)
    assert not damaged and np.array(model.size) == pytest.approx((4, 3, 0))


def test_without_pycollada_it_says_what_to_install(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'collada', None)
    with pytest.raises(InputError, match='reading .dae needs the package collada: pip install '
                                         "'pycollada'"):
        read_gazebo_models(write_world(tmp_path))
