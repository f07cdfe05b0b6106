"""Busy processes: they keep the cores busy, as other programs of a robot do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
import os
import subprocess
import sys

LOOP = """\
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**6):
        pass
"""
"""Computes until it is killed, or until the process that started it has ended."""


@contextmanager
def busy_processes(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """
    Run `count` processes that compute without pause; they are ended when the context ends.

    They share the session of this process: schedulers divide the cores between sessions first.
    """
    with ExitStack() as stack:
        processes = []
        for _ in range(count):
            processes.append(stack.enter_context(subprocess.Popen(
                [sys.executable, '-S', '-c', LOOP, str(os.getpid())],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))  # Ctrl-C reaches them, too
            stack.callback(processes[-1].kill)
        yield processes
