"""The full pipeline: scan in, instances out."""

from dataclasses import replace
from pathlib import Path
import platform
import subprocess
import sys
from typing import Any

from mask3d_core import device as devices
from mask3d_core import ExtractSettings, InputError, load_segmenter, Scan, Segmenter
from mask3d_core import segmenter as segmenters
from mask3d_core.classes import load_classes
from mask3d_core.instances import COLUMNS
from mask3d_core.model import ModelConfig
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.superpoints.superpoints import find_superpoints
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tile_cache import TileCache
from mask3d_core.voxels import voxelize
from mask3d_core.weights.checkpoint import save_weights, untrained_weights, Weights
import numpy as np
import pytest
from shared import find_shared, ROOT
import torch

CLASSES = load_classes('scannet20').without(['wall', 'floor'])
SMALL = ModelConfig('Res16UNet14A', num_classes=18, hidden_dim=32, feedforward_dim=64,
                    num_heads=4, num_queries=20)


@pytest.fixture(scope='module')
def weights() -> Weights:
    """Return small untrained weights."""
    return untrained_weights(SMALL, CLASSES, voxel_size=0.05)


@pytest.fixture(scope='module')
def segmenter(weights: Weights) -> Segmenter:
    """Return a segmenter with small untrained weights."""
    return load_segmenter(weights, 'cpu')


@pytest.fixture(scope='module')
def room() -> tuple[np.ndarray, np.ndarray]:
    """Return points and colours of a floor with two boxes on it, some points broken."""
    random = np.random.default_rng(0)
    floor = random.uniform(0, 3, (6000, 3)) * [1, 1, .01]
    boxes = [random.uniform(0, .6, (2000, 3)) + [x, 1, 0] for x in (.3, 1.8)]
    xyz = np.concatenate([floor, *boxes]).astype(np.float32)
    xyz[::500] = np.nan
    return xyz, random.uniform(0, 1, xyz.shape).astype(np.float32)


def test_instances_of_a_room(segmenter: Segmenter, room: Any) -> None:
    xyz, color = room
    every = ExtractSettings(min_points=1, dbscan_eps=0.95, overlap_threshold=None)
    instances = segmenter.segment(Scan.from_points(xyz, color), every)
    assert len(instances) and instances.num_points == len(xyz)
    assert (np.diff(instances.score) <= 0).all()
    assert set(instances.seconds) == {'voxels', 'pyramid', 'unet', 'decoder', 'superpoints',
                                      'clustering', 'instances'}
    assert all(seconds > 0 for seconds in instances.seconds.values())
    for index in range(len(instances)):
        points = xyz[instances.points(index)].astype(float)
        assert np.isfinite(points).all()
        np.testing.assert_allclose(instances.box_size[index], np.ptp(points, 0), atol=1e-6)
        np.testing.assert_allclose(instances.centroid[index], points.mean(0), atol=1e-5)
        assert instances.name(index) in CLASSES.names


@pytest.mark.parametrize('max_voxels, superpoint_size', [
    (0, segmenters.SUPERPOINT_VOXEL_RATIO * 0.05), (100, 1.3 * 0.05)])
def test_masks_consist_of_whole_superpoints_unless_disabled(
        room: Any, max_voxels: int, superpoint_size: float) -> None:
    segmenter = load_segmenter(untrained_weights(SMALL, CLASSES, voxel_size=0.05, seed=16), 'cpu',
                               max_voxels=max_voxels)
    scan = Scan.from_points(*room)
    plain = ExtractSettings(min_points=1, dbscan_eps=0, overlap_threshold=None, superpoints=False)
    surfaces = replace(plain, superpoints=True)

    bare = segmenter.segment(scan, plain)
    found = segmenter.segment(scan, surfaces)
    superpoint = find_superpoints(scan, superpoint_size)
    given = segmenter.segment(replace(scan, segment=superpoint), surfaces)

    assert 'superpoints' not in bare.seconds and 'superpoints' not in given.seconds
    np.testing.assert_array_equal(found.masks, given.masks)
    assert (found.masks != bare.masks).any()


