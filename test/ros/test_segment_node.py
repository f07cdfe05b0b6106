"""segment_node as a subprocess, over DDS: results, parameters, transitions."""

from pathlib import Path
import re
import time
from typing import Any

from lifecycle_msgs.msg import Transition
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import decode_pointcloud2
from mask3d_core.segmenter import load_segmenter
from mask3d_core.voxels import MAX_VOXEL_GROWTH
from mask3d_ros.clouds import LABELLED_DTYPE
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from node_diagnostics import NodeDiagnostics
import numpy as np
import pytest
from ros_client import Client, hall, room, stamps, without_history
from sensor_msgs.msg import PointCloud2
from small_weights import save_small_weights
from toy_map import toy_map
from visualization_msgs.msg import Marker, MarkerArray

OUTPUTS = {'instances': InstanceArray, 'markers': MarkerArray, 'cloud': PointCloud2}


def num_segmented(node: NodeSubprocess) -> int:
    """Return how many clouds the node has segmented."""
    return len(re.findall(r'instances in \d+ ms', node.text()))


def test_a_cloud_has_a_result_on_all_outputs(node: NodeSubprocess, client: Client) -> None:
    got = {name: client.receive(f'segment_node/{name}', kind) for name, kind in OUTPUTS.items()}
    sent = room(stamp=5)
    client.publisher().publish(sent)
    client.wait(lambda: all(got.values()), node)
    result, markers, labelled = (got[name][0] for name in OUTPUTS)

    assert result.header == sent.header and labelled.header == sent.header
    assert result.cloud_size == sent.width and labelled.width == sent.width
    assert len(result.instances) > 0
    assert [instance.id for instance in result.instances] == list(
        range(1, len(result.instances) + 1))
    scores = [instance.score for instance in result.instances]
    assert scores == sorted(scores, reverse=True) and 0 <= min(scores) <= max(scores) <= 1
    assert result.stage_names[0] == 'read' and min(result.stage_seconds) >= 0
    assert len(result.stage_names) == len(result.stage_seconds) > 3
    for instance in result.instances:
        rows = np.asarray(instance.point_indices)
        assert len(rows) == instance.num_points > 0
        assert (np.diff(rows.astype(np.int64)) > 0).all() and rows[-1] < sent.width

    rows = np.frombuffer(labelled.data, LABELLED_DTYPE)
    by_id = {instance.id: instance for instance in result.instances}
    for identity in np.unique(rows['instance']):
        members = np.flatnonzero(rows['instance'] == identity)
        if identity:
            assert set(members) <= set(by_id[identity].point_indices)
            assert (rows['label'][members] == by_id[identity].class_id).all()
            np.testing.assert_allclose(rows['score'][members], by_id[identity].score)
        else:
            covered = [np.asarray(instance.point_indices) for instance in result.instances]
            assert not set(members) & set(np.concatenate(covered))

    assert markers.markers[0].action == Marker.DELETEALL
    assert len(markers.markers) == 1 + 2 * len(result.instances)


def test_the_same_cloud_has_the_same_result(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    for stamp in (1, 2):
        publisher.publish(room(stamp))
        client.wait(lambda stamp=stamp: stamp in stamps(got), node)
    one, other = got
    assert without_history(one.instances) == without_history(other.instances)
    assert {instance.last_seen.sec for instance in other.instances} == {2}


def test_late_subscribers_receive_the_latest_result(node: NodeSubprocess, client: Client) -> None:
    early = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=8))
    client.wait(lambda: early, node)
    computed = num_segmented(node)
    late = {name: client.receive(f'segment_node/{name}', kind) for name, kind in OUTPUTS.items()}
    client.wait(lambda: all(late.values()), node)
    assert late['instances'][0] == early[0]
    assert stamps(late['cloud']) == [8] and late['markers'][0].markers[0].header.stamp.sec == 8
    assert num_segmented(node) == computed, 'a late subscriber must not cause a segmentation'


def test_without_subscribers_nothing_is_segmented(node: NodeSubprocess, client: Client) -> None:
    computed, diagnostics = num_segmented(node), NodeDiagnostics(client)
    publisher = client.publisher()
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    for stamp in (1, 2):
        publisher.publish(room(stamp))
        diagnostics.wait_until_received(node, stamp)
    assert num_segmented(node) == computed
    got = client.receive('segment_node/instances', InstanceArray)
    client.wait(lambda: got, node)
    assert stamps(got) == [2], 'the newest cloud waits for the first subscriber'
    assert num_segmented(node) == computed + 1


@pytest.mark.parametrize('first', ['latched', 'reliable', 'best_effort'])
def test_auto_matches_the_publishers(node: NodeSubprocess, client: Client, first: str) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher(first)
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    publisher.publish(room(stamp=1))
    client.wait(lambda: got, node)
    other = client.publisher('reliable' if first == 'latched' else 'latched')
    client.wait(lambda: other.get_subscription_count() > 0, node)
    other.publish(room(stamp=2))
    client.wait(lambda: 2 in stamps(got), node)
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    publisher.publish(room(stamp=3))
    client.wait(lambda: 3 in stamps(got), node)
    assert stamps(got) == [1, 2, 3], 'a cloud received by two subscriptions is segmented once'


