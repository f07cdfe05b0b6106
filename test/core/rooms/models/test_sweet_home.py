"""Catalogues of Sweet Home 3D: entries in metres, damaged ones named, clear errors."""

from pathlib import Path
import zipfile

from mask3d_core.errors import InputError
from mask3d_core.rooms.models.catalogue_model import CatalogueModel, NO_ROTATION
from mask3d_core.rooms.models.sweet_home import read_sweet_home
import pytest
from tiny_catalogue import TinyModel, write_catalogue


def test_entries_in_metres(tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f', [
        TinyModel('Bed', 'Bedroom', (140, 200, 50.5)),
        TinyModel(r'Bill 10\u20ac', more={'elevation': '145',
                                          'modelRotation': '1 0 0 0 0 1 0 -1 0'})])
    models, damaged = read_sweet_home(file)
    assert not damaged
    assert models[0] == CatalogueModel(file, 'Tiny#model1', 'Bed', 'Bedroom',
                                       'tiny/model1/model.obj', (1.4, 2.0, 0.505))
    assert models[0].elevation is None and models[0].rotation == NO_ROTATION
    assert models[1].name == 'Bill 10€' and models[1].elevation == 1.45
    assert models[1].rotation == (1, 0, 0, 0, 0, 1, 0, -1, 0)


@pytest.mark.parametrize(('more', 'what'), [
    ({'category': ''}, "has no 'category'"),
    ({'width': 'wide'}, "expected a number for width, got 'wide'"),
    ({'depth': ''}, "expected a number for depth, got ''"),
    ({'height': '-3'}, 'expected sizes above 0 cm, got 50 x 50 x -3'),
    ({'width': 'nan'}, 'expected a number for width'),
    ({'elevation': 'high'}, 'expected a number for elevation'),
    ({'modelRotation': '1 0 0'}, 'expected 9 numbers in modelRotation, got 3'),
    ({'model': '/tiny/model.dae'}, 'expected a model in an .obj file'),
    ({'model': '/tiny/other.obj'}, 'tiny/other.obj is missing'),
])
def test_a_damaged_entry_is_named_and_left_out(tmp_path: Path, more: dict[str, str], what: str,
                                               ) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f',
                           [TinyModel('Bed'), TinyModel('Sofa', more=more)])
    models, damaged = read_sweet_home(file)
    assert [model.name for model in models] == ['Bed']
    assert len(damaged) == 1 and what in damaged[0] and f'model 2 of {file}' in damaged[0]


def test_another_file_is_no_catalogue(tmp_path: Path) -> None:
    text = tmp_path / 'text.sh3f'
    text.write_text('not a zip archive')
    with pytest.raises(InputError, match='text.sh3f: expected a catalogue of models, a zip'):
        read_sweet_home(text)
    other = tmp_path / 'other.sh3f'
    with zipfile.ZipFile(other, 'w') as archive:
        archive.writestr('readme.txt', 'nothing')
    with pytest.raises(InputError, match='other.sh3f: expected a catalogue of models with Plugin'):
        read_sweet_home(other)
