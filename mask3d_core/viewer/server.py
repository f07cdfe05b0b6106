"""Serve the viewer on this machine: the page, scenes on demand, and corrections."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
from pathlib import Path
from threading import Lock
from typing import Any

from mask3d_core.errors import InputError
from mask3d_core.viewer.corrections import (
    apply_corrections,
    CorrectedInstance,
    save_corrections,
)
from mask3d_core.viewer.document import describe_sources, page_text
from mask3d_core.viewer.packing import pack_scene
from mask3d_core.viewer.scene import Scene
from mask3d_core.viewer.sources import Source

HOST = '127.0.0.1'
"""Only this machine is served; another one reaches it through a tunnel of SSH."""
LOCAL_NAMES = ('127.0.0.1', 'localhost')
MAX_SCENES = 4
"""Scenes that are kept in memory."""
MAX_BODY_BYTES = 50_000_000


class ViewerServer(ThreadingHTTPServer):
    """
    The server of the viewer.

    Parameters
    ----------
    sources : sequence of Source
    port : int
        0: any free one; `server_port` is the one taken.
    score : float
        Of the instances that are shown at first, at least.
    out : path
        Folder for corrected scans.

    Raises
    ------
    InputError
        If the port is taken.

    """

    daemon_threads = True

    def __init__(self, sources: Sequence[Source], port: int, score: float, out: Path) -> None:
        self.sources = sources
        self.about = describe_sources(sources, score)
        self.out = out
        self._scenes: OrderedDict[int, tuple[Scene, bytes]] = OrderedDict()
        self._saved: set[Path] = set()
        self._lock = Lock()     # one scene at a time: the network uses all cores
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(f'port {port}: {error.strerror}: give another --port') from error

    @property
    def address(self) -> str:
        """Return the address for a browser."""
        return f'http://{HOST}:{self.server_port}/'

    def scene(self, number: int) -> tuple[Scene, bytes]:
        """Return a scene and its bytes; it is made if it is not in memory."""
        with self._lock:
            if number not in self._scenes:
                scene = self.sources[number].load()
                self._scenes[number] = scene, pack_scene(scene)
                if len(self._scenes) > MAX_SCENES:
                    self._scenes.popitem(last=False)
            self._scenes.move_to_end(number)
            return self._scenes[number]

    def save(self, request: dict[str, Any]) -> str:
        """Write a corrected scan; return a sentence for the user."""
        try:
            number, layer = int(request['scene']), str(request['layer'])
            corrected = [CorrectedInstance.from_dict(one) for one in request['instances']]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f'not corrections: {error}') from error
        if not 0 <= number < len(self.sources):
            raise InputError(f'there is no scan {number}')
        scene, _ = self.scene(number)
        labelled = apply_corrections(scene, layer, corrected)
        with self._lock:
            target = self.out / f'{Path(scene.name).name}.ply'
            path = save_corrections(self.out, scene, labelled, target in self._saved)
            self._saved.add(path)
        return f'wrote {path} with {len(corrected)} instances'


class _Handler(BaseHTTPRequestHandler):
    server: ViewerServer
    protocol_version = 'HTTP/1.1'

    def do_GET(self) -> None:
        """Answer with the page, the list of scenes, or a scene."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Save corrections."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  of the base class
        """Log nothing."""

    def _answer(self, make: Any) -> None:
        # A page of another site must not reach the server by a name that leads to this machine.
        host = (self.headers.get('Host') or '').rsplit(':', 1)[0]
        try:
            if host not in LOCAL_NAMES:
                raise PermissionError(f'expected a request to {HOST}, got one to {host}')
            status, kind, body = make()
        except PermissionError as error:
            status, kind, body = HTTPStatus.FORBIDDEN, 'text/plain', str(error).encode()
        except InputError as error:
            status, kind, body = HTTPStatus.BAD_REQUEST, 'text/plain', str(error).encode()
        except LookupError:
            status, kind, body = HTTPStatus.NOT_FOUND, 'text/plain', b'no such page'
        self.send_response(status)
        self.send_header('Content-Type', f'{kind}; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        self.end_headers()
        self.wfile.write(body)

    def _get(self) -> tuple[HTTPStatus, str, bytes]:
        first, _, rest = self.path.strip('/').partition('/')
        if first == '':
            return HTTPStatus.OK, 'text/html', page_text().encode()
        if first == 'scenes.json':
            return HTTPStatus.OK, 'application/json', json.dumps(self.server.about).encode()
        if first == 'scene' and rest.isdecimal() and int(rest) < len(self.server.sources):
            return HTTPStatus.OK, 'application/octet-stream', self.server.scene(int(rest))[1]
        raise LookupError(self.path)

    def _post(self) -> tuple[HTTPStatus, str, bytes]:
        length = int(self.headers.get('Content-Length') or 0)
        if self.path != '/save' or length > MAX_BODY_BYTES:
            raise LookupError(self.path)
        body = self.rfile.read(length)
        if self.headers.get_content_type() != 'application/json':
            raise PermissionError('expected JSON')  # which other sites may not send
        try:
            request = json.loads(body)
        except ValueError as error:
            raise InputError(f'not corrections: {error}') from error
        return HTTPStatus.OK, 'text/plain', self.server.save(request).encode()
