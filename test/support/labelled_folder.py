"""A folder of labelled scans, and `mask3d prepare folder` on it."""

from __future__ import annotations

from pathlib import Path

from mask3d_core.cli import main
from mask3d_core.data.labels import LabelledScan, write_labelled
import numpy as np
import pytest

TABLE = 'id\tname\n1\tpallet\n4\tforklift\n'


def labelled(seed: int, name: str = 'a', label: int = 1, color: bool = True) -> LabelledScan:
    """Return 50 points, half of them one object."""
    rng = np.random.default_rng(seed)
    columns = {'xyz': rng.uniform(0, 3, (50, 3)).astype(np.float32),
               'label': np.repeat([-1, label], 25), 'instance': np.repeat([-1, 3], 25)}
    if color:
        columns['color'] = rng.integers(0, 256, (50, 3), dtype=np.uint8)
    return LabelledScan.from_columns(columns, name)


@pytest.fixture
def plys(tmp_path: Path) -> Path:
    """Return a folder of five labelled scans and a class table beside it."""
    (tmp_path / 'plys').mkdir()
    for number in range(5):
        write_labelled(tmp_path / 'plys' / f'hall_{number}.ply', labelled(number))
    (tmp_path / 'table.tsv').write_text(TABLE)
    return tmp_path / 'plys'


def run(plys: Path, *more: str) -> int:
    """Prepare the folder; return the exit status."""
    folder = plys.parent
    return main(['prepare', 'folder', str(plys), str(folder / 'out'), '--classes',
                 str(folder / 'table.tsv'), '--workers', '1', *more])
