"""Meshes of Gazebo models: units, nodes and scales in metres, upright, with textures."""

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.rooms.models.gazebo_mesh import read_gazebo_mesh, read_triangles
import numpy as np
from PIL import Image
import pytest
from tiny_catalogue import box_obj
from tiny_gazebo import box_dae, visual, write_model

pytest.importorskip('trimesh')
pytest.importorskip('collada')
Y_UP = '<unit meter="0.01"/><up_axis>Y_UP</up_axis>'


def size(file: Path) -> list[float]:
    """Return the size of a model, the same from its triangles and from its mesh."""
    extent = np.ptp(read_triangles(file), axis=(0, 1))
    assert read_gazebo_mesh(file).size == pytest.approx(extent)
    return np.round(extent, 6).tolist()


@pytest.mark.parametrize(('dae', 'expected'), [
    (box_dae((0.4, 0.5, 0.9)), [0.4, 0.5, 0.9]),
    (box_dae((40, 50, 90), '<unit name="centimeter" meter="0.01"/><up_axis>Z_UP</up_axis>'),
     [0.4, 0.5, 0.9]),
    (box_dae((40, 50, 90), ''), [40, 50, 90]),
    (box_dae((20, 25, 45), '<unit meter="0.01"/>', '<scale>2 2 2</scale>'), [0.4, 0.5, 0.9]),
    # y up in its coordinates, and turned upright by its node: Gazebo ignores <up_axis>
    (box_dae((40, 90, 50), Y_UP, '<rotate>1 0 0 90</rotate>'), [0.4, 0.5, 0.9]),
    (box_dae((40, 50, 90), Y_UP), [0.4, 0.5, 0.9]),
])
def test_sizes_in_metres(tmp_path: Path, dae: str, expected: list[float]) -> None:
    assert size(write_model(tmp_path / 'Chair', dae)) == expected


def test_scale_and_pose_of_the_model(tmp_path: Path) -> None:
    link = visual('meshes/visual.DAE', '<scale>1 2 3</scale>',
                  '<pose>0 0 5 0 0 1.5707963268</pose>')
    file = write_model(tmp_path / 'Chair', box_dae((0.1, 0.2, 0.3)), link)
    assert size(file) == [0.4, 0.1, 0.9]
    assert read_triangles(file)[..., 2].min() == pytest.approx(5)


def test_several_meshes_of_other_kinds(tmp_path: Path) -> None:
    link = visual('meshes/visual.DAE') + visual('top.obj', pose='<pose>0 0 1 0 0 0</pose>')
    file = write_model(tmp_path / 'Table', link=link)
    (file.parent / 'top.obj').write_text(box_obj((0, 0, 0), (2, 2, 0.5)))
    mesh = read_gazebo_mesh(file)
    assert size(file) == [2, 2, 1.5] and len(mesh.faces) == 24


def test_colors(tmp_path: Path) -> None:
    (plain,) = read_gazebo_mesh(write_model(tmp_path / 'Chair')).materials
    assert plain.color == pytest.approx((0.8, 0.2, 0.1), abs=0.01)
    file = write_model(tmp_path / 'Sofa', box_dae(texture='../textures/wood.png'))
    (file.parent / 'textures').mkdir()
    Image.new('RGB', (8, 8), (51, 102, 204)).save(file.parent / 'textures' / 'wood.png')
    (textured,) = read_gazebo_mesh(file).materials
    assert textured.color == pytest.approx((0.2, 0.4, 0.8))


def test_a_missing_texture_is_no_error(tmp_path: Path) -> None:
    file = write_model(tmp_path / 'Sofa', box_dae(texture='../textures/wood.png'))
    (material,) = read_gazebo_mesh(file).materials
    assert len(set(material.color)) == 1  # grey or white


@pytest.mark.parametrize(('dae', 'what'), [
    ('', 'is missing'), ('nothing', 'not a readable .dae file'),
    (box_dae()[:900], 'not a readable .dae file'),
    (box_dae().replace('<instance_geometry', '<other').replace('/instance_geometry', '/other'),
     'expected meshes with triangles, got none'),
    (box_dae(head='<unit meter="wide"/>'), 'not a readable .dae file'),
])
@pytest.mark.parametrize('read', [read_triangles, read_gazebo_mesh])
def test_a_damaged_mesh_is_named(tmp_path: Path, dae: str, what: str, read: object) -> None:
    assert callable(read)
    file = write_model(tmp_path / 'Chair', dae)
    with pytest.raises(InputError, match='Chair/') as caught:
        read(file)
    assert what in str(caught.value)
