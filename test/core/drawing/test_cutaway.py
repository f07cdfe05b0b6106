"""Which ceilings and walls a cutaway view hides."""

from __future__ import annotations

from mask3d_core.drawing.cutaway import without_ceiling, without_near_walls
import numpy as np
from numpy.typing import NDArray
import pytest


def plate(low: tuple[float, ...], high: tuple[float, ...], step: float = 0.06) -> NDArray:
    """Return points on an axis-parallel plate between two corners."""
    axes = [np.arange(a, b + step / 2, step) for a, b in zip(low, high)]
    return np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1).reshape(-1, 3)


FLOOR = plate((0, 0, 0), (5, 4, 0))
CEILING = plate((0, 0, 2.5), (5, 4, 2.5))
WALLS = {0: plate((5, 0, 0), (5, 4, 2.5)), 90: plate((0, 4, 0), (5, 4, 2.5)),
         180: plate((0, 0, 0), (0, 4, 2.5)), 270: plate((0, 0, 0), (5, 0, 2.5))}
TABLE = plate((2, 1.5, 0.7), (3, 2.5, 0.7))
CABINET = plate((2.2, 3.8, 0), (2.8, 3.8, 2))


def test_only_the_ceiling_is_hidden() -> None:
    room = np.concatenate([CEILING, FLOOR, *WALLS.values(), TABLE])
    kept = without_ceiling(room)
    assert not kept[:len(CEILING)].any()
    assert kept[room[:, 2] < 2.3].all()


@pytest.mark.parametrize('parts', [[FLOOR, *WALLS.values(), TABLE], [FLOOR, TABLE], [TABLE],
                                   [FLOOR * 20, CEILING * 20]])
def test_without_a_ceiling_nothing_is_hidden(parts: list[NDArray]) -> None:
    assert without_ceiling(np.concatenate(parts)).all()


@pytest.mark.parametrize('azimuth', WALLS)
def test_the_wall_in_front_is_hidden(azimuth: int) -> None:
    parts = [FLOOR, TABLE, *WALLS.values()]
    kept = np.split(without_near_walls(np.concatenate(parts), azimuth),
                    np.cumsum([len(part) for part in parts])[:-1])
    assert kept[0].all() and kept[1].all()
    upper = {side: wall[:, 2] > 0.5 for side, wall in WALLS.items()}
    shares = {side: kept[2 + place][upper[side]].mean() for place, side in enumerate(WALLS)}
    assert shares[azimuth] == 0
    assert shares[(azimuth + 180) % 360] == 1
    assert min(shares[(azimuth + 90) % 360], shares[(azimuth + 270) % 360]) > 0.8


def test_furniture_in_front_is_kept() -> None:
    scene = np.concatenate([FLOOR, CABINET, WALLS[270]])
    assert without_near_walls(scene, 90).all()
    assert without_near_walls(np.concatenate([FLOOR, TABLE]), 90).all()
