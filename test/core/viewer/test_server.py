"""The viewer served to a browser on this machine, and corrections saved by the server."""

from collections.abc import Iterator
import http.client
import json
from pathlib import Path
from threading import Thread
from typing import Any

from browser import open_browser
from mask3d_core.data.labels import read_labelled
from mask3d_core.errors import InputError
from mask3d_core.files.class_table import read_class_table
from mask3d_core.viewer.server import ViewerServer
from mask3d_core.viewer.sources import Source
import numpy as np
import pytest
from small_scene import small_scene


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ViewerServer]:
    """Return a server of two scenes, running."""
    sources = [Source(f'room{seed}', lambda seed=seed: small_scene(seed)) for seed in (0, 1)]
    with ViewerServer(sources, 0, 0.0, tmp_path / 'corrected') as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: ViewerServer, method: str, path: str, body: Any = None, **headers: str,
        ) -> tuple[int, str]:
    """Send a request; return status and text of the reply."""
    connection = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=300)
    connection.request(method, path, None if body is None else json.dumps(body),
                       {name.replace('_', '-'): value for name, value in headers.items()})
    reply = connection.getresponse()
    text = reply.read().decode(errors='replace')
    connection.close()
    return reply.status, text


def save(server: ViewerServer, body: Any) -> tuple[int, str]:
    """Ask the server to save corrections."""
    return ask(server, 'POST', '/save', body, Content_Type='application/json')


BODY = {'scene': 0, 'layer': 'prediction', 'instances': [{'id': 1, 'class': 3, 'members': [0, 1]}]}


def test_a_browser_shows_corrects_and_saves(server: ViewerServer, tmp_path: Path) -> None:
    with open_browser(tmp_path) as page:
        page.open(server.address)
        assert page.run('document.querySelectorAll(".item").length') == 3
        page.click('#next')
        page.wait('viewer.scene.name === "room1"')
        page.run('document.querySelectorAll(".item")[0].click()')
        page.choose('#class', '3')
        page.run('document.querySelectorAll(".item")[2].click()')
        page.click('#delete')
        page.click('#save')
        page.wait('document.getElementById("saved").textContent.startsWith("wrote")')
        assert page.errors == []
    labelled, scene = read_labelled(tmp_path / 'corrected' / 'room1.ply'), small_scene(1)
    assert scene.prediction is not None
    assert np.allclose(labelled.scan.xyz, scene.scan.xyz)
    assert set(labelled.label[scene.prediction.instances.rows[0]]) == {3}
    assert sorted(set(labelled.instance.tolist())) == [-1, 0, 1]
    table = read_class_table(str(tmp_path / 'corrected' / 'classes.tsv'))
    assert table.names == ('floor', 'crate', 'bin')


def test_members_become_one_instance(server: ViewerServer, tmp_path: Path) -> None:
    status, text = save(server, BODY)
    assert status == 200 and 'with 1 instances' in text
    labelled, scene = read_labelled(tmp_path / 'corrected' / 'room0.ply'), small_scene()
    assert scene.prediction is not None
    rows = np.concatenate(scene.prediction.instances.rows[:2])
    assert np.array_equal(np.flatnonzero(labelled.instance == 0), np.unique(rows))


def test_own_files_are_replaced_and_others_are_not(server: ViewerServer, tmp_path: Path) -> None:
    assert save(server, BODY)[0] == 200 and save(server, BODY)[0] == 200
    (tmp_path / 'corrected' / 'room1.ply').write_text('labels of somebody')
    status, text = save(server, BODY | {'scene': 1})
    assert status == 400 and 'may hold other labels' in text


@pytest.mark.parametrize('body', [
    [], {}, BODY | {'scene': 7}, BODY | {'layer': 'other'}, BODY | {'instances': [{'id': 1}]},
    BODY | {'instances': [{'id': 1, 'class': 3, 'members': [99]}]},
    BODY | {'instances': [{'id': 0, 'class': 3, 'members': [0]}]}])
def test_what_is_no_correction_is_refused(server: ViewerServer, body: Any) -> None:
    assert save(server, body)[0] == 400
    assert not server.out.exists()


def test_other_sites_are_refused(server: ViewerServer) -> None:
    assert ask(server, 'GET', '/', Host='evil.example')[0] == 403
    assert ask(server, 'POST', '/save', BODY, Content_Type='text/plain')[0] == 403
    assert ask(server, 'GET', '/', Host=f'localhost:{server.server_port}')[0] == 200


@pytest.mark.parametrize('path', ['/scene/2', '/scene/x', '/../setup.py', '/other'])
def test_there_is_nothing_else(server: ViewerServer, path: str) -> None:
    assert ask(server, 'GET', path)[0] == 404


def test_a_port_that_is_taken(server: ViewerServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='give another --port'):
        ViewerServer([], server.server_port, 0.0, tmp_path)
