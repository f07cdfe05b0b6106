"""The page of the viewer in a real browser: it shows, reacts, corrects and saves."""

from collections.abc import Iterator
from dataclasses import replace
import json
from pathlib import Path
import time

from browser import open_browser, Page, TIMEOUT
from command_line import mask3d
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.labels import read_labelled
from mask3d_core.errors import InputError
from mask3d_core.viewer.document import MAX_PAGE_BYTES, write_document
from mask3d_core.viewer.scene import Scene
from mask3d_core.viewer.sources import Source
import numpy as np
import pytest
from small_scene import small_scene
from toy_rooms import CLASSES

SHOWN = 'document.querySelectorAll(".item:not(.off)").length'
BRIGHT = """(() => {
  const picture = viewer.screenshot(), pen = picture.getContext('2d');
  const data = pen.getImageData(0, 0, picture.width, picture.height).data;
  const colors = new Set();
  for (let i = 0; i < data.length; i += 4) colors.add((data[i] << 16) + (data[i + 1] << 8)
    + data[i + 2]);
  return colors.size;
})()"""
"""The number of colours in the picture."""
ARRIVED = ('Math.abs(viewer.camera.target[0] + viewer.scene.origin[0]'
           ' - viewer.state.items[{}].center[0]) < 1e-6')
"""Whether the camera looks at an instance."""


def source(scene: Scene) -> Source:
    """Return a scene that is made already."""
    return Source(scene.name, lambda: scene, scene.stamp)


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Path]]:
    """Return a page of the browser, and the folder of its downloads."""
    folder = tmp_path_factory.mktemp('browser')
    with open_browser(folder) as page:
        page.call('Page.setDownloadBehavior', behavior='allow', downloadPath=str(folder))
        yield page, folder


@pytest.fixture
def page(browser: tuple[Page, Path], tmp_path: Path) -> Iterator[Page]:
    """Return the browser with a page of one scene; nothing may go wrong in its console."""
    path = tmp_path / 'page.html'
    write_document(path, [source(small_scene())])
    opened = browser[0]
    opened.errors.clear()
    opened.open(path.as_uri())
    yield opened
    assert opened.errors == []


def test_the_page_shows_points_and_instances(page: Page) -> None:
    assert page.run(SHOWN) == 3
    assert page.run('document.getElementById("tabs").textContent') == (
        'predicted 3/3truth 3/3')
    assert page.run('[...document.querySelectorAll(".item .name")].map(i => i.textContent)') == [
        'crate', 'bin', 'crate']
    assert page.run(BRIGHT) > 100
    assert 'A note of the scene.' in page.run('document.getElementById("notes").textContent')


def test_the_score_slider_hides_instances(page: Page) -> None:
    page.choose('#score', '0.85')
    assert page.run(SHOWN) == 1
    assert page.run('document.body.dataset.shown') == '1'


def test_the_list_switches_off_selects_and_jumps(page: Page) -> None:
    page.choose('#mode', 'prediction')
    colored = 'viewer.states.prediction.colorTable("").filter(Boolean).length'
    assert page.run(colored) == 3
    page.click('.item input')
    assert page.run(colored) == 2
    page.run('document.querySelectorAll(".item")[1].click()')
    page.wait(ARRIVED.format(1))
    assert page.run('document.querySelectorAll(".item.selected").length') == 1
    page.click('#none')
    assert page.run(SHOWN) == 0
    page.click('#all')
    assert page.run(SHOWN) == 3


def test_a_click_on_a_point_selects_its_instance(page: Page) -> None:
    page.choose('#beside', '')
    place = page.run("""(() => {
      const item = viewer.state.items[0], stage = document.getElementById('stage');
      const top = [item.center[0], item.center[1], item.center[2] + item.size[2] / 2];
      const spot = project(viewer.camera.matrix(stage.clientWidth / stage.clientHeight),
        top.map((v, axis) => v - viewer.scene.origin[axis]), stage.clientWidth,
        stage.clientHeight);
      const corner = stage.getBoundingClientRect();
      return [spot[0] + corner.left, spot[1] + corner.top];
    })()""")
    for kind in ('mousePressed', 'mouseReleased'):
        page.call('Input.dispatchMouseEvent', type=kind, x=place[0], y=place[1], button='left',
                  clickCount=1)
    assert page.run('viewer.state.selected') == [0]


def test_every_mode_has_a_picture_of_its_own(page: Page) -> None:
    modes = page.run('[...document.querySelectorAll("#mode option")].map((one) => one.value)')
    assert modes == ['color', 'height', 'prediction', 'prediction class', 'prediction score',
                     'truth', 'truth class', 'heat', 'features', 'superpoint']
    for name in ('boxes', 'labels'):
        page.click(f'#{name}')
    page.choose('#beside', '')
    pictures = set()
    for mode in modes:
        page.choose('#mode', mode)
        pictures.add(page.run('viewer.screenshot().toDataURL()'))
    assert len(pictures) == len(modes)


