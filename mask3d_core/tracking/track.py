"""A track: what is known of one object from the clouds so far."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from mask3d_core.geometry.cells import CellSet
from mask3d_core.tracking.detection import Detection

DETECTION_PROBABILITY, FALSE_DETECTION_PROBABILITY = 0.7, 0.2
"""That an object is detected where its place is in sight; and that nothing is taken for one."""
MIN_EXISTENCE, MAX_EXISTENCE = 0.05, 0.99
"""A track with less is deleted. The other bound lets an object that was seen often disappear."""
CONFIRMED_EXISTENCE = 0.75
MIN_CONFIRMING_CLOUDS = 2
SCORE_WEIGHT = 0.1
"""
Weight of a new cloud in the smoothed score and in the evidence of the classes, if it shows the
surface that was known; a new surface weighs 1.
"""
KNOWN_SHARE = 0.7
"""Share of its cells from which on a surface counts as known: noise moves points to new cells."""
HISTORY_LENGTH = 100

Sight = Literal['detected', 'undetected', 'empty', 'unknown']
"""
What the last cloud shows of an object: a detection; its surface only; that its place is empty; or
nothing new, as the place is out of sight or did not change.
"""


@dataclass(frozen=True)
class Observation:
    """A detection in the history of an object; the stamp is in nanoseconds."""

    stamp: int
    class_id: int
    score: float
    centroid: tuple[float, float, float]


@dataclass(eq=False)
class Track:
    """
    An object of earlier clouds.

    The existence of an object is a Bernoulli variable: a detection in a cloud and a missing one
    multiply its odds by the ratio of their probabilities for an object and for none.

    Attributes
    ----------
    id : int
    detection : Detection
        The last one.
    existence : float
        Probability that there is such an object.
    score : float
        Mean over the clouds that showed its place, exponentially weighted; a cloud without a
        detection counts as 0.
    class_evidence : dict of int to float
        Sum of the scores of each class, exponentially weighted.
    sight : Sight
        Of the last cloud.
    misses : int
        Number of clouds since the last detection that showed its place empty.
    num_clouds : int
        Number of clouds that showed it, with a new detection or unchanged.
    first_seen, last_seen : int
        Stamps of the first and the last detection, nanoseconds.
    last_match : int
        Number of the cloud with the last detection.
    published : bool
        Whether it is one of the published objects.
    covered_by : Track or None
        A detected object that occupies most of its place, although this one was not detected.
    part_of : Track or None
        The object that occupied its place before it was detected for the first time.
    history : deque of Observation

    """

    id: int
    detection: Detection
    existence: float
    score: float
    class_evidence: dict[int, float]
    sight: Sight = 'detected'
    misses: int = 0
    num_clouds: int = 0
    first_seen: int = 0
    last_seen: int = 0
    last_match: int = 0
    published: bool = False
    covered_by: Track | None = None
    part_of: Track | None = None
    history: deque[Observation] = field(default_factory=lambda: deque(maxlen=HISTORY_LENGTH))

    @classmethod
    def of(cls, identity: int, detection: Detection, known_share: float) -> Track:
        """
        Start a track.

        Parameters
        ----------
        identity : int
        detection : Detection
        known_share : float
            How much of its surface the clouds before showed, with no object there.

        """
        score = _weight(known_share) * detection.score
        existence = _bayes(0.5, known_share < KNOWN_SHARE)
        return cls(identity, detection, existence, score, {detection.class_id: score})

    @property
    def cells(self) -> CellSet:
        """Cells of the last detection."""
        return self.detection.cells

    @property
    def class_id(self) -> int:
        """Class with the most evidence."""
        return max(self.class_evidence, key=lambda known: self.class_evidence[known])

    @property
    def confirmed(self) -> bool:
        """Whether the object counts as certain."""
        return (self.existence >= CONFIRMED_EXISTENCE
                and self.num_clouds >= MIN_CONFIRMING_CLOUDS)

    @property
    def gone(self) -> bool:
        """Whether nothing speaks for the object any more."""
        return self.existence < MIN_EXISTENCE

    def detect(self, detection: Detection, known_share: float) -> None:
        """Take up a detection in the next cloud, and how much of its surface was known."""
        self.detection = detection
        self.existence = _bayes(self.existence, True)
        self._weigh(detection.score, detection.class_id, _weight(known_share))

    def miss(self, empty: bool) -> None:
        """Take up a cloud that shows the place empty, or the surface of the object undetected."""
        self.existence = _bayes(self.existence, False)
        if empty:
            self.misses += 1
        else:
            self._weigh(0.0, self.class_id, SCORE_WEIGHT)

    def observe(self, stamp: int) -> None:
        """Add the last detection to the history, with the stamp of its cloud."""
        if not self.history:
            self.first_seen = stamp
        x, y, z = self.detection.shape['centroid'].tolist()
        self.history.append(Observation(stamp, self.detection.class_id, self.detection.score,
                                        (x, y, z)))

    def _weigh(self, score: float, class_id: int, weight: float) -> None:
        self.score += weight * (score - self.score)
        for known in self.class_evidence:
            self.class_evidence[known] *= 1 - weight
        self.class_evidence[class_id] = self.class_evidence.get(class_id, 0.0) + weight * score


def _weight(known_share: float) -> float:
    """Return the weight of a detection by how much of its surface was known."""
    return 1 - (1 - SCORE_WEIGHT) * min(1.0, known_share / KNOWN_SHARE)


def _bayes(existence: float, detected: bool) -> float:
    """Return the probability that an object exists after one more cloud of its place."""
    if detected:
        ratio = DETECTION_PROBABILITY / FALSE_DETECTION_PROBABILITY
    else:
        ratio = (1 - DETECTION_PROBABILITY) / (1 - FALSE_DETECTION_PROBABILITY)
    odds = ratio * existence / (1 - existence)
    return min(odds / (1 + odds), MAX_EXISTENCE)
