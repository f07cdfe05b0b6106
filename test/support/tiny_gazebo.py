"""A folder with Gazebo models, written by the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
TRIANGLES = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7),
             (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)]
NAMESPACE = 'http://www.collada.org/2005/11/COLLADASchema'


def box_dae(size: Sequence[float] = (1, 1, 1), head: str = '<unit meter="1"/>', node: str = '',
            texture: str = '') -> str:
    """
    Return a .dae file of a box with a corner at the origin.

    Parameters
    ----------
    size : 3 floats
        Along the axes of the file, in its unit.
    head : str
        Elements of <asset>.
    node : str
        Elements that move the box, such as '<scale>2 2 2</scale>'.
    texture : str
        Address of an image; its lower left corner is the colour of the whole box. Without one the
        box is red.

    """
    points = ' '.join(f'{a * b:g}' for corner in CORNERS for a, b in zip(corner, size))
    rows = ' '.join(f'{corner} 0' for triangle in TRIANGLES for corner in triangle)
    image = (f'<library_images><image id="image"><init_from>{texture}</init_from></image>'
             '</library_images>') if texture else ''
    sampler = ('<newparam sid="surface"><surface type="2D"><init_from>image</init_from></surface>'
               '</newparam><newparam sid="sampler"><sampler2D><source>surface</source></sampler2D>'
               '</newparam>') if texture else ''
    color = ('<texture texture="sampler" texcoord="UV"/>' if texture else
             '<color>0.8 0.2 0.1 1</color>')
    return f"""<?xml version="1.0"?>
<COLLADA xmlns="{NAMESPACE}" version="1.4.1">
<asset>{head}</asset>{image}
<library_effects><effect id="effect"><profile_COMMON>{sampler}<technique sid="common">
  <lambert><diffuse>{color}</diffuse></lambert>
</technique></profile_COMMON></effect></library_effects>
<library_materials><material id="paint"><instance_effect url="#effect"/></material>
</library_materials>
<library_geometries><geometry id="box"><mesh>
  {_source('points', points, 8, 'XYZ')}{_source('places', '0.1 0.1', 1, 'ST')}
  <vertices id="corners"><input semantic="POSITION" source="#points"/></vertices>
  <triangles count="12" material="paint">
    <input semantic="VERTEX" source="#corners" offset="0"/>
    <input semantic="TEXCOORD" source="#places" offset="1" set="0"/>
    <p>{rows}</p>
  </triangles>
</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="scene"><node id="node">{node}
  <instance_geometry url="#box"><bind_material><technique_common>
    <instance_material symbol="paint" target="#paint"/>
  </technique_common></bind_material></instance_geometry>
</node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#scene"/></scene>
</COLLADA>
"""


def _source(name: str, numbers: str, count: int, axes: str) -> str:
    params = ''.join(f'<param name="{axis}" type="float"/>' for axis in axes)
    return (f'<source id="{name}"><float_array id="{name}-array" count="{count * len(axes)}">'
            f'{numbers}</float_array><technique_common><accessor source="#{name}-array" '
            f'count="{count}" stride="{len(axes)}">{params}</accessor></technique_common>'
            '</source>')


def visual(mesh: str, more: str = '', pose: str = '') -> str:
    """Return a visual of a model.sdf: the address of its mesh, and what else is beside it."""
    return (f'<visual name="visual">{pose}<geometry><mesh><uri>{mesh}</uri>{more}</mesh>'
            '</geometry></visual>')


def write_model(folder: Path, dae: str | None = None, link: str = '') -> Path:
    """
    Write a Gazebo model, and return its model.sdf.

    Parameters
    ----------
    folder : Path
        Of the model; its name is that of the folder.
    dae : str, optional
        Its mesh, meshes/visual.DAE, by default a box of 1 m; none if it is empty.
    link : str
        What is in its <link>, by default that mesh.

    """
    meshes = folder / 'meshes'
    meshes.mkdir(parents=True)
    dae = box_dae() if dae is None else dae
    if dae:
        (meshes / 'visual.DAE').write_text(dae)
    link = link or visual(f'model://{folder.name}/meshes/visual.DAE')
    file = folder / 'model.sdf'
    file.write_text(f'<?xml version="1.0"?><sdf version="1.6"><model name="{folder.name}">'
                    f'<link name="link">{link}</link></model></sdf>')
    return file


def write_world(folder: Path) -> Path:
    """Write a folder with models: two chairs, a sofa, a shelf, a bottle and the walls."""
    for name, size in {'ChairA_01': (0.45, 0.45, 0.9), 'ChairB_01': (0.5, 0.5, 0.8),
                       'SofaA_01': (1.8, 0.8, 0.8), 'Bookshelf_01': (0.9, 0.3, 1.8),
                       'Vase_01': (0.1, 0.1, 0.25), 'RoomWall_01': (6, 5, 2.5)}.items():
        write_model(folder / 'models' / f'aws_robomaker_residential_{name}', box_dae(size))
    return folder
