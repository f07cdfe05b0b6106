"""Evaluate a model on a prepared data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

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
    segmenter : Segmenter
    dataset : Dataset
    names : sequence of str
        Names of scans, as from `Dataset.split`.
    evaluation : Evaluation
    settings : ExtractSettings, optional
        Post-processing; that of the evaluation's protocol by default.
    on_scan : function of name and Instances, optional
        Called after each scan.

    Returns
    -------
    list of mapping of str to float
        Seconds of each stage, one per scan.

    Raises
    ------
    InputError
        If weights and data set have different classes, or the weights cannot segment a scan.

    """
    check_classes(segmenter.weights.classes, dataset.classes)
    settings = settings or evaluation.protocol.settings()
    seconds = []
    for name in names:
        labelled = dataset.read(name)
        with file_errors(dataset.path(name)):
            instances = segmenter.segment(labelled.scan, settings)
        evaluation.add(instances, block_truth(dataset, labelled))
        seconds.append(instances.seconds)
        if on_scan is not None:
            on_scan(name, instances)
    return seconds


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
        raise InputError('weights and data set have no class in common')
