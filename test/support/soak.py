"""What the endurance trials measure: memory over time, response times, counts, bounds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import re
import threading
import time
from types import TracebackType
from typing import Any

from logged_process import LoggedProcess
from mask3d_ros.msg import InstanceArray
from mask3d_ros.node_subprocess import NodeSubprocess
from mask3d_ros.qos import latched_profile
from node_diagnostics import NodeDiagnostics
import numpy as np
from numpy.typing import NDArray
from ros_client import Client
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

NAMESPACE = '/soak'
FLOOD = Path(__file__).with_name('cloud_flood.py')
OUTPUTS: dict[str, type] = {
    'instances': InstanceArray, 'markers': MarkerArray, 'cloud': PointCloud2}
SAMPLE_SECONDS = 0.5
WARM_UP = 0.2
"""Share of a trial after which memory is to be flat."""
WINDOWS = 8
"""Parts of the rest that are compared."""
MAX_GROWTH_MB = 50.0
COUNTED = ('processed', 'failed', 'dropped', 'lost')


@dataclass(frozen=True)
class Bound:
    """A measured value that must not exceed a limit."""

    what: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        """Return whether it does not."""
        return self.value <= self.limit


@dataclass
class Outcome:
    """
    What a trial found.

    Attributes
    ----------
    trial : str
    amount : str
        What was done, as '2000 clouds'.
    bounds : list of Bound
    facts : dict of str to value
        What has no bound.
    memory : [n, 2] float64
        Seconds and MB; of processes that go on for the whole trial only.
    seconds : float

    """

    trial: str
    amount: str
    bounds: list[Bound] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    memory: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Return whether all bounds do."""
        return all(bound.holds for bound in self.bounds)

    def bound(self, what: str, value: float, limit: float) -> None:
        """Add a bound."""
        self.bounds.append(Bound(what, float(value), limit))

    def check_log(self, node: NodeSubprocess) -> None:
        """Bound the defects that the log of a node tells."""
        text = node.text()
        self.bound('tracebacks in the log', text.count('Traceback'), 0)
        self.facts['errors in the log'] = text.count('[ERROR]')

    def check_memory(self, watch: 'ProcessWatch', warm_up: float = WARM_UP) -> None:
        """Bound the growth of memory, open files and threads of a process after the warm-up."""
        samples = np.array(watch.samples)
        self.memory = samples[:, :2]
        for column, (what, limit) in enumerate(
                (('memory, MB', MAX_GROWTH_MB), ('open files', 20), ('threads', 10)), 1):
            self.bound(f'growth of {what}',
                       growth(samples[:, 0], samples[:, column], warm_up), limit)
        self.facts['peak MB'] = round(samples[:, 1].max())


def growth(seconds: NDArray[np.float64], values: NDArray[np.float64],
           warm_up: float = WARM_UP) -> float:
    """
    Return by how much the median of any later window exceeds that of the first after warm-up.

    The median, as the memory for the largest cloud is given back after it.
    """
    rest = values[seconds >= warm_up * seconds[-1]]
    medians = [float(np.median(part)) for part in np.array_split(rest, WINDOWS) if len(part)]
    return max(medians) - medians[0]


class ProcessWatch:
    """Samples memory (MB), open files and threads of a process from a thread, until it ends."""

    def __init__(self, process: NodeSubprocess) -> None:
        self._folder = Path(f'/proc/{process.pid}')
        self._start = time.monotonic()
        self._ended = threading.Event()
        self.samples: list[tuple[float, float, int, int]] = []
        self._sample()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'ProcessWatch':
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            try:
                self._sample()
            except (OSError, IndexError):  # the process has ended
                return

    def _sample(self) -> None:
        status = (self._folder / 'status').read_text()
        self.samples.append((
            time.monotonic() - self._start,
            int(re.findall(r'VmRSS:\s+(\d+)', status)[0]) * 1024 / 1e6,
            len(os.listdir(self._folder / 'fd')), int(re.findall(r'Threads:\s+(\d+)', status)[0])))