def test_a_cloud_published_again_is_segmented_again(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publishers = client.publisher('latched'), client.publisher('reliable')
    for count in (1, 2):
        client.wait(lambda: all(p.get_subscription_count() > 0 for p in publishers), node)
        publishers[0].publish(room(stamp=1))
        client.wait(lambda count=count: len(got) >= count, node)
        client.round_trip(node)
        assert stamps(got) == [1] * count, 'two subscriptions receive it, and it is one cloud'
    publishers[0].publish(room(stamp=2))
    client.wait(lambda: 2 in stamps(got), node)
    assert stamps(got) == [1, 1, 2], 'no duplicate was segmented in between'


def test_a_cloud_latched_before_activation_is_segmented(
        node: NodeSubprocess, client: Client) -> None:
    assert client.change_state(node, 'deactivate')
    client.publisher('latched').publish(room(stamp=4))
    volatile = client.publisher('best_effort')
    volatile.publish(room(stamp=3))
    got = client.receive('segment_node/instances', InstanceArray)
    assert client.change_state(node, 'activate')
    client.wait(lambda: got, node)
    assert stamps(got) == [4]


def test_the_latest_cloud_replaces_waiting_ones(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher, before = client.publisher(), len(node.text())
    client.keep_busy(node, publisher, hall(stamp=1))
    for stamp in range(2, 31):
        publisher.publish(toy_map(3, stamp, moved=stamp % 4))
        client.spin(0.02)
    client.wait(lambda: stamps(got)[-1:] == [30], node)
    assert stamps(got) == sorted(stamps(got)) and len(got) < 30
    assert re.search(r'\d+ older clouds were dropped', node.text()[before:])


def test_parameters_have_descriptions(node: NodeSubprocess, client: Client) -> None:
    threshold, weights = client.describe(node, ['score_threshold', 'weights'])
    assert 'below this are discarded' in threshold.description
    assert threshold.floating_point_range[0].to_value == 1.0
    assert 'read at configure' in weights.additional_constraints


INVALID_CHANGES: list[tuple[dict[str, Any], str]] = [
    ({'score_threshold': 1.5}, 'out of range'), ({'device': 'gpu'}, "unknown device 'gpu'"),
    ({'classes': ['', 'chair', 'unicorn']},
     "classes has an unknown class 'unicorn'; there are: cabinet"),
    ({'device': 'cpu'}, 'device is read at configure: deactivate and clean up'),
    ({'autostart': False}, 'read-only'),
    ({'dbscan_eps': float('nan')}, 'dbscan_eps|out of range'),
    ({'top_k': 0}, 'top_k'),
    ({'ranking': 'votes'}, 'ranking.*objectness, class'),
]


def test_invalid_changes_are_rejected_with_a_reason(node: NodeSubprocess, client: Client) -> None:
    for changes, reason in INVALID_CHANGES:
        result = client.set_parameters(node, **changes)
        assert not result.successful, changes
        assert re.search(reason, result.reason), (changes, result.reason)


def test_changes_are_atomic(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)
    assert not client.set_parameters(node, score_threshold=1.0, classes=['unicorn']).successful
    client.round_trip(node)
    assert len(got) == 1 and got[0].instances
    assert client.set_parameters(node, score_threshold=1.0, max_rate=0.0).successful
    client.wait(lambda: len(got) > 1, node)
    assert stamps(got) == [1, 1] and not got[1].instances, 'the last cloud is segmented again'


@pytest.mark.parametrize(('tile_size', 'expected'), [(0.0, [1, 2, 2]), (-1.0, [1, 2])])
def test_changes_while_busy_apply_to_the_latest_cloud(
        node: NodeSubprocess, client: Client, tile_size: float, expected: list[int]) -> None:
    assert client.set_parameters(node, tile_size=tile_size).successful
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    publisher.publish(room(stamp=1))
    client.wait(lambda: got, node)
    client.keep_busy(node, publisher, hall(stamp=2))
    assert client.set_parameters(node, score_threshold=1.0).successful
    client.wait(lambda: len(got) == len(expected), node)
    assert stamps(got) == expected and not got[-1].instances, 'a tile in progress is finished'


def test_max_rate_limits_the_rate(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    assert client.set_parameters(node, max_rate=1.0).successful
    start = time.monotonic()
    for stamp in range(1, 11):
        publisher.publish(room(stamp))
        client.spin(0.1)
    client.wait(lambda: 10 in stamps(got), node)
    assert len(got) <= 1 + (time.monotonic() - start) / 1.0


def test_a_change_of_max_rate_takes_effect_at_once(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    diagnostics = NodeDiagnostics(client)
    assert client.set_parameters(node, max_rate=1e-10).successful
    publisher.publish(room(stamp=1))
    client.wait(lambda: got, node)
    for stamp in (2, 3):
        publisher.publish(room(stamp))
        diagnostics.wait_until_received(node, stamp)
    assert stamps(got) == [1]
    assert client.set_parameters(node, max_rate=0.0).successful
    client.wait(lambda: 3 in stamps(got), node)
    assert stamps(got) == [1, 3]


def test_cloud_voxel_thins_the_labelled_cloud(node: NodeSubprocess, client: Client) -> None:
    clouds = client.receive('segment_node/cloud', PointCloud2)
    sent = room(stamp=5)
    client.publisher().publish(sent)
    client.wait(lambda: clouds, node)
    assert clouds[0].width == sent.width
    assert client.set_parameters(node, cloud_voxel=0.5).successful
    client.wait(lambda: len(clouds) > 1, node)
    assert clouds[1].height == 1 and 8 <= clouds[1].width < sent.width / 2
    assert clouds[1].fields == clouds[0].fields and clouds[1].header == sent.header
    assert client.set_parameters(node, cloud_voxel=0.0).successful
    client.wait(lambda: len(clouds) > 2, node)
    assert clouds[2] == clouds[0]


def test_only_the_chosen_classes_are_kept(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)
    keep = got[0].instances[-1].class_name
    assert client.set_parameters(node, classes=[keep]).successful
    client.wait(lambda: len(got) > 1, node)
    assert {instance.class_name for instance in got[1].instances} == {keep}


def test_scores_depend_on_the_ranking(
        node: NodeSubprocess, client: Client, tmp_path: Path) -> None:
    weights = tmp_path / 'votes.weights'
    save_small_weights(weights, votes=True)
    client.reset(node, weights)
    assert client.set_parameters(node, track=False).successful
    got, sent = client.receive('segment_node/instances', InstanceArray), room(stamp=1)
    client.publisher().publish(sent)
    client.wait(lambda: got, node)
    assert client.set_parameters(node, ranking='class').successful
    client.wait(lambda: len(got) > 1, node)
    segmenter, scan = load_segmenter(weights), decode_pointcloud2(sent)
    for result, ranking in zip(got, ('objectness', 'class')):
        expected = segmenter.segment(scan, ExtractSettings(ranking=ranking))
        assert [one.score for one in result.instances] == pytest.approx(expected.score.tolist())
    assert got[0].instances[0].score != pytest.approx(got[1].instances[0].score)


def test_a_dense_cloud_gets_larger_voxels(node: NodeSubprocess, client: Client) -> None:
    def sizes() -> list[float]:
        return [float(size) for size in re.findall(r'points in voxels of (\S+) cm', node.text())]

    got, before = client.receive('segment_node/instances', InstanceArray), len(sizes())
    client.publisher().publish(room(stamp=1))
    client.wait(lambda: got, node)
    assert client.set_parameters(node, max_voxels=10).successful
    client.wait(lambda: len(got) > 1 and len(sizes()) == before + 2, node)
    assert sizes()[-1] == pytest.approx(MAX_VOXEL_GROWTH * sizes()[-2])


def test_a_manager_configures_it_with_other_parameters(
        node: NodeSubprocess, client: Client) -> None:
    assert client.change_state(node, 'deactivate') and client.change_state(node, 'cleanup')
    assert client.set_parameters(
        node, input_qos='reliable', precision='bfloat16', num_queries=5).successful
    before = len(node.text())
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher('latched')
    publisher.publish(room(stamp=1))  # missed: reliable is volatile, which auto would not be
    assert client.change_state(node, 'configure') and client.change_state(node, 'activate')
    client.wait(lambda: publisher.get_subscription_count() > 0, node)
    publisher.publish(room(stamp=2))
    client.wait(lambda: got, node)
    assert got[0].header.stamp.sec == 2
    assert '5 queries, on cpu in bfloat16' in node.text()[before:]


def test_deactivate_while_busy_discards_the_result(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    client.keep_busy(node, publisher, hall(stamp=1, size=40))
    computed = num_segmented(node)
    assert client.change_state(node, 'deactivate')
    assert num_segmented(node) == computed, 'deactivate did not wait for the cloud in progress'
    publisher.publish(room(stamp=2))
    assert client.change_state(node, 'activate')
    client.wait(lambda: got, node)
    assert stamps(got) == [2]


def test_transitions_in_any_order_while_busy(node: NodeSubprocess, client: Client) -> None:
    got = client.receive('segment_node/instances', InstanceArray)
    publisher = client.publisher()
    client.keep_busy(node, publisher, hall(stamp=1))
    assert client.change_state(node, 'deactivate')
    assert client.change_state(node, 'cleanup')
    assert client.state(node) == 'unconfigured'
    for impossible in ('activate', Transition.TRANSITION_ACTIVATE):
        assert not client.change_state(node, impossible), 'only a configured node can be activated'
    assert client.change_state(node, 'configure')
    assert client.change_state(node, 'cleanup')
    assert client.change_state(node, 'configure')
    assert client.change_state(node, 'activate')
    client.wait(lambda: got, node)
    assert stamps(got) == [1], 'the latched cloud is received again'
