"""Rooms with models: both kinds of pieces, in their places; without models nothing changes."""

from collections import Counter
from functools import partial
from pathlib import Path

from mask3d_core.classes import load_classes
from mask3d_core.rooms.arrangement import Arrangement
from mask3d_core.rooms.floorplan import random_plan
from mask3d_core.rooms.furniture import bathroom, beds, chairs, openings, tables
from mask3d_core.rooms.models.model_furnisher import ModelFurnisher, SHARE_PER_MODEL
from mask3d_core.rooms.models.model_library import load_library, ModelLibrary
from mask3d_core.rooms.room import make_room
import numpy as np
import pytest
from tiny_catalogue import furniture_catalogue, TinyModel, write_catalogue

pytest.importorskip('trimesh')


def furnisher(folder: Path, seed: int = 0) -> ModelFurnisher:
    """Return the furnisher of an empty room of 5 x 4 m."""
    library = load_library((furniture_catalogue(folder / 'tiny.sh3f'),))
    return ModelFurnisher(library, empty_room(seed))


def empty_room(seed: int = 0) -> Arrangement:
    """Return an empty room of 5 x 4 m."""
    rng = np.random.default_rng(seed)
    return Arrangement(random_plan(rng, 5, 4), rng)


def test_a_model_stands_for_a_piece_at_times(tmp_path: Path) -> None:
    f = furnisher(tmp_path)
    # the model of a chair is a cube, so it has 12 triangles
    cubes = [len(f.make((chairs.dining_chair,)).mesh.faces) == 12 for _ in range(300)]
    assert np.mean(cubes) == pytest.approx(SHARE_PER_MODEL, abs=0.08)
    assert all(f.make((openings.door,)).name == 'door' for _ in range(20))


def test_chairs_around_a_table_are_equal(tmp_path: Path) -> None:
    f = furnisher(tmp_path)
    for state in range(20):
        first, second = (f.make_with(chairs.dining_chair, np.random.default_rng(state))
                         for _ in range(2))
        assert np.array_equal(first.mesh.vertices, second.mesh.vertices)


def test_models_are_added_in_their_places(tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    for seed in range(12):
        f = furnisher(tmp_path, seed)
        table, bed = f.make((tables.dining_table,)), f.make((beds.bed,))
        f.room.place(table, (1.5, 1.2, 0))
        f.room.place_against_wall(bed)
        before = set(map(id, f.room.placed))
        f.add_pieces()
        for placed in f.room.placed:
            if id(placed) not in before:
                low, high = placed.bounds
                found[placed.piece.name, 'low' if low[2] < 0.01 else 'high'] += 1
                assert high[2] <= f.room.plan.height
                if placed.piece.name == 'cabinet':
                    assert 1.0 < low[2] < 1.9
    assert {('sofa', 'low'), ('chair', 'low'), ('object', 'high'), ('cabinet', 'high')} <= set(
        found)
    assert ('sofa', 'high') not in found and ('chair', 'high') not in found


def test_what_belongs_into_bathrooms_is_added_there_only(tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f', [TinyModel('Bidet', 'Bathroom', (40, 50, 40))])
    f = ModelFurnisher(load_library((file,)), empty_room())
    for _ in range(20):
        f.add_pieces()
    assert not f.room.placed
    f.room.place_against_wall(bathroom.toilet(f.rng))
    for _ in range(20):
        f.add_pieces()
    assert {'toilet', 'otherfurniture'} <= {placed.piece.name for placed in f.room.placed}


def test_a_library_without_small_models_adds_none(tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f', [TinyModel('Sofa', size=(180, 80, 80))])
    library = load_library((file,))
    assert isinstance(library, ModelLibrary)
    f = ModelFurnisher(library, empty_room())
    f.room.place(f.make((tables.dining_table,)), (1.5, 1.2, 0))
    f.add_pieces()
    assert {placed.piece.name for placed in f.room.placed} <= {'sofa', 'table', 'object',
                                                              'otherfurniture'}


def test_rooms_with_models(tmp_path: Path) -> None:
    library = load_library((furniture_catalogue(tmp_path / 'tiny.sh3f'),))
    classes = load_classes('rooms')
    for seed in range(4):
        one, same, ours = (make_room(np.random.default_rng(seed), classes, False, *how)
                           for how in ((partial(ModelFurnisher, library),),) * 2 + ((),))
        assert np.array_equal(one.mesh.vertices, same.mesh.vertices)
        assert one.mesh.materials == same.mesh.materials
        assert not np.array_equal(one.mesh.vertices, ours.mesh.vertices)
