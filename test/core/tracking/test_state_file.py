"""Objects survive a restart."""

from pathlib import Path

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.tracking import Header, ObjectMap, state_file
from mask3d_core.tracking.state_file import load_objects, save_objects
import numpy as np
import pytest
from tracked_sheets import sheet, show

CLASSES = ClassTable((1, 2), ('chair', 'table'), ((0, 0, 0), (9, 9, 9)))


def two_objects() -> ObjectMap:
    """Return a map of two objects, of which the second cloud has only one."""
    objects = ObjectMap()
    objects.update(*show(sheet(0), sheet(1)), Header('map', 1))
    objects.update(*show(sheet(1), without=sheet(0) + [0, 0.05, 0]), Header('map', 2))
    return objects


@pytest.mark.parametrize('objects', [two_objects(), ObjectMap()], ids=['two', 'none'])
def test_a_map_continues_as_if_it_had_not_ended(tmp_path: Path, objects: ObjectMap) -> None:
    save_objects(tmp_path / 'state', objects, CLASSES)
    loaded = ObjectMap()
    load_objects(tmp_path / 'state', loaded, CLASSES)
    for stamp, places in ((3, [sheet(0), sheet(2)]), (4, [sheet(2), sheet(1)])):
        scan, instances = show(*places, without=sheet(0) - [0, 0, 0.2])
        one, other = (map_.update(scan, instances, Header('map', stamp))
                      for map_ in (objects, loaded))
        for name in ('ids', 'remembered', 'existence', 'confirmed', 'first_seen', 'last_seen'):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert one.history == other.history
        assert np.array_equal(one.instances.score, other.instances.score)
        assert [change.kind for change in one.changes] == [change.kind for change in other.changes]
    assert list(tmp_path.iterdir()) == [tmp_path / 'state']


def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / 'state'
    save_objects(path, two_objects(), CLASSES)
    whole = path.read_bytes()
    for cut in range(0, len(whole), len(whole) // 40):
        for damaged in (whole[:cut], whole[:cut] + b'\0\xff' * 20 + whole[cut + 40:]):
            path.write_bytes(damaged)
            objects = ObjectMap()
            try:
                load_objects(path, objects, CLASSES)
            except InputError as error:
                assert str(path) in str(error)
                assert objects.tracker.tracks == []
            else:
                assert len(objects.tracker.tracks) == 2   # the damage is in no array


def test_files_of_other_versions_and_classes_are_told(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'state'
    save_objects(path, two_objects(), CLASSES)
    others = ClassTable((1,), ('sofa',), ((0, 0, 0),))
    with pytest.raises(InputError, match='classes'):
        load_objects(path, ObjectMap(), others)
    monkeypatch.setattr(state_file, 'VERSION', 2)
    with pytest.raises(InputError, match='version 1, expected 2'):
        load_objects(path, ObjectMap(), CLASSES)
    np.savez(tmp_path / 'scan.npz', xyz=np.zeros((9, 3)))
    with pytest.raises(InputError, match='scan.npz'):
        load_objects(tmp_path / 'scan.npz', ObjectMap(), CLASSES)
