"""What a model.sdf says: meshes by their addresses, poses, scales; clear errors."""

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.rooms.models.gazebo_sdf import read_visuals
import numpy as np
import pytest
from tiny_gazebo import visual, write_model

MESH = 'meshes/visual.DAE'


@pytest.mark.parametrize('address', [
    'model://Chair/meshes/visual.DAE', 'file://models/Chair/meshes/visual.DAE', MESH,
    f' model://{MESH} '])
def test_the_address_of_a_mesh(tmp_path: Path, address: str) -> None:
    file = write_model(tmp_path / 'models' / 'Chair', link=visual(address))
    (one,) = read_visuals(file)
    assert one.file.samefile(file.parent / MESH) and np.array_equal(one.pose, np.eye(4))


def test_scale_then_pose(tmp_path: Path) -> None:
    link = '<pose>0 0 1 0 0 0</pose>' + visual(
        MESH, '<scale>1 2 3</scale>', "<pose frame=''>5 0 0 0 0 1.5707963268</pose>")
    (one,) = read_visuals(write_model(tmp_path / 'Chair', link=link))
    # scaled to (1, 2, 3), turned about z to (-2, 1, 3), moved by (5, 0, 0) and by (0, 0, 1)
    assert one.pose @ (1, 1, 1, 1) == pytest.approx((3, 1, 4, 1))


@pytest.mark.parametrize(('angles', 'moved'), [
    ('1.5707963268 0 0', (1, -3, 2)), ('0 1.5707963268 0', (3, 2, -1)),
    ('0 0 1.5707963268', (-2, 1, 3)), ('1.5707963268 0 1.5707963268', (3, 1, 2))])
def test_angles_about_fixed_axes(tmp_path: Path, angles: str, moved: tuple[float, ...]) -> None:
    link = visual(MESH, pose=f'<pose>0 0 0 {angles}</pose>')
    (one,) = read_visuals(write_model(tmp_path / 'Chair', link=link))
    assert one.pose[:3, :3] @ (1, 2, 3) == pytest.approx(moved)


def test_degrees_and_models_in_models(tmp_path: Path) -> None:
    inner = f'<pose degrees="true">0 0 0 90 0 0</pose>{visual(MESH)}'
    file = write_model(tmp_path / 'Chair')
    file.write_text('<sdf version="1.9"><model name="a"><model name="b"><pose>0 0 2 0 0 0</pose>'
                    f'<link name="c">{inner}</link></model></model></sdf>')
    (one,) = read_visuals(file)
    assert one.pose @ (0, 1, 0, 1) == pytest.approx((0, 0, 3, 1))


@pytest.mark.parametrize(('link', 'what'), [
    (visual('model://Chair/meshes/other.DAE'), "'model://Chair/meshes/other.DAE' is missing"),
    (visual(''), "the mesh '' is missing"),
    (visual(MESH, '<scale>1 1</scale>'), "expected 3 numbers for scale, got '1 1'"),
    (visual(MESH, '<scale>1 1 nan</scale>'), 'expected 3 numbers for scale'),
    (visual(MESH, pose='<pose>0 0 0</pose>'), "expected 6 numbers for pose, got '0 0 0'"),
    (visual(MESH, pose='<pose relative_to="x">0 0 0 0 0 0</pose>'), 'in the frame of the parent'),
    (visual(MESH, '<submesh><name>seat</name></submesh>'), 'got a part of one'),
    ('<visual name="v"><geometry><sphere/></geometry></visual>', 'got sphere'),
    ('<visual name="v"/>', 'got nothing'),
    ('<collision name="c"/>', 'expected a model with visible meshes, got none'),
    ('<include/>', 'got one that includes other models'),
    ('<visual>', 'expected XML, got something else'),
])
def test_what_cannot_be_read_is_named(tmp_path: Path, link: str, what: str) -> None:
    file = write_model(tmp_path / 'Chair', link=link)
    with pytest.raises(InputError, match='Chair/model.sdf: ') as caught:
        read_visuals(file)
    assert what in str(caught.value)
