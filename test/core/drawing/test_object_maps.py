"""Pictures of the maps of one place, one under the other."""

from pathlib import Path

from mask3d_core.colors import instance_color
from mask3d_core.drawing.object_maps import draw_object_maps, MAP_SIZE, ObjectsOfMap, TITLE_HEIGHT
import numpy as np
from PIL import Image
from tracked_sheets import sheet, show


def test_an_object_has_the_color_of_its_id_in_each_map(tmp_path: Path) -> None:
    scan, instances = show(sheet(0), sheet(1), without=sheet(2))
    maps = [ObjectsOfMap(scan, instances, np.array(ids)) for ids in ([4, 9], [9, 4])]
    draw_object_maps(tmp_path / 'maps.png', {'one': maps, 'other': maps[:1]})
    picture = np.asarray(Image.open(tmp_path / 'maps.png').convert('RGB'), int)
    width, height = MAP_SIZE
    assert picture.shape == (TITLE_HEIGHT + 2 * height, 2 * width, 3)
    first, second = (picture[TITLE_HEIGHT + row * height:][:height, :width] for row in (0, 1))
    place: dict[int, list[float]] = {}
    for panel in (first, second):
        for identity in (4, 9):
            near = np.abs(panel - instance_color(identity - 1)).max(-1) < 60
            assert near.sum() > 500, identity
            place.setdefault(identity, []).append(float(np.nonzero(near)[1].mean()))
    assert np.allclose(place[4], place[9][::-1], atol=5), 'the ids change places'
    empty = picture[TITLE_HEIGHT + height:, width:]
    assert len(np.unique(empty.reshape(-1, 3), axis=0)) == 1
