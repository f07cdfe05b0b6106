"""Where the viewer's scenes come from: a scan, a folder of results, a data set or a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mask3d_core.conventions import AS_IS, Conventions
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import LabelledScan
from mask3d_core.engines.torch_engine import TorchEngine
from mask3d_core.errors import InputError
from mask3d_core.evaluation.dataset_evaluation import block_truth
from mask3d_core.evaluation.mistakes import find_mistakes, Mistakes
from mask3d_core.evaluation.predictions import PredictionsLike, read_predictions
from mask3d_core.extraction.postprocess import ExtractSettings, measure_masks
from mask3d_core.files.bag import cloud_topics, read_clouds
from mask3d_core.files.pointcloud2 import decode_pointcloud2, num_positions
from mask3d_core.inspection import inspect_scan
from mask3d_core.instances import Instances
from mask3d_core.scan import MIN_POINTS, Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.tiling.tiles import fits_one_tile
from mask3d_core.tracking.tracker import Tracker
from mask3d_core.viewer.scene import Layer, Scene, truth_layer
import numpy as np
from numpy.typing import NDArray

NO_INSPECTION = 'Heatmaps and features are not shown: {}.'


@dataclass(frozen=True)
class Source:
    """
    A scene that is made when it is looked at.

    Attributes
    ----------
    label : str
        Of the scene in a list.
    load : function that returns Scene
    stamp : float or None
        As in `Scene`.
    note : str
        A few words about the scene in a list.

    """

    label: str
    load: Callable[[], Scene]
    stamp: float | None = None
    note: str = ''


@dataclass(frozen=True)
class Predictor:
    """
    Segments scans that are shown.

    Attributes
    ----------
    segmenter : Segmenter
    settings : ExtractSettings

    """

    segmenter: Segmenter
    settings: ExtractSettings

    def scene(self, name: str, scan: Scan) -> Scene:
        """Return the scene of a scan that is segmented now."""
        note = self._why_no_inspection(scan)
        if note is None:
            scan, instances, inspection = inspect_scan(self.segmenter, scan, self.settings)
            return Scene(name, scan, Layer(instances), inspection=inspection)
        instances = self.segmenter.segment(scan, self.settings)
        return Scene(name, scan, Layer(instances), notes=(NO_INSPECTION.format(note),))

    def _why_no_inspection(self, scan: Scan) -> str | None:
        if not isinstance(self.segmenter.engine, TorchEngine):
            return 'they need the engine torch'
        if not fits_one_tile(scan, self.segmenter.weights.tiling):
            return 'the map is cut into tiles'
        return None


def scan_source(name: str, scan: Scan, predictor: Predictor | None) -> Source:
    """Return the scene of one scan, segmented if there is a predictor."""
    return Source(name, lambda: Scene(name, scan) if predictor is None
                  else predictor.scene(name, scan))


def dataset_sources(dataset: Dataset, names: Sequence[str], predictor: Predictor | None = None,
                    stored: dict[str, Path] | None = None, min_score: float = 0.0,
                    ) -> list[Source]:
    """
    Return the scenes of scans of a data set, with their truth.

    Parameters
    ----------
    dataset : Dataset
    names : sequence of str
        Of the scans.
    predictor : Predictor, optional
    stored : mapping of str to path, optional
        Stored predictions, in place of `predictor`.
    min_score : float
        Stored predictions of a lower score are not shown.

    """
    def load(name: str) -> Scene:
        labelled = dataset.read(name)
        scene = Scene(name, labelled.scan, truth=truth_layer(labelled, dataset.classes),
                      upright=dataset.upright)
        if predictor is not None:
            made = predictor.scene(name, labelled.scan)
            scene = replace(made, truth=scene.truth, upright=scene.upright)
        elif stored is not None:
            found = shown_predictions(read_predictions(stored[name]), min_score)
            scene = replace(scene, prediction=Layer(
                measured(found, labelled.scan, dataset)))
        if scene.prediction is None:
            return scene
        return judged(scene, compare(scene.prediction.instances, labelled, dataset,
                                     dataset.min_region_size))

    return [Source(name, partial(load, name)) for name in names]


def compare(instances: Instances, labelled: LabelledScan, dataset: Dataset, min_region: int,
            ) -> Mistakes:
    """Find what is right, false and missed in the prediction for a scan of a data set."""
    objects = dataset.objects
    return find_mistakes(instances, block_truth(dataset, labelled), objects.ids,
                         dict(zip(objects.ids, objects.names)), min_region)


def judged(scene: Scene, mistakes: Mistakes) -> Scene:
    """Return a scene with prediction and truth that shows what is right, false and missed."""
    assert scene.prediction is not None and scene.truth is not None
    # The evaluation leaves out objects of unknown class, which are the first of the truth.
    unknown = [''] * (len(scene.truth.instances) - len(mistakes.object_status))
    return replace(
        scene,
        prediction=replace(scene.prediction, status=mistakes.status, notes=mistakes.note),
        truth=replace(scene.truth, status=[*unknown, *mistakes.object_status],
                      notes=[*unknown, *mistakes.object_note]))


def shown_predictions(found: PredictionsLike, min_score: float,
                      ) -> list[tuple[NDArray, int, float]]:
    """
    Return rows, class and score of the predictions to look at, best first.

    Benchmarks list a mask under each of its classes: only the best one is shown.
    """
    kept, seen = [], set()
    for index in np.argsort(-np.asarray(found.score, np.float64), kind='stable').tolist():
        rows = found.points(index)
        if found.score[index] >= min_score and len(rows) and rows.tobytes() not in seen:
            seen.add(rows.tobytes())
            kept.append((rows, int(found.class_id[index]), float(found.score[index])))
    return kept


def measured(found: Sequence[tuple[NDArray, int, float]], scan: Scan, dataset: Dataset,
             ) -> Instances:
    """Return instances of a scan with their boxes, given rows of the input cloud and classes."""
    place = np.full(scan.input_size, -1, np.int64)
    place[scan.kept] = np.arange(len(scan))
    masks = [place[rows][place[rows] >= 0] for rows, _, _ in found]
    return replace(measure_masks(masks, scan, dataset.classes),
                   class_id=np.array([class_id for _, class_id, _ in found], np.int32),
                   score=np.array([score for _, _, score in found], np.float32))


@dataclass(frozen=True)
class Recording:
    """
    A topic of a bag.

    Attributes
    ----------
    path : path
    topic : str or None
        Needed if the bag has several.
    conventions : Conventions
        Axes and unit of its clouds.

    """

    path: Path
    topic: str | None = None
    conventions: Conventions = AS_IS

    def choose(self, count: int) -> set[int]:
        """Return the places of clouds, evenly chosen from the first to the last."""
        topics = cloud_topics(self.path)
        total = topics.get(self.topic or '', 0)
        if self.topic is None and len(topics) == 1:
            total = next(iter(topics.values()))
        if not total:  # an unknown topic is refused where it is read
            return {0}
        return set(np.linspace(0, total - 1, min(count, total)).astype(int).tolist())

    def clouds(self, chosen: set[int]) -> Iterator[tuple[float, str, Scan]]:
        """Yield stamp, frame and points of the chosen clouds that have points."""
        for place, (stamp, frame, message) in enumerate(read_clouds(self.path, self.topic)):
            if place in chosen and num_positions(message) >= MIN_POINTS:
                scan = decode_pointcloud2(message, self.conventions)
                yield stamp, frame, replace(scan, frame=frame)


def bag_sources(recording: Recording, count: int, predictor: Predictor | None,
                on_cloud: Callable[[int, int, Scan], None]) -> list[Source]:
    """
    Return clouds of a bag as a time line, the last one included.

    Instances keep their ids and colours over the clouds, as in the node.

    Parameters
    ----------
    recording : Recording
    count : int
        Number of clouds, evenly chosen; fewer if the topic has fewer.
    predictor : Predictor or None
    on_cloud : function of two integers and a Scan
        Called with the number of each cloud, from 1, their count, and the cloud.

    """
    path, chosen = recording.path, recording.choose(count)
    sources: list[Source] = []
    tracker, start = Tracker(), None
    for number, (stamp, frame, scan) in enumerate(recording.clouds(chosen), start=1):
        on_cloud(number, len(chosen), scan)
        start = stamp if start is None else start
        name = f'{path.resolve().name}, cloud {number}'
        scene = Scene(name, scan) if predictor is None else predictor.scene(name, scan)
        if scene.prediction is not None:
            tracks = tracker.update(scene.scan, scene.prediction.instances, frame)
            ids = np.array([track.id for track in tracks], np.int64)
            scene = replace(scene, prediction=replace(scene.prediction, ids=ids))
        scene = replace(scene, stamp=stamp - start)
        sources.append(Source(name, partial(_made, scene), stamp - start))
    if not sources:
        raise InputError(f'{path}: the topic has no cloud that can be shown')
    return sources


def _made(scene: Scene) -> Scene:
    return scene
