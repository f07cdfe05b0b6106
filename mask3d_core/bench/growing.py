"""Measure a map that grows room by room: time of each update, ids, and average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
import time
from typing import Any

from mask3d_core.data.dataset import Dataset
from mask3d_core.data.generated import PARTS_SPLIT
from mask3d_core.data.labels import LabelledScan
from mask3d_core.drawing.chart import Chart, draw_charts, Line, LINE_COLORS, linear_axis
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation
from mask3d_core.evaluation.dataset_evaluation import dataset_protocol
from mask3d_core.evaluation.ground_truth import truth_of
from mask3d_core.instances import Instances
from mask3d_core.progress import log
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.tiling.map_segmentation import difference, MapResult
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tile_cache import TileCache
from mask3d_core.tracking import Difference
from mask3d_core.tracking.tracker import Tracker
import numpy as np

AT_ONCE_EVERY = 4
"""The map is also segmented at once, without tiles, each time it has so many more rooms."""


@dataclass(frozen=True)
class Step:
    """
    A map of the first rooms of a floor.

    Attributes
    ----------
    name : str
        Of the floor.
    rooms, points, tiles, segmented : int
    seconds : float
        Of the update, tracking included.
    at_once : float
        Seconds without tiles; NaN where this was not measured.
    ap50, ap50_afresh : float
        Class-agnostic AP50 of the result, and of a result without earlier maps.
    kept, matched : int
        Objects found by this result and the one before, and those of them whose id is the same.

    """

    name: str
    rooms: int
    points: int
    tiles: int
    segmented: int
    seconds: float
    at_once: float
    ap50: float
    ap50_afresh: float
    kept: int
    matched: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; None for what was not measured."""
        return asdict(self) | {'at_once': self.at_once if self.at_once >= 0 else None}


def run_growing_bench(folder: Path, segmenter: Segmenter, chart: Path | None = None) -> list[Step]:
    """
    Let each floor of a prepared data set grow, from one room to all; print and draw the steps.

    Raises
    ------
    InputError
        If the data set has no floors.

    """
    dataset = Dataset.open(folder)
    floors, rooms = dataset.split('validation'), dataset.split(PARTS_SPLIT)
    if not floors or not rooms:
        raise InputError(f'{folder} has no floors: make some with `mask3d prepare rooms {folder} '
                         '--floor 9`')
    print(f'{"floor":24} {"rooms":>5} {"points":>9} {"tiles":>5} {"segmented":>9} {"seconds":>8} '
          f'{"at once":>8} {"AP50":>6} {"afresh":>6} {"ids kept":>9}')
    steps: list[Step] = []
    for floor in floors:
        parts = [dataset.read(name) for name in rooms if name.startswith(floor)]
        steps += _grow(segmenter, dataset, floor, parts)
    kept, matched = (sum(getattr(step, key) for step in steps) for key in ('kept', 'matched'))
    print(f'ids kept: {kept} of {matched}; AP50 at most '
          f'{max(abs(step.ap50 - step.ap50_afresh) for step in steps):.1f} from afresh')
    if chart is not None:
        draw_charts(chart, [_chart(steps)])
    return steps


