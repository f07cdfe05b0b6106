"""
Instances to and from other libraries: open3d, pandas and trimesh, imported where they are used.

    frame = to_pandas(instances)                # a row per instance
    cloud = to_open3d(instances, scan)          # a point cloud with instance, label and score
    scene = to_trimesh(instances, scan)         # a point cloud per instance

`from_pandas` and `from_trimesh` return the same instances. `from_open3d` gives each point to one
instance, as a point of a cloud has one value of each attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from importlib import import_module
from typing import Any, Final, TypeAlias

from mask3d_core.classes import ClassTable
from mask3d_core.colors import instance_colors, instance_of_points, paint_instances
from mask3d_core.errors import InputError
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.instances import COLUMNS, Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

DataFrame: TypeAlias = Any
"""`pandas.DataFrame`"""
PointCloud: TypeAlias = Any
"""`open3d.t.geometry.PointCloud`"""
OrientedBox: TypeAlias = Any
"""`open3d.geometry.OrientedBoundingBox`"""
Scene: TypeAlias = Any
"""`trimesh.Scene`"""

VECTORS: Final = ('centroid', 'box_center', 'box_size', 'upright_center', 'upright_size')
"""Columns of `Instances` with x, y and z."""
SHARED: Final = tuple(part.name for part in fields(Instances)
                      if part.name not in ('rows', *COLUMNS))
"""What all instances share."""


def to_pandas(instances: Instances) -> DataFrame:
    """
    Return a table with a row per instance.

    Returns
    -------
    DataFrame
        Index `id`: 1 + index. Columns: `class`, `class_id`, `score`, `points` (their number),
        `centroid_x` and so on, metres, `upright_yaw`, radians, and `rows`, the rows of the cloud
        as arrays. `attrs` has what all instances share.

    """
    frame = {'class': [instances.name(index) for index in range(len(instances))],
             'class_id': instances.class_id, 'score': instances.score,
             'points': [len(rows) for rows in instances.rows]}
    for name in VECTORS:
        for axis in range(3):
            frame[f'{name}_{"xyz"[axis]}'] = getattr(instances, name)[:, axis]
    frame |= {'upright_yaw': instances.upright_yaw, 'rows': list(instances.rows)}
    pandas = _library('pandas')
    table = pandas.DataFrame(frame, pandas.RangeIndex(1, len(instances) + 1, name='id'))
    table.attrs.update({name: getattr(instances, name) for name in SHARED})
    return table


def from_pandas(frame: DataFrame) -> Instances:
    """
    Return the instances of a table that `to_pandas` returned, or of some rows of it.

    Changes of `class_id`, `score`, `rows` and the measures are kept; `class` and `points` follow
    from `class_id` and `rows`.

    Raises
    ------
    InputError
        If a column, or what all instances share, is missing.

    """
    needed = ['class_id', 'score', 'upright_yaw', 'rows',
              *(f'{name}_{axis}' for name in VECTORS for axis in 'xyz')]
    missing = [name for name in needed if name not in frame.columns]
    missing += [f'attrs[{name!r}]' for name in SHARED if name not in frame.attrs]
    if missing:
        raise InputError(f'this table has no {missing[0]}: expected one of `to_pandas`')
    vectors: dict[str, Any] = {
        name: frame[[f'{name}_{axis}' for axis in 'xyz']].to_numpy(np.float64)
        for name in VECTORS}
    return Instances(
        rows=tuple(np.asarray(rows, np.int32) for rows in frame['rows']),
        class_id=frame['class_id'].to_numpy(np.int32), score=frame['score'].to_numpy(np.float32),
        upright_yaw=frame['upright_yaw'].to_numpy(np.float64), **vectors,
        **{name: frame.attrs[name] for name in SHARED})


def to_open3d(instances: Instances, scan: Scan) -> PointCloud:
    """
    Return the points of a scan, coloured by instance.

    Returns
    -------
    open3d.t.geometry.PointCloud
        With `positions` [N, 3] metres, `colors` [N, 3] 0..1, `instance` [N, 1]: 1 + index of the
        best instance of each point, 0 for none, `label`: its class id, and `score`. With
        `to_legacy()` for functions that know positions and colours only.

    Raises
    ------
    InputError
        If the instances were predicted for another cloud, or open3d is not installed.

    """
    open3d = _library('open3d')
    best = instance_of_points(scan, instances)
    found = best >= 0
    label, score = np.zeros(len(scan), np.int32), np.zeros(len(scan), np.float32)
    label[found] = instances.class_id[best[found]]
    score[found] = instances.score[best[found]]
    colors = paint_instances(scan, best).astype(np.float32) / 255
    cloud = open3d.t.geometry.PointCloud(np.ascontiguousarray(scan.xyz))
    for name, values in {'colors': colors, 'instance': best[:, None] + 1,
                         'label': label[:, None], 'score': score[:, None]}.items():
        cloud.point[name] = open3d.core.Tensor(values)
    return cloud


def open3d_boxes(instances: Instances) -> list[OrientedBox]:
    """Return the upright box of each instance, in its colour, for `open3d.visualization.draw`."""
    geometry = _library('open3d').geometry
    boxes = []
    for index, color in enumerate(instance_colors(np.arange(len(instances))) / 255):
        cos, sin = np.cos(instances.upright_yaw[index]), np.sin(instances.upright_yaw[index])
        boxes.append(geometry.OrientedBoundingBox(
            instances.upright_center[index], [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]],
            instances.upright_size[index]))
        boxes[-1].color = color
    return boxes


def from_open3d(cloud: PointCloud, classes: ClassTable) -> Instances:
    """
    Return the instances of a point cloud with `instance` and `label`, measured anew.

    Parameters
    ----------
    cloud : open3d.t.geometry.PointCloud
        `instance` [N, 1] integer: 0 for none; `label` [N, 1] integer: class id, the most frequent
        one of an instance counts; `score` [N, 1], optional: its mean; without it 1.
    classes : ClassTable

    Returns
    -------
    Instances
        Of the points of this cloud; by score, then by number of the instance.

    Raises
    ------
    InputError
        If an attribute is missing or a label is not in the table.

    """
    values = {}
    for name in ('instance', 'label', 'score'):
        if name in cloud.point:
            values[name] = cloud.point[name].numpy().ravel()
        elif name != 'score':
            raise InputError(f'this cloud has no attribute {name!r}: expected one of `to_open3d`')
    numbers, group = np.unique(values['instance'], return_inverse=True)
    masks = [np.flatnonzero(group == place) for place in np.flatnonzero(numbers != 0)]
    class_id = np.array([np.bincount(values['label'][rows]).argmax() for rows in masks], np.int32)
    unknown = sorted(set(class_id.tolist()) - set(classes.ids))
    if unknown:
        raise InputError(f'there is no class of id {unknown[0]} in the class table: give the one '
                         'of the weights')
    score = np.array([values['score'][rows].mean() if 'score' in values else 1.0
                      for rows in masks], np.float32)
    measured = measure_masks(masks, Scan.from_points(cloud.point.positions.numpy()), classes)
    return replace(measured, class_id=class_id, score=score).take(
        np.argsort(-score, kind='stable'))


def to_trimesh(instances: Instances, scan: Scan) -> Scene:
    """
    Return a scene with a point cloud per instance, named as `1 chair`, and one of the rest.

    Returns
    -------
    trimesh.Scene
        The `metadata` of each point cloud, but of `rest`, has `id`, `class_id`, `score` and
        `rows`, rows of the cloud; that of the scene what all instances share.

    Raises
    ------
    InputError
        If the instances were predicted for another cloud, or trimesh is not installed.

    """
    trimesh = _library('trimesh')
    best = instance_of_points(scan, instances)
    place = np.full(scan.input_size, -1, np.int64)
    place[scan.kept] = np.arange(len(scan))
    colors = instance_colors(np.arange(len(instances)))
    scene = trimesh.Scene(metadata={name: getattr(instances, name) for name in SHARED})
    for index, rows in enumerate(instances.rows):
        points = trimesh.PointCloud(scan.xyz[place[rows]], np.tile(colors[index], (len(rows), 1)))
        points.metadata.update({
            'id': index + 1, 'class': instances.name(index), 'rows': rows,
            **{name: getattr(instances, name)[index] for name in COLUMNS}})
        scene.add_geometry(points, geom_name=f'{index + 1} {instances.name(index)}')
    rest = best < 0
    if rest.any():
        scene.add_geometry(trimesh.PointCloud(scan.xyz[rest], paint_instances(scan, best)[rest]),
                           geom_name='rest')
    return scene


def from_trimesh(scene: Scene) -> Instances:
    """
    Return the instances of a scene that `to_trimesh` returned, but those deleted from it.

    Raises
    ------
    InputError
        If the scene is of another origin.

    """
    missing = [name for name in SHARED if name not in scene.metadata]
    if missing:
        raise InputError(f'this scene has no metadata {missing[0]!r}: expected one of '
                         '`to_trimesh`')
    found = sorted((geometry.metadata for geometry in scene.geometry.values()
                    if 'rows' in geometry.metadata), key=lambda metadata: metadata['id'])
    columns: dict[str, Any] = {
        name: _column(name, [one[name] for one in found]) for name in COLUMNS}
    return Instances(rows=tuple(np.asarray(one['rows'], np.int32) for one in found), **columns,
                     **{name: scene.metadata[name] for name in SHARED})


def _column(name: str, values: Sequence[Any]) -> NDArray[Any]:
    """Return a column of `Instances`, with its shape also if there are no values."""
    dtype = {'class_id': np.int32, 'score': np.float32}.get(name, np.float64)
    return np.array(values, dtype).reshape((-1, 3) if name in VECTORS else -1)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        if error.name == name:
            raise InputError(f'this needs another package: pip install {name}') from error
        raise InputError(f'{name} cannot be loaded: {error}') from error
