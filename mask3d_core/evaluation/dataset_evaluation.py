"""Evaluate a model on a prepared data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mask3d_core.classes import ClassTable
from mask3d_core.data.benchmark import find_protocol
from mask3d_core.data.dataset import Dataset, inner_points
from mask3d_core.data.labels import LabelledScan
from mask3d_core.data.protocol import Protocol
from mask3d_core.errors import InputError
from mask3d_core.evaluation.evaluation import Evaluation
from mask3d_core.evaluation.ground_truth import Truth, truth_of
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files.source import file_errors
from mask3d_core.instances import Instances
from mask3d_core.segmenter import Segmenter
from mask3d_core.tiling.map_segmentation import Workers


@dataclass(frozen=True, eq=False)
class _Result:
    """A scan that was segmented, and its evaluation alone."""

    name: str
    instances: Instances
    evaluation: Evaluation


def dataset_protocol(dataset: Dataset) -> Protocol:
    """Return the protocol of a data set: its benchmark's, with the minimum size of its objects."""
    return replace(find_protocol(dataset.name, dataset.background),
                   min_region=dataset.min_region_size)


def segment_split(segmenter: Segmenter, dataset: Dataset, names: Sequence[str],
                  evaluation: Evaluation, settings: ExtractSettings | None = None,
                  on_scan: Callable[[str, Instances], None] | None = None,
                  ) -> list[Mapping[str, float]]:
    """
    Segment scans of a data set and add them to an evaluation.

    Parameters
    ----------
    segmenter, dataset, names, evaluation, settings
        As in `segment_scans`.
    on_scan : function of name and Instances, optional
        Called after each scan.

    Returns
    -------
    list of mapping of str to float
        Seconds of each stage, one per scan.

    """
    seconds = []
    for name, instances in segment_scans(segmenter, dataset, names, evaluation, settings):
        seconds.append(instances.seconds)
        if on_scan is not None:
            on_scan(name, instances)
    return seconds


def segment_scans(segmenter: Segmenter, dataset: Dataset, names: Sequence[str],
                  evaluation: Evaluation, settings: ExtractSettings | None = None,
                  workers: Workers | None = None) -> Iterator[tuple[str, Instances]]:
    """
    Yield scans of a data set and their instances; at the end all are in an evaluation.

    Processes share the scans, or if there are fewer scans than processes, the tiles of each.
    All of them yield all scans, and the evaluation is that of one process.

    Parameters
    ----------
    segmenter : Segmenter
    dataset : Dataset
    names : sequence of str
        Names of scans, as from `Dataset.split`. Several processes begin with the largest.
    evaluation : Evaluation
    settings : ExtractSettings, optional
        Post-processing; that of the evaluation's protocol by default.
    workers : Workers, optional
        Processes that run the same code.

    Raises
    ------
    InputError
        If weights and data set have different classes, or the weights cannot segment a scan.

    """
    check_classes(segmenter.weights.classes, dataset.classes)
    settings = settings or evaluation.protocol.settings()
    parts = {}

    def segment(name: str, sharing: Workers | None = None) -> _Result:
        labelled = dataset.read(name)
        with file_errors(dataset.path(name)):
            instances = segmenter.segment(labelled.scan, settings, workers=sharing)
        part = evaluation.without_scans()
        part.add(instances, block_truth(dataset, labelled))
        return _Result(name, instances, part)

    if workers is None or not 1 < workers.size <= len(names):
        found: Iterable[_Result] = (segment(name, workers) for name in names)
    else:  # scans of similar size take the same time
        ordered = sorted(names, key=lambda name: -dataset.scans[name].points)
        found = _shared(segment, ordered, workers)
    for result in found:
        parts[result.name] = result.evaluation
        yield result.name, result.instances
    for name in names:
        evaluation.merge(parts[name])


def _shared(segment: Callable[[str], _Result], names: Sequence[str], workers: Workers,
            ) -> Iterator[_Result]:
    """Segment as many scans at once as there are processes; yield the results of all."""
    for start in range(0, len(names), workers.size):
        group = names[start:start + workers.size]
        mine = segment(group[workers.rank]) if workers.rank < len(group) else None
        yield from (result for result in workers.gather(mine) if result is not None)


def block_truth(dataset: Dataset, labelled: LabelledScan) -> Truth:
    """Return the ground truth of a scan; for a block, only of its inner part."""
    facts = dataset.scans.get(labelled.name)
    return truth_of(labelled, None if facts is None else inner_points(labelled, facts))


def check_classes(known: ClassTable, wanted: ClassTable) -> None:
    """Raise InputError if a class id has different names in weights and data set."""
    names = dict(zip(known.ids, known.names))
    for class_id, name in zip(wanted.ids, wanted.names):
        if names.get(class_id, name) != name:
            raise InputError(f'class {class_id} is {name!r} in the data set, but '
                             f'{names[class_id]!r} in the weights: evaluate weights trained on '
                             'these classes')
    if not set(known.ids) & set(wanted.ids):
        same = next((name for name in wanted.names if name in known.names), None)
        raise InputError('weights and data set have no class in common: evaluate weights trained '
                         'on these classes' + ('' if same is None else
                         f', or prepare the data set with the ids of the weights, such as '
                         f'{dict(zip(known.names, known.ids))[same]} for {same!r}'))
