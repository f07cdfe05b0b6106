"""The objects of a map after one more cloud, and how they differ from those before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mask3d_core.geometry.cells import CellSet, NO_CELLS
from mask3d_core.instances import Instances
from mask3d_core.tracking.track import Observation
import numpy as np
from numpy.typing import NDArray

ChangeKind = Literal['appeared', 'moved', 'disappeared', 'merged', 'split']


@dataclass(frozen=True)
class Header:
    """
    Of a cloud, as in ROS.

    Attributes
    ----------
    frame : str
        Of its coordinates.
    stamp : int
        Nanoseconds.

    """

    frame: str = ''
    stamp: int = 0


@dataclass(frozen=True)
class Selection:
    """
    Which objects are published.

    Attributes
    ----------
    min_score : float
        Score from which an object is.
    class_ids : frozenset of int or None
        Those of the classes to keep; None: all.

    """

    min_score: float = 0.0
    class_ids: frozenset[int] | None = None


@dataclass(frozen=True, eq=False)
class Difference:
    """
    How a cloud differs from the last one, if that is known; see `Tracker.update`.

    Attributes
    ----------
    same_as : [I] int64 or None
    changed : [n] int64 or None
    gone : CellSet

    """

    same_as: NDArray[np.int64] | None = None
    changed: NDArray[np.int64] | None = None
    gone: CellSet = NO_CELLS


@dataclass(frozen=True)
class ObjectChange:
    """
    What happened to one object since the last cloud.

    Attributes
    ----------
    kind : ChangeKind
    id : int
    class_id : int
    others : tuple of int
        Ids of the objects that it took up (merged), or that were a part of it (split).
    center, previous_center : [3] float64
        Of its upright box now and before, metres; the same unless it moved.
    yaw, previous_yaw : float
        Of that box, radians.
    previous_seen : int
        Stamp of the last cloud that showed it before, nanoseconds.

    """

    kind: ChangeKind
    id: int
    class_id: int
    others: tuple[int, ...]
    center: NDArray[np.float64]
    previous_center: NDArray[np.float64]
    yaw: float
    previous_yaw: float
    previous_seen: int


@dataclass(frozen=True, eq=False)
class TrackedObjects:
    """
    The objects of a map.

    Attributes
    ----------
    instances : Instances
        Those of the cloud, and remembered ones; best score first. Score and class are smoothed.
    ids : [I] uint32
        Id of each, never 0.
    remembered : [I] bool
        Whether the cloud shows the surface of the object, but it was not detected there.
    existence : [I] float32
        Probability that the object exists.
    confirmed : [I] bool
        Whether it counts as certain.
    first_seen, last_seen : [I] int64
        Stamps of its first and last detection, nanoseconds.
    history : sequence of tuple of Observation
        The last detections of each, oldest first.
    changes : sequence of ObjectChange

    """

    instances: Instances
    ids: NDArray[np.uint32]
    remembered: NDArray[np.bool_]
    existence: NDArray[np.float32]
    confirmed: NDArray[np.bool_]
    first_seen: NDArray[np.int64]
    last_seen: NDArray[np.int64]
    history: Sequence[tuple[Observation, ...]]
    changes: Sequence[ObjectChange] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def again(self, stamp: int) -> TrackedObjects:
        """Return the objects after another cloud with the same points."""
        return replace(self, changes=(),
                       last_seen=np.where(self.remembered, self.last_seen, stamp))


def untracked(instances: Instances, stamp: int) -> TrackedObjects:
    """Return the instances of one cloud, of which nothing is known from earlier ones."""
    count = len(instances)
    seen = np.full(count, stamp, np.int64)
    return TrackedObjects(
        instances, np.arange(1, count + 1, dtype=np.uint32), np.zeros(count, np.bool_),
        instances.score, np.zeros(count, np.bool_), seen, seen, [()] * count)
