"""Catalogues: files and folders of both kinds, fingerprints of contents, clear errors."""

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.rooms.models.catalogue import fingerprint, list_catalogues, read_catalogue
import pytest
from tiny_catalogue import TinyModel, write_catalogue
from tiny_gazebo import write_model, write_world


def test_files_and_folders(tmp_path: Path) -> None:
    first, second = (write_catalogue(tmp_path / name, [TinyModel('Bed')])
                     for name in ('a.sh3f', 'b.sh3f'))
    assert list_catalogues([second, tmp_path]) == (first, second)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'model.zip').touch()
    for path, what in ((tmp_path / 'empty', 'expected a folder with .sh3f files or with '
                        r'Gazebo models \(model.sdf\), got neither'),
                       (tmp_path / 'model.zip', "got a '.zip' file"),
                       (tmp_path / 'none.sh3f', 'no such file'),
                       (tmp_path / 'world', 'no such file or folder')):
        with pytest.raises(InputError, match=what):
            list_catalogues([path])


def test_folders_with_gazebo_models(tmp_path: Path) -> None:
    world = write_world(tmp_path / 'world')
    file = write_catalogue(tmp_path / 'a.sh3f', [TinyModel('Bed')])
    assert list_catalogues([world, file, world / '..' / 'world']) == (file, world)
    assert list_catalogues([world / 'models']) == (world / 'models',)
    inside = write_catalogue(world / 'b.sh3f', [TinyModel('Bed')])
    assert list_catalogues([world]) == (inside, world)


def test_both_kinds_are_read(tmp_path: Path) -> None:
    pytest.importorskip('collada')
    file = write_catalogue(tmp_path / 'a.sh3f', [TinyModel('Bed')])
    world = write_world(tmp_path / 'world')
    assert [model.name for model in read_catalogue(file)[0]] == ['Bed']
    assert len(read_catalogue(world)[0]) == 6


def test_a_fingerprint_tells_contents_apart(tmp_path: Path) -> None:
    one, same, other = (
        fingerprint(write_catalogue(tmp_path / f'tiny{number}.sh3f', [TinyModel(name)]))
        for number, name in enumerate(('Bed', 'Bed', 'Sofa')))
    assert one.split()[0] == 'tiny0.sh3f' and len(one.split()[1]) == 8
    assert one.split()[1] != other.split()[1]
    assert same.split()[0] == 'tiny1.sh3f'


def test_a_fingerprint_of_a_folder_covers_meshes_and_textures(tmp_path: Path) -> None:
    world = write_world(tmp_path / 'world')
    first = fingerprint(world)
    (world / 'readme.txt').write_text('no part of a model')
    assert fingerprint(world) == first and first.startswith('world ')
    image = world / 'models' / 'aws_robomaker_residential_ChairA_01' / 'wood.png'
    image.write_bytes(b'oak')
    second = fingerprint(world)
    image.write_bytes(b'elm')
    assert len({first, second, fingerprint(world)}) == 3
    write_model(world / 'models' / 'Table')
    assert fingerprint(world) not in (first, second)