@pytest.mark.parametrize('varied, seed', [  # seeds with which masks are not empty
    ({}, 16), ({'votes': True}, 16), ({'on_segments': True}, 16), ({'queries': 'learned'}, 16),
    ({'in_channels': 1}, 5)])
@pytest.mark.parametrize('along_walls', [True, False])
def test_all_kinds_of_weights_segment_maps_in_tiles(room: Any, varied: dict[str, Any], seed: int,
                                                    along_walls: bool) -> None:
    weights = untrained_weights(replace(SMALL, **varied), CLASSES, voxel_size=0.05, seed=seed)
    segmenter = load_segmenter(weights, 'cpu')
    every = ExtractSettings(min_points=1, dbscan_eps=0, overlap_threshold=None)
    scan = Scan.from_points(*room)
    tiles = TileSettings(1.5, 0.3, along_walls)

    opened = segmenter.open_map(scan, every, tiles=tiles)
    done = [tile.number for tile in opened.run()]
    found = segmenter.segment(scan, every, tiles=tiles)

    assert len(done) == opened.num_tiles > 1 and len(found)
    assert found.num_points == scan.input_size
    np.testing.assert_array_equal(found.masks, opened.result().instances.masks)
    for rows in found.rows:
        assert np.isin(rows, scan.kept).all()


def test_a_scan_of_one_tile_gets_what_it_gets_without_tiles(segmenter: Segmenter,
                                                            room: Any) -> None:
    scan = Scan.from_points(*room)
    at_once = segmenter.segment_at_once(scan)
    opened = segmenter.open_map(scan, cache=TileCache())
    list(opened.run())
    for found in (segmenter.segment(scan), opened.result().instances):
        np.testing.assert_array_equal(found.masks, at_once.masks)
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(found, column), getattr(at_once, column))


