"""Small untrained weights, with which a cloud takes little time."""

from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.model import ModelConfig
from mask3d_core.weights.checkpoint import save_weights, untrained_weights


def save_small_weights(path: Path, votes: bool = False) -> None:
    """Write small weights that need colour, of 18 classes of ScanNet, in voxels of 5 cm."""
    classes = load_classes('scannet20').without(['wall', 'floor'])
    config = ModelConfig(backbone='Res16UNet14A', num_classes=len(classes), num_queries=10,
                         num_rounds=1, votes=votes)
    save_weights(path, untrained_weights(config, classes, voxel_size=0.05))
