"""The state file: the objects of a map over restarts of the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
from pathlib import Path
from typing import Any, get_args

from mask3d_core.classes import ClassTable
from mask3d_core.errors import InputError
from mask3d_core.files.npz import open_npz
from mask3d_core.files.source import file_errors
from mask3d_core.files.target import atomic_write
from mask3d_core.geometry.cells import CellSet
from mask3d_core.tracking.detection import Detection, SHAPE_COLUMNS
from mask3d_core.tracking.object_map import ObjectMap
from mask3d_core.tracking.track import Observation, Sight, Track
import numpy as np
from numpy.typing import NDArray

VERSION = 1
SIGHTS = get_args(Sight)
COLUMNS = {'id': np.int64, 'existence': np.float64, 'score': np.float64, 'misses': np.int64,
           'num_clouds': np.int64, 'first_seen': np.int64, 'last_seen': np.int64,
           'published': np.bool_}
"""The attributes of tracks that are stored as they are, and their types."""


def save_objects(path: str | Path, objects: ObjectMap, classes: ClassTable) -> None:
    """
    Write the objects of a map; the file is replaced at once or not at all.

    Parameters
    ----------
    path : str or path
    objects : ObjectMap
    classes : ClassTable
        Of the weights.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    tracker = objects.tracker
    tracks = tracker.tracks
    arrays: dict[str, Any] = {
        'version': VERSION, 'frame': tracker.frame, 'next_id': tracker.next_id,
        'shown': tracker.shown().keys,
        'class_id': classes.ids, 'class_name': classes.names,
        'sight': np.array([SIGHTS.index(track.sight) for track in tracks], np.int64)}
    for name, dtype in COLUMNS.items():
        arrays[f'track_{name}'] = np.array([getattr(track, name) for track in tracks], dtype)
    detections = [track.detection for track in tracks]
    arrays['detected_class'] = np.array([one.class_id for one in detections], np.int64)
    arrays['detected_score'] = np.array([one.score for one in detections], np.float64)
    for name in SHAPE_COLUMNS:
        arrays[f'shape_{name}'] = np.array([one.shape[name] for one in detections], np.float64)
    _put(arrays, 'cells', [one.cells.keys for one in detections])
    _put(arrays, 'filled', [one.filled for one in detections])
    _put(arrays, 'evidence', [np.array(list(track.class_evidence.items()), np.float64)
                              for track in tracks])
    _put(arrays, 'seen', [np.array([(one.stamp, one.class_id) for one in track.history], np.int64)
                          for track in tracks])
    _put(arrays, 'measured', [np.array([(one.score, *one.centroid) for one in track.history])
                              for track in tracks])
    with atomic_write(path) as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def load_objects(path: str | Path, objects: ObjectMap, classes: ClassTable) -> None:
    """
    Fill a map with the objects of a state file.

    Raises
    ------
    InputError
        If the file is damaged, of another version, or of other classes.

    """
    with file_errors(path), open_npz(path) as archive:
        try:
            arrays = {name: archive[name] for name in archive}
            if int(arrays['version']) != VERSION:
                raise InputError(f'state file of version {arrays["version"]}, expected {VERSION}')
            stored = [*arrays['class_id'].tolist()], [*arrays['class_name'].tolist()]
            if stored != ([*classes.ids], [*classes.names]):
                raise InputError('the classes of the state file are not those of the weights')
            tracks = _tracks(arrays)
            rest = int(arrays['next_id']), str(arrays['frame']), CellSet(arrays['shown'])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f'not a state file of this version: {error}') from error
    objects.tracker.restore(tracks, *rest)


def _tracks(arrays: Mapping[str, NDArray[Any]]) -> list[Track]:
    count = len(arrays['track_id'])
    groups = {name: _take(arrays, name, count)
              for name in ('cells', 'filled', 'evidence', 'seen', 'measured')}
    tracks = []
    for row in range(count):
        detection = Detection(
            CellSet(groups['cells'][row]), groups['filled'][row],
            int(arrays['detected_class'][row]), float(arrays['detected_score'][row]),
            {name: arrays[f'shape_{name}'][row] for name in SHAPE_COLUMNS})
        values = {name: arrays[f'track_{name}'][row].item() for name in COLUMNS}
        track = Track(detection=detection, sight=SIGHTS[arrays['sight'][row]],
                      class_evidence={int(known): value for known, value
                                      in groups['evidence'][row].reshape(-1, 2).tolist()},
                      **values)
        track.history.extend(
            Observation(stamp, class_id, score, (x, y, z)) for (stamp, class_id), (score, x, y, z)
            in zip(groups['seen'][row].reshape(-1, 2).tolist(),
                   groups['measured'][row].reshape(-1, 4).tolist()))
        tracks.append(track)
    return tracks


def _put(arrays: dict[str, Any], name: str, parts: Sequence[NDArray[Any]]) -> None:
    """Store arrays of different lengths as one, and where each ends."""
    arrays[name] = np.concatenate([part.reshape(-1) for part in parts]) if parts else np.empty(0)
    arrays[f'{name}_ends'] = np.cumsum([part.size for part in parts], dtype=np.int64)


def _take(arrays: Mapping[str, NDArray[Any]], name: str, count: int) -> list[NDArray[Any]]:
    ends = arrays[f'{name}_ends']
    if len(ends) != count or (count and ends[-1] != len(arrays[name])):
        raise ValueError(f'{name} has another length than expected')
    return np.split(arrays[name], ends[:-1]) if count else []
