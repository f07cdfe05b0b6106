"""The page of the viewer, alone or with its scenes inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import resources
import json
from pathlib import Path
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.files.target import atomic_write
from mask3d_core.viewer.packing import first_view, pack_scene
from mask3d_core.viewer.scene import Scene
from mask3d_core.viewer.sources import Source

SCRIPTS = ('camera', 'scene', 'cloud', 'paint', 'instances', 'overlay', 'save', 'list', 'pick',
           'viewer', 'controls', 'start')
MAX_PAGE_BYTES = 15_000_000
"""Of a page with its scenes."""
MIN_SCENE_POINTS = 1000
"""A page with fewer points of a scan would show nothing."""
MIN_POINT_BYTES = 2
"""A packed point is larger than this."""


def page_text(data: str = '') -> str:
    """Return the page, with the elements `data` that contain its scenes."""
    folder = resources.files('mask3d_core') / 'viewer' / 'page'
    script = '\n'.join((folder / f'{name}.js').read_text(encoding='utf-8') for name in SCRIPTS)
    style = (folder / 'page.css').read_text(encoding='utf-8')
    page = (folder / 'page.html').read_text(encoding='utf-8')
    for mark, text in (('/*STYLE*/', style), ('/*SCRIPT*/', script), ('<!--DATA-->', data)):
        page = page.replace(mark, text)
    return page


def describe_sources(sources: Sequence[Source], score: float) -> dict[str, Any]:
    """Return what the page needs to know of all scenes before it loads one."""
    return {'score': score,
            'scenes': [{'label': one.label, 'stamp': one.stamp, 'note': one.note}
                       for one in sources]}


def write_document(path: Path, sources: Sequence[Source], score: float = 0.0,
                   max_bytes: int = MAX_PAGE_BYTES) -> int:
    """
    Write one page with all scenes, which needs no server and no network.

    Points are left out until the page is small enough.

    Parameters
    ----------
    path : path
        The .html file.
    sources : sequence of Source
    score : float
        Of the instances that are shown at first, at least.
    max_bytes : int

    Returns
    -------
    int
        The size of the page, bytes.

    Raises
    ------
    InputError
        If there are too many scans for one page, or the file cannot be written.

    """
    about = json.dumps(describe_sources(sources, score)).replace('<', '\\u003c')
    parts = [f'<script type="application/json" id="scenes.json">{about}</script>']
    room = max_bytes - len(page_text().encode()) - len(about) - 1000
    for number, source in enumerate(sources):
        packed = _pack_within(source.load(), room // (len(sources) - number) * 3 // 4 - 200)
        text = base64.b64encode(packed).decode()
        parts.append(f'<script type="application/octet-stream" id="scene{number}">{text}</script>')
        room -= len(parts[-1]) + 1
    page = page_text('\n'.join(parts)).encode()
    with atomic_write(path) as file:
        file.write(page)
    return len(page)


def _pack_within(scene: Scene, max_bytes: int) -> bytes:
    """Pack a scene into a number of bytes, with fewer points if need be."""
    view, points = first_view(scene), len(scene.scan)
    points = min(points, max(MIN_SCENE_POINTS, max_bytes // MIN_POINT_BYTES))
    packed = pack_scene(scene, points, view)
    while len(packed) > max_bytes:
        points = int(0.97 * points * max_bytes / len(packed))
        if points < min(MIN_SCENE_POINTS, len(scene.scan)):
            raise InputError('too many scans for one page: show fewer with --scans, or leave '
                             'out --html')
        packed = pack_scene(scene, points, view)
    return packed
