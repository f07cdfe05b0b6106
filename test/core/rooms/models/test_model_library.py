"""The library: models by place and by the piece they stand for, sizes, tops, damaged models."""

from pathlib import Path
import sys

from mask3d_core.errors import InputError
from mask3d_core.rooms.models.model_library import load_library, SCALES, SIDE_SCALES
import numpy as np
import pytest
from tiny_catalogue import furniture_catalogue, TinyModel, write_catalogue
from tiny_gazebo import box_dae, write_model, write_world

pytest.importorskip('trimesh')


def test_models_by_place_and_maker(tmp_path: Path) -> None:
    library = load_library((furniture_catalogue(tmp_path / 'tiny.sh3f'),))
    names = {place: [model.name for model, _ in library.for_place(place)]
             for place in ('wall', 'floor', 'top', 'hung')}
    assert names == {'wall': ['Sofa', 'Bookcase'], 'floor': ['Chair', 'Plant'],
                     'top': ['Radio', 'Coffee mug'], 'hung': ['Upper cabinet']}
    assert [model.name for model, _ in library.for_maker('dining_table')] == ['Table']
    assert not library.for_maker('door')
    assert 'Truck' not in [model.name for model, _ in library.models]


def test_sizes_and_tops_vary_together(tmp_path: Path) -> None:
    library = load_library((furniture_catalogue(tmp_path / 'tiny.sh3f'),))
    (table,) = library.for_maker('dining_table')
    rng = np.random.default_rng(0)
    pieces = [library.make(table, rng) for _ in range(20)]
    heights = set()
    for piece in pieces:
        assert piece is not None and piece.name == 'table'
        factor = piece.size / table[0].size
        assert (factor >= SCALES[0] * SIDE_SCALES[0] - 0.01).all()
        assert (factor <= SCALES[1] * SIDE_SCALES[1] + 0.01).all()
        top = piece.tops[0]
        assert top.center[2] == pytest.approx(piece.size[2], abs=0.01)
        assert 0.9 < top.size[0] / piece.size[0] <= 1.01
        heights.add(round(float(piece.size[2]), 4))
    assert len(heights) > 10


def test_a_damaged_model_is_named_once_and_skipped(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f', [
        TinyModel('Sofa'), TinyModel('Couch', obj='nothing\n'), TinyModel('Bed', more={'id': ''})])
    library = load_library((file,))
    assert len(library.damaged) == 1 and 'model 3 of' in library.damaged[0]
    good, bad = library.for_maker('sofa')
    rng = np.random.default_rng(0)
    assert library.make(good, rng) is not None
    assert library.make(bad, rng) is None and library.make(bad, rng) is None
    assert capsys.readouterr().err.count('Couch (Tiny#model2) is left out') == 1


def test_gazebo_models_beside_a_catalogue(tmp_path: Path) -> None:
    pytest.importorskip('collada')
    world = write_world(tmp_path / 'world')
    write_model(world / 'models' / 'BookBroken', box_dae()[:900])
    other = write_world(tmp_path / 'other')  # the same models, which count once
    write_model(other / 'models' / 'ChairA_01', box_dae((0.5, 0.5, 0.7)))
    library = load_library((furniture_catalogue(tmp_path / 'tiny.sh3f'), other, world))
    chairs = [model for model, _ in library.for_maker('dining_chair')]
    assert [model.name for model in chairs] == ['Chair', 'Chair A 01', 'Chair A 01', 'Chair B 01']
    assert not [model for model, _ in library.models if 'Wall' in model.name]
    assert len(library.damaged) == 1 and 'BookBroken is left out' in library.damaged[0]
    rng = np.random.default_rng(0)
    sofa = library.make(next(known for known in library.models if known[0].name == 'Sofa A 01'),
                        rng)
    assert sofa is not None and sofa.name == 'sofa'
    assert sofa.size == pytest.approx((1.8, 0.8, 0.8), rel=0.15)


def test_a_mesh_that_vanishes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('collada')
    library = load_library((write_world(tmp_path / 'world'),))
    vase = next(known for known in library.models if known[0].name == 'Vase 01')
    (vase[0].file / vase[0].member).parent.joinpath('meshes', 'visual.DAE').unlink()
    assert library.make(vase, np.random.default_rng(0)) is None
    assert 'visual.DAE' in capsys.readouterr().err


def test_a_catalogue_without_furniture(tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / 'tiny.sh3f', [TinyModel('Bus', 'Vehicles', (250, 900, 300))])
    with pytest.raises(InputError, match='got none that belongs into a room'):
        load_library((file,))


def test_without_trimesh_it_says_what_to_install(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'trimesh', None)
    with pytest.raises(InputError, match=r'reading .sh3f needs the package trimesh: pip install'):
        load_library((furniture_catalogue(tmp_path / 'tiny.sh3f'),))
