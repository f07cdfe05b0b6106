"""Counts and latencies of a node, fed by its worker and read by its diagnostics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
import threading
import time

from mask3d_ros.result import SegmentationResult
import numpy as np

WINDOW = 100
"""Results over which latencies are averaged."""


@dataclass(frozen=True)
class Latency:
    """Time of one stage in seconds: of the last result, and over the last `WINDOW` results."""

    last: float
    mean: float
    p95: float


@dataclass(frozen=True)
class Counts:
    """
    What became of the clouds, since configure.

    Attributes
    ----------
    received : int
        Clouds that reached the node: those processed, failed or dropped, and one or two in work.
    processed : int
        Clouds with a result.
    failed : int
        Clouds that could not be segmented.
    dropped : int
        Clouds that a newer one replaced, or deactivate discarded.
    lost : int
        Clouds that were published, and lost on the way to the node.

    """

    received: int = 0
    processed: int = 0
    failed: int = 0
    dropped: int = 0
    lost: int = 0


@dataclass(frozen=True)
class ResultFacts:
    """Size of a result, and the header of its cloud."""

    points: int
    voxels: int
    instances: int
    frame: str
    stamp: float


@dataclass(frozen=True)
class Snapshot:
    """
    The statistics at one moment.

    Attributes
    ----------
    counts : Counts
    latencies : mapping of str to Latency
        By stage, `total` last.
    result : ResultFacts or None
        Of the last result.
    seconds_since_result : float or None
    error : str
        The last error; empty if there was none.
    error_is_newest : bool
        Whether there was no result since.

    """

    counts: Counts = Counts()
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    result: ResultFacts | None = None
    seconds_since_result: float | None = None
    error: str = ''
    error_is_newest: bool = False


class Statistics:
    """
    Thread-safe counts and latencies.

    Parameters
    ----------
    clock : callable
        Returns seconds.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()  # counts change together with the rest
        self._counts = Counts()
        self._logged = 0  # of the dropped and lost
        self._seconds: dict[str, deque[float]] = {}
        self._untaken: deque[Mapping[str, float]] = deque(maxlen=WINDOW)
        self._snapshot = Snapshot()
        self._result_time = 0.0

    def receive(self) -> None:
        """Count a received cloud."""
        self._count(received=1)

    def lose(self, number: int) -> None:
        """Count clouds that the middleware lost."""
        self._count(lost=number)

    def drop(self, number: int) -> None:
        """Count clouds that were received and discarded."""
        self._count(dropped=number)

    def fail(self, error: str, clouds: int) -> None:
        """Count clouds that could not be segmented, 0 for one that was counted before."""
        with self._lock:
            self._count(failed=clouds)
            self._snapshot = replace(self._snapshot, error=error, error_is_newest=True)

    def finish(self, result: SegmentationResult, seconds: float, clouds: int) -> None:
        """
        Take the latencies of a result.

        Parameters
        ----------
        result : SegmentationResult
        seconds : float
            From taking the cloud to its result.
        clouds : int
            1, or 0 for a partial result and for a cloud that was counted before.

        """
        stamp = result.cloud.header.stamp
        facts = ResultFacts(result.instances.num_points, result.instances.num_voxels,
                            len(result.instances), result.cloud.header.frame_id,
                            stamp.sec + 1e-9 * stamp.nanosec)
        latencies = {**result.seconds, 'total': seconds}
        with self._lock:
            self._count(processed=clouds)
            for stage, spent in latencies.items():
                self._seconds.setdefault(stage, deque(maxlen=WINDOW)).append(spent)
            self._untaken.append(latencies)
            self._result_time = self._clock()
            self._snapshot = replace(self._snapshot, result=facts, error_is_newest=False)

    def take_dropped(self) -> int:
        """Return how many clouds were dropped or lost since the last call."""
        with self._lock:
            total = self._counts.dropped + self._counts.lost
            number, self._logged = total - self._logged, total
        return number

    def take_latencies(self) -> list[Mapping[str, float]]:
        """Return the seconds of each stage of each result since the last call."""
        with self._lock:
            taken = list(self._untaken)
            self._untaken.clear()
        return taken

    def snapshot(self) -> Snapshot:
        """Return all statistics."""
        with self._lock:
            latencies = {stage: Latency(spent[-1], float(np.mean(spent)),
                                        float(np.percentile(spent, 95)))
                         for stage, spent in sorted(self._seconds.items(), key=_total_last)}
            since = self._clock() - self._result_time if self._snapshot.result else None
            return replace(self._snapshot, counts=self._counts, latencies=latencies,
                           seconds_since_result=since)

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts = replace(self._counts, **{
                name: getattr(self._counts, name) + number for name, number in more.items()})


def _total_last(entry: tuple[str, deque[float]]) -> bool:
    return entry[0] == 'total'
