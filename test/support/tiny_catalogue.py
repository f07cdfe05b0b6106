"""A catalogue of 3D models as Sweet Home 3D has them, written by the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
import zipfile

from PIL import Image

CUBE_CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
CUBE_SIDES = [(1, 5, 7, 3), (2, 4, 8, 6), (1, 2, 6, 5), (3, 7, 8, 4), (1, 3, 4, 2), (5, 6, 8, 7)]
RED_MTL = 'newmtl paint\nKd 0.8 0.2 0.1\n'


@dataclass(frozen=True)
class TinyModel:
    """
    An entry of a catalogue: by default a cube.

    Attributes
    ----------
    name, category : str
    size : 3 floats
        Width, depth and height, centimetres.
    obj, mtl : str
        Contents of the files.
    more : mapping of str to str
        Further properties; an empty one is left out.
    images : mapping of str to Pillow image
        Textures beside the .obj.

    """

    name: str
    category: str = 'Living room'
    size: tuple[float, float, float] = (50, 50, 50)
    obj: str = ''
    mtl: str = RED_MTL
    more: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Image.Image] = field(default_factory=dict)


def box_obj(low: Sequence[float] = (0, 0, 0), high: Sequence[float] = (1, 1, 1),
            first: int = 0) -> str:
    """Return the lines of a box in an .obj file, y up, after `first` vertices; with textures."""
    corners = [tuple(high[axis] if corner[axis] else low[axis] for axis in range(3))
               for corner in CUBE_CORNERS]
    lines = [f'v {x} {y} {z}' for x, y, z in corners]
    lines += [f'vt {u} {v}' for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]
    place = range(first // 2 + 1, first // 2 + 5)
    for side in CUBE_SIDES:
        lines.append('f ' + ' '.join(f'{first + corner}/{spot}'
                                     for corner, spot in zip(side, place)))
    return '\n'.join(lines) + '\n'


def write_catalogue(path: Path, models: Sequence[TinyModel]) -> Path:
    """Write a .sh3f file of models."""
    lines = ['id=Tiny', 'name=Tiny catalogue']
    with zipfile.ZipFile(path, 'w') as archive:
        for number, model in enumerate(models, 1):
            folder = f'tiny/model{number}'
            entry = {'id': f'Tiny#model{number}', 'name': model.name,
                     'category': model.category, 'model': f'/{folder}/model.obj',
                     'width': model.size[0], 'depth': model.size[1], 'height': model.size[2],
                     'movable': 'true', 'creator': 'the tests', **model.more}
            lines += ['', *(f'{key}#{number}={value}' for key, value in entry.items()
                            if value != '')]
            head = 'mtllib model.mtl\nusemtl paint\n'
            archive.writestr(f'{folder}/model.obj', head + (model.obj or box_obj()))
            archive.writestr(f'{folder}/model.mtl', model.mtl)
            for name, image in model.images.items():
                content = BytesIO()
                image.save(content, 'PNG')
                archive.writestr(f'{folder}/{name}', content.getvalue())
        archive.writestr('PluginFurnitureCatalog.properties',
                         '\n'.join(lines).encode('latin-1'))
    return path


def furniture_catalogue(path: Path) -> Path:
    """Write a catalogue with a model for each place: wall, floor, top and hung."""
    plate = box_obj((0, 0.9, 0), (1, 1, 1)) + box_obj((0.45, 0, 0.45), (0.55, 0.9, 0.55), 8)
    return write_catalogue(path, [
        TinyModel('Sofa', size=(180, 80, 80)), TinyModel('Chair', size=(45, 45, 90)),
        TinyModel('Table', size=(140, 80, 74), obj=plate),
        TinyModel('Bookcase', size=(90, 30, 180)), TinyModel('Desk', 'Office', (140, 70, 72)),
        TinyModel('Bed', 'Bedroom', (140, 200, 50)), TinyModel('Plant', size=(50, 50, 90)),
        TinyModel('Radio', 'Miscellaneous', (30, 10, 20)),
        TinyModel('Coffee mug', 'Kitchen', (9, 9, 11)),
        TinyModel('Upper cabinet', 'Kitchen', (60, 30, 70), more={'elevation': '145'}),
        TinyModel('Truck', 'Vehicles', (250, 900, 300))])
