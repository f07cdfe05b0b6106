"""Textures: groups of triangles by their mean colour, two colours each."""

from mask3d_core.rooms.models.texture import paint_from_texture
import numpy as np
from PIL import Image
import pytest

CORNERS = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], np.float64)
FACES = np.array([(0, 1, 2), (0, 2, 3)])
WHOLE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)


def test_a_plain_image_is_one_plain_material() -> None:
    mesh = paint_from_texture(CORNERS, FACES, Image.new('RGB', (8, 8), (51, 102, 204)), WHOLE)
    (material,) = mesh.materials
    assert material.pattern == 'plain' and material.color == pytest.approx((0.2, 0.4, 0.8))
    assert mesh.material.tolist() == [0, 0]


def test_dark_and_bright_halves_are_the_two_colors() -> None:
    image = Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) // 4 % 2 * 255)
    mesh = paint_from_texture(CORNERS, FACES, image, WHOLE * 3)
    assert {material.pattern for material in mesh.materials} == {'blotches'}
    assert all(max(material.color) < min(material.second) for material in mesh.materials)


def test_triangles_of_different_color_get_different_materials() -> None:
    image = Image.new('RGB', (32, 32), (255, 0, 0))
    image.paste((0, 0, 255), (16, 0, 32, 32))
    left, right = WHOLE * (0.4, 1), WHOLE * (0.4, 1) + (0.55, 0)
    mesh = paint_from_texture(np.concatenate([CORNERS, CORNERS]),
                              np.concatenate([FACES, FACES + 4]), image,
                              np.concatenate([left, right]))
    colors = [mesh.materials[number].color for number in mesh.material]
    assert colors == [(1, 0, 0), (1, 0, 0), (0, 0, 1), (0, 0, 1)]


def test_transparent_pixels_have_no_color() -> None:
    image = Image.new('RGBA', (16, 16), (255, 255, 255, 0))
    image.paste((0, 128, 0, 255), (0, 0, 8, 16))
    mesh = paint_from_texture(CORNERS, FACES, image, WHOLE)
    for material in mesh.materials:
        assert material.color == pytest.approx((0, 128 / 255, 0))


def test_places_outside_the_image_repeat_it() -> None:
    image = Image.new('RGB', (16, 16), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 16, 8))  # above
    below = WHOLE * (1, 0.4) + (7, -3.0)
    mesh = paint_from_texture(CORNERS, FACES, image, below)
    assert [material.color for material in mesh.materials] == [(1, 0, 0)]
