"""The page of an evaluation, with the command that writes it."""

from dataclasses import replace
from pathlib import Path
import re

from browser import open_browser
from command_line import mask3d
from mask3d_core.data.dataset import Dataset
from mask3d_core.extraction.postprocess import measure_masks
from mask3d_core.files.results import write_instances_npz
import numpy as np
import pytest
from toy_rooms import CLASSES, make_room, write_dataset


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data set, and beside it predictions: all objects of room 0, one of room 1."""
    folder = write_dataset(tmp_path / 'data', [make_room(seed) for seed in (0, 1)])
    (tmp_path / 'found').mkdir()
    for name, count in (('room0', 4), ('room1', 1)):
        room = Dataset.open(folder).read(name)
        masks = [np.flatnonzero(room.instance == number) for number in range(count)]
        found = measure_masks(masks, room.scan, CLASSES)
        label = np.array([room.label[mask[0]] for mask in masks], np.int32)
        write_instances_npz(tmp_path / 'found' / f'{name}.npz', replace(
            found, class_id=label, score=np.linspace(0.9, 0.6, count).astype(np.float32)))
    return folder


def test_the_worst_scan_is_first(data: Path, tmp_path: Path) -> None:
    out = tmp_path / 'mistakes.html'
    done = mask3d('evaluate', data, '--predictions', tmp_path / 'found', '-o', tmp_path / 'out',
                  '--html', out)
    assert done.returncode == 0, done.stderr
    notes = re.findall(r'"label": "(\w+)", "stamp": null, "note": "([^"]*)"', out.read_text())
    assert notes == [('room1', '3 missed, 0 false, 1 found; F1 0.40'),
                     ('room0', '0 missed, 0 false, 4 found; F1 1.00')]
    with open_browser(tmp_path) as page:
        page.open(out.as_uri())
        assert page.run('document.querySelectorAll(".scan").length') == 2
        assert page.run('viewer.views') == ['prediction status', 'truth status']
        page.run('document.querySelectorAll("#tabs button")[2].click()')
        assert page.run('[...document.querySelectorAll(".item")].map(i => i.className)') == [
            'item right', 'item wrong', 'item wrong', 'item wrong']
        page.run('document.querySelectorAll("#tabs button")[0].click()')
        page.run('document.querySelectorAll(".scan")[1].click()')
        page.wait('viewer.scene.name === "room0"')
        assert page.errors == []


def test_the_page_goes_with_a_data_set(tmp_path: Path) -> None:
    done = mask3d('evaluate', '--ground-truth', tmp_path, '--predictions', tmp_path, '--classes',
                  'rooms', '--html', tmp_path / 'page.html')
    assert done.returncode == 2 and '--html goes with a DATASET' in done.stderr
