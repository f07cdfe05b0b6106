"""The back of a model is flat or high, and along a longer side."""

from mask3d_core.rooms.materials import Material
from mask3d_core.rooms.mesh import join, Mesh
from mask3d_core.rooms.models.facing import turns_to_back
from mask3d_core.rooms.solids import box
import numpy as np
import pytest

GREY = Material((0.5, 0.5, 0.5))


def chair() -> Mesh:
    """Return a seat on legs, with a thin back towards +y."""
    legs = [box((0.04, 0.04, 0.45), GREY).moved(x, y) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    return join([box((0.45, 0.45, 0.03), GREY).moved(z=0.45), *legs,
                 box((0.4, 0.03, 0.4), GREY).moved(0, 0.19, 0.5)])


def armchair() -> Mesh:
    """Return a seat between two closed arms, with a back towards +y."""
    arms = [box((0.15, 0.8, 0.6), GREY).moved(x) for x in (-0.35, 0.35)]
    return join([box((0.55, 0.8, 0.4), GREY), *arms, box((0.8, 0.15, 0.9), GREY).moved(y=0.33)])


def cabinet() -> Mesh:
    """Return an open box with its back towards +y."""
    sides = [box((0.02, 0.4, 0.8), GREY).moved(x) for x in (-0.6, 0.6)]
    boards = [box((1.2, 0.4, 0.02), GREY).moved(z=z) for z in (0, 0.4, 0.78)]
    return join([*sides, *boards, box((1.2, 0.01, 0.8), GREY).moved(y=0.195)])


@pytest.mark.parametrize('make', [chair, armchair, cabinet])
@pytest.mark.parametrize('turns', [0, 1, 2, 3])
def test_the_back_is_found_however_it_is_turned(make: object, turns: int) -> None:
    assert callable(make)
    mesh = make().turned(turns * np.pi / 2).moved(3, -2, 1)
    assert (turns_to_back(mesh.vertices[mesh.faces]) + turns) % 4 == 0


@pytest.mark.parametrize('size', [(1, 0.4, 0.8), (1, 1, 1), (0.5, 0.5, 0)])
def test_what_is_the_same_from_all_sides_stays(size: tuple[float, float, float]) -> None:
    mesh = box(size, GREY)
    assert turns_to_back(mesh.vertices[mesh.faces]) == 0


def test_the_longer_side_is_along_the_wall() -> None:
    mesh = box((0.4, 1, 0.8), GREY)
    assert turns_to_back(mesh.vertices[mesh.faces]) in (1, 3)
