"""A small model with random weights, and scans for it."""

from dataclasses import replace

from mask3d_core.model import Mask3D, ModelConfig, Prediction
from mask3d_core.scan import Scan
from mask3d_core.sparse import build_pyramid
from mask3d_core.voxels import batch_coords, Voxelization, voxelize, Voxels
import numpy as np
import torch

SMALL = ModelConfig('Res16UNet14A', num_classes=4, hidden_dim=16, feedforward_dim=32, num_heads=2,
                    num_queries=6, num_rounds=2)
CROSSES = replace(SMALL, backbone='Res16UNet14X')


def small_scan(seed: int, points: int = 900) -> Voxels:
    """Return a box of random coloured points on a 10 cm grid."""
    random = np.random.default_rng(seed)
    xyz = random.uniform(-1, 1, (points, 3)) * [1.5, 1, .3]
    scan = Scan.from_points(xyz, random.uniform(0, 1, (points, 3)), random.integers(0, 9, points))
    return voxelize(scan, Voxelization(0.1))


def small_model(config: ModelConfig = SMALL) -> Mask3D:
    """Return a model in evaluation mode, with random weights and batch norm statistics."""
    torch.manual_seed(0)
    model = Mask3D(config)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, .1)
            module.running_var.uniform_(.5, 1.5)
    return model.eval()


@torch.no_grad()
def predict(model: Mask3D, scans: list[Voxels], **options: object) -> list[Prediction]:
    """Run the model."""
    return model(scans, build_pyramid(batch_coords(scans), model.config.kernels), **options)[-1]
