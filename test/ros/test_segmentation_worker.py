"""The worker over a map of several tiles: what is segmented, discarded and published, and when."""

import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
import math
from pathlib import Path
import threading

from mask3d_ros.map_segmenter import CHUNK_BYTES, map_workload, same_points
from mask3d_ros.messages import nanoseconds
from mask3d_ros.object_state import ObjectState
from mask3d_ros.region import Region
from mask3d_ros.result import SegmentationResult
from mask3d_ros.transforms import FramePose
import numpy as np
import pytest
from toy_map import ROOM_POINTS, SPACING, toy_map
from worker_bench import Bench, CLASSES, Log, SECONDS, SETTINGS

END = array.array('B', [255])
"""A last byte that no cloud here has."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    with closing(Bench()) as bench:
        yield bench


def ids(result: SegmentationResult) -> dict[int, int]:
    """Return the id of the instance in each room."""
    rooms = (result.instances.centroid[:, 0] // SPACING).astype(int)
    return dict(zip(rooms.tolist(), result.ids.tolist()))


def test_only_new_and_changed_tiles_are_segmented(bench: Bench) -> None:
    first = bench.result(toy_map(1, 1), tiles=1)
    assert ids(first) == {0: 1} and first.tiles.total == 1
    grown = bench.result(toy_map(3, 2), tiles=2)
    assert ids(grown) == {0: 1, 1: 2, 2: 3}
    assert (grown.tiles.total, grown.tiles.segmented) == (3, 2)
    changed = bench.result(toy_map(3, 3, moved=1), tiles=1)
    assert ids(changed).keys() == {0, 1, 2} and ids(changed)[2] == 3
    assert '1 of 3 tiles segmented' in bench.log.lines[-1]
    assert changed.instances.num_points == 3 * ROOM_POINTS


def test_the_same_map_is_published_again_with_the_new_stamp(bench: Bench) -> None:
    one = bench.result(toy_map(2, 1), tiles=2)
    other = bench.result(toy_map(2, 2), tiles=0)
    assert bench.output.stamps == [1, 2]
    assert other.scan is one.scan and other.instances is one.instances and other.ids is one.ids
    assert list(other.seconds) == ['read'] and other.tiles.segmented == 0
    assert '0 of 2 tiles segmented' in bench.log.lines[-1]


def test_a_stamp_later_than_ros_can_tell_is_one_error(bench: Bench) -> None:
    late = toy_map(1, 2**31 - 1)
    late.header.stamp.nanosec = 10**9
    bench.segmenter.allow(2)
    bench.worker.submit(late)
    bench.wait(lambda: bench.log.lines)
    assert bench.log.lines[0].startswith(
        'the stamp of the cloud has 2147483647 s and 1000000000 ns, expected at most 2147483647 s')
    bench.worker.submit(toy_map(1, 2**31 - 1))
    bench.wait(lambda: bench.output.results)
    latest = bench.output.results[0]
    assert latest.objects.last_seen.tolist() == [nanoseconds(latest.cloud.header.stamp)]
    bench.worker.submit(late)  # has the points of the last result
    bench.wait(lambda: len(bench.log.lines) == 3)
    assert bench.log.lines[2] == bench.log.lines[0] and len(bench.output.results) == 1


def test_objects_were_last_seen_in_the_same_map_before(bench: Bench) -> None:
    bench.result(toy_map(1, 1), tiles=1)
    for stamp in (2, 3):
        again = bench.result(toy_map(1, stamp), tiles=0)
        assert again.objects.last_seen.tolist() == [stamp * 1_000_000_000]
    bench.segmenter.height = 9.0  # nothing is detected any more
    last = bench.result(toy_map(1, 4, moved=1), tiles=1)
    assert last.objects.remembered.tolist() == [True]
    assert last.objects.last_seen.tolist() == [3_000_000_000]


def test_objects_are_saved_though_no_further_cloud_comes(tmp_path: Path) -> None:
    state = ObjectState(tmp_path / 'state', CLASSES, Log())  # type: ignore[arg-type]
    state._next_save = math.inf  # as after a file that took long
    bench = Bench(state=state)
    with closing(bench.worker):
        bench.result(toy_map(1), tiles=1)
        bench.wait(lambda: bench.worker._segmenter._unsaved)
        state._next_save = 0.0
        bench.worker.check_subscribers()  # as the node does periodically
        bench.wait((tmp_path / 'state').exists)


def test_a_reset_leaves_a_cloud_that_waits_for_a_subscriber(bench: Bench) -> None:
    bench.output.subscribers = 0
    bench.worker.submit(toy_map(1))
    answers: list[str] = []
    for number in (1, 2):
        bench.worker.reset(lambda success, text: answers.append(text))
        bench.wait(lambda number=number: len(answers) == number)
    assert bench.segmenter.started.empty()
    bench.output.subscribers = 1
    bench.worker.check_subscribers()
    bench.segmenter.allow()
    bench.wait(lambda: bench.output.results)


def test_same_points_whatever_the_stamp() -> None:
    one = toy_map(2, 1)
    assert len(one.data) % CHUNK_BYTES, 'the last chunk is shorter'
    assert same_points(one, toy_map(2, 9))
    for change in ({'is_bigendian': True}, {'point_step': 8}, {'height': 2}, {'fields': []},
                   {'data': one.data[:-1]}, {'data': array.array('B', one.data[:-1]) + END}):
        other = toy_map(2, 1)
        for name, value in change.items():
            setattr(other, name, value)
        assert not same_points(one, other), change.keys()
    moved = toy_map(2, 1)
    moved.header.frame_id = 'odom'
    assert not same_points(one, moved)


def test_noise_and_order_change_nothing(bench: Bench) -> None:
    one = bench.result(toy_map(2, 1), tiles=2)
    other = bench.result(toy_map(2, 2, noise=0.003), tiles=0)
    assert ids(other) == ids(one) and other.scan is not one.scan
    assert list(other.seconds)[:2] == ['read', 'tiles']


def test_a_newer_map_is_taken_up_between_tiles(bench: Bench) -> None:
    bench.worker.submit(toy_map(3, 1))
    assert bench.segmenter.room() == 0
    bench.worker.submit(toy_map(4, 2))
    bench.segmenter.allow()
    rooms = [bench.segmenter.room()]
    bench.segmenter.allow(3)
    bench.wait(lambda: bench.output.results)
    rooms += [bench.segmenter.room() for _ in range(2)]
    assert rooms == [3, 1, 2], 'what is new in the newer map is first, and room 0 is kept'
    assert bench.output.stamps == [2] and bench.output.results[0].tiles.segmented == 3
    assert 'taken up after 1 of 3 tiles' in bench.log.lines[0]
    assert '1 older clouds were dropped' in bench.log.lines[1]


@pytest.mark.parametrize('frame', ['', 'base_link'])
def test_the_same_map_while_it_is_in_progress_is_continued(bench: Bench, frame: str) -> None:
    bench.worker.change(replace(SETTINGS, robot_frame=frame))
    bench.worker.submit(toy_map(3, 1))
    for stamp in (2, 3):
        bench.segmenter.room()
        bench.worker.submit(toy_map(3, stamp))
        bench.segmenter.allow()
    bench.segmenter.room()
    bench.segmenter.allow()
    bench.wait(lambda: bench.output.results)
    assert bench.output.stamps == [3] and bench.segmenter.started.empty()
    assert bench.output.results[0].tiles.segmented == (1 if frame else 3), 'a robot may move'
    assert ids(bench.output.results[0]).keys() == {0, 1, 2}


def test_newer_maps_do_not_prevent_a_result(bench: Bench) -> None:
    """Every tile of every map changes, and each time a newer map has arrived."""
    stamp = 1
    bench.worker.submit(toy_map(2, stamp))
    tiles = 0
    while len(bench.output.results) < 3:
        bench.segmenter.room()
        tiles += 1
        stamp += 1
        bench.worker.submit(toy_map(2, stamp, moved=stamp % 4))
        bench.segmenter.allow()
        before = len(bench.output.results)
        bench.wait(lambda before=before: not bench.segmenter.started.empty()
                   or len(bench.output.results) > before)
    assert tiles <= 3 * 2 * 2, 'a result after at most twice the tiles of a map'
    assert bench.output.stamps == sorted(set(bench.output.stamps))


def test_changed_settings_are_taken_up_between_tiles(bench: Bench) -> None:
    bench.worker.submit(toy_map(2, 1))
    bench.segmenter.room()
    bench.worker.change(replace(SETTINGS, num_queries=3))
    bench.segmenter.allow(3)
    bench.wait(lambda: bench.output.results)
    assert len(bench.output.results) == 1 and bench.output.results[0].tiles.segmented == 2


def test_a_newer_map_waits_for_max_rate(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, min_period=1000.0))
    bench.worker.submit(toy_map(2, 1))
    bench.segmenter.room()
    bench.worker.submit(toy_map(3, 2))
    bench.segmenter.allow(2)
    bench.wait(lambda: bench.output.results)
    assert bench.output.stamps == [1]


def test_partial_results(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, partial_results=True))
    bench.worker.submit(toy_map(3, 1))
    bench.segmenter.allow(3)
    bench.wait(lambda: len(bench.output.results) == 3)
    assert [ids(result) for result in bench.output.results] == [
        {0: 1}, {0: 1, 1: 2}, {0: 1, 1: 2, 2: 3}]
    assert [result.tiles.pending for result in bench.output.results] == [2, 1, 0]
    assert bench.output.stamps == [1, 1, 1]
    assert '1 of 3 tiles segmented, 2 to go' in bench.log.lines[0]


def test_a_map_with_a_partial_result_is_finished_when_enabled_again(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, partial_results=True))
    bench.worker.submit(toy_map(2, 1))
    bench.segmenter.allow()
    assert [bench.segmenter.room(), bench.segmenter.room()] == [0, 1]
    bench.wait(lambda: bench.output.results)
    assert bench.worker.enable(False) and bench.worker._again
    assert bench.worker.enable(True)
    bench.segmenter.allow(2)  # the tile in progress may be begun again
    bench.wait(lambda: not bench.output.results[-1].tiles.pending)
    assert ids(bench.output.results[-1]) == {0: 1, 1: 2}


def test_a_cloud_that_was_segmented_is_not_segmented_again_when_enabled(bench: Bench) -> None:
    bench.poses['camera'] = FramePose(np.zeros(3), np.eye(3))
    bench.worker.change(replace(SETTINGS, target_frame='map'))
    seen = toy_map(1, 1)
    seen.header.frame_id = 'camera'
    assert bench.result(seen, tiles=1).cloud.header.frame_id == 'map'
    assert bench.worker.enable(False) and not bench.worker._again
    broken = toy_map(1, 2)
    broken.width += 1
    assert bench.worker.enable(True)
    bench.worker.submit(broken)
    bench.wait(lambda: 'announces' in bench.log.lines[-1])
    assert bench.worker.enable(False) and not bench.worker._again, 'nor one with an error'


def test_a_newer_map_is_taken_up_after_each_partial_result(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, partial_results=True))
    bench.worker.submit(toy_map(3, 1))
    for stamp in (2, 3, 4):
        bench.segmenter.room()
        bench.worker.submit(toy_map(3 + stamp, stamp))
        bench.segmenter.allow()
        bench.wait(lambda stamp=stamp: stamp - 1 in bench.output.stamps)
    bench.segmenter.room()
    assert bench.output.stamps == [1, 2, 3]
    assert [result.tiles.segmented for result in bench.output.results] == [1, 1, 1]


def test_a_partial_result_is_not_taken_for_the_whole(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, partial_results=True))
    bench.worker.submit(toy_map(2, 1))
    bench.segmenter.allow()
    bench.wait(lambda: bench.output.results)
    bench.segmenter.room()
    bench.segmenter.room()
    bench.worker.submit(toy_map(2, 2))
    bench.segmenter.allow()
    bench.wait(lambda: 2 in bench.output.stamps)
    assert ids(bench.output.results[-1]) == {0: 1, 1: 2}


def test_results_are_expected_while_enabled_and_a_topic_has_a_subscriber(bench: Bench) -> None:
    assert bench.worker.expects_results()
    bench.worker.enable(False)
    assert not bench.worker.expects_results()
    bench.worker.enable(True)
    bench.output.subscribers = 0
    assert not bench.worker.expects_results()
    bench.output.subscribers = 1
    assert bench.worker.expects_results()
    bench.worker.pause()
    assert not bench.worker.expects_results()


@pytest.mark.parametrize('end', ['pause', 'close'])
def test_a_pause_stops_the_tile_in_progress(bench: Bench, end: str) -> None:
    bench.worker.submit(toy_map(3, 1))
    bench.segmenter.allow()
    assert [bench.segmenter.room(), bench.segmenter.room()] == [0, 1]
    ending = threading.Thread(target=getattr(bench.worker, end))
    ending.start()
    bench.wait(lambda: not bench.worker._active)
    bench.segmenter.allow()
    ending.join(SECONDS)
    assert not ending.is_alive() and not bench.output.results
    if end == 'pause':
        bench.worker.resume()
        bench.result(toy_map(3, 2), tiles=2)
        assert bench.output.stamps == [2], 'the tile that was finished before is kept'
    assert bench.segmenter.started.empty()


def test_roi_leaves_out_tiles_and_says_so_once(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, region=Region((SPACING + 1, 1.0, 5.0))))
    one = bench.result(toy_map(3, 1), tiles=1)
    assert ids(one) == {1: 1}
    assert (one.tiles.left_out, one.tiles.left_out_points) == (2, 2 * ROOM_POINTS)
    told = f'roi and max_points leave out {2 * ROOM_POINTS} points in 2 of 3 tiles'
    assert bench.log.lines[-1] == told
    bench.result(toy_map(3, 2, moved=1), tiles=0)
    bench.result(toy_map(3, 3, moved=1), tiles=0)
    assert bench.log.lines.count(told) == 1
    bench.segmenter.allow(2)
    bench.worker.change(SETTINGS)
    bench.wait(lambda: len(bench.output.results) == 4)
    assert ids(bench.output.results[-1]).keys() == {0, 1, 2}
    assert bench.log.lines[-1] == 'roi and max_points leave out 0 points in 0 of 3 tiles'


def test_max_points_segments_the_rest_with_the_next_maps(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, max_points=ROOM_POINTS + 10))
    for stamp in (1, 2, 3):
        result = bench.result(toy_map(3, stamp), tiles=1)
        assert len(ids(result)) == stamp and result.tiles.left_out == 3 - stamp
    assert ids(bench.result(toy_map(3, 4), tiles=0)) == ids(result)
    assert bench.output.results[-1].scan is result.scan


def test_the_nearest_tile_is_first_when_the_robot_is_known(bench: Bench) -> None:
    bench.poses['base_link'] = FramePose(np.array([2 * SPACING, 0, 0]), np.eye(3))
    bench.worker.change(replace(SETTINGS, robot_frame='base_link'))
    bench.segmenter.allow(3)
    bench.worker.submit(toy_map(3, 1))
    assert [bench.segmenter.room() for _ in range(3)] == [2, 1, 0]


def test_roi_moves_with_its_frame(bench: Bench) -> None:
    bench.worker.change(replace(SETTINGS, region=Region((-4.0, -4, -1, 4, 4, 2)),
                                region_frame='base_link'))
    for room in (2, 0, 1):
        bench.poses['base_link'] = FramePose(np.array([room * SPACING, 0, 0]), np.eye(3))
        result = bench.result(toy_map(3, 1), tiles=1)
    assert ids(result) == {2: 1, 0: 2, 1: 3}


def test_without_its_frame_roi_is_the_whole_map() -> None:
    settings = replace(SETTINGS, region=Region((0.0, 0.0, 1.0)), region_frame='base_link')
    work = map_workload(settings, 'map', lambda frame, reference: None)
    assert work.wanted is None and work.near is None


def test_a_turned_box() -> None:
    quarter = FramePose(np.array([10.0, 0, 0]), np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]))
    settings = replace(SETTINGS, region=Region((0.0, -1, -1, 5, 1, 1)), region_frame='base_link')
    wanted = map_workload(settings, 'map', lambda frame, reference: quarter).wanted
    assert wanted is not None
    assert wanted(np.array([[10.0, 4, 0]])) and not wanted(np.array([[14.0, 0, 0]]))


def test_a_failing_tile_is_one_error_and_the_next_map_goes_on(bench: Bench) -> None:
    bad = toy_map(2, 1)
    words = np.frombuffer(bad.data, np.float32).reshape(2 * ROOM_POINTS, -1)
    words[:ROOM_POINTS, 0] -= 2 * SPACING
    bench.segmenter.allow(2)
    bench.worker.submit(bad)
    bench.wait(lambda: bench.log.lines)
    assert bench.log.lines == ['a tile that cannot be segmented']
    while not bench.segmenter.started.empty():
        bench.segmenter.room()
    bench.result(toy_map(1, 2), tiles=1)
