"""The context in which a benchmark reads and measures a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

Attempt = Callable[[Path], AbstractContextManager[object]]
"""
Makes the context of a file, which may catch exceptions, so that other files are measured all the
same; `nullcontext` catches none.
"""
