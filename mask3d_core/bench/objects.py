"""Measure how well objects stay: over noise, a restart, and loop closures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
import tempfile
import time
from typing import Any

from mask3d_core.bench.attempt import Attempt
from mask3d_core.bench.noise import noisy
from mask3d_core.drawing.object_maps import draw_object_maps, ObjectsOfMap
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import read_scan
from mask3d_core.instances import Instances
from mask3d_core.progress import log
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.tracking import Header, ObjectMap, Selection, TrackedObjects
from mask3d_core.tracking.object_map import CONTINUE_SHARE
from mask3d_core.tracking.rigid_motion import RigidMotion
from mask3d_core.tracking.state_file import load_objects, save_objects
from mask3d_core.tracking.tracker import Tracker
from mask3d_core.weights.shipped import SCORE_THRESHOLD
import numpy as np
from numpy.typing import NDArray

NUM_MAPS = 6
MIN_IOU = 0.5
"""Of the masks of an object in two maps, over the same points."""
MOTIONS = {
    'moved by 10 cm': RigidMotion(0.0, np.array([0.1, 0.0, 0.0])),
    'turned by 5 degrees, moved by 10 cm': RigidMotion(np.radians(5), np.array([0.1, 0.0, 0.0])),
    'turned by 5 degrees, moved by 50 cm': RigidMotion(np.radians(5), np.array([0.4, -0.3, 0.0]))}


@dataclass(frozen=True)
class Kept:
    """
    The ids of one trial.

    Attributes
    ----------
    file, trial : str
    kept, ids : int
        Those that were kept, and all.
    objects : float
        Mean number of objects per map.
    milliseconds : float
        Of tracking per map; the median.

    """

    file: str
    trial: str
    kept: int
    ids: int
    objects: float
    milliseconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self))


def run_object_bench(files: Sequence[Path], segmenter: Segmenter, chart: Path | None = None,
                     attempt: Attempt = nullcontext) -> list[Kept]:
    """
    Segment each scan again and again, with new noise and moved; print how many ids are kept.

    Nothing but the objects is remembered from map to map: each map is segmented afresh.

    Parameters
    ----------
    files : sequence of Path
    segmenter : Segmenter
    chart : Path, optional
        Picture of the noisy maps of the last file: matching alone, and with an object map.
    attempt : callable
        As for `run_bench`.

    """
    print(f'{"scan":20} {"trial":38} {"ids kept":>9} {"objects":>8} {"tracking":>9}')
    rows: list[Kept] = []
    for file in files:
        with attempt(file):
            log(f'{file}, {NUM_MAPS + len(MOTIONS)} maps …')
            scan, random = read_scan(file), np.random.default_rng(0)
            maps = [_segmented(segmenter, noisy(scan, random)) for _ in range(NUM_MAPS)]
            trials = [_over_noise(maps, chart), _restarted(maps, segmenter)]
            for name, motion in MOTIONS.items():
                moved = _segmented(segmenter, replace(scan, xyz=motion.apply(
                    noisy(scan, random).xyz.astype(np.float64)).astype(scan.xyz.dtype)))
                trials.append([_moved(name, maps[0], moved)])
            for row in (replace(row, file=file.stem) for group in trials for row in group):
                print(f'{row.file:20} {row.trial:38} {row.kept:4}/{row.ids:4} {row.objects:8.1f} '
                      f'{row.milliseconds:6.0f} ms', flush=True)
                rows.append(row)
    return rows


def _segmented(segmenter: Segmenter, scan: Scan) -> tuple[Scan, Instances]:
    threshold = CONTINUE_SHARE * SCORE_THRESHOLD
    return scan, segmenter.segment(scan, ExtractSettings(score_threshold=threshold))


def _update(objects: ObjectMap, scan: Scan, instances: Instances) -> tuple[TrackedObjects, float]:
    start = time.perf_counter()
    tracked = objects.update(scan, instances, Header('map'), Selection(SCORE_THRESHOLD))
    return tracked, 1000 * (time.perf_counter() - start)


def _over_noise(maps: Sequence[tuple[Scan, Instances]], chart: Path | None) -> list[Kept]:
    """Return the ids that all noisy maps have: by matching alone, and with an object map."""
    tracker, objects = Tracker(), ObjectMap()
    seen: dict[str, list[NDArray[np.integer]]] = {'matched only': [], 'objects that stay': []}
    spent: dict[str, list[float]] = {name: [] for name in seen}
    drawn: dict[str, list[ObjectsOfMap]] = {name: [] for name in seen}
    for scan, instances in maps:
        best = instances.take(np.flatnonzero(instances.score >= SCORE_THRESHOLD))
        start = time.perf_counter()
        ids = np.array([track.id for track in tracker.update(scan, best, 'map')], np.int64)
        tracked, milliseconds = _update(objects, scan, instances)
        pairs = ((best, ids, 1000 * (time.perf_counter() - start) - milliseconds),
                 (tracked.instances, tracked.ids.astype(np.int64), milliseconds))
        for (name, those), (shown, their_ids, taken) in zip(seen.items(), pairs):
            those.append(their_ids)
            spent[name].append(taken)
            drawn[name].append(ObjectsOfMap(scan, shown, their_ids))
    if chart is not None:
        draw_object_maps(chart, drawn)
    return [Kept('', f'{len(maps)} noisy maps, {name}',
                 len(set.intersection(*(set(ids.tolist()) for ids in those))),
                 len(set().union(*(ids.tolist() for ids in those))),
                 float(np.mean(list(map(len, those)))), float(np.median(spent[name])))
            for name, those in seen.items()]


def _restarted(maps: Sequence[tuple[Scan, Instances]], segmenter: Segmenter) -> list[Kept]:
    """Return the ids that the same map has after a restart with a state file."""
    objects, again = ObjectMap(), ObjectMap()
    for scan, instances in maps[:3]:
        before, _ = _update(objects, scan, instances)
    with tempfile.TemporaryDirectory() as folder:
        save_objects(Path(folder, 'state'), objects, segmenter.weights.classes)
        load_objects(Path(folder, 'state'), again, segmenter.weights.classes)
    after, milliseconds = _update(again, *maps[2])
    return [Kept('', 'restart, the same map', len(set(before.ids) & set(after.ids)),
                 len(before), len(after), milliseconds)]


def _moved(name: str, first: tuple[Scan, Instances], moved: tuple[Scan, Instances]) -> Kept:
    """Return how many objects of which both maps have the mask keep their ids."""
    objects = ObjectMap()
    before, _ = _update(objects, *first)
    after, milliseconds = _update(objects, *moved)
    masks = [_masks(tracked.instances) for tracked in (before, after)]
    common = masks[0] @ masks[1].T
    iou = common / (masks[0].sum(1)[:, None] + masks[1].sum(1) - common)
    pairs = np.argwhere(iou > MIN_IOU)
    kept = sum(int(before.ids[row] == after.ids[column]) for row, column in pairs)
    return Kept('', name, kept, len(pairs), len(after), milliseconds)


def _masks(instances: Instances) -> NDArray[np.float32]:
    masks = np.zeros((len(instances), instances.num_points), np.float32)
    for mask, rows in zip(masks, instances.rows):
        mask[rows] = 1
    return masks
