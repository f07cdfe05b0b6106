"""Small clouds of points on which clustering is difficult."""

import numpy as np
from numpy.typing import NDArray

KINDS = ('normal', 'lattice', 'voxels', 'line', 'far', 'blobs', 'duplicates', 'flat', 'chain')


def cloud(kind: str, size: int, random: np.random.Generator) -> tuple[NDArray, float]:
    """Return points of a kind, and an eps that matters to them."""
    if kind == 'normal':
        return random.normal(size=(size, 3)), random.choice([0.01, 0.1, 0.3, 0.5, 1, 100])
    if kind == 'lattice':        # exactly at eps, along axes and diagonals
        return (random.integers(-3, random.integers(-1, 6), (size, 3)).astype(float),
                np.sqrt(random.integers(1, 13)))
    if kind == 'voxels':         # as a scan has them: float32, not representable
        return (random.integers(-8, 9, (size, 3)) * np.float32(0.02),
                random.choice([0.02, 0.02 * np.sqrt(2), 0.04, 0.05]))
    if kind == 'line':
        return (random.integers(0, 200, (size, 1)) * np.array([[1., 2, -1]]) / 8,
                random.integers(1, 20) * np.sqrt(6) / 8)
    if kind == 'far':
        return (1e4 + random.normal(size=(size, 3))).astype(np.float32), random.uniform(0.1, 0.5)
    if kind == 'blobs':          # dense, a bridge's length apart
        return (random.normal(size=(size, 3)) * 0.05 + random.integers(0, 3, (size, 3)),
                random.choice([0.05, 0.3, 0.8, 0.9, 1, 1.1]))
    if kind == 'duplicates':
        return np.repeat(random.normal(size=(size // 4 + 1, 3)), 4, axis=0), random.uniform(0, 0.6)
    if kind == 'flat':
        return random.uniform(-2, 2, (size, 3)) * (1, 1, 0), random.choice([0.1, 0.3, 0.5])
    steps = random.choice([0.25, 0.5, 0.5, 0.75], (size, 3)) * random.integers(0, 2, (size, 3))
    return random.permutation(np.cumsum(steps, axis=0)), random.choice([0.5, 0.75, 1])
