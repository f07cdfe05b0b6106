"""Patterns at known positions, and random materials."""

from __future__ import annotations

from collections.abc import Callable

from mask3d_core.rooms import materials
from mask3d_core.rooms.materials import hsv, Material, paint_colors, PATTERNS, value_noise
import numpy as np
from numpy.typing import NDArray
import pytest

BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
MAKERS = [materials.wood, materials.paint, materials.lacquer, materials.plastic, materials.fabric,
          materials.leather, materials.metal, materials.ceramic, materials.stone, materials.tiles,
          materials.carpet, materials.paper, materials.cardboard, materials.leaves,
          materials.picture, materials.screen]


def brightness(pattern: str, places: list[tuple[float, float, float]]) -> list[float]:
    """Return how white a black material with a white pattern of 10 cm is at some places."""
    material = Material(BLACK, WHITE, pattern, 0.1)
    colors = paint_colors([material], np.zeros(len(places), int), np.array(places))
    assert (colors == colors[:, :1]).all()
    return colors[:, 0].tolist()


def test_each_point_has_the_colour_of_its_material() -> None:
    colors = paint_colors([Material(BLACK), Material((0.2, 0.4, 0.6), WHITE)], np.array([1, 0, 1]),
                          np.random.default_rng(0).normal(0, 1, (3, 3)))
    assert colors.tolist() == [[0.2, 0.4, 0.6], [0, 0, 0], [0.2, 0.4, 0.6]]


def test_stripes_change_along_one_axis_only() -> None:
    places = [(0.05, 0, 0), (0.15, 0, 0), (0.25, 0, 0), (0.05, 0.33, 0.77)]
    assert brightness('stripes', places) == [0, 1, 0, 0]


def test_checks_change_along_every_axis() -> None:
    places = [(0.05, 0.05, 0.05), (0.15, 0.05, 0.05), (0.15, 0.15, 0.05), (0.15, 0.15, 0.15)]
    assert brightness('checks', places) == [0, 1, 0, 1]


def test_tiles_have_joints_every_tile() -> None:
    """On the floor, z = 0, which is an integer everywhere and must be ignored."""
    places = [(0.05, 0.05, 0), (0.1, 0.05, 0), (0.05, 0.2, 0), (0.104, 0.05, 0), (0.1, 0.2, 0)]
    assert brightness('tiles', places) == [0, 1, 1, 0, 1]
    assert brightness('tiles', [(0.05, 0.033, 0.05), (0.05, 0.033, 0.102)]) == [0, 1]


@pytest.mark.parametrize('pattern', ['grain', 'blotches'])
def test_soft_patterns_take_all_shades_and_have_no_edges(pattern: str) -> None:
    way = np.zeros((2000, 3)) + 0.03
    way[:, 1] = np.linspace(0, 2, 2000)
    shades = np.array(brightness(pattern, way.tolist()))
    assert shades.min() < 0.2 and shades.max() > 0.8
    assert np.abs(np.diff(shades)).max() < 0.1


def test_grain_runs_along_one_axis() -> None:
    way = np.linspace(0, 2, 500)
    along, across = (np.outer(way, axis) + 0.03 for axis in np.eye(3)[:2])
    turns = [np.abs(np.diff(brightness('grain', places.tolist()))).sum()
             for places in (along, across)]
    assert turns[0] < 0.4 * turns[1]


def test_prints_have_fields_of_both_colours_and_others() -> None:
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    places = np.random.default_rng(0).uniform(0, 1, (5000, 3))
    colors = paint_colors([Material(red, blue, 'print', 0.1)], np.zeros(5000, int), places)
    share = [(colors == color).all(1).mean() for color in (red, blue)]
    assert min(share) > 0.15 and sum(share) < 0.9
    assert colors.min() >= 0 and colors.max() <= 1


def test_noise_is_smooth_and_depends_on_the_seed() -> None:
    places = np.random.default_rng(0).uniform(-20, 20, (4000, 3))
    values = value_noise(places, 1)
    assert 0 <= values.min() < 0.2 and 0.8 < values.max() <= 1
    assert np.abs(value_noise(places + (1e-4, 0, 0), 1) - values).max() < 1e-3
    assert np.array_equal(value_noise(places, np.full(4000, 1)), values)
    assert abs(np.corrcoef(value_noise(places, 2), values)[0, 1]) < 0.1


def test_hues_are_cyclic_and_the_others_are_clipped() -> None:
    assert hsv(0, 1, 1) == hsv(1, 2, 7) == (1, 0, 0)
    assert hsv(0.5, -1, 0.3) == (0.3, 0.3, 0.3)


@pytest.mark.parametrize('maker', MAKERS)
def test_random_materials_are_valid(maker: Callable[[np.random.Generator], Material]) -> None:
    drawn = [maker(np.random.default_rng(seed)) for seed in range(40)]
    for material in drawn:
        assert material.pattern in PATTERNS and 0.02 <= material.scale <= 1.5
        assert 0 <= min(material.color + material.second) <= max(
            material.color + material.second) <= 1
        assert 0 <= material.gloss <= 1 and 0 <= material.speckle < 0.1
        if material.pattern not in ('plain', 'print'):
            assert material.color != material.second
    assert len(set(drawn)) > 20
    assert maker(np.random.default_rng(3)) == drawn[3]


def points_of(material: Material) -> NDArray[np.float64]:
    """Return the colours of a square metre of a material."""
    places = np.random.default_rng(1).uniform(0, 1, (500, 3)) * (1, 1, 0)
    return paint_colors([material], np.zeros(500, int), places)


def test_leaves_are_green_and_cardboard_brown() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        red, green, blue = points_of(materials.leaves(rng)).mean(0)
        assert green > max(red, blue)
        red, green, blue = points_of(materials.cardboard(rng)).mean(0)
        assert red > green > blue
