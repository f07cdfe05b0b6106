"""The endurance trials of segment_node: each runs a node of its own, and returns what it found."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, ExitStack
from pathlib import Path
import re
import sys
import time

from malformed_clouds import malformed_cloud
from mask3d_core.data.generated import generate_room
from mask3d_core.weights.shipped import shipped_weights
from mask3d_ros.node_subprocess import NodeSubprocess
import numpy as np
from rcl_interfaces.srv import GetParameters
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from ros_client import Client, PROFILES, room
from soak import (
    CloudCounts,
    flooding,
    Listener,
    NAMESPACE,
    Outcome,
    OUTPUTS,
    ProcessWatch,
    ResponseTimes,
    Setting,
    start,
)
from soak_kills import kill
from std_srvs.srv import SetBool, Trigger

MAX_RESPONSE_MS = 200.0
MAX_STOP_MS = 1000.0


def malformed(setting: Setting) -> Outcome:
    """Publish malformed clouds; a good one after each twenty has the result it always has."""
    client, amount = setting.client, setting.amount(2000, 40)
    outcome = Outcome('malformed clouds', f'{amount} clouds')
    with start(setting) as node, ProcessWatch(node) as watch:
        counts, heard, publisher = CloudCounts(client), Listener(client), client.publisher()
        client.let_discover(node)  # clouds before the first that arrives are counted nowhere
        published = wrong = 0
        expected: list[int] = []
        for number in range(amount):
            publisher.publish(malformed_cloud(number))
            client.round_trip(node)  # the node has received it
            client.call(node, Trigger, 'segment_node/segment', Trigger.Request())
            published += 1
            if number % 20:
                continue
            # forget the tiles: one within 5 cm of a malformed one has its instances
            client.call(node, Trigger, 'segment_node/reset', Trigger.Request())
            good = room(stamp=1_000_000 + number)
            publisher.publish(good)
            published += 1
            heard.wait(good.header.stamp.sec, node)
            found = [one.num_points for one in heard.last['instances'].instances
                     if one.state == one.SEEN]
            expected = expected or found
            wrong += sorted(found) != sorted(expected) or not found
        outcome.bound('clouds counted nowhere', counts.wait_until_done(node, published), 0)
        outcome.bound('good clouds with another result', wrong, 0)
        outcome.facts |= counts.facts()
        outcome.check_log(node)
    outcome.check_memory(watch, warm_up=0.5)  # until clouds of every kind were there
    return outcome


def flood(setting: Setting) -> Outcome:
    """Publish 300,000 points at 10 Hz, call services meanwhile, and count the clouds."""
    client, seconds = setting.client, setting.amount(600, 6)
    outcome = Outcome('flood', f'{seconds} s of 300,000 points at 10 Hz')
    with ExitStack() as stack:
        caller = stack.enter_context(Client(NAMESPACE, 'caller'))
        node = stack.enter_context(start(setting))
        watch = stack.enter_context(ProcessWatch(node))
        idle = stack.enter_context(idle_node(setting))
        counts, times = CloudCounts(client), ResponseTimes(caller)
        # the outputs go to the other process: a response would wait for the clouds before it
        process = stack.enter_context(flooding(setting, 300_000, 10.0, seconds, '--listen'))
        client.wait(lambda: 'matched' in process.text(), node)
        while 'published' not in process.text():
            names = GetParameters.Request(names=['use_sim_time'])
            times.measure(node, SetBool, 'segment_node/enable', SetBool.Request(data=True))
            times.measure(node, GetParameters, 'segment_node/get_parameters', names)
            times.measure(idle, GetParameters, 'map_player/get_parameters', names)
            client.spin(0.3)
            assert process.exit_status is None, process.text()
        published = int(re.findall(r'published (\d+)', process.text())[0])
        outcome.bound('clouds counted nowhere', counts.wait_until_done(node, published), 0)
        outcome.facts |= {'published': published, **counts.facts()}
        outcome.check_log(node)
    outcome.bound('p99 of service response, ms', times.percentile('segment', 99), MAX_RESPONSE_MS)
    outcome.facts |= {f'{who}: p50 / p95 / max, ms': ' / '.join(
        f'{times.percentile(part, percent):.0f}' for percent in (50, 95, 100))
        for who, part in (('services', 'segment'), ('an idle node', 'map_player'))}
    outcome.check_memory(watch)
    return outcome


@contextmanager
def idle_node(setting: Setting) -> Iterator[NodeSubprocess]:
    """Start a node that has nothing to do: its response times are those of the machine."""
    scan = setting.folder / 'idle.npz'
    np.savez(scan, xyz=np.random.default_rng(0).random((100, 3)))
    with NodeSubprocess('map_player', setting.folder / 'idle.log', {'file': scan},
                        {'__ns': NAMESPACE}) as node:
        yield node


def lifecycle(setting: Setting) -> Outcome:
    """Deactivate, clean up, configure and activate with clouds in work."""
    client, cycles = setting.client, setting.amount(50, 3)
    random = np.random.default_rng(0)
    outcome = Outcome('lifecycle', f'{cycles} cycles under load')
    failed = 0
    slowest = dict.fromkeys(('deactivate', 'cleanup', 'configure', 'activate'), 0.0)
    with start(setting) as node, ProcessWatch(node) as watch, flooding(
            setting, 50_000, 10.0, 1e6):
        heard = Listener(client)
        for _ in range(cycles):
            before = heard.counts['instances']
            client.wait(lambda before=before: heard.counts['instances'] > before, node)
            client.spin(random.uniform(0, 0.6))
            for transition in slowest:
                begin = time.monotonic()
                failed += not client.change_state(node, transition)
                slowest[transition] = max(slowest[transition], 1000 * (time.monotonic() - begin))
        before = heard.counts['instances']
        client.wait(lambda: heard.counts['instances'] > before, node)
        outcome.bound('failed transitions', failed, 0)
        outcome.bound('longest deactivate or cleanup, ms',
                      max(slowest['deactivate'], slowest['cleanup']), MAX_STOP_MS)
        outcome.facts |= {f'longest {name}, ms': round(value) for name, value in slowest.items()}
        outcome.check_log(node)
    outcome.check_memory(watch)
    return outcome


def come_and_go(setting: Setting) -> Outcome:
    """Create and remove publishers and subscriptions; kill processes that have some."""
    client, steps = setting.client, setting.amount(1000, 30)
    random = np.random.default_rng(0)
    outcome = Outcome('coming and going', f'{steps} changes')
    with start(setting) as node, ProcessWatch(node) as watch, ExitStack() as floods:
        counts = CloudCounts(client)
        publishers: list[Publisher] = []
        subscriptions: list[Subscription] = []
        for step in range(steps):
            kind = random.integers(4)
            if kind == 0:
                publishers.append(client.publisher(str(random.choice(list(PROFILES)))))
            elif kind == 1:
                name = str(random.choice(list(OUTPUTS)))
                subscriptions.append(client.node.create_subscription(
                    OUTPUTS[name], f'segment_node/{name}', lambda message: None, 1))
            elif kind == 2 and publishers:
                client.node.destroy_publisher(publishers.pop(random.integers(len(publishers))))
            elif kind == 3 and subscriptions:
                client.node.destroy_subscription(
                    subscriptions.pop(random.integers(len(subscriptions))))
            for publisher in publishers[-2:]:
                publisher.publish(room(stamp=1 + step, points=4000 + 4 * (step % 500)))
            client.spin(random.uniform(0, 0.1))
            if step % 50 == 25:
                floods.close()  # kills the one before, with clouds on their way
                floods.enter_context(flooding(setting, 20_000, 20.0, 1e6))
        floods.close()
        outcome.facts |= counts.facts()
        client.forget_topics()
        heard, publisher = Listener(client), client.publisher()
        publisher.publish(room(stamp=3_000_000))
        heard.wait(3_000_000, node)
        outcome.check_log(node)
    outcome.check_memory(watch)
    return outcome


def _published(players: Sequence[NodeSubprocess]) -> int:
    """Return how many clouds the players have published."""
    return sum(len(re.findall(r'cloud \d+: ', player.text())) for player in players)


def bags(setting: Setting) -> Outcome:
    """Play all bags in a loop at once on one topic, with the shipped weights."""
    client, seconds = setting.client, setting.amount(1800, 8)
    folders = sorted(file.parent for file in setting.bags.glob('*/metadata.yaml')
                     ) if setting.bags else []
    outcome = Outcome('looping bags', f'{seconds} s of ' + (
        f'{len(folders)} bags at once' if folders else 'a generated sequence'))
    with ExitStack() as stack:
        node = stack.enter_context(start(setting, weights=shipped_weights()))
        watch = stack.enter_context(ProcessWatch(node))
        counts, heard = CloudCounts(client), Listener(client)
        client.wait(lambda: 'received' in counts.values, node)
        players = [stack.enter_context(NodeSubprocess(
            'map_player', setting.folder / f'player_{number}.log', {'file': folder, 'loop': True},
            {'__ns': NAMESPACE, '__node': f'player_{number}', 'cloud_map': 'points'}))
            for number, folder in enumerate(folders or [generated_sequence(setting.folder)])]
        client.wait(lambda: heard.counts['instances'] > 0, node)
        early = _published(players)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            client.spin(1.0)
            assert node.exit_status is None, node.text()
        for player in players:
            assert player.stop() == 0, player.text()
        # those before the node knew a player are not counted, nor the last one when it ends
        published = _published(players)
        uncounted = early + len(players)
        outcome.bound('clouds counted nowhere',
                      counts.wait_until_done(node, published, uncounted), uncounted)
        outcome.facts |= {'published': published, **counts.facts(),
                          'results received': heard.counts['instances'],
                          'last result': f"{len(heard.last['instances'].instances)} instances"}
        outcome.check_log(node)
    outcome.check_memory(watch)
    return outcome


def generated_sequence(folder: Path) -> Path:
    """Write rooms of 3 to 8 m as .npz files, and return their folder."""
    target = folder / 'sequence'
    target.mkdir()
    for number in range(3):
        columns = generate_room(3, number)
        np.savez(target / f'room_{number}.npz', xyz=columns['xyz'], color=columns['color'])
    return target


TRIALS: dict[str, Callable[[Setting], Outcome]] = {
    'malformed': malformed, 'flood': flood, 'kill': kill, 'lifecycle': lifecycle,
    'come_and_go': come_and_go, 'bags': bags}
"""All trials, in the order in which they run."""


def run_trial(name: str, setting: Setting) -> Outcome:
    """Run a trial; one that fails an assertion has a bound that says so."""
    begin = time.monotonic()
    try:
        outcome = TRIALS[name](setting)
    except AssertionError as error:
        print(f'soak: {name}: {error}', file=sys.stderr)
        outcome = Outcome(name, 'not completed')
        outcome.bound('failed assertions', 1, 0)
    finally:
        setting.client.forget_topics()
        setting.client.forget_services()
    outcome.seconds = time.monotonic() - begin
    return outcome