def test_two_views_show_truth_beside_the_prediction(page: Page) -> None:
    assert page.run('viewer.views') == ['prediction', 'truth']
    page.choose('#beside', 'color')
    assert page.run('viewer.views') == ['prediction', 'color']


def test_corrections_are_downloaded_as_labels_to_train_on(
        page: Page, browser: tuple[Page, Path], tmp_path: Path) -> None:
    """Change a class, delete one instance, merge none, save, and prepare the file again."""
    page.run('document.querySelectorAll(".item")[0].click()')
    page.choose('#class', '3')
    page.run('document.querySelectorAll(".item")[2].click()')
    page.click('#delete')
    assert page.run(SHOWN) == 2
    page.click('#save')
    saved = browser[1] / 'room0_corrected.ply'
    end = time.monotonic() + TIMEOUT
    while not saved.exists() and time.monotonic() < end:
        time.sleep(0.05)
    labelled, scene = read_labelled(saved), small_scene()
    assert len(labelled) == len(scene.scan) and labelled.scan.color is not None
    assert scene.prediction is not None
    sizes = [len(rows) for rows in scene.prediction.instances.rows]
    assert [int((labelled.instance == number).sum()) for number in (0, 1, 2)] == [*sizes[:2], 0]
    assert set(labelled.label[labelled.instance == 0]) == {3}

    raw = tmp_path / 'raw'
    raw.mkdir()
    saved.rename(raw / 'room.ply')
    table = tmp_path / 'classes.tsv'
    table.write_text('id\tname\n' + ''.join(
        f'{class_id}\t{name}\n' for class_id, name in zip(CLASSES.ids, CLASSES.names)))
    done = mask3d('prepare', 'folder', raw, tmp_path / 'data', '--classes', table, '--workers',
                  '1', '--validation', '0')
    assert done.returncode == 0, done.stderr
    prepared = Dataset.open(tmp_path / 'data').read('room')
    assert np.array_equal(prepared.label, labelled.label)
    assert np.array_equal(prepared.instance, labelled.instance)


def test_merging_and_undoing(page: Page) -> None:
    page.run("""(() => { const rows = () => document.querySelectorAll('.item');
      rows()[0].click();
      rows()[1].dispatchEvent(new MouseEvent('click', { bubbles: true, ctrlKey: true })); })()""")
    points = page.run('viewer.state.items[0].points + viewer.state.items[1].points')
    page.click('#merge')
    assert page.run(SHOWN) == 2
    assert page.run('viewer.state.items[0].points') == points
    page.click('#undo')
    assert page.run(SHOWN) == 3


def test_a_page_with_several_scans_and_a_time_line(browser: tuple[Page, Path], tmp_path: Path,
                                                   ) -> None:
    page = browser[0]
    scenes = [replace(small_scene(seed), stamp=2.0 * seed) for seed in range(3)]
    write_document(tmp_path / 'time.html', [source(scene) for scene in scenes])
    page.errors.clear()
    page.open((tmp_path / 'time.html').as_uri())
    assert page.run('viewer.number') == 2
    page.choose('#time', '0')
    page.wait('viewer.number === 0 && viewer.scene.name === "room0"')
    assert page.run('document.getElementById("timeValue").textContent') == '1 of 3, 0.0 s'
    write_document(tmp_path / 'several.html', [source(replace(one, stamp=None)) for one in scenes])
    page.open((tmp_path / 'several.html').as_uri())
    page.click('#next')
    page.wait('viewer.scene.name === "room1"')
    assert page.errors == []


def test_a_page_is_bounded_and_says_what_it_leaves_out(browser: tuple[Page, Path], tmp_path: Path,
                                                       ) -> None:
    page, path = browser[0], tmp_path / 'small.html'
    size = write_document(path, [source(small_scene())], max_bytes=80_000)
    assert size == path.stat().st_size <= 80_000 < MAX_PAGE_BYTES
    page.errors.clear()
    page.open(path.as_uri())
    assert 'thinned' in page.run('document.getElementById("notes").textContent')
    assert page.errors == []
    with pytest.raises(InputError, match='too many scans for one page'):
        write_document(path, [source(small_scene())], max_bytes=60_000)


def test_names_cannot_break_the_page(browser: tuple[Page, Path], tmp_path: Path) -> None:
    name = '</script><img src=x onerror="document.title=1">'
    scenes = [source(replace(small_scene(), name=name)) for _ in range(2)]
    write_document(tmp_path / 'page.html', scenes)
    page = browser[0]
    page.errors.clear()
    page.open((tmp_path / 'page.html').as_uri())
    assert page.run('viewer.scene.name') == name and page.run('document.images.length') == 0
    assert page.errors == []


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    write_document(tmp_path / 'page.html', [source(small_scene())])
    text = (tmp_path / 'page.html').read_text()
    assert 'http://' not in text and 'https://' not in text
    assert json.loads(text.split('id="scenes.json">')[1].split('</script>')[0])['scenes']
