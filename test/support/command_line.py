"""The command line run here, and small files for it; import the fixtures where they are used."""

from contextlib import redirect_stderr, redirect_stdout
import io
from pathlib import Path
import subprocess

from mask3d_core.classes import load_classes
from mask3d_core.cli import main
from mask3d_core.model.config import ModelConfig
from mask3d_core.weights.checkpoint import save_weights, untrained_weights
import numpy as np
import pytest


def mask3d(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command here: a process takes seconds to import torch."""
    words = [str(argument) for argument in arguments]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            status = main(words)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


@pytest.fixture(scope='module')
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights of a small untrained model."""
    classes = load_classes('scannet20').without(['wall', 'floor'])
    config = ModelConfig(backbone='Res16UNet14A', hidden_dim=16, feedforward_dim=32, num_heads=2,
                         num_queries=8)
    path = tmp_path_factory.mktemp('weights') / 'small.weights'
    save_weights(path, untrained_weights(config, classes, voxel_size=0.05))
    return path


@pytest.fixture(scope='module')
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a room of two boxes on a floor, with colours."""
    random = np.random.default_rng(0)
    floor = random.uniform((0, 0, 0), (3, 3, 0.02), (3000, 3))
    boxes = [random.uniform(low, low + 0.6, (1000, 3)) for low in (np.zeros(3), np.full(3, 2.0))]
    xyz = np.concatenate([floor, *boxes]).astype(np.float32)
    path = tmp_path_factory.mktemp('scan') / 'room.npz'
    np.savez(path, xyz=xyz, color=random.integers(0, 255, xyz.shape).astype(np.uint8))
    return path
