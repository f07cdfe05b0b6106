"""
A scene as bytes: a header in JSON, then compressed arrays.

Layout: the length of the header, 4 bytes, little-endian; the header; the arrays, each a zlib
stream. Points are in Morton order, so that neighbors in space are neighbors in the arrays: then
differences are small, and every k-th point is a sample of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
import struct
from typing import Any
import zlib

from mask3d_core.colors import instance_of_points
from mask3d_core.data.labels import byte_color
from mask3d_core.drawing.camera import find_view
from mask3d_core.drawing.cutaway import without_ceiling
from mask3d_core.geometry.surfaces import near_others
from mask3d_core.geometry.thinning import first_in_voxels
from mask3d_core.viewer.scene import Layer, Scene
import numpy as np
from numpy.typing import NDArray

STEPS = 65535
"""Steps of a coordinate along each axis of the scene."""
HEAT_STEP = 8
"""Heatmaps are rounded to multiples of it, of 0..255, so that they compress."""
SPACING_CELLS = 200
"""Cells along the longest side of a scene in which its surface is measured."""
MAX_VIEW_POINTS = 200_000
"""Points from which the first view is chosen."""
LONG_SCAN = 2.0
"""Ratio of length to width from which on a scan is shown across the screen."""
SUPERPOINT_COLORS = 251
"""Superpoints are told apart by so many colours."""


def pack_scene(scene: Scene, max_points: int | None = None,
               view: Mapping[str, float] | None = None) -> bytes:
    """
    Return a scene as bytes.

    Parameters
    ----------
    scene : Scene
    max_points : int, optional
        A scan of more points is thinned to about as many.
    view : mapping, optional
        That of `first_view`, if it is known.

    """
    scan = scene.scan
    near = near_others(scan.xyz)
    shown = scan.xyz[near]
    low = shown.min(axis=0).astype(np.float64)
    span = np.maximum(shown.max(axis=0).astype(np.float64) - low, 1e-3)
    steps = np.rint(np.clip((scan.xyz - low) * (STEPS / span), 0, STEPS)).astype(np.uint16)
    rows = _morton_order(steps)
    rows = rows[near[rows]]
    if max_points is not None and len(rows) > max_points:
        rows = rows[np.linspace(0, len(rows) - 1, max_points).astype(np.int64)]
    arrays = {'xyz': _word_planes(_differences(steps[rows])), **_attributes(scene, rows)}
    header = {
        'name': scene.name, 'count': len(rows), 'total': int(near.sum()), 'origin': low.tolist(),
        'scale': (span / STEPS).tolist(), 'double': scan.xyz.dtype == np.float64,
        'spacing': _spacing(scan.xyz[rows]), 'notes': [*scene.notes, *_notes(near)],
        'stamp': scene.stamp,
        'view': dict(view or first_view(scene)),
        'classes': [{'id': class_id, 'name': name, 'color': list(color)}
                    for class_id, (name, color) in sorted(scene.classes.items())],
        'layers': {name: layer.items() for name, layer in _layers(scene).items()},
        'heats': [] if scene.inspection is None else scene.inspection.instance.tolist()}
    return _join(header, arrays)


def _notes(near: NDArray[np.bool_]) -> list[str]:
    strays = len(near) - int(near.sum())
    points = '1 stray point is' if strays == 1 else f'{strays} stray points are'
    return [f'{points} far from the others, and not shown.'] if strays else []


def first_view(scene: Scene) -> dict[str, float]:
    """Return the direction of the first view, degrees, and the height of the ceiling, metres."""
    xyz = scene.scan.xyz[::1 + len(scene.scan) // MAX_VIEW_POINTS]
    xyz = xyz[near_others(xyz)]
    camera, _ = find_view(xyz, 320, 240)
    back = camera.axes[2]
    azimuth = float(np.degrees(np.arctan2(back[1], back[0])))
    view = {'azimuth': _across(xyz, azimuth),
            'elevation': float(np.degrees(np.arcsin(back[2])))}
    below = without_ceiling(xyz)
    if scene.upright and not below.all():
        view['ceiling'] = float(xyz[below, 2].max())
    return view


def _across(xyz: NDArray[np.floating], azimuth: float) -> float:
    """Turn the view, degrees, so that a long scan such as a corridor lies across the screen."""
    values, vectors = np.linalg.eigh(np.cov(xyz[:, :2].T))
    if values[1] < LONG_SCAN ** 2 * values[0]:
        return azimuth
    across = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))  # of the short axis
    return across if np.cos(np.radians(across - azimuth)) > 0 else across + 180


def _layers(scene: Scene) -> dict[str, Layer]:
    layers = {'prediction': scene.prediction, 'truth': scene.truth}
    return {name: layer for name, layer in layers.items() if layer is not None}


def _attributes(scene: Scene, rows: NDArray[np.int64]) -> dict[str, NDArray]:
    """Return the arrays of the points' attributes, bytes."""
    scan, inspection = scene.scan, scene.inspection
    arrays: dict[str, NDArray] = {}
    if scan.color is not None:
        arrays['color'] = _differences(byte_color(scan.color[rows])).T
    for name, layer in _layers(scene).items():
        best = instance_of_points(scan, layer.instances)[rows] + 1
        arrays[name] = _word_planes(best.astype(np.uint16)[:, None])
    if scan.segment is not None:
        ids = np.unique(scan.segment, return_inverse=True)[1].reshape(-1)
        shuffled = np.random.default_rng(0).permutation(int(ids.max()) + 1)
        arrays['superpoint'] = (shuffled[ids[rows]] % SUPERPOINT_COLORS).astype(np.uint8)
    if inspection is not None:
        voxel = inspection.voxel[rows]
        arrays['features'] = _differences(inspection.features[voxel]).T
        heat = inspection.heat // HEAT_STEP * HEAT_STEP
        arrays['heat'] = heat[voxel].T
    return arrays


def _morton_order(steps: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the rows of points [N, 3] along a curve that fills space."""
    key = np.zeros(len(steps), np.uint64)
    for axis in range(3):
        key |= _spread(steps[:, axis].astype(np.uint64)) << np.uint64(axis)
    return np.argsort(key, kind='stable')


def _spread(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put two zeros between the bits of 16-bit numbers."""
    for shift, mask in ((16, 0x00FF0000FF0000FF), (8, 0xF00F00F00F00F00F),
                        (4, 0x30C30C30C30C30C3), (2, 0x9249249249249249)):
        bits = (bits | bits << np.uint64(shift)) & np.uint64(mask)
    return bits


def _differences(values: NDArray) -> NDArray:
    """Return differences to the row before, modulo the size of the type."""
    difference = values.copy()
    difference[1:] -= values[:-1]
    return difference


def _word_planes(words: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Split 16-bit columns [N, C] into planes [C, 2, N]: high bytes, then low bytes."""
    return np.stack([words.T >> 8, words.T & 255], axis=1).astype(np.uint8)


def _spacing(xyz: NDArray[np.floating]) -> float:
    """Return the mean distance of neighboring points on surfaces, metres."""
    cell = float(np.ptp(xyz, axis=0).max()) / SPACING_CELLS
    cells = len(first_in_voxels(xyz, max(cell, 1e-4)))
    return float(max(cell, 1e-4) * np.sqrt(cells / len(xyz)))


def _join(header: dict[str, Any], arrays: Mapping[str, NDArray]) -> bytes:
    streams = {name: zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
               for name, array in arrays.items()}
    header['arrays'] = {name: len(stream) for name, stream in streams.items()}
    text = json.dumps(header, separators=(',', ':')).encode()
    return b''.join((struct.pack('<I', len(text)), text, *streams.values()))
