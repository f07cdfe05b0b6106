"""Post-process query predictions into instances of the scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
import time
from typing import Final

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.extraction.clustered_regions import clustered_regions
from mask3d_core.extraction.group_masks import measure_groups
from mask3d_core.extraction.measures import measure_masks
from mask3d_core.extraction.point_masks import intersections, region_masks
from mask3d_core.extraction.ranking import Candidates, objectness_score, rank
from mask3d_core.extraction.regions import Regions
from mask3d_core.geometry.point_groups import group_points, PointGroups, single_points
from mask3d_core.instances import Instances
from mask3d_core.model.mask3d import Prediction
from mask3d_core.scan import Scan
from mask3d_core.stop import begin_stage, check_stop
from mask3d_core.voxels import Voxels
import numpy as np
from numpy.typing import NDArray
import torch

EPS_VOXELS = 16
"""Default DBSCAN eps, in voxels of the weights; a quarter of it costs scores and time."""
RANKINGS: Final = ('objectness', 'class')


@dataclass(frozen=True)
class ExtractSettings:
    """
    Settings of the post-processing; the defaults suit a robot, `all_classes` a benchmark.

    Attributes
    ----------
    score_threshold : float
        Drop instances with a lower score.
    top_k : int
        Keep at most this many instances, by score; -1: all. With `all_classes`, as the original:
        the pairs of mask and class of the highest class probability, before duplicates are
        removed; -1: as many as there are masks.
    min_points : int
        Drop masks with fewer points of the cloud. 0 keeps empty ones, as the original does.
    dbscan_eps : float or None
        Split masks into parts further apart than this, metres; 0: no clustering; None:
        `EPS_VOXELS` voxels of the weights, filled in by the segmenter. The paper's best are 0.9
        for ScanNet, 0.6 for S3DIS, 14 for STPLS3D (Table VII).
    dbscan_min_points : int
        Voxels with fewer neighbors within eps, themselves included, are no core points.
    overlap_threshold : float or None
        Non-maximum suppression: drop an instance whose intersection over union with a better,
        kept one is above this; with `all_classes` only within a class; None: no suppression.
    cover_threshold : float or None
        Drop an instance that covers more than this share of a better one, even of a dropped one
        (the original's `filter_out_instances`); None: do not.
    classes : tuple of str
        Keep instances of these classes; empty: of all.
    all_classes : bool
        Return a mask once for each of its classes among the top k, not only for the likeliest.
        It raises average precision, so the original does it; for other uses it gives duplicates.
    superpoints : bool
        Replace a mask by those superpoints of the scan of which it covers more than half: they end
        at the edges of surfaces, which voxels of some centimetres cannot resolve. A mask that
        would lose more than half of its points stays as it is. Masks on segments always consist
        of whole segments.
    ranking : str
        How instances are scored. 'class': class probability times mean mask probability (eq. 7);
        also used by models without votes, and with `all_classes`. 'objectness': the square of mean
        mask probability times mean objectness of the voxels in the mask, times the square root of
        the class probability; of models with `mask_iou` the square root of the predicted IoU times
        this. It ranks better outside of the training data, and a threshold keeps instances of
        about the same precision as with eq. 7.

    """

    score_threshold: float = 0.0
    top_k: int = 100
    min_points: int = 50
    dbscan_eps: float | None = None
    dbscan_min_points: int = 1
    overlap_threshold: float | None = 0.5
    cover_threshold: float | None = None
    classes: tuple[str, ...] = ()
    all_classes: bool = False
    superpoints: bool = True
    ranking: str = 'objectness'

    def __post_init__(self) -> None:
        wrong = [text for holds, text in (
            (0 <= self.score_threshold <= 1, 'score_threshold in 0..1'),
            (self.ranking in RANKINGS, 'ranking of ' + ' or '.join(RANKINGS)),
            (self.top_k == -1 or self.top_k > 0, 'top_k above 0, or -1 for all'),
            (self.min_points >= 0, 'min_points of 0 or more'),
            (self.dbscan_eps is None or 0 <= self.dbscan_eps < np.inf,
             'dbscan_eps in metres, or 0 for no clustering'),
            (self.dbscan_min_points > 0, 'dbscan_min_points above 0'),
            *((getattr(self, part) is None or 0 <= getattr(self, part) <= 1, f'{part} in 0..1')
              for part in ('overlap_threshold', 'cover_threshold')),
        ) if not holds]
        if wrong:
            name = wrong[0].split()[0]
            raise InputError(f'expected {wrong[0]}, got {getattr(self, name)}')


@torch.no_grad()
def extract(prediction: Prediction, voxels: Voxels, scan: Scan, classes: ClassTable,
            settings: ExtractSettings | None = None, groups: PointGroups | None = None,
            ) -> Instances:
    """
    Post-process a prediction into instances (paper, Sec. III, eq. 7; the original's trainer).

    Parameters
    ----------
    prediction : Prediction
        On any device.
    voxels : Voxels
        Of the scan. With `segment`, for models on segments only, the rows of the mask logits are
        segments, and a segment of the scan belongs to an instance if more than half of its points
        do.
    scan : Scan
        Its `segment` are the superpoints for `settings.superpoints`; if None, masks stay as they
        are.
    classes : ClassTable
        The K classes of the prediction.
    settings : ExtractSettings, optional
    groups : PointGroups, optional
        From `group_scan`, with the segments of the scan, if they are known already.

    Returns
    -------
    Instances
        Best score first, equal ones by query; `seconds` has 'clustering' and 'instances', the
        rest; `voxel_size` is that of the voxels.

    Raises
    ------
    InputError
        If a logit is NaN, or a class is unknown.

    """
    settings = settings or ExtractSettings()
    wanted = classes.rows(settings.classes)
    begin_stage('clustering')
    start = time.perf_counter()
    segment = voxels.segment
    if segment is not None:
        segment = segment.to(prediction.mask_logits.device)
    rows = len(voxels) if segment is None else int(segment.max()) + 1
    assert len(prediction.mask_logits) == rows, 'one row of mask logits per voxel or segment'
    objectness = _objectness(prediction, settings)
    prediction = _drop_unlikely(prediction, settings, objectness is not None)
    regions, clustering = clustered_regions(
        prediction.mask_logits, segment, voxels.centers, settings.dbscan_eps or 0,
        settings.dbscan_min_points)
    begin_stage('instances')

    inverse = voxels.inverse.cpu().numpy()
    regions = _drop_small(regions, inverse, settings.min_points)
    probability = torch.softmax(prediction.class_logits.float(), dim=1)[:, :-1].cpu().numpy()
    mask_iou = _mask_iou(prediction, regions)
    candidates = rank(regions, probability, objectness, mask_iou, settings.top_k,
                      settings.all_classes)
    candidates = candidates[candidates.score >= settings.score_threshold]
    if groups is None:
        groups = group_scan(
            voxels, scan.segment if segment is not None or settings.superpoints else None)
    needed, region = np.unique(candidates.region, return_inverse=True)
    masks = region_masks([regions.voxels[r] for r in needed], groups,
                         min_share=0.5 * (segment is None))
    candidates = _filter(replace(candidates, region=region), masks, groups.weight, settings)
    if wanted:
        candidates = candidates[np.isin(candidates.row, wanted)]
    if settings.top_k != -1 and not settings.all_classes:
        candidates = candidates[:settings.top_k]
    check_stop()
    instances = _measure(candidates, masks, groups, voxels, scan, classes)
    rest = time.perf_counter() - start - clustering
    return replace(instances, seconds={'clustering': clustering, 'instances': rest},
                   voxel_size=voxels.size, num_voxels=len(voxels))


def group_scan(voxels: Voxels, segment: NDArray[np.int64] | None) -> PointGroups:
    """
    Group the points of a scan that are in the same masks.

    With few points in each voxel it is not worth it: each point is a group of its own then.

    Parameters
    ----------
    voxels : Voxels
        Of the scan.
    segment : [N] int64 or None
        The superpoint of each point.

    """
    group = group_points if voxels.are_overlaid else single_points
    return group(voxels.inverse.cpu().numpy(), segment)


def _objectness(prediction: Prediction, settings: ExtractSettings) -> NDArray[np.float32] | None:
    """Return the objectness of the voxels if instances are ranked by it: [V]."""
    if settings.ranking != 'objectness' or settings.all_classes or prediction.objectness is None:
        return None
    objectness: NDArray[np.float32] = prediction.objectness.float().cpu().numpy()
    return objectness


def _mask_iou(prediction: Prediction, regions: Regions) -> NDArray[np.float64] | None:
    """Return the predicted IoU of the query of each region, if the model predicts any: [R]."""
    if prediction.mask_iou is None:
        return None
    mask_iou: NDArray[np.float64] = prediction.mask_iou.double().cpu().numpy()[regions.query]
    return mask_iou


def _drop_unlikely(prediction: Prediction, settings: ExtractSettings, by_objectness: bool,
                   ) -> Prediction:
    """Drop queries whose scores cannot reach the threshold: the other factors are at most 1."""
    if not settings.score_threshold or (settings.all_classes and settings.top_k == -1):
        return prediction  # in the second case the number of pairs kept is the number of masks
    likeliest = torch.softmax(prediction.class_logits.float(), dim=1)[:, :-1].amax(1)
    best, mask_iou = likeliest.double().cpu().numpy(), prediction.mask_iou
    if by_objectness:
        best = objectness_score(np.ones(1), best,
                        None if mask_iou is None else mask_iou.double().cpu().numpy())
    keep = ~(best < settings.score_threshold)  # keeps NaN, which is an error in `rank`
    queries = torch.from_numpy(np.flatnonzero(keep)).to(prediction.class_logits.device)
    return replace(prediction, class_logits=prediction.class_logits.index_select(0, queries),
                   mask_logits=prediction.mask_logits.index_select(1, queries),
                   mask_iou=None if mask_iou is None else mask_iou.index_select(0, queries))


def _drop_small(regions: Regions, inverse: NDArray[np.int64], min_points: int) -> Regions:
    """Drop regions with fewer points of the scan."""
    weight = np.bincount(inverse)
    keep = [r for r, rows in enumerate(regions.voxels) if weight[rows].sum() >= min_points]
    return Regions(regions.query[keep], [regions.voxels[r] for r in keep],
                   regions.confidence[keep])


def _filter(candidates: Candidates, masks: list[NDArray[np.int64]],
            weight: NDArray[np.int64], settings: ExtractSettings) -> Candidates:
    """Drop small masks, and masks that overlap with better ones; `weight` is of their rows."""
    size = np.array([weight[mask].sum() for mask in masks], np.int64)
    candidates = candidates[size[candidates.region] >= settings.min_points]
    if settings.overlap_threshold is None and settings.cover_threshold is None:
        return candidates
    candidates = candidates[size[candidates.region] > 0]
    regions, row = np.unique(candidates.region, return_inverse=True)
    common = intersections([masks[region] for region in regions], weight)
    if settings.cover_threshold is not None:
        covered = (common / common.diagonal())[np.ix_(row, row)] > settings.cover_threshold
        kept = np.flatnonzero(~np.tril(covered, -1).any(axis=1))
        candidates, row = candidates[kept], row[kept]
    if settings.overlap_threshold is not None:
        union = common.diagonal()[:, None] + common.diagonal() - common
        group = candidates.row if settings.all_classes else np.zeros_like(row)
        kept = _non_maximum_suppression(common / union, row, group, settings.overlap_threshold)
        candidates = candidates[kept]
    return candidates


def _non_maximum_suppression(iou: NDArray[np.float64], row: NDArray[np.int64],
                             group: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    """
    Choose candidates, best first, that overlap with no chosen one of their group.

    Parameters
    ----------
    iou : [R, R]
        Intersection over union of masks.
    row : [I]
        The mask of each candidate, best candidate first.
    group : [I]
    threshold : float

    """
    chosen: list[int] = []
    masks_of: dict[int, list[int]] = {}
    for index, (mask, name) in enumerate(zip(row.tolist(), group.tolist())):
        masks = masks_of.setdefault(name, [])
        if not (iou[mask, masks] > threshold).any():
            masks.append(mask)
            chosen.append(index)
    return np.array(chosen, np.int64)


def _measure(candidates: Candidates, masks: list[NDArray[np.int64]], groups: PointGroups,
             voxels: Voxels, scan: Scan, classes: ClassTable) -> Instances:
    """Make an instance of each candidate; candidates of one region share its measures."""
    regions, instance = np.unique(candidates.region, return_inverse=True)
    masks = [masks[region] for region in regions]
    if groups.of_point is None:
        found = measure_masks(masks, scan, classes)
    else:
        found = measure_groups(masks, groups, voxels.coords.cpu().numpy(), scan, classes)
    ids = np.asarray(classes.ids, np.int32)
    return replace(found.take(instance), class_id=ids[candidates.row],
                   score=candidates.score.astype(np.float32))
