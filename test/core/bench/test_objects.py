"""The benchmark of objects that stay, with a segmenter that misses some of them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mask3d_core.bench.objects import MOTIONS, NUM_MAPS, run_object_bench
from mask3d_core.classes import ClassTable
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
import numpy as np
import pytest
from tracked_sheets import sheet, show

NUM_OBJECTS = 6


class ForgetfulSegmenter:
    """Knows the objects of one scan, and misses another one of them in each map."""

    def __init__(self, instances: Instances) -> None:
        self.weights = SimpleNamespace(classes=ClassTable((1,), ('thing',), ((0, 0, 0),)))
        self._instances = instances
        self._maps = 0

    def segment(self, scan: Scan, settings: Any) -> Instances:
        """Return the objects with the measures that they have in this scan."""
        self._maps += 1
        found = self._instances
        points = [scan.xyz[rows] for rows in found.rows]
        center = np.array([xyz.mean(axis=0) for xyz in points])
        size = np.array([np.ptp(xyz, axis=0) for xyz in points])
        found = replace(found, centroid=center, box_center=center, upright_center=center,
                        box_size=size, upright_size=size)
        return found.take([i for i in range(NUM_OBJECTS) if i != self._maps % NUM_OBJECTS])


def test_objects_stay_where_matching_alone_loses_them(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    places = [sheet(3 * (number % 3), 3 * (number // 3), 0.4 + 0.3 * number)
              for number in range(NUM_OBJECTS)]
    scan, instances = show(*places)
    monkeypatch.setattr('mask3d_core.bench.objects.read_scan', lambda file: scan)
    rows = run_object_bench([Path('room.ply')], ForgetfulSegmenter(instances),  # type: ignore
                            tmp_path / 'maps.png')
    kept = {row.trial: (row.kept, row.ids) for row in rows}
    assert kept[f'{NUM_MAPS} noisy maps, matched only'] == (0, NUM_OBJECTS)
    staying, ids = kept[f'{NUM_MAPS} noisy maps, objects that stay']
    assert staying >= NUM_OBJECTS - 1 and ids == NUM_OBJECTS
    again, all_ids = kept['restart, the same map']
    assert again == all_ids >= NUM_OBJECTS - 1
    assert all(kept[name][0] >= kept[name][1] - 1 > 0 for name in MOTIONS), kept
    assert (tmp_path / 'maps.png').exists()
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(rows)
