"""The weights that ship: there, small, honest about their origin, and of use."""

from pathlib import Path

from mask3d_core.checkpoint import load_weights
from mask3d_core.classes import load_classes
from mask3d_core.files import read_scan
from mask3d_core.segmenter import load_segmenter
from mask3d_core.shipped import shipped_weights
import numpy as np

LARGEST = 12e6
"""Bytes: what the repository carries."""
OFFICE = Path(__file__).parents[2] / 'demo' / 'office.ply'


def test_the_file_is_small_and_says_where_it_comes_from() -> None:
    weights = load_weights(shipped_weights())

    assert shipped_weights().stat().st_size <= LARGEST
    assert weights.licence == 'Apache-2.0'
    assert weights.classes == load_classes('rooms').without(['wall', 'floor'])
    assert {'command', 'seed', 'scores'} <= set(weights.trained)


def test_a_real_scan_has_objects() -> None:
    scan = read_scan(OFFICE)

    found = load_segmenter(device='cpu').segment(scan)

    assert len(found) >= 3
    assert found.score.max() > 0.5
    covered = found.point_instance() >= 0
    assert 0.05 < covered.mean() < 0.95
    assert np.all(np.diff(found.score) <= 0)
