"""Heatmaps and features of a scan, by hand-made predictions and by the shipped weights."""

from pathlib import Path

from command_line import mask3d, weights_file
from mask3d_core.errors import InputError
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import read_scan
from mask3d_core.inspection import inspect_scan
from mask3d_core.inspection.figures import heat_panels
from mask3d_core.inspection.inspection import component_colors, query_heat
from mask3d_core.model import Prediction
from mask3d_core.segmenter import load_segmenter
from mask3d_core.voxels import Voxels
import numpy as np
from PIL import Image
import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
__all__ = ['weights_file']


def voxels(count: int, segment: torch.Tensor | None = None) -> Voxels:
    """Return that many voxels in a row."""
    coords = torch.stack([torch.arange(count), *torch.zeros(2, count, dtype=torch.int64)], 1)
    return Voxels(coords, torch.ones(count, 1), coords.float(), np.zeros(3), torch.arange(count),
                  segment, 1.0)


def test_the_heat_is_that_of_the_query_that_overlaps_most() -> None:
    logits = torch.full((6, 3), -9.0)
    logits[:2, 0] = 9.0
    logits[2:, 1] = 9.0
    logits[:, 2] = 9.0
    heat = query_heat(Prediction(torch.zeros(3, 2), logits), voxels(6),
                      [np.array([0, 1]), np.array([3, 4, 5])])
    assert heat.T.tolist() == [[255, 255, 0, 0, 0, 0], [0, 0, 255, 255, 255, 255]]


def test_the_heat_of_a_model_on_segments_is_that_of_the_voxels_segments() -> None:
    logits = torch.tensor([[9.0], [-9.0]])
    heat = query_heat(Prediction(torch.zeros(1, 2), logits),
                      voxels(3, torch.tensor([0, 1, 0])), [np.array([0])])
    assert heat[:, 0].tolist() == [255, 0, 255]


def test_the_first_component_is_the_widest_direction() -> None:
    features = torch.zeros(101, 4)
    features[:, 2] = torch.linspace(-1, 1, 101)
    colors = component_colors(features)
    assert {int(colors[0, 0]), int(colors[-1, 0])} == {0, 255}
    assert abs(int(colors[50, 0]) - 127) <= 1


def test_few_channels_leave_components_empty() -> None:
    assert component_colors(torch.eye(2)).shape == (2, 3)


def test_an_inspection_has_the_instances_of_the_segmenter() -> None:
    segmenter = load_segmenter()
    scan = read_scan(ROOT / 'demo' / 'office.ply')
    settings = ExtractSettings(score_threshold=0.3)
    whole, instances, inspection = inspect_scan(segmenter, scan, settings)
    plain = segmenter.segment_at_once(scan, settings)
    assert np.array_equal(instances.score, plain.score)
    assert all(np.array_equal(a, b) for a, b in zip(instances.rows, plain.rows))
    assert np.allclose(instances.upright_center, plain.upright_center)
    assert whole.segment is not None and len(whole) == len(scan) == len(inspection.voxel)
    for row, index in enumerate(inspection.instance.tolist()):
        heat = inspection.heat[inspection.voxel, row].astype(float)
        inside = instances.mask(index)[scan.kept]
        assert heat[inside].mean() > 4 * heat[~inside].mean()
    assert inspection.features.std(axis=0).min() > 20
    assert heat_panels(instances, inspection)[0].title.startswith('chair 0.')


def test_another_engine_has_no_features(weights_file: Path) -> None:
    segmenter = load_segmenter(weights_file)
    segmenter.engine = object()  # type: ignore[assignment]
    with pytest.raises(InputError, match='need the engine torch'):
        inspect_scan(segmenter, read_scan(ROOT / 'demo' / 'office.ply'))


def test_the_command_draws_three_figures(weights_file: Path, tmp_path: Path) -> None:
    scan = ROOT / 'demo' / 'office.ply'
    done = mask3d('figures', scan, '-o', tmp_path / 'out', '--weights', weights_file,
                  '--score-threshold', '0')
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert names == ['office_dbscan.png', 'office_features.png', 'office_heatmaps.png']
    assert Image.open(tmp_path / 'out' / 'office_features.png').size == (1440, 428)


def test_a_distance_of_nothing_is_refused(tmp_path: Path) -> None:
    done = mask3d('figures', ROOT / 'demo' / 'office.ply', '-o', tmp_path, '--dbscan-eps', '0')
    assert done.returncode == 1 and 'expected --dbscan-eps above 0' in done.stderr
