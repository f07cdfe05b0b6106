"""Windows: Gaussians around votes, as a product of two factors."""

import math

from mask3d_core.model import Mask3D, ModelConfig
from mask3d_core.model.windows import INITIAL_PEAK, INITIAL_RADIUS, window_features, Windows
from mask3d_core.scan import Scan
from mask3d_core.sparse import build_pyramid
from mask3d_core.voxels import batch_coords, Voxelization, voxelize
import numpy as np
import pytest
import torch
from torch import Tensor

SMALL = ModelConfig(backbone='Res16UNet14A', num_classes=2, hidden_dim=16, feedforward_dim=16,
                    num_heads=2, num_queries=4, levels=(0, 1), votes=True)


def logits(windows: Windows, queries: Tensor, seeds: Tensor, places: Tensor) -> Tensor:
    """Return what windows add to the mask logits: [V, Q]."""
    return window_features(places) @ windows(queries, seeds).t()


def test_an_untrained_window_is_a_sphere_around_the_seed() -> None:
    seeds = torch.tensor([[1.0, -2.0, 0.5]])
    places = seeds + torch.tensor([[0.0, 0, 0], [INITIAL_RADIUS, 0, 0], [0, 0, -INITIAL_RADIUS],
                                   [2, 0, 0]])

    found = logits(Windows(16), torch.randn(1, 16), seeds, places)[:, 0]

    expected = [INITIAL_PEAK, 0, 0, INITIAL_PEAK * (1 - 4 / INITIAL_RADIUS ** 2)]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_a_window_is_shifted_scaled_and_rotated() -> None:
    windows = Windows(16)
    with torch.no_grad():
        windows.head.bias[:] = torch.tensor(
            [1.0, 2, 3, math.log(4), math.log(9), math.log(16), math.atanh(0.5), 1.5])
    place = torch.tensor([[1.1, 2.2, 3.3]])

    found = logits(windows, torch.zeros(1, 16), torch.zeros(1, 3), place)

    # 1.5 - (4 dx^2 + 9 dy^2 + 16 dz^2 + 2 * 0.5 * sqrt(4 * 9) dx dy)
    by_hand = 1.5 - (4 * 0.01 + 9 * 0.04 + 16 * 0.09 + 6 * 0.02)
    torch.testing.assert_close(found, torch.tensor([[by_hand]]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('seed', range(3))
def test_a_window_is_bounded_in_all_directions(seed: int) -> None:
    torch.manual_seed(seed)
    windows = Windows(16)
    torch.nn.init.normal_(windows.head.weight, std=2)
    far = torch.nn.functional.normalize(torch.randn(200, 3)) * 5000

    found = logits(windows.double(), torch.randn(8, 16).double(), torch.zeros(8, 3).double(),
                   far.double())

    assert (found < 0).all()


def test_masks_of_an_untrained_model_are_around_their_seeds() -> None:
    xyz = np.random.default_rng(0).uniform(0, 6, (4000, 3)) * (1, 1, 0.1)
    voxels = voxelize(Scan.from_points(xyz, np.linspace(0.49, 0.51, 12000).reshape(4000, 3)),
                      Voxelization(0.1, 'mean', (0.5,) * 3, (0.3,) * 3))
    seeds = torch.tensor([0, 1000, 2000, 3000])
    torch.manual_seed(0)
    model = Mask3D(SMALL).eval()

    with torch.inference_mode():
        (prediction,), = model([voxels], build_pyramid(batch_coords([voxels])), seeds=[seeds])

    distance = torch.cdist(voxels.centers, voxels.centers[seeds])
    assert (prediction.mask_logits[distance > 2] < 0).all()
    means = torch.stack([prediction.mask_logits[:, q][distance[:, q] < 0.3].mean()
                         for q in range(4)])
    assert (means > prediction.mask_logits.mean(0)).all()
