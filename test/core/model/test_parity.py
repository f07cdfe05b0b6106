"""With the original's weights the network computes what the original Mask3D computes."""

import itertools
from typing import Any, NamedTuple

from golden_model import (
    BACKBONE,
    EVAL_CASES,
    golden_model,
    golden_scans,
    golden_seeds,
    LOGITS,
    MASKS,
)
from mask3d_core.model import Mask3D, StepPrediction
from mask3d_core.model.layers import fold_batch_norms
from mask3d_core.sparse import build_pyramid, Pyramid
from mask3d_core.sparse import pyramid as pyramid_module
from mask3d_core.sparse.grid import cell_shift
from mask3d_core.voxels import batch_coords, Voxels
import numpy as np
import pytest
import torch


class Run(NamedTuple):
    """One golden case and the results of our model."""

    case: Any
    scans: list[Voxels]
    pyramid: Pyramid
    levels: list[torch.Tensor]
    steps: list[list[StepPrediction]]
    seen: dict[str, list[Any]]


def observe(model: Mask3D) -> dict[str, list[Any]]:
    """Record inputs and outputs of the decoder's modules."""
    seen: dict[str, list[Any]] = {'cross': [], 'self_attention': [], 'feed_forward': [],
                                  'masked': [], 'queries': [], 'position': [], 'encodings': []}
    for layers in model.rounds:
        for layer in layers:
            for name in ('cross', 'self_attention', 'feed_forward'):
                getattr(layer, name).register_forward_hook(
                    lambda _, __, output, name=name: seen[name].append(output))
            layer.cross.register_forward_pre_hook(
                lambda _, inputs: seen['masked'].append(inputs[3]))
    model.queries.register_forward_hook(
        lambda _, inputs, output: (seen['encodings'].append(inputs[0]),
                                   seen['position'].append(output[1])) and None)
    return seen


@pytest.fixture(scope='module', params=itertools.product(EVAL_CASES, (False, True)), ids=str)
def run(request: pytest.FixtureRequest, golden: Any, golden_json: Any) -> Run:
    """Run a golden case through our model, with whole cubes or by planes."""
    name, by_planes = request.param
    case, model = golden(name), golden_model(golden_json(name))
    seen, scans = observe(model), golden_scans(case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramid_module, 'MIN_LEVEL_ROWS', 1)
        pyramid = build_pyramid(batch_coords(scans), planes=by_planes)
    with torch.no_grad():
        features = torch.cat([scan.features for scan in scans])[pyramid.order]
        levels = model.unet(features, pyramid)
        steps = model.refine(levels, scans, pyramid, seeds=golden_seeds(case))
    return Run(case, scans, pyramid, levels, steps, seen)


def test_features_of_all_levels(run: Run) -> None:
    shift = cell_shift(batch_coords(run.scans)).numpy()
    compared = 0
    for number, features in enumerate(run.levels):
        stride = 16 >> number
        level = run.pyramid.levels[4 - number]
        for scan, rows in enumerate(level.scans()):
            coords = level.coords[rows, 1:].numpy() * stride + shift
            row_of = {tuple(xyz): row for row, xyz in enumerate(coords.tolist())}
            wanted = run.case[f'lvl{number}_b{scan}_coords'].tolist()
            picked = [row_of[tuple(xyz)] for xyz in wanted]
            assert len(coords) == run.case[f'lvl{number}_b{scan}_n']
            np.testing.assert_allclose(features[rows][picked].numpy(),
                                       run.case[f'lvl{number}_b{scan}_feats'], atol=BACKBONE)
            compared += len(picked)
    assert compared


def test_query_positions(run: Run) -> None:
    if 'fps_idx' not in run.case:
        pytest.skip('learned queries have no position in space')
    for seen, stored in (('encodings', 'query_pos_enc'), ('position', 'query_pos')):
        ours = run.seen[seen][0].permute(0, 2, 1).numpy()  # [B, Q, D] -> [B, D, Q]
        np.testing.assert_allclose(ours, run.case[stored], atol=BACKBONE)


@pytest.mark.parametrize('ours, original', [
    ('cross', 'queries_after_ca'), ('self_attention', 'queries_after_sa'),
    ('feed_forward', 'queries_after_ffn')])
def test_queries_after_each_sublayer(run: Run, ours: str, original: str) -> None:
    stored = run.case[original]  # [layer, Q, B, D]
    assert len(run.seen[ours]) == len(stored)
    for output, wanted in zip(run.seen[ours], stored):
        np.testing.assert_allclose(output.permute(1, 0, 2).numpy(), wanted, atol=LOGITS)


def test_attention_masks_to_the_bit(run: Run) -> None:
    order = _sorted_rows(run)
    for step, scans in enumerate(run.seen['masked']):
        for scan, masked in enumerate(scans):
            packed = run.case[f'attn_mask_{step}_b{scan}']
            count = int(run.case[f'attn_mask_{step}_b{scan}_n'])
            wanted = np.unpackbits(packed, axis=-1, count=count).astype(bool)
            ours = masked.numpy()[:, order[step % 4][scan]]
            np.testing.assert_array_equal(ours, wanted)


def _sorted_rows(run: Run) -> list[list[np.ndarray]]:
    """Return for each attended level and scan our rows sorted by (x, y, z), as stored."""
    orders = []
    for number in range(4):
        level = run.pyramid.levels[4 - number]
        coords = level.coords.numpy()
        orders.append([np.lexsort(coords[rows, :0:-1].T) for rows in level.scans()])
    return orders


def test_logits_of_all_predictions(run: Run) -> None:
    assert len(run.steps) == len(run.case['pred_logits'])
    for step, wanted in zip(run.steps, run.case['pred_logits']):
        for prediction, logits in zip(step, wanted):
            np.testing.assert_allclose(prediction.class_logits.numpy(), logits, atol=LOGITS)


def test_masks_of_all_predictions(run: Run) -> None:
    for number, step in enumerate(run.steps):
        for scan, prediction in enumerate(step):
            stride = int(run.case[f'pred_masks_b{scan}_step'])
            np.testing.assert_allclose(prediction.mask_logits.numpy()[::stride],
                                       run.case[f'pred_masks_b{scan}'][number], atol=MASKS)


def test_folded_batch_norms_give_the_same_features(golden: Any, golden_json: Any) -> None:
    case, model = golden('tiny_eval'), golden_model(golden_json('tiny_eval'))
    scans = golden_scans(case)
    pyramid = build_pyramid(batch_coords(scans))
    features = torch.cat([scan.features for scan in scans])[pyramid.order]
    with torch.no_grad():
        unfolded = model.unet(features, pyramid)
        fold_batch_norms(model)
        folded = model.unet(features, pyramid)
    assert not any('norm' in name for name, _ in model.unet.named_parameters())
    for ours, wanted in zip(folded, unfolded):
        np.testing.assert_allclose(ours, wanted, atol=BACKBONE)

