"""Scenes as bytes: what the page decodes is what was packed."""

from dataclasses import replace
import json
import struct
import zlib

from mask3d_core.scan import Scan
from mask3d_core.viewer.packing import first_view, pack_scene
from mask3d_core.viewer.scene import Scene
import numpy as np
from numpy.typing import NDArray
from small_scene import small_scene


def unpack(packed: bytes) -> tuple[dict, dict[str, NDArray[np.uint8]]]:
    """Return the header and the arrays of packed bytes, as the page does."""
    length, = struct.unpack('<I', packed[:4])
    header = json.loads(packed[4:4 + length])
    arrays, place = {}, 4 + length
    for name, size in header['arrays'].items():
        arrays[name] = np.frombuffer(zlib.decompress(packed[place:place + size]), np.uint8)
        place += size
    assert place == len(packed)
    return header, arrays


def positions(header: dict, planes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the positions of a packed scene, metres."""
    words = planes.reshape(3, 2, -1).astype(np.uint16)
    steps = np.cumsum((words[:, 0] << 8) + words[:, 1], axis=1, dtype=np.uint16).T
    return np.array(header['origin']) + steps * np.array(header['scale'])


def nearest(packed: NDArray, scan: Scan) -> NDArray[np.int64]:
    """Return the row of the scan that each packed position is nearest to."""
    return np.array([np.abs(scan.xyz - one).sum(axis=1).argmin() for one in packed])


def test_positions_are_within_a_step() -> None:
    scene = small_scene()
    header, arrays = unpack(pack_scene(scene))
    found = positions(header, arrays['xyz'])
    rows = nearest(found, scene.scan)
    assert header['count'] == header['total'] == len(scene.scan) == len(found)
    assert (np.abs(found - scene.scan.xyz[rows]) <= 0.51 * np.array(header['scale'])).all()


def test_stray_points_do_not_coarsen_the_others() -> None:
    """A point at 90 km would make the steps of 16 bits larger than the room."""
    scene = small_scene()
    xyz = scene.scan.xyz.copy()
    xyz[[5, 77]] = [[9e4, 0, 0], [0, -9e4, 10]]
    stray = replace(scene, scan=replace(scene.scan, xyz=xyz))
    header, arrays = unpack(pack_scene(stray))
    found = positions(header, arrays['xyz'])
    assert header['count'] == len(found) == len(xyz) - 2 and max(header['scale']) < 0.001
    assert '2 stray points are far from the others, and not shown.' in header['notes']
    rows = nearest(found, stray.scan)
    assert (np.abs(found - xyz[rows]) <= 0.51 * np.array(header['scale'])).all()
    kept = np.delete(np.arange(len(xyz)), [5, 77])
    same = Scene('room', Scan.from_points(xyz[kept]))
    assert first_view(stray) == first_view(same)


def test_attributes_belong_to_their_points() -> None:
    scene = small_scene()
    assert scene.prediction is not None and scene.scan.color is not None
    header, arrays = unpack(pack_scene(scene))
    rows = nearest(positions(header, arrays['xyz']), scene.scan)
    color = np.cumsum(arrays['color'].reshape(3, -1), axis=1, dtype=np.uint8).T
    assert np.array_equal(color, np.rint(255 * scene.scan.color[rows]).astype(np.uint8))
    high, low = arrays['prediction'].reshape(2, -1).astype(int)
    best = scene.prediction.instances.point_instance()
    assert np.array_equal(256 * high + low - 1, best[rows])
    assert len(arrays['heat']) == 3 * len(rows) and len(arrays['features']) == 3 * len(rows)


def test_the_header_describes_the_instances() -> None:
    header, _ = unpack(pack_scene(small_scene()))
    first = header['layers']['prediction'][0]
    assert (first['id'], first['class'], first['score']) == (1, 2, 0.9)
    assert len(header['layers']['prediction']) == 3 and len(header['layers']['truth']) == 3
    assert {'id': 3, 'name': 'bin', 'color': [40, 90, 200]} in header['classes']
    assert header['notes'] == ['A note of the scene.']


def test_a_scene_is_thinned_evenly() -> None:
    scene = small_scene()
    header, arrays = unpack(pack_scene(scene, 500))
    found = positions(header, arrays['xyz'])
    assert (header['count'], header['total']) == (500, len(scene.scan))
    middle = scene.scan.xyz.mean(axis=0)
    assert np.abs(found.mean(axis=0) - middle).max() < 0.15


def test_coordinates_of_a_projection_keep_their_precision() -> None:
    scene = small_scene()
    far = np.array([687654.0, 5334567.0, 512.0])
    moved = Scan.from_points(scene.scan.xyz.astype(np.float64) + far)
    header, arrays = unpack(pack_scene(Scene('far', moved)))
    found = positions(header, arrays['xyz'])
    rows = nearest(found, moved)
    assert header['double']
    assert np.abs(found - moved.xyz[rows]).max() < 1e-4


def test_a_long_scan_lies_across_the_first_view() -> None:
    random = np.random.default_rng(0)
    corridor = Scan.from_points(random.uniform((0, 0, 0), (12, 2, 2.5), (3000, 3)))
    azimuth = first_view(Scene('corridor', corridor))['azimuth']
    assert abs(abs(np.sin(np.radians(azimuth))) - 1) < 0.02


def test_a_ceiling_is_cut_where_z_points_up() -> None:
    random = np.random.default_rng(0)
    floor, ceiling = (random.uniform((0, 0, z), (5, 5, z + 0.02), (4000, 3)) for z in (0, 2.5))
    wall = random.uniform((0, 0, 0), (5, 0.05, 2.5), (2000, 3))
    scan = Scan.from_points(np.concatenate([floor, ceiling, wall]))
    assert 2.2 < first_view(Scene('room', scan))['ceiling'] < 2.5
    assert 'ceiling' not in first_view(Scene('room', scan, upright=False))
