"""The table of kinds: names before categories, sizes, classes and makers that exist."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
import pkgutil

from mask3d_core.classes import load_classes
from mask3d_core.rooms import furniture
from mask3d_core.rooms.models import kinds
from mask3d_core.rooms.models.catalogue_model import CatalogueModel
from mask3d_core.rooms.models.gazebo_models import CATEGORY, words_of
from mask3d_core.rooms.models.kinds import kind_of, PLACES
import pytest


def described(name: str, category: str = 'Living room',
              size: tuple[float, float, float] = (50, 50, 50)) -> CatalogueModel:
    """Return a model of a size in centimetres."""
    width, depth, height = size
    return CatalogueModel(Path('a.sh3f'), 'Tiny#1', name, category, 'a.obj',
                          (width / 100, depth / 100, height / 100))


def gazebo(name: str, size: tuple[float, float, float]) -> CatalogueModel:
    """Return a Gazebo model of a size in centimetres."""
    return replace(described(words_of(name), CATEGORY, size),
                   key=f'aws_robomaker_residential_{name}')


@pytest.mark.parametrize(('name', 'category', 'class_name', 'place'), [
    ('Bed 90x190', 'Bedroom', 'bed', ''),
    ('Bedside table', 'Bedroom', 'cabinet', 'wall'),
    ('Night table', 'Bedroom', 'cabinet', 'wall'),
    ('Coffee table', 'Living room', 'table', 'floor'),
    ('Corner sofa', 'Living room', 'sofa', 'wall'),
    ('Table fan', 'Miscellaneous', 'otherfurniture', 'top'),
    ('Desk lamp', 'Lights', 'otherfurniture', 'top'),
    ('DESK', 'Office', 'desk', ''),
    ('Bookcase', 'Living room', 'bookshelf', 'wall'),
    ('Bookcase', 'Office', 'cabinet', 'wall'),
    ('Deck chair', 'Exterior', 'chair', 'floor'),
    ('Towel rack', 'Bathroom', 'otherfurniture', 'hung'),
    ('Cup', 'Kitchen', 'object', 'top'),
    ('Cupboard', 'Kitchen', 'cabinet', 'wall'),
])
def test_names_decide_before_categories(name: str, category: str, class_name: str, place: str,
                                        ) -> None:
    kind = kind_of(described(name, category))
    assert kind is not None and (kind.name, kind.place) == (class_name, place)


@pytest.mark.parametrize(('name', 'size', 'class_name', 'place'), [
    ('ChairA_01', (44, 47, 91), 'chair', 'floor'),
    ('OfficeChairBlack', (60, 60, 100), 'chair', ''),
    ('SofaB_01', (84, 73, 90), 'chair', 'floor'),
    ('SofaC_01', (242, 244, 97), 'sofa', 'wall'),
    ('DeskPortraitA_01', (17, 10, 23), 'object', 'top'),
    ('PortraitA_01', (49, 2, 69), 'picture', 'hung'),
    ('TVCabinet_01', (279, 60, 49), 'cabinet', 'wall'),
    ('TV_01', (130, 5, 80), 'otherfurniture', 'hung'),
    ('NightStand_01', (73, 47, 68), 'cabinet', 'wall'),
    ('ReadingDesk_01', (114, 52, 74), 'desk', ''),
    ('Refrigerator_01', (104, 83, 194), 'refrigerator', ''),
    ('AirconditionerA_01', (97, 21, 48), 'otherfurniture', 'hung'),
    ('AirconditionerB_01', (50, 37, 201), 'otherfurniture', 'wall'),
    ('Curtain_01', (242, 9, 246), 'curtain', 'wall'),
])
def test_gazebo_models_are_known_by_their_names(
        name: str, size: tuple[float, float, float], class_name: str, place: str) -> None:
    kind = kind_of(gazebo(name, size))
    assert kind is not None and (kind.name, kind.place) == (class_name, place)


@pytest.mark.parametrize(('name', 'size'), [
    ('Door_01', (100, 15, 222)), ('RoomWall_01', (300, 10, 186)), ('FloorB_01', (300, 300, 1)),
    ('RoomCeiling_01', (300, 300, 66)), ('RoomWindow_01', (235, 10, 170)),
    ('HouseWallB_01', (340, 340, 300)), ('FemaleVisitorSit', (50, 80, 130)),
    ('MalePatientBed', (100, 200, 100)), ('Carpet_01', (346, 340, 5)),
    ('curtain_open_01', (238, 293, 292)), ('KitchenCabinet_01', (258, 322, 113)),
    ('CookingBench_01', (100, 54, 10)), ('Turtlebot', (40, 40, 40))])
def test_gazebo_models_with_no_known_word_are_left_out(
        name: str, size: tuple[float, float, float]) -> None:
    assert kind_of(gazebo(name, size)) is None


@pytest.mark.parametrize(('name', 'category'), [
    ('Door', 'Doors and windows'), ('Spiral staircase', 'Staircases'), ('Female', 'Characters'),
    ('Bus', 'Vehicles'), ('Bush', 'Exterior'), ('Square type A plug', 'Miscellaneous'),
    ('Double vanity', 'Bathroom'), ('Sink cabinet', 'Kitchen'), ('Mezzanine bed', 'Bedroom'),
    ('Plate, glass and cutlery', 'Kitchen'), ('Chandelier', 'Lights'), ('Round carpet', 'Home')])
def test_what_has_no_right_label_is_left_out(name: str, category: str) -> None:
    assert kind_of(described(name, category)) is None


def test_what_is_unclear_is_an_object_or_other_furniture() -> None:
    small, large = kind_of(described('Thing')), kind_of(described('Thing', size=(80, 80, 80)))
    assert large is not None and (large.name, large.place) == ('otherfurniture', 'floor')
    assert small is not None and small.name == 'otherfurniture'
    hand_size = kind_of(described('Thing', size=(20, 20, 20)))
    assert hand_size is not None and (hand_size.name, hand_size.place) == ('object', 'top')


def test_the_height_tells_lamps_and_plants_apart() -> None:
    low, high = (kind_of(described('Lamp', 'Lights', (40, 40, height))) for height in (60, 150))
    assert low is not None and low.place == 'top' and low.stands_for == ('table_lamp',)
    assert high is not None and high.place == 'floor' and high.stands_for == ('floor_lamp',)


@pytest.mark.parametrize('size', [(2, 20, 1), (100, 400, 100)])
def test_what_is_too_thin_or_too_large_is_left_out(size: tuple[float, float, float]) -> None:
    assert kind_of(described('Sofa', size=size)) is None


def test_all_rows_name_classes_places_and_makers_that_exist() -> None:
    makers = {name for module in pkgutil.iter_modules(furniture.__path__)
              for name in vars(import_module(f'{furniture.__name__}.{module.name}'))}
    classes = load_classes('rooms').names
    rows = [kind for *_, kind in kinds._rows() if kind is not None]
    assert len(rows) > 100
    for kind in rows:
        assert kind.name in classes and kind.place in ('', *PLACES)
        assert set(kind.stands_for) <= makers, kind
        assert kind.place or kind.stands_for, kind
        assert 0 <= kind.elevation < 2
