"""Write instances: a labelled cloud to look at, arrays to compute with, a list to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mask3d_core.colors import instance_of_points, paint_instances
from mask3d_core.errors import InputError
from mask3d_core.files.columns import SCAN_COLORS
from mask3d_core.files.ply import write_ply
from mask3d_core.files.source import FilePath, naming
from mask3d_core.files.target import writing
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

COMMENT = 'label: class id, 0 none; instance: 0 none'
"""Of the header of a painted cloud."""


def check_painted(path: Path) -> None:
    """Raise InputError where a file is that another program wrote, with labels perhaps."""
    if path.exists():
        with naming(path), path.open('rb') as file:
            if f'comment {COMMENT}'.encode() not in file.read(256):
                raise InputError('another program wrote it, and it may hold labels: give another '
                                 'folder, or remove it')


def write_labelled_ply(path: FilePath, scan: Scan, instances: Instances) -> None:
    """
    Write the points of a scan, painted by instance, as binary .ply.

    Properties of each finite point: x, y, z as in the scan; red, green, blue: the colour of its
    best instance, or its own colour faded to grey; scan_red, scan_green, scan_blue: its own
    colour, when the scan has any; label: class id, 0 for none; instance: 1 + index of its best
    instance, 0 for none; score: of that instance, 0 for none. `read_labelled` reads it back.

    Raises
    ------
    InputError
        If the instances belong to another cloud, or the file cannot be written.

    """
    best = instance_of_points(scan, instances)
    assigned = best >= 0
    axis = scan.xyz.dtype.str[1:]
    points = np.zeros(len(scan), [
        ('x', axis), ('y', axis), ('z', axis), ('red', 'u1'), ('green', 'u1'), ('blue', 'u1'),
        ('label', 'u4'), ('instance', 'u4'), ('score', 'f4'),
        *([] if scan.color is None else [(name, 'u1') for name in SCAN_COLORS])])
    paint = paint_instances(scan, best)
    for place in range(3):
        points['xyz'[place]] = scan.xyz[:, place]
        points[('red', 'green', 'blue')[place]] = paint[:, place]
        if scan.color is not None:
            points[SCAN_COLORS[place]] = np.rint(255 * scan.color[:, place])
    points['label'][assigned] = instances.class_id[best[assigned]]
    points['instance'] = best + 1
    points['score'][assigned] = instances.score[best[assigned]]
    write_ply(path, points, COMMENT)


def write_instances_npz(path: FilePath, instances: Instances) -> None:
    """
    Write instances as arrays, for `numpy.load`.

    With N the points of the input cloud, NaN rows included, and I instances, best score first:
    `masks` [I, ceil(N / 8)] uint8, packed bits along the points (`numpy.unpackbits(masks, axis=1,
    count=num_points)`); `num_points` N; `class_id` [I] int32; `score` [I] float32; `class_names`:
    strings, so that `class_names[class_id]` works, '' for unused ids; `point_instance` [N] int32:
    index of the best instance of each point, -1 for none; `centroid`, `box_center`, `box_size`,
    `upright_center`, `upright_size` [I, 3] and `upright_yaw` [I] as in `Instances`.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    names = np.array([instances.class_names.get(class_id, '')
                      for class_id in range(max(instances.class_names, default=-1) + 1)], np.str_)
    with writing(path) as file:
        np.savez_compressed(
            file, masks=instances.masks, num_points=np.int64(instances.num_points),
            class_id=instances.class_id, score=instances.score, class_names=names,
            point_instance=instances.point_instance(), centroid=instances.centroid,
            box_center=instances.box_center, box_size=instances.box_size,
            upright_center=instances.upright_center, upright_size=instances.upright_size,
            upright_yaw=instances.upright_yaw)


def write_instances_json(path: FilePath, instances: Instances) -> None:
    """
    Write instances as a list to read, one line each, best score first.

    Lengths in metres, angles in radians, in the frame of the cloud. `id` is the `instance` of the
    labelled .ply: 1 + index. `seconds` holds the time of each stage, `voxel_size` the edge of the
    voxels the cloud was seen with, null if it is not known.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    rows = ',\n'.join('    ' + json.dumps(_row(instances, index))
                      for index in range(len(instances)))
    seconds = {stage: round(float(time), 6) for stage, time in instances.seconds.items()}
    size = None if np.isnan(instances.voxel_size) else round(float(instances.voxel_size), 6)
    text = (f'{{\n  "points": {instances.num_points},\n  "voxel_size": {json.dumps(size)},\n'
            f'  "seconds": {json.dumps(seconds)},\n'
            '  "instances": [' + (f'\n{rows}\n  ' if rows else '') + ']\n}\n')
    with writing(path) as file:
        file.write(text.encode())


def _row(instances: Instances, index: int) -> dict[str, Any]:
    return {
        'id': index + 1,
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