def test_running_out_of_memory_in_the_background_is_an_input_error(
        room: Any, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(segmenters, 'find_superpoints', out_of_memory)
    with pytest.raises(InputError, match='the memory is too small'):
        segmenter.segment(Scan.from_points(*room))


def test_superpoints_are_computed_for_weights_on_segments(room: Any) -> None:
    weights = untrained_weights(replace(SMALL, on_segments=True), CLASSES, voxel_size=0.05,
                                seed=16)  # masks are neither empty nor full
    segmenter = load_segmenter(weights, 'cpu')
    scan = Scan.from_points(*room)
    superpoint = find_superpoints(scan, 0.05)

    found = segmenter.segment(scan, ExtractSettings(dbscan_eps=0))
    given = segmenter.segment(replace(scan, segment=superpoint), ExtractSettings(dbscan_eps=0))

    assert found.seconds['superpoints'] > 0 and 'superpoints' not in given.seconds
    np.testing.assert_array_equal(found.masks, given.masks)
    share = [np.bincount(superpoint, found.mask(index)[scan.kept]) / np.bincount(superpoint)
             for index in range(len(found))]
    assert set(np.unique(share)) == {0, 1}, 'a superpoint is completely in a mask or not at all'


def test_repeated_and_shuffled_scans_give_equal_results(segmenter: Segmenter,
                                                        room: Any) -> None:
    xyz, color = room
    shuffled = np.random.default_rng(1).permutation(len(xyz))
    one = segmenter.segment(Scan.from_points(xyz, color))
    two = segmenter.segment(Scan.from_points(xyz, color))
    three = segmenter.segment(Scan.from_points(xyz[shuffled], color[shuffled]))
    for other in (two, three):
        np.testing.assert_array_equal(other.class_id, one.class_id)
        np.testing.assert_array_equal(other.score, one.score)
        np.testing.assert_allclose(other.upright_center, one.upright_center, atol=1e-9)
    np.testing.assert_array_equal(two.masks, one.masks)
    for index in range(len(one)):
        np.testing.assert_array_equal(three.mask(index), one.mask(index)[shuffled])


def test_weights_from_a_file(weights: Weights, segmenter: Segmenter, room: Any,
                             tmp_path: Path) -> None:
    save_weights(tmp_path / 'small.weights', weights)
    loaded = load_segmenter(tmp_path / 'small.weights', num_queries=7)
    assert loaded.num_queries == 7
    assert len(loaded.segment(Scan.from_points(*room), ExtractSettings(dbscan_eps=0))) <= 7


@pytest.mark.parametrize('precision, most', [('bfloat16', .3), ('float16', .1)])
def test_lower_precision_is_close(weights: Weights, segmenter: Segmenter, room: Any,
                                  precision: str, most: float) -> None:
    from mask3d_core.voxels import voxelize

    lower = load_segmenter(weights, 'cpu', precision)
    voxels = voxelize(Scan.from_points(*room), segmenter.voxelization)
    one, two = segmenter.predict(voxels), lower.predict(voxels)
    assert two.mask_logits.dtype == torch.float32
    assert (one.class_logits - two.class_logits).abs().max() < most


def test_loading_does_not_change_the_weights(weights: Weights, segmenter: Segmenter) -> None:
    fresh = untrained_weights(SMALL, CLASSES, voxel_size=0.05)
    for name, tensor in weights.state.items():
        assert torch.equal(tensor, fresh.state[name]), name


def test_colorless_scan_is_an_error(segmenter: Segmenter, room: Any) -> None:
    with pytest.raises(InputError, match='no colour'):
        segmenter.segment(Scan.from_points(room[0]))
    with pytest.raises(InputError, match='the same colour everywhere, but these weights need it'):
        segmenter.segment(Scan.from_points(room[0], np.full(room[1].shape, 255, np.uint8)))


@pytest.mark.parametrize('offset', [(5e5, 5.4e6, 300), (4.1e6, 6e5, -4.8e6), (0, 3e4, 0)])
def test_a_scan_far_from_the_origin_has_the_same_instances_there(
        segmenter: Segmenter, room: Any, offset: tuple[float, ...]) -> None:
    xyz, color = room
    xyz = xyz.astype(np.float64)
    for tiles in (TileSettings(0), TileSettings(1.6, 0.3)):  # offsets keep the lattices
        near, far = (segmenter.segment(Scan.from_points(points, color), ExtractSettings(
            min_points=1, dbscan_eps=0), tiles=tiles) for points in (xyz, xyz + offset))
        assert len(near)
        np.testing.assert_array_equal(far.masks, near.masks)
        for column in COLUMNS:
            moved = offset if column in ('centroid', 'box_center', 'upright_center') else 0
            np.testing.assert_allclose(getattr(far, column), getattr(near, column) + moved,
                                       rtol=0, atol=1e-6)


def test_too_many_voxels_is_an_error(segmenter: Segmenter, room: Any,
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, 'free_memory', lambda device: 1_000_000)
    with pytest.raises(InputError, match='too many voxels: .* crop the map'):
        segmenter.segment(Scan.from_points(*room))


CONTROL_GROUPS: dict[str, tuple[dict[str, str], int]] = {
    'none': ({}, 8000 * 1024),
    'version 2, without limit': ({'proc/self/cgroup': '0::/', 'memory.max': 'max',
                                  'memory.current': '1', 'memory.stat': 'anon 1'}, 8000 * 1024),
    'version 2, of a container': (
        {'proc/self/cgroup': '0::/', 'memory.max': '5000000', 'memory.current': '2000000',
         'memory.stat': 'anon 1000\ninactive_file 300000\nfile 5'}, 3_300_000),
    'version 2, of a service in a slice': (
        {'proc/self/cgroup': '0::/robot.slice/node', 'robot.slice/node/memory.max': 'max',
         'robot.slice/memory.max': '5000000', 'robot.slice/memory.current': '4000000'}, 1_000_000),
    'version 2, used up': ({'proc/self/cgroup': '0::/', 'memory.max': '5', 'memory.current': '9'},
                           0),
    'version 1, of a container': (
        {'proc/self/cgroup': '5:cpu:/\n4:memory:/docker/4f\n0::/',
         'memory/memory.limit_in_bytes': '6000000', 'memory/memory.usage_in_bytes': '2000000',
         'memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 70000'}, 4_070_000)}
"""Files of `/sys/fs/cgroup` and others, and the bytes that are free, on a host with 8000 KiB."""


@pytest.mark.parametrize('case', CONTROL_GROUPS)
def test_memory_is_what_the_control_groups_leave(tmp_path: Path, case: str) -> None:
    files, free = CONTROL_GROUPS[case]
    for name, text in {'proc/meminfo': 'MemTotal: 9 kB\nMemAvailable: 8000 kB', **files}.items():
        path = tmp_path / (name if name.startswith('proc') else f'sys/fs/cgroup/{name}')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert devices.free_memory(torch.device('cpu'), tmp_path) == free
    assert devices.free_memory(torch.device('cpu'), tmp_path / 'nothing') is None


def test_control_groups_that_must_not_be_read_are_without_limit(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'proc/self').mkdir(parents=True)
    (tmp_path / 'proc/meminfo').write_text('MemAvailable: 8000 kB')
    group = tmp_path / 'proc/self/cgroup'
    group.write_bytes(b'0::/robot\xff')
    assert devices.free_memory(torch.device('cpu'), tmp_path) == 8000 * 1024
    original = Path.read_text

    def read_text(path: Path, *arguments: Any, **options: Any) -> str:
        if path == group:
            raise PermissionError(13, 'Permission denied', str(path))
        return original(path, *arguments, **options)

    monkeypatch.setattr(Path, 'read_text', read_text)
    assert devices.free_memory(torch.device('cpu'), tmp_path) == 8000 * 1024


def test_unknown_devices_and_precisions_are_errors(weights: Weights) -> None:
    for name in ('gpu', 'mps', 'cuda:99'):
        with pytest.raises(InputError, match=f'device {name!r}'):
            load_segmenter(weights, name)
    with pytest.raises(InputError, match='unknown precision'):
        load_segmenter(weights, 'cpu', 'int8')


def test_number_of_queries_is_checked(weights: Weights, room: Any) -> None:
    segmenter = load_segmenter(weights, 'cpu', num_queries=5)
    with pytest.raises(InputError, match='at least 1 query, got 0'):
        segmenter.segment(Scan.from_points(*room), num_queries=0)
    assert load_segmenter(weights, 'cpu', num_queries=None).num_queries == SMALL.num_queries
    learned = untrained_weights(replace(SMALL, queries='learned'), CLASSES)
    with pytest.raises(InputError, match='20 learned queries'):
        load_segmenter(learned, 'cpu', num_queries=19)
    with pytest.raises(InputError, match='20 learned queries'):
        load_segmenter(learned, 'cpu').segment(Scan.from_points(*room), num_queries=19)


def test_arguments_of_a_call_do_not_affect_the_next(weights: Weights, segmenter: Segmenter,
                                                    room: Any) -> None:
    scan, every = Scan.from_points(*room), ExtractSettings(min_points=0, dbscan_eps=0, top_k=-1,
                                                           overlap_threshold=None)
    before = segmenter.segment(scan, every)
    few = segmenter.segment(scan, every, num_queries=3, max_voxels=100)
    after = segmenter.segment(scan, every)
    other = load_segmenter(weights, 'cpu', num_queries=3, max_voxels=100).segment(scan, every)
    assert (len(before), len(few)) == (SMALL.num_queries, 3)
    assert few.voxel_size == pytest.approx(0.065) and after.voxel_size == 0.05
    np.testing.assert_array_equal(few.masks, other.masks)
    np.testing.assert_array_equal(few.score, other.score)
    np.testing.assert_array_equal(after.masks, before.masks)
    assert (segmenter.num_queries, segmenter.max_voxels) == (SMALL.num_queries, 0)


def test_dense_maps_get_larger_voxels(weights: Weights, room: Any) -> None:
    scan, watch = Scan.from_points(*room), Stopwatch(torch.device('cpu'))
    exact = load_segmenter(weights, 'cpu')
    bounded = load_segmenter(replace(weights, max_voxels=100), 'cpu')
    assert exact.max_voxels == 0 and bounded.max_voxels == 100
    fine, coarse = (segmenter.prepare(scan, watch)[1] for segmenter in (exact, bounded))
    assert len(coarse) < 0.8 * len(fine)
    assert (fine.size, coarse.size) == pytest.approx((0.05, 0.065))
    found = bounded.segment(scan)
    assert found.num_points == scan.input_size and len(found)
    assert found.voxel_size == coarse.size

    assert len(bounded.prepare(scan, watch, max_voxels=0)[1]) == len(fine)
    assert len(bounded.prepare(scan, watch, max_voxels=None)[1]) == len(coarse)
    assert bounded.max_voxels == 100
    with pytest.raises(InputError, match='max_voxels of 0 or more, got -1'):
        bounded.segment(scan, max_voxels=-1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_cuda_agrees_with_the_cpu(weights: Weights, segmenter: Segmenter, room: Any,
                                  ) -> None:
    one = segmenter.segment(Scan.from_points(*room))
    two = load_segmenter(weights, 'cuda').segment(Scan.from_points(*room))
    np.testing.assert_allclose(two.score[:5], one.score[:5], atol=1e-3)


def test_full_network_on_a_real_scan() -> None:
    from mask3d_core.files import read_scan

    scan = read_scan(find_shared('data/clouds/test55.pcd'))
    segmenter = load_segmenter(untrained_weights(ModelConfig(), CLASSES), 'cpu')
    instances = segmenter.segment(scan, ExtractSettings(top_k=10))
    assert instances.num_points == scan.input_size and len(instances) <= 10
    prediction = segmenter.predict(voxelize(scan, segmenter.voxelization))
    assert prediction.class_logits.shape == (100, 19)
    assert prediction.mask_logits.isfinite().all() and prediction.mask_logits.std() > 0


def test_queries_beyond_those_of_the_training_are_bounded_by_the_voxels(
        segmenter: Segmenter, room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    predict = segmenter.engine.predict

    def count(voxels: Any, pyramid: Any, num_queries: int, watch: Stopwatch) -> Any:
        counts.append(num_queries)
        return predict(voxels, pyramid, num_queries, watch)

    monkeypatch.setattr(segmenter.engine, 'predict', count)
    scan = Scan.from_points(*(part[1:200] for part in room))
    voxels = len(segmenter.prepare(scan, Stopwatch(segmenter.device))[1])
    assert 20 < voxels < 200
    for queries in (10_000, 21, 20):
        segmenter.segment(scan, num_queries=queries)
    segmenter.segment(Scan.from_points(*(part[1:12] for part in room)), num_queries=10_000)
    assert counts == [voxels, 21, 20, 20]


def test_freed_memory_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path('/proc/self/statm').read_text().split()[1])

    def small_blocks() -> list[bytearray]:  # which the allocator does not return by itself
        return [bytearray(60_000) for _ in range(2_000)]

    if platform.libc_ver()[0] != 'glibc':
        pytest.skip('only glibc returns freed memory when asked')
    blocks = small_blocks()
    last = bytearray(60_000)  # above them in the heap
    held = resident()
    del blocks
    devices.give_back_memory()
    assert resident() < held - 20_000  # pages: 80 of 120 MB
    del last


def test_the_compiler_of_torch_is_not_imported() -> None:
    code = """if True:
        import sys
        from mask3d_core.scan import Scan
        from mask3d_core.segmenter import load_segmenter
        import numpy as np

        xyz = np.random.default_rng(0).uniform(0, 2, (2000, 3)).astype(np.float32)
        scan = Scan.from_points(xyz, np.full((2000, 3), 99, np.uint8))
        load_segmenter(device='cpu').segment(scan)
        assert 'torch' in sys.modules and 'torch._dynamo' not in sys.modules
    """
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=False,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
