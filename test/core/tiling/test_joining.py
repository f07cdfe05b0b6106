"""Objects at the seams of tiles."""

from collections.abc import Sequence
from dataclasses import replace

from labelled_map import box, CLASSES, find_labelled, labelled_map, rooms, Surface
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.tiling.joining import join_tiles, MapObject
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tiles import cut_map, TiledMap
import numpy as np
import pytest

LATTICE = TileSettings(4.0, 0.5, along_walls=False)
FLOOR = box((0, 0, 0), (11.9, 11.9, 0))


def joined(scan: Scan, settings: TileSettings = LATTICE) -> tuple[TiledMap, list[MapObject]]:
    """Return the tiles of a map and the objects that a perfect network finds in them."""
    tiled = cut_map(scan, settings)
    return tiled, join_tiles(tiled, {tile.number: find_labelled(tile.cut())
                                     for tile in tiled.tiles})


def check_exact(surfaces: Sequence[Surface], settings: TileSettings = LATTICE,
                ) -> tuple[TiledMap, list[MapObject]]:
    """Check that every object is found once and completely."""
    scan = labelled_map(surfaces)
    tiled, objects = joined(scan, settings)
    labels = sorted({label for _, label in surfaces if label >= 0})
    found = {}
    for one in objects:
        label, = set(scan.segment[one.rows].tolist())
        assert label not in found, 'an object is found once'
        found[label] = one
        np.testing.assert_array_equal(one.rows, np.flatnonzero(scan.segment == label))
        assert one.class_id == CLASSES.ids[label % 2]
        assert one.score == pytest.approx(1 / (2 + label), abs=1e-6)
    assert sorted(found) == labels
    assert [one.score for one in objects] == sorted([one.score for one in objects], reverse=True)
    return tiled, objects


def test_an_object_on_the_corner_of_four_tiles() -> None:
    _, (one,) = check_exact([FLOOR, box((3.5, 3.5, 0.1), (4.5, 4.5, 0.8), 0)])
    assert len({tile for tile, _ in one.parts}) == 4


def test_an_object_longer_than_a_tile() -> None:
    _, (one,) = check_exact([FLOOR, box((0.5, 5, 0.1), (11.5, 5.6, 0.8), 1)])
    assert len({tile for tile, _ in one.parts}) == 3


def test_two_alike_objects_on_both_sides_of_a_seam() -> None:
    _, objects = check_exact([FLOOR, box((3.2, 5, 0.1), (3.9, 5.7, 0.8), 0),
                              box((4.1, 5, 0.1), (4.8, 5.7, 0.8), 2)])
    assert len(objects) == 2


def test_an_object_that_touches_its_neighbor_across_a_seam() -> None:
    check_exact([FLOOR, box((2.0, 5, 0.1), (3.96, 5.7, 0.8), 0),
                 box((4.0, 5, 0.1), (6.0, 5.7, 0.8), 2)])


def test_an_object_in_a_doorway() -> None:
    tiled, (one,) = check_exact([*rooms(3), box((3.8, 1.2, 0.1), (4.4, 1.6, 0.8), 0)],
                                TileSettings())
    assert len(tiled.tiles) == 3 and len(one.parts) == 2


def test_objects_on_both_faces_of_a_wall() -> None:
    check_exact([*rooms(3), box((3.96, 2.4, 1), (3.96, 3.0, 1.6), 0),
                 box((4.16, 2.4, 1), (4.16, 3.0, 1.6), 2)], TileSettings())


def test_the_class_has_most_of_the_evidence_and_the_score_is_the_mean_over_points() -> None:
    scan = labelled_map([FLOOR, box((3.0, 5, 0.1), (8.8, 5.6, 0.8), 0)])
    tiled = cut_map(scan, LATTICE)
    found, sizes = {}, {}
    for tile in tiled.tiles:
        instances = find_labelled(tile.cut())
        if len(instances):
            sizes[tile.number] = len(instances.points(0))
            best = tile.number == max(sizes, key=sizes.__getitem__)
            instances = replace(instances, class_id=np.array([20 if best else 10], np.int32),
                                score=np.array([0.8 if best else 0.2], np.float32))
        found[tile.number] = instances
    one, = join_tiles(tiled, found)
    assert one.class_id == 20, 'most points times score'
    scores = np.array([float(found[tile].score[0]) for tile, _ in one.parts])
    weight = np.array([sizes[tile] for tile, _ in one.parts])
    assert one.score == pytest.approx(scores @ weight / weight.sum())


def halves(instances: Instances, scan: Scan, keep: float) -> Instances:
    """Return the instances without their points beyond x = keep."""
    rows = tuple(points[scan.xyz[points, 0] < keep] for points in instances.rows)
    return replace(instances, rows=rows)


def test_in_its_core_a_tile_decides() -> None:
    scan = labelled_map([FLOOR, box((3.0, 5, 0.1), (5.0, 5.6, 0.8), 0)])
    tiled = cut_map(scan, LATTICE)
    found = {}
    for tile in tiled.tiles:
        cut = tile.cut()
        instances = find_labelled(cut)
        left = len(instances) and cut.xyz[:, 0].min() < 3
        found[tile.number] = halves(instances, cut, 4.3) if left else instances
    one, = join_tiles(tiled, found)
    np.testing.assert_array_equal(one.rows, np.flatnonzero(scan.segment == 0))


def test_a_part_in_the_margin_that_nobody_confirms_is_dropped() -> None:
    scan = labelled_map([FLOOR, box((4.1, 5, 0.1), (4.45, 5.6, 0.8), 0)])
    tiled = cut_map(scan, LATTICE)
    found = {tile.number: find_labelled(tile.cut()) for tile in tiled.tiles}
    owner = int(tiled.core[np.flatnonzero(scan.segment == 0)[0]])
    unconfirmed = {number: instances for number, instances in found.items() if number != owner}
    assert any(map(len, unconfirmed.values())) and not join_tiles(tiled, unconfirmed)


def test_no_tiles_and_no_instances_give_no_objects() -> None:
    tiled = cut_map(labelled_map([FLOOR]), LATTICE)
    assert join_tiles(tiled, {}) == []
    assert join_tiles(tiled, {tile.number: find_labelled(tile.cut())
                              for tile in tiled.tiles}) == []
