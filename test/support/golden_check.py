"""How far a device is from the original's outputs of a golden case."""

from typing import Any, NamedTuple

from golden_model import BACKBONE, golden_model, golden_scans, golden_seeds, LOGITS, MASKS
from mask3d_core.sparse import build_pyramid, Pyramid
from mask3d_core.sparse.grid import cell_shift
from mask3d_core.voxels import batch_coords, Voxels
import numpy as np
from numpy.typing import NDArray
from shared import read_golden, read_golden_facts
import torch
from torch import Tensor


class Differences(NamedTuple):
    """
    The largest differences from the original.

    Attributes
    ----------
    features : float
        Of the U-Net, at all levels.
    logits, masks : float
        Of classes and masks, in all predictions.

    """

    features: float
    logits: float
    masks: float

    @property
    def within(self) -> bool:
        """Whether all are within the tolerances of the tests on the CPU."""
        return self.features <= BACKBONE and self.logits <= LOGITS and self.masks <= MASKS


@torch.no_grad()
def check_golden(name: str, device: torch.device) -> Differences:
    """Run a golden case on a device in float32."""
    case = read_golden(name)
    model = golden_model(read_golden_facts(name)).to(device)
    scans = [scan.to(device) for scan in golden_scans(case)]
    seeds = golden_seeds(case)
    pyramid = build_pyramid(batch_coords(scans), model.config.kernels)
    features = torch.cat([scan.features for scan in scans])[pyramid.order]
    levels = model.unet(features, pyramid)
    steps = model.refine(levels, scans, pyramid,
                         seeds=None if seeds is None else [seed.to(device) for seed in seeds])
    logits = [_largest(prediction.class_logits, wanted)
              for step, stored in zip(steps, case['pred_logits'], strict=True)
              for prediction, wanted in zip(step, stored, strict=True)]
    masks = [_largest(prediction.mask_logits[::int(case[f'pred_masks_b{scan}_step'])],
                      case[f'pred_masks_b{scan}'][number])
             for number, step in enumerate(steps) for scan, prediction in enumerate(step)]
    return Differences(_features(case, scans, pyramid, levels), max(logits), max(masks))


def _features(case: Any, scans: list[Voxels], pyramid: Pyramid, levels: list[Tensor]) -> float:
    shift = cell_shift(batch_coords(scans)).cpu().numpy()
    differences = []
    for number, features in enumerate(levels):
        level = pyramid.levels[4 - number]
        for scan, rows in enumerate(level.scans()):
            coords = level.coords[rows, 1:].cpu().numpy() * (16 >> number) + shift
            row_of = {tuple(xyz): row for row, xyz in enumerate(coords.tolist())}
            picked = [row_of[tuple(xyz)] for xyz in case[f'lvl{number}_b{scan}_coords'].tolist()]
            differences.append(_largest(features[rows][picked],
                                        case[f'lvl{number}_b{scan}_feats']))
    return max(differences)


def _largest(ours: Tensor, wanted: NDArray[Any]) -> float:
    return float(np.abs(ours.cpu().numpy() - wanted).max())
