"""
Small rooms to train on: a floor with boxes, and a network that fits them.

Run as a script it is the command `mask3d` with the small network.
"""

from pathlib import Path
import sys

from mask3d_core.classes import ClassTable
from mask3d_core.cli import main
from mask3d_core.data.dataset import Dataset, ScanFacts
from mask3d_core.data.labels import LabelledScan, write_labelled
from mask3d_core.model.config import Backbone, BACKBONES
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray

CLASSES = ClassTable((1, 2, 3), ('floor', 'crate', 'bin'),
                     ((150, 150, 150), (200, 120, 40), (40, 90, 200)))
SMALL = 'small'
SETTINGS = {'voxel_size': '0.1', 'model.backbone': SMALL, 'model.hidden_dim': '32',
            'model.num_heads': '4', 'model.feedforward_dim': '64', 'model.num_queries': '12',
            'workers': '0', 'device': 'cpu', 'batch_size': '2'}
"""Of a run that takes seconds."""

BACKBONES[SMALL] = Backbone((16, 16, 24, 24, 24, 24, 16, 16), (1,) * 8)


def make_room(seed: int, name: str = '', size: float = 2.4, boxes: int = 4) -> LabelledScan:
    """Return a floor with crates and bins in the cells of a grid on it."""
    rng = np.random.default_rng(seed)
    floor = rng.uniform([0, 0, 0], [size, size, 0.02], (int(size * size * 300), 3))
    parts, colors = [floor], [np.broadcast_to([0.6, 0.6, 0.6], floor.shape)]
    label, instance = [np.full(len(floor), 1)], [np.full(len(floor), -1)]
    cells = rng.permutation(9)[:boxes]
    for number, cell in enumerate(cells):
        kind = number % 2
        corner = np.array([cell % 3, cell // 3, 0]) * size / 3 + [0.15, 0.15, 0]
        extent = np.array([0.5, 0.5, 0.3]) if kind else np.array([0.35, 0.35, 0.7])
        points = corner + extent * _surface(rng, 250)
        parts.append(points)
        colors.append(np.broadcast_to([[0.8, 0.5, 0.2], [0.2, 0.4, 0.8]][kind], points.shape))
        label.append(np.full(len(points), 2 + kind))
        instance.append(np.full(len(points), number))
    color = np.concatenate(colors) + rng.uniform(-0.05, 0.05, (sum(map(len, parts)), 3))
    scan = Scan.from_points(np.concatenate(parts).astype(np.float32),
                            np.clip(color * 255, 0, 255).astype(np.uint8))
    return LabelledScan(scan, np.concatenate(label).astype(np.int32),
                        np.concatenate(instance).astype(np.int32), name or f'room{seed}')


def arguments(data: Path, output: Path, *keys: str) -> list[str]:
    """Return the keys of a small run; those given win."""
    settings = SETTINGS | {'data': str(data), 'output': str(output)}
    settings |= {key.removeprefix('--'): value for key, value in zip(keys[::2], keys[1::2])}
    return [word for key, value in settings.items() for word in (f'--{key}', value)]


def _surface(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Sample the unit cube's sides and top."""
    points = rng.random((count, 3))
    face = rng.integers(5, size=count)
    axis, side = np.array([0, 0, 1, 1, 2])[face], np.array([0, 1, 0, 1, 1])[face]
    points[np.arange(count), axis] = side
    return points


def write_dataset(folder: Path, rooms: list[LabelledScan]) -> Path:
    """Write rooms as a prepared data set: all for training, the first two to measure."""
    (folder / 'scans').mkdir(parents=True)
    names = tuple(room.name for room in rooms)
    dataset = Dataset(folder, 'toy', CLASSES, ('floor',),
                      {'train': names, 'validation': names[:2]}, {},
                      {room.name: ScanFacts.of(room) for room in rooms}, voxel_size=0.1,
                      min_region_size=20)
    dataset.save()
    for room in rooms:
        write_labelled(dataset.path(room.name), room)
    return folder


if __name__ == '__main__':
    sys.exit(main())