class CloudCounts:
    """The counts of clouds that a segment_node reports on /diagnostics."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._diagnostics = NodeDiagnostics(client)

    @property
    def values(self) -> dict[str, str]:
        """All values of the last diagnostics; none before the first."""
        return self._diagnostics.values

    def wait_until_done(self, node: NodeSubprocess, published: int, uncounted: int = 0,
                        seconds: float = 60.0) -> int:
        """
        Wait until all clouds published are counted; return how many are not after some time.

        Parameters
        ----------
        node : NodeSubprocess
        published : int
            Number of clouds that all publishers have published.
        uncounted : int
            Most clouds that may be counted nowhere: those published before the node subscribed.
        seconds : float
            How long to wait; a busy machine reports on /diagnostics late.

        """
        deadline = time.monotonic() + seconds
        self._client.wait(
            lambda: (self.missing(published) <= uncounted and self._is_idle())
            or time.monotonic() > deadline, node)
        return self.missing(published)

    def missing(self, published: int) -> int:
        """Return how many clouds are counted nowhere."""
        return published - sum(self[name] for name in COUNTED)

    def facts(self) -> dict[str, int]:
        """Return the counts."""
        return {name: self[name] for name in ('received', *COUNTED)}

    def _is_idle(self) -> bool:
        """Return whether no cloud is in work: as many are counted as were received."""
        return self['received'] == sum(self[name] for name in COUNTED[:3])

    def __getitem__(self, name: str) -> int:
        return int(self.values.get(name, 0))


class Listener:
    """Subscribes to the outputs and keeps the last message of each, and their number."""

    def __init__(self, client: Client) -> None:
        self.last: dict[str, Any] = {}
        self.counts = dict.fromkeys(OUTPUTS, 0)
        self._client = client
        self._subscriptions = [client.node.create_subscription(
            kind, f'segment_node/{name}', self._keeper(name), latched_profile())
            for name, kind in OUTPUTS.items()]

    def stamp(self, name: str) -> int | None:
        """Return the whole seconds of the stamp of the last message."""
        message = self.last.get(name)
        return None if message is None else int(message.header.stamp.sec)

    def wait(self, stamp: int, node: NodeSubprocess) -> None:
        """Wait for the instances of the cloud with a stamp in whole seconds."""
        self._client.wait(lambda: self.stamp('instances') == stamp, node)

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._client.node.destroy_subscription(subscription)

    def _keeper(self, name: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            self.last[name] = message
            self.counts[name] += 1
        return keep


class ResponseTimes:
    """Milliseconds that services take, by name; their own client receives nothing else."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.milliseconds: dict[str, list[float]] = {}

    def measure(self, process: NodeSubprocess, kind: type, name: str, request: Any) -> None:
        """Call a service once, without counting the time until it is discovered."""
        times = self.milliseconds.get(name)
        if times is None:  # the first call
            self._client.call(process, kind, name, request)
            self.milliseconds[name] = []
            return
        start = time.monotonic()
        self._client.call(process, kind, name, request)
        times.append(1000 * (time.monotonic() - start))

    def percentile(self, part: str, percent: float) -> float:
        """Return a percentile over all services whose name has a part."""
        return float(np.percentile([value for name, values in self.milliseconds.items()
                                    if part in name for value in values], percent))


@dataclass(frozen=True)
class Setting:
    """
    Where and how long trials run.

    Attributes
    ----------
    client : Client
        In `NAMESPACE`, and used for nothing else.
    folder : path
        For logs and files.
    weights : path
        Small ones, for all trials but that of bags.
    scale : float
        Share of the full amount of work.
    bags : path or None
        Folder of bags; a generated sequence if it has none.

    """

    client: Client
    folder: Path
    weights: Path
    scale: float = 1.0
    bags: Path | None = None

    def amount(self, full: int, least: int = 1) -> int:
        """Return the number for this scale."""
        return max(least, round(self.scale * full))


@contextmanager
def flooding(setting: Setting, points: int, rate: float, seconds: float,
             *options: str) -> Iterator[LoggedProcess]:
    """Publish clouds from another process; kill it at the end, if it is not ended already."""
    process = LoggedProcess('cloud_flood', setting.folder / 'flood.log', [
        str(FLOOD), '--namespace', NAMESPACE, '--points', str(points), '--rate', str(rate),
        '--seconds', str(seconds), *options])
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def start(setting: Setting, **parameters: object) -> Iterator[NodeSubprocess]:
    """
    Start a segment_node and wait until it is active; stop it at the end, in order.

    It keeps instances of every score, unless told otherwise: those of small weights are low.
    """
    client = setting.client
    with NodeSubprocess('segment_node', setting.folder / 'segment_node.log', {
            'weights': setting.weights, 'score_threshold': 0.0, **parameters},
            {'__ns': NAMESPACE}) as node:
        client.wait(lambda: client.state(node) == 'active', node)
        yield node
        assert node.stop() == 0, node.text()
