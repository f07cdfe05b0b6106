"""Where the results of each scan go."""

from pathlib import Path

from mask3d_core.commands.result_folders import num_bytes, result_places
from mask3d_core.errors import InputError
import pytest

OUT = Path('found')


def folders(*files: str) -> list[str]:
    return [str(place.folder) for place in result_places([Path(file) for file in files], OUT)]


def test_one_scan_has_the_folder_for_itself() -> None:
    place, = result_places([Path('scans/hall.ply')], OUT)
    assert (place.folder, place.name, place.file) == (OUT, 'hall', Path('scans/hall.ply'))


def test_several_have_a_folder_each() -> None:
    assert folders('hall.ply', 'data/kitchen.npz') == ['found/hall', 'found/kitchen']


def test_namesakes_are_told_apart() -> None:
    assert folders('a/1/map.ply', 'a/2/map.ply', 'x.ply') == [
        'found/1_map', 'found/2_map', 'found/x']
    assert folders('hall.ply', 'hall.pcd') == ['found/hall.ply', 'found/hall.pcd']
    assert folders('a/map.ply', 'map.ply') == ['found/a_map', 'found/map']


def test_a_file_given_twice_counts_once() -> None:
    assert folders('hall.ply', 'x.ply', './hall.ply') == ['found/hall', 'found/x']
    assert folders('hall.ply', './hall.ply') == ['found']


def test_two_results_never_share_a_folder() -> None:
    with pytest.raises(InputError, match='segment them in two calls'):
        folders('a/c.ply', 'b/c.ply', 'd/a_c.npz')


def test_the_size_of_a_bag_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / 'bag').mkdir()
    for name in ('metadata.yaml', 'bag_0.mcap'):
        (tmp_path / 'bag' / name).write_bytes(bytes(10))
    assert [num_bytes(tmp_path / name) for name in ('bag', 'bag/bag_0.mcap', 'none.ply')] == [
        20, 10, 0]
