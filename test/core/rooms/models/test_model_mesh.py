"""Meshes of models: size, orientation, colours, and errors that name the file."""

from pathlib import Path
import zipfile

from mask3d_core.errors import InputError
from mask3d_core.rooms.mesh import Mesh
from mask3d_core.rooms.models.catalogue import read_catalogue
from mask3d_core.rooms.models.model_mesh import read_model_mesh
import numpy as np
from PIL import Image
import pytest
from tiny_catalogue import box_obj, TinyModel, write_catalogue

pytest.importorskip('trimesh')
STEP = box_obj((0, 0, 0), (1, 0.5, 1)) + box_obj((0, 0.5, 0), (1, 1, 0.5), 8)
"""A step whose high part is at its back, towards -z."""


def read(folder: Path, model: TinyModel) -> Mesh:
    """Return the mesh of the only model of a catalogue."""
    models, damaged = read_catalogue(write_catalogue(folder / 'tiny.sh3f', [model]))
    assert not damaged
    return read_model_mesh(models[0])


def test_size_and_orientation(tmp_path: Path) -> None:
    mesh = read(tmp_path, TinyModel('Sofa', size=(180, 90, 80), obj=STEP))
    low, high = mesh.bounds
    assert low == pytest.approx([-0.9, -0.45, 0]) and high == pytest.approx([0.9, 0.45, 0.8])
    raised = mesh.vertices[mesh.vertices[:, 2] > 0.7]
    assert (raised[:, 1] > -0.01).all()  # its back is towards +y, to the wall
    assert mesh.materials[0].color == pytest.approx((0.8, 0.2, 0.1), abs=0.01)


def test_a_rotation_turns_the_model_upright(tmp_path: Path) -> None:
    turned = TinyModel('Sofa', size=(180, 80, 90), obj=STEP,
                       more={'modelRotation': '1 0 0 0 0 1 0 -1 0'})
    mesh = read(tmp_path, turned)
    assert mesh.size == pytest.approx([1.8, 0.8, 0.9])
    low = mesh.vertices[mesh.vertices[:, 2] < 0.1]
    # its back is now below, and it reaches up in its front half only
    assert (low[:, 1].min(), low[:, 1].max()) == pytest.approx((-0.4, 0.4))
    high = mesh.vertices[mesh.vertices[:, 2] > 0.8]
    assert (high[:, 1].min(), high[:, 1].max()) == pytest.approx((-0.4, 0.0))


def test_a_texture_becomes_materials_of_its_colors(tmp_path: Path) -> None:
    image = Image.new('RGB', (64, 64), (200, 40, 30))
    image.paste((20, 40, 200), (0, 0, 64, 32))  # the upper half is blue
    flat = ('v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1\n'
            'vt 0 0.1\nvt 1 0.1\nvt 1 0.4\nvt 0 0.4\nvt 0 0.6\nvt 1 0.6\nvt 1 0.9\nvt 0 0.9\n'
            'f 1/1 2/2 3/3 4/4\nf 5/5 6/6 7/7 8/8\n')
    mesh = read(tmp_path, TinyModel('Book', obj=flat, mtl='newmtl paint\nmap_Kd look.png\n',
                                    images={'look.png': image}))
    colors = {tuple(np.round(255 * np.array(mesh.materials[number].color)).tolist())
              for number in mesh.material}
    assert colors == {(200, 40, 30), (20, 40, 200)}
    back = mesh.vertices[mesh.faces].mean(1)[:, 1] > 0
    red = [mesh.materials[number].color[0] > 0.5 for number in mesh.material]
    assert red == back.tolist()  # z = 0 is the back, its place in the image is below


def test_without_the_texture_the_color_is_grey_or_that_of_the_file(tmp_path: Path) -> None:
    mesh = read(tmp_path, TinyModel('Book', mtl='newmtl paint\nKd 0 1 0\nmap_Kd missing.png\n'))
    assert mesh.materials[0].color == pytest.approx((0, 1, 0))


@pytest.mark.parametrize('obj', ['nothing\n', 'v 0 0 0\nv 1 0 0\nf 1 2 9\n',
                                 'v 0 0 0\nv x 0 0\nv 0 1 0\nf 1 2 3\n'])
def test_a_damaged_model_is_named(tmp_path: Path, obj: str) -> None:
    with pytest.raises(InputError, match=r'tiny.sh3f: .*model1/model.obj'):
        read(tmp_path, TinyModel('Book', obj=obj))


def test_a_model_that_vanishes_is_named(tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f', [TinyModel('Book')])
    models, _ = read_catalogue(file)
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('other.txt', '')
    with pytest.raises(InputError, match='tiny.sh3f'):
        read_model_mesh(models[0])
