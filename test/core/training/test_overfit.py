"""A model overfits two small rooms: data, targets, loss, schedule and scores agree."""

import csv
from pathlib import Path

from mask3d_core.training.config import load_config
from mask3d_core.training.loop import train
import pytest
from toy_rooms import arguments, make_room, write_dataset

UNCHANGED = [word for key in ('flip', 'elastic', 'scale', 'yaw', 'tilt', 'contrast', 'brightness',
                              'color_shift') for word in (f'--augmentation.{key}', '0')]


@pytest.mark.slow  # two to five minutes on one core: batch norms need that many steps
def test_two_rooms_are_learned_by_heart(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / 'data', [make_room(0), make_room(1)])
    train(load_config(None, arguments(
        data, tmp_path / 'run', '--augmentation.shift', 'false', *UNCHANGED,
        '--model.backbone', 'Res16UNet14A', '--model.hidden_dim', '64', '--epochs', '300',
        '--validate_every', '100', '--learning_rate', '1e-3')))
    with open(tmp_path / 'run' / 'scores.csv', newline='') as file:
        scores = list(csv.DictReader(file))[-1]
    assert float(scores['AP50']) > 0.95
