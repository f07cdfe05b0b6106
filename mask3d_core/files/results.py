"""Write instances as a labelled .ply cloud, as .npz arrays and as a .json list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mask3d_core.colors import instance_ids, instance_of_points, paint_instances
from mask3d_core.errors import InputError
from mask3d_core.files.color_fields import SCAN_COLORS
from mask3d_core.files.ply import write_ply
from mask3d_core.files.source import file_errors, FilePath
from mask3d_core.files.target import atomic_write
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

PLY_COMMENT = 'label: class id, 0 none; instance: 0 none'
"""Header comment that identifies a .ply file written by `write_labelled_ply`."""


def check_overwritable(path: Path) -> None:
    """Raise InputError if a file exists that `write_labelled_ply` did not write."""
    if path.exists():
        with file_errors(path), path.open('rb') as file:
            if f'comment {PLY_COMMENT}'.encode() not in file.read(256):
                raise InputError('another program wrote it, and it may hold labels: give another '
                                 'folder, or remove it')


def write_labelled_ply(path: FilePath, scan: Scan, instances: Instances,
                       ids: NDArray[np.integer] | None = None) -> None:
    """
    Write the points of a scan, coloured by instance, as binary .ply.

    Properties of each finite point: x, y, z as in the scan; red, green, blue: display colour of
    its best instance, or its own colour faded to grey; scan_red, scan_green, scan_blue: its own
    colour, if the scan has colours; label: class id, 0 for none; instance: id of its best
    instance, by default 1 + index, 0 for none; score: of that instance, 0 for none.
    `read_labelled` reads it back.

    Raises
    ------
    InputError
        If the instances were predicted for another cloud, or the file cannot be written.

    """
    best = instance_of_points(scan, instances)
    assigned = best >= 0
    axis = scan.xyz.dtype.str[1:]
    points = np.zeros(len(scan), [
        ('x', axis), ('y', axis), ('z', axis), ('red', 'u1'), ('green', 'u1'), ('blue', 'u1'),
        ('label', 'u4'), ('instance', 'u4'), ('score', 'f4'),
        *([] if scan.color is None else [(name, 'u1') for name in SCAN_COLORS])])
    paint = paint_instances(scan, best, ids)
    for place in range(3):
        points['xyz'[place]] = scan.xyz[:, place]
        points[('red', 'green', 'blue')[place]] = paint[:, place]
        if scan.color is not None:
            points[SCAN_COLORS[place]] = np.rint(255 * scan.color[:, place])
    points['label'][assigned] = instances.class_id[best[assigned]]
    points['instance'][assigned] = instance_ids(instances, ids)[best[assigned]]
    points['score'][assigned] = instances.score[best[assigned]]
    write_ply(path, points, PLY_COMMENT)


def write_instances_npz(path: FilePath, instances: Instances) -> None:
    """
    Write instances as arrays, for `numpy.load`.

    N is the number of points of the input cloud, including NaN rows; instances are sorted by
    score, best first: `masks` [I, ceil(N / 8)] uint8, packed along the points (unpack with
    `numpy.unpackbits(masks, axis=1, count=num_points)`); `num_points` N; `class_id` [I] int32;
    `score` [I] float32; `class_names`: strings, indexed by class id, '' for unused ids;
    `point_instance` [N] int32: index of the best instance of each point, -1 for none; `centroid`,
    `box_center`, `box_size`, `upright_center`, `upright_size` [I, 3] and `upright_yaw` [I] as in
    `Instances`.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    names = np.array([instances.class_names.get(class_id, '')
                      for class_id in range(max(instances.class_names, default=-1) + 1)], np.str_)
    with atomic_write(path) as file:
        np.savez_compressed(
            file, masks=instances.masks, num_points=np.int64(instances.num_points),
            class_id=instances.class_id, score=instances.score, class_names=names,
            point_instance=instances.point_instance(), centroid=instances.centroid,
            box_center=instances.box_center, box_size=instances.box_size,
            upright_center=instances.upright_center, upright_size=instances.upright_size,
            upright_yaw=instances.upright_yaw)


def write_instances_json(path: FilePath, instances: Instances,
                         ids: NDArray[np.integer] | None = None) -> None:
    """
    Write instances as JSON, one line per instance, best score first.

    Metres and radians, in the frame of the cloud. `id` is the `instance` of the labelled .ply,
    by default 1 + index. `seconds` is the run time of each stage, `voxel_size` the edge length of
    the voxels that the network processed, null if it is not known.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    content = instances_content(instances, ids)
    rows = ',\n'.join('    ' + json.dumps(row) for row in content.pop('instances'))
    facts = ''.join(f'  "{name}": {json.dumps(value)},\n' for name, value in content.items())
    text = (f'{{\n{facts}  "instances": [' + (f'\n{rows}\n  ' if rows else '') + ']\n}\n')
    with atomic_write(path) as file:
        file.write(text.encode())


def instances_content(instances: Instances, ids: NDArray[np.integer] | None = None,
                      ) -> dict[str, Any]:
    """Return what `write_instances_json` writes, as plain values."""
    size = instances.voxel_size
    return {
        'points': instances.num_points,
        'voxel_size': None if np.isnan(size) else round(float(size), 6),
        'seconds': {stage: round(float(time), 6) for stage, time in instances.seconds.items()},
        'instances': [{'id': number, **_json_row(instances, index)}
                      for index, number in enumerate(instance_ids(instances, ids).tolist())]}


def _json_row(instances: Instances, index: int) -> dict[str, Any]:
    return {
        'class': instances.name(index),
        'class_id': int(instances.class_id[index]),
        'score': round(float(instances.score[index]), 4),
        'points': len(instances.points(index)),
        'centroid': _metres(instances.centroid[index]),
        'box': {'center': _metres(instances.box_center[index]),
                'size': _metres(instances.box_size[index])},
        'upright_box': {'center': _metres(instances.upright_center[index]),
                        'size': _metres(instances.upright_size[index]),
                        'yaw': round(float(instances.upright_yaw[index]), 4)}}


def _metres(vector: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in vector]
