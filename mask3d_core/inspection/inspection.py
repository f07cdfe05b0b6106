"""Heatmaps of queries (paper, Fig. 1) and features of the U-Net in colours (Fig. 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.inspection.encoded_scan import EncodedScan
from mask3d_core.instances import Instances
from mask3d_core.model import Prediction
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.voxels import Voxels
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

MAX_HEATMAPS = 40
"""Heatmaps that are kept, of the best instances."""
FEATURE_QUANTILES = (0.01, 0.99)
"""Of a principal component, shown as black and as full intensity."""


@dataclass(frozen=True, eq=False)
class Inspection:
    """
    What the network computed for a scan, as colours.

    Attributes
    ----------
    voxel : [N] int64
        Voxel of each point of the scan.
    instance : [H] int64
        The instances whose heatmaps are kept.
    heat : [V, H] uint8
        Mask probability of the query of each of these instances, 0..255.
    features : [V, 3] uint8
        The first three principal components of the features of the U-Net.

    """

    voxel: NDArray[np.int64]
    instance: NDArray[np.int64]
    heat: NDArray[np.uint8]
    features: NDArray[np.uint8]


@torch.inference_mode()
def inspect_scan(segmenter: Segmenter, scan: Scan, settings: ExtractSettings | None = None,
                 ) -> tuple[Scan, Instances, Inspection]:
    """
    Segment a scan without cutting it, and keep heatmaps and features.

    Parameters
    ----------
    segmenter : Segmenter
        Of the engine `torch`.
    scan : Scan
        No larger than a tile.
    settings : ExtractSettings, optional

    Returns
    -------
    scan : Scan
        With the colour that the weights need, and with superpoints.
    instances : Instances
        Those of `Segmenter.segment_at_once`.
    inspection : Inspection

    Raises
    ------
    InputError
        When the scan does not suit the weights, or another engine runs them.

    """
    near, offset = scan.near_origin()
    encoded = EncodedScan(segmenter, near, 'features and heatmaps')
    voxels = encoded.voxels
    prediction, seconds = encoded.decode(segmenter.useful_queries(voxels))
    near = encoded.with_superpoints()
    instances = segmenter.extract(prediction, voxels, near, settings or ExtractSettings())
    chosen = np.arange(min(len(instances), MAX_HEATMAPS))
    inverse = voxels.inverse.cpu().numpy()
    heat = query_heat(prediction, voxels, [_voxels_of(instances.rows[index], near, inverse)
                                           for index in chosen.tolist()])
    inspection = Inspection(inverse, chosen, heat, component_colors(encoded.features))
    whole = replace(scan, color=near.color, segment=near.segment)
    seconds = {**encoded.seconds, **seconds, **instances.seconds}
    return whole, replace(instances.moved(offset), seconds=seconds), inspection


def query_heat(prediction: Prediction, voxels: Voxels, masks: list[NDArray[np.int64]],
               ) -> NDArray[np.uint8]:
    """
    Return the mask probabilities of the query that explains each mask best: [V, H] uint8.

    Post-processing splits, snaps and drops masks, so the query is found by its overlap: the
    largest ratio of the probabilities inside of the mask to the union of both.

    Parameters
    ----------
    prediction : Prediction
    voxels : Voxels
    masks : H arrays
        Rows of voxels.

    """
    logits = prediction.mask_logits.float()
    if voxels.segment is not None:
        logits = logits[voxels.segment.to(logits.device)]
    probability = torch.sigmoid(logits)                        # [V, Q]
    total = probability.sum(0)
    columns = []
    for mask in masks:
        rows = torch.as_tensor(mask, device=logits.device)
        inside = probability[rows].sum(0)
        columns.append(int((inside / (total + len(rows) - inside)).argmax()))
    heat = probability[:, columns].mul(255).round()
    return heat.to(torch.uint8).cpu().numpy()


def _voxels_of(rows: NDArray[np.integer], scan: Scan, inverse: NDArray[np.int64],
               ) -> NDArray[np.int64]:
    """Return the voxels of some rows of the input cloud."""
    place = np.searchsorted(scan.kept, rows)
    return np.unique(inverse[place])


def component_colors(features: Tensor) -> NDArray[np.uint8]:
    """Map the first three principal components of features [V, C] to colours: [V, 3] uint8."""
    centered = (features - features.mean(0)).double()
    values, vectors = torch.linalg.eigh(centered.T @ centered)     # ascending
    components = (centered @ vectors.flip(1)[:, :3]).cpu().numpy()
    if components.shape[1] < 3:
        components = np.pad(components, ((0, 0), (0, 3 - components.shape[1])))
    low, high = np.quantile(components, FEATURE_QUANTILES, axis=0)
    unit = (components - low) / np.maximum(high - low, 1e-12)
    return np.rint(255 * np.clip(unit, 0, 1)).astype(np.uint8)
