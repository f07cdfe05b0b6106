"""The original's weights, scans and queries of a golden case, as our model takes them."""

from typing import Any

from golden_weights import tensor_for
from mask3d_core.model import Mask3D
from mask3d_core.original.convert import convert_state, infer_config
from mask3d_core.voxels import Voxels
import numpy as np
import torch

EVAL_CASES = ('micro_eval', 'micro_eval_segments', 'tiny_eval', 'tiny_eval_segments',
              'tiny_eval_parametric', 'tiny_eval_npfeat')
BACKBONE, LOGITS, MASKS = 3e-5, 1.8e-5, 3.9e-4
"""Three times what an independent float32 re-derivation reached (the golden data's README)."""


def golden_model(facts: dict[str, Any]) -> Mask3D:
    """Build our model with the original's weights of a case."""
    original = {name: torch.from_numpy(tensor_for(name, shape))
                for name, (_, shape) in facts['state_shapes'].items()}
    settings = facts['config']
    config = infer_config(
        {name: tuple(tensor.shape) for name, tensor in original.items()},
        num_heads=settings['num_heads'], num_rounds=settings['num_decoders'],
        num_queries=settings['num_queries'], on_segments=settings['train_on_segments'])
    model = Mask3D(config)
    model.load_state_dict(convert_state(original, config))
    return model.eval()


def golden_scans(case: Any) -> list[Voxels]:
    """Take the voxels of a case as they are, in the original's order."""
    scans = []
    for number in range(int(case['coords'][:, 0].max()) + 1):
        rows = case['coords'][:, 0] == number
        coords = torch.from_numpy(case['coords'][rows, 1:]).long()
        segment = torch.from_numpy(case[f'seg_b{number}']).long()
        scans.append(Voxels(coords, torch.from_numpy(case['feats'][rows]),
                            torch.from_numpy(case['raw'][rows]), np.zeros(3),
                            torch.arange(len(coords)), segment, 0.02))
    return scans


def golden_seeds(case: Any) -> list[torch.Tensor] | None:
    """Return the voxels the queries of a case start at; None for learned queries."""
    if 'fps_idx' not in case:
        return None
    return [torch.from_numpy(rows).long() for rows in case['fps_idx']]
