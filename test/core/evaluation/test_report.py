"""Tables, JSON and pictures of scores."""

import json
from pathlib import Path

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.drawing.chart import BLACK, PLOT_LEFT, PLOT_SIZE, PLOT_TOP
from mask3d_core.errors import InputError
from mask3d_core.evaluation import Evaluation, find_protocol, make_truth, Predictions, Scores
from mask3d_core.evaluation.curves import draw_curves
from mask3d_core.evaluation.report import (
    format_run_time,
    format_table,
    measure_run_time,
    write_scores_json,
)
import numpy as np
from PIL import Image
import pytest

LABEL = np.repeat([3, 4, -1], 200)
MASKS = np.packbits(np.stack([LABEL == 3, np.arange(600) >= 390]), axis=1)


def scores_of(classes: ClassTable, benchmark: str, ids: tuple[int, int]) -> Scores:
    """Score one class that is found and one that is not."""
    evaluation = Evaluation(classes, find_protocol(benchmark))
    label = np.repeat([*ids, -1], 200)
    evaluation.add(Predictions(MASKS, 600, np.array(ids, np.int32), np.array([0.9, 0.8])),
                   make_truth(label, label))
    return evaluation.scores()


SCANNET = scores_of(load_classes('scannet20'), 'scannet', (3, 4))


def test_the_table() -> None:
    lines = [line.split() for line in format_table(SCANNET).splitlines()]
    assert lines[0] == ['percent', 'objects', 'AP', 'AP50', 'AP25']
    assert lines[1:4] == [['cabinet', '1', '100.0', '100.0', '100.0'],
                          ['bed', '1', '0.0', '0.0', '0.0'], ['chair', '0', '-', '-', '-']]
    assert lines[-2] == ['mean', 'of', '2', 'classes', '2', '50.0', '50.0', '50.0']
    assert lines[-1][:1] == ['class-agnostic']


def test_the_table_of_s3dis_has_precision_and_recall() -> None:
    text = format_table(scores_of(load_classes('s3dis'), 's3dis', (0, 4)))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][-2:] == ['precision', 'recall']
    assert lines[1] == ['ceiling', '1', '100.0', '100.0', '100.0', '100.0', '100.0']
    assert lines[5][-2:] == ['0.0', '0.0']
    assert lines[-2][-2:] == ['50.0', '50.0']


def test_the_table_of_scannet200_has_head_common_and_tail() -> None:
    text = format_table(scores_of(load_classes('scannet200'), 'scannet200', (2, 79)))
    means = {line.split()[2]: line.split()[3:] for line in text.splitlines()
             if line.startswith('mean of')}
    assert means['head'] == ['100.0', '100.0', '100.0']
    assert means['common'] == ['-', '-', '-']
    assert means['tail'] == ['0.0', '0.0', '0.0']


def test_json(tmp_path: Path) -> None:
    run_time = measure_run_time([{'unet': 1.0, 'decoder': 2.0}, {'unet': 3.0, 'decoder': 2.0}], 5,
                            'cpu')
    write_scores_json(tmp_path / 'scores.json', SCANNET, {'split': 'validation'}, run_time)
    content = json.loads((tmp_path / 'scores.json').read_text())
    assert content['split'] == 'validation'
    assert content['mean'] == {'AP': 0.5, 'AP50': 0.5, 'AP25': 0.5}
    rows = {row['name']: row for row in content['classes']}
    assert rows['cabinet'] == {'name': 'cabinet', 'id': 3, 'objects': 1, 'AP': 1.0, 'AP50': 1.0,
                               'AP25': 1.0}
    assert rows['chair']['AP'] is None
    assert content['seconds']['unet'] == {'median': 2.0, 'p95': 2.9}
    assert content['seconds']['together'] == {'median': 4.0, 'p95': 4.9}
    assert content['peak_bytes'] == 5
    with pytest.raises(InputError, match='missing'):
        write_scores_json(tmp_path / 'missing' / 'scores.json', SCANNET, {})


def test_cost() -> None:
    run_time = measure_run_time([{'unet': 1.0}, {'unet': 2.0}, {'unet': 9.0}], 12_000_000, 'cpu')
    assert 'unet 2.000 / 8.300' in format_run_time(run_time)
    assert 'peak memory: 12 MB' in format_run_time(run_time)


def colored(path: Path, color: tuple[int, int, int]) -> np.ndarray:
    """Return where the square of a picture has a colour: [482, 480] bool."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert('RGB')).astype(int)
    pixels = pixels[PLOT_TOP - 1:PLOT_TOP + PLOT_SIZE + 1, PLOT_LEFT:PLOT_LEFT + PLOT_SIZE]
    return np.abs(pixels - color).sum(axis=2) < 100


def test_curves(tmp_path: Path) -> None:
    draw_curves(tmp_path / 'curves.png', SCANNET)
    cabinet, bed = (colored(tmp_path / 'curves.png', color)
                    for color in SCANNET.classes.colors[:2])
    assert cabinet[:2].any()              # a perfect class is a line along the top
    assert not cabinet[100:].any()
    assert bed[-3:].any()                 # one that is never found is a line along the bottom
    assert not bed[:-100].any()


def test_curves_of_many_classes_are_means_over_groups(tmp_path: Path) -> None:
    table = load_classes('scannet200')
    label = np.repeat(table.ids[3:43], 100)
    masks = np.packbits(label == np.array(table.ids[3:43])[:, None], axis=1)
    evaluation = Evaluation(table, find_protocol('scannet200'))
    evaluation.add(Predictions(masks, len(label), np.array(table.ids[3:43], np.int32),
                               np.linspace(1, 0.5, 40)), make_truth(label, label))
    draw_curves(tmp_path / 'curves.png', evaluation.scores())
    assert not colored(tmp_path / 'curves.png', table.colors[3]).any()
    assert colored(tmp_path / 'curves.png', BLACK)[:2].any()


def test_curves_of_an_empty_evaluation(tmp_path: Path) -> None:
    evaluation = Evaluation(load_classes('scannet20'), find_protocol('scannet'))
    draw_curves(tmp_path / 'curves.png', evaluation.scores())
    assert (tmp_path / 'curves.png').stat().st_size > 0
