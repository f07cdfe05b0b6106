"""A headless Chromium, driven through its DevTools protocol over two pipes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import select
import shutil
import subprocess
import time
from typing import Any

import pytest

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--headless=new', '--no-sandbox', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--hide-scrollbars', '--use-gl=angle', '--use-angle=swiftshader',
         '--enable-unsafe-swiftshader', '--remote-debugging-pipe')
TIMEOUT = 120.0
"""Seconds for a reply: software rendering on a busy machine is slow."""


def find_browser() -> str:
    """Return the path of a browser; skip the test where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip('the viewer is tested in Chromium, which is not installed')


class Page:
    """A page in the browser; `errors` has what went to its console as an error."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._buffer = b''
        self._number = 0
        self._session: str | None = None
        self.errors: list[str] = []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self._session = self.call('Target.attachToTarget', targetId=target,
                                  flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message: dict[str, Any] = {'id': self._number, 'method': method, 'params': params}
        if self._session is not None:
            message['sessionId'] = self._session
        os.write(self._send, json.dumps(message).encode() + b'\0')
        end = time.monotonic() + TIMEOUT
        while True:
            reply = self._next(end)
            self._note(reply)
            if reply.get('id') == self._number:
                assert 'error' not in reply, f'{method}: {reply}'
                return reply['result']

    def _next(self, end: float) -> dict[str, Any]:
        while b'\0' not in self._buffer:
            ready, _, _ = select.select([self._receive], [], [], max(0, end - time.monotonic()))
            assert ready, 'the browser does not answer'
            self._buffer += os.read(self._receive, 1 << 20)
        message, _, self._buffer = self._buffer.partition(b'\0')
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        params, method = message.get('params', {}), message.get('method')
        if method == 'Runtime.exceptionThrown':
            details = params['exceptionDetails']
            self.errors.append(details.get('exception', {}).get('description', details['text']))
        elif method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'assert'):
            self.errors.append(str(params['args']))
        elif method == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.errors.append(f'{params["entry"]["text"]} {params["entry"].get("url", "")}')

    def open(self, address: str) -> None:
        """Open an address, and wait until the viewer is ready."""
        self.call('Page.navigate', url=address)
        self.wait("document.body && document.body.dataset.ready === 'yes'")

    def run(self, code: str) -> Any:
        """Return the value of an expression, which may be a promise."""
        reply = self.call('Runtime.evaluate', expression=code, returnByValue=True,
                          awaitPromise=True)
        assert 'exceptionDetails' not in reply, reply['exceptionDetails']
        return reply['result'].get('value')

    def wait(self, condition: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + TIMEOUT
        while not self.run(condition):
            assert time.monotonic() < end, f'{condition} did not become true: {self.errors}'
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Click an element."""
        self.run(f'document.querySelector({json.dumps(selector)}).click()')

    def choose(self, selector: str, value: str) -> None:
        """Set a control, as a user does."""
        self.run(f"""(() => {{ const control = document.querySelector({json.dumps(selector)});
            control.value = {json.dumps(value)};
            control.dispatchEvent(new Event('input'));
            control.dispatchEvent(new Event('change')); }})()""")

    def screenshot(self, path: Path) -> None:
        """Write a picture of the page."""
        data = self.call('Page.captureScreenshot', format='png')['data']
        path.write_bytes(base64.b64decode(data))


@contextmanager
def open_browser(folder: Path, size: tuple[int, int] = (1280, 800)) -> Iterator[Page]:
    """Start a browser whose profile and downloads lie in a folder; close it at the end."""
    to_browser, send = os.pipe()
    receive, from_browser = os.pipe()
    command = [find_browser(), *FLAGS, f'--user-data-dir={folder / "profile"}',
               f'--window-size={size[0]},{size[1]}']
    # The browser reads from file descriptor 3 and writes to 4.
    script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    process = subprocess.Popen(['bash', '-c', script, 'bash', *command],
                               pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL)
    os.close(to_browser)
    os.close(from_browser)
    try:
        page = Page(send, receive)
        page.call('Emulation.setDeviceMetricsOverride', width=size[0], height=size[1],
                  deviceScaleFactor=1, mobile=False)
        yield page
    finally:
        os.close(send)
        os.close(receive)
        process.terminate()
        process.wait(300)