def _grow(segmenter: Segmenter, dataset: Dataset, floor: str, parts: Sequence[LabelledScan],
          ) -> list[Step]:
    """Segment the maps of one floor: its corridor, which comes last, as far as the rooms reach."""
    cache, tracker = TileCache(), Tracker()
    steps: list[Step] = []
    before: tuple[Scan, MapResult] | None = None
    known: dict[int, int] = {}  # id of each object of the ground truth that was found
    for count in range(1, len(parts)):
        log(f'{floor}, {count} rooms …')
        shown = _joined([*parts[:count], _reached(parts[-1], parts[:count])])
        scan = shown.scan
        start = time.perf_counter()
        opened = segmenter.open_map(scan, cache=cache)
        segmented = len(opened.pending)
        result = opened.finish()
        since = Difference() if before is None else difference(scan, result, *before)
        tracks = tracker.update(scan, result.instances, same_as=since.same_as,
                                changed=since.changed, gone=since.gone)
        ids = np.array([track.id for track in tracks])
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        if count % AT_ONCE_EVERY == 1:
            segmenter.segment(scan, tiles=TileSettings(0, 0))
        at_once = time.perf_counter() - start if count % AT_ONCE_EVERY == 1 else float('nan')
        found = _ids_of_objects(shown, result.instances, ids)
        both = known.keys() & found.keys()
        step = Step(floor, count, len(scan), opened.num_tiles, segmented, seconds, at_once,
                    _ap50(dataset, shown, result.instances),
                    _ap50(dataset, shown, segmenter.segment(scan)),
                    sum(known[label] == found[label] for label in both), len(both))
        print(f'{floor:24} {count:5} {step.points:9} {step.tiles:5} {segmented:9} {seconds:8.2f} '
              f'{at_once:8.2f} {step.ap50:6.1f} {step.ap50_afresh:6.1f} '
              f'{step.kept:4}/{step.matched:4}', flush=True)
        steps.append(step)
        before, known = (scan, result), found
    return steps


def _reached(corridor: LabelledScan, rooms: Sequence[LabelledScan]) -> LabelledScan:
    """Return the part of the corridor that is nearest to these rooms, along its length."""
    xy = corridor.scan.xyz[:, :2].astype(np.float64)
    middle = xy.mean(0)
    along = np.linalg.svd(xy[::100] - middle, full_matrices=False)[2][0]
    place = [(room.scan.xyz[:, :2] - middle) @ along for room in rooms]
    low, high = min(map(np.min, place)), max(map(np.max, place))
    place_of_point = (xy - middle) @ along
    return corridor.take((place_of_point > low) & (place_of_point < high))


def _joined(parts: Sequence[LabelledScan]) -> LabelledScan:
    """Return several scans of one frame as one."""
    colors = [part.scan.color for part in parts if part.scan.color is not None]
    return LabelledScan.from_columns({
        'xyz': np.concatenate([part.scan.xyz for part in parts]),
        'color': np.concatenate(colors),
        'label': np.concatenate([part.label for part in parts]),
        'instance': np.concatenate([part.instance for part in parts])}, parts[0].name)


def _ap50(dataset: Dataset, labelled: LabelledScan, instances: Instances) -> float:
    evaluation = Evaluation(dataset.classes, dataset_protocol(dataset))
    evaluation.add(instances, truth_of(labelled))
    return 100 * float(evaluation.scores().agnostic[1])


def _ids_of_objects(labelled: LabelledScan, instances: Instances, ids: np.ndarray,
                    ) -> dict[int, int]:
    """Return the id of the instance that is each object of the ground truth, IoU above 0.5."""
    size = np.bincount(labelled.instance[labelled.instance >= 0])
    found: dict[int, int] = {}
    for index in reversed(range(len(instances))):
        rows = instances.points(index)
        inside = labelled.instance[rows]
        objects, common = np.unique(inside[inside >= 0], return_counts=True)
        iou = common / (len(rows) + size[objects] - common)
        found |= {int(label): int(ids[index]) for label in objects[iou > 0.5]}
    return found


def _chart(steps: Sequence[Step]) -> Chart:
    """Draw the time of updates, and of segmenting the map at once, over its points."""
    millions = np.array([step.points for step in steps]) / 1e6
    seconds, at_once = (np.array([getattr(step, key) for step in steps])
                        for key in ('seconds', 'at_once'))
    measured = np.isfinite(at_once)
    lines = [Line('only what changed', LINE_COLORS[0], millions, seconds, markers=True),
             Line('the whole map at once', LINE_COLORS[1], millions[measured], at_once[measured],
                  markers=True)]
    return Chart(linear_axis('points of the map, millions', [0, *millions]),
                 linear_axis('seconds of an update', [0, *seconds, *at_once[measured]]), lines)
