"""The state file of a node: read at configure, written after results."""

from __future__ import annotations

import fcntl
import math
from pathlib import Path
import time
from typing import IO

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.files.target import check_folder, remove_unfinished
from mask3d_core.tracking import ObjectMap
from mask3d_core.tracking.state_file import load_objects, save_objects
from rclpy.impl.rcutils_logger import RcutilsLogger

OTHER_SUFFIXES = ('.db3', '.json', '.mcap', '.npz', '.pcd', '.ply', '.png', '.weights', '.yaml')
"""Of files that are not state files."""
MAX_SAVING_SHARE = 0.05
"""Share of the time that is spent on saving: large maps are saved less often."""
RETRY_SECONDS = 10.0
"""Time until the next attempt after a file could not be written."""


def check_state_path(path: Path) -> None:
    """
    Make the folder of a state file; raise InputError for a path that is of something else.

    A file that cannot be read is set aside later: so this must not be another file of the user.
    """
    if path.suffix in OTHER_SUFFIXES:
        raise InputError(f'state_file is {path}, but {path.suffix} files are others: give the '
                         'path of a file for this alone, such as ~/.ros/mask3d_objects')
    if path.exists() and not path.is_file():
        raise InputError(f'state_file is {path}, which is no file: give the path of a file')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'state_file is {path}, but its folder cannot be made: '
                         f'{error.strerror}') from error
    check_folder(path.parent)


def _lock(path: Path, logger: RcutilsLogger) -> IO[bytes] | None:
    """Return a file that holds the lock until it is closed; None where there are no locks."""
    name = path.with_name(f'{path.name}.lock')
    try:
        file = name.open('ab')
    except OSError as error:
        raise InputError(f'state_file is {path}, but {name} cannot be opened: '
                         f'{error.strerror}') from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise InputError(f'state_file is {path}, which another node uses: give each node a file '
                         'of its own') from error
    except OSError as error:
        file.close()
        logger.warning(f'state_file is {path}, where files cannot be locked ({error.strerror}): '
                       'make sure that no other node uses it')
        return None
    return file


class ObjectState:
    """
    Keeps the objects of a map in a file, which no other node can use meanwhile.

    Nodes agree by a lock on PATH.lock, which ends with the process. That file stays: if it were
    removed, two nodes could hold the lock of two files of that name.

    Parameters
    ----------
    path : path
    classes : ClassTable
        Of the weights.
    logger

    Raises
    ------
    InputError
        If the path is not one of a state file, its folder cannot be made or written to, or
        another node uses it.

    """

    def __init__(self, path: Path, classes: ClassTable, logger: RcutilsLogger) -> None:
        check_state_path(path)
        self._path = path
        self._classes = classes
        self._logger = logger
        self._next_save = -math.inf
        self._lock = _lock(path, logger)

    def close(self) -> None:
        """Let other nodes use the file; it is not written any more."""
        if self._lock is not None:
            self._lock.close()

    def load(self) -> ObjectMap:
        """Return the objects of the file; one that cannot be used is set aside with a warning."""
        objects = ObjectMap()
        remove_unfinished(self._path)
        if not self._path.exists():
            self._logger.info(f'{self._path} does not exist yet: objects are new')
            return objects
        try:
            load_objects(self._path, objects, self._classes)
        except InputError as error:
            aside = self._path.with_name(self._path.name + '.unusable')
            self._path.replace(aside)
            self._logger.warning(f'{error}; it is now {aside}, and objects are new')
            return ObjectMap()
        self._logger.info(f'{self._path}: {len(objects.tracker.tracks)} objects in frame '
                          f'{objects.tracker.frame!r}')
        return objects

    def seconds_until_save(self) -> float:
        """Return the seconds until the objects may be written again; 0 or less: now."""
        return self._next_save - time.monotonic()

    def save(self, objects: ObjectMap, *, now: bool = False) -> bool:
        """
        Write the objects, unless the last time was just before; return whether it was done.

        Raises
        ------
        InputError
            If the file cannot be written.

        """
        start = time.monotonic()
        if start < self._next_save and not now:
            return False
        self._next_save = start + RETRY_SECONDS
        try:
            save_objects(self._path, objects, self._classes)
        except InputError as error:
            raise InputError(f'the objects are not kept in state_file: {error}') from error
        end = time.monotonic()
        self._next_save = end + (end - start) / MAX_SAVING_SHARE
        return True
