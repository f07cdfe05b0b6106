"""Colours from use to use: different, in range, the same for the same state."""

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.models.color_variation import vary_colors
from mask3d_core.rooms.solids import box
import numpy as np


def test_colors_vary() -> None:
    red = box((1, 1, 1), Material((0.8, 0.2, 0.1), (0.3, 0.1, 0.1), 'blotches'))
    looks = [vary_colors(red, np.random.default_rng(state)).materials[0] for state in range(200)]
    assert len({look.color for look in looks}) == 200
    assert all(0 <= value <= 1 for look in looks for value in (*look.color, *look.second))
    assert all(look.pattern == 'blotches' for look in looks)
    assert looks[3] == vary_colors(red, np.random.default_rng(3)).materials[0]
    # most uses stay near the hue of the model
    assert 0.3 < np.mean([look.color[0] == max(look.color) for look in looks]) < 0.95


def test_white_models_get_a_color_at_times() -> None:
    white = box((1, 1, 1), Material((1.0, 1.0, 1.0)))
    colors = np.array([vary_colors(white, np.random.default_rng(state)).materials[0].color
                       for state in range(200)])
    assert 0.1 < (np.ptp(colors, axis=1) > 0.05).mean() < 0.5


def test_all_materials_change_alike() -> None:
    mesh = box((1, 1, 1), Material((0.5, 0.5, 0.5)))
    two = type(mesh)(mesh.vertices, mesh.faces, mesh.texture, mesh.material,
                     (Material((0.2, 0.2, 0.2)), Material((0.8, 0.8, 0.8))))
    for state in range(20):
        dark, bright = vary_colors(two, np.random.default_rng(state)).materials
        assert sum(dark.color) < sum(bright.color) and dark.scale == bright.scale
