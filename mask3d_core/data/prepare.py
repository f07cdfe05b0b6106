"""Prepare a data set: read every raw scan once, and write what training reads many times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
import json
import multiprocessing
import os
from pathlib import Path
import signal
import threading
import time
from typing import Any

from mask3d_core.data.dataset import color_statistics, Dataset, ScanFacts, SPLITS
from mask3d_core.data.labels import LabelledScan, NO_ID, write_labelled
from mask3d_core.data.readers.raw_scan import RawScan, RawSource
from mask3d_core.errors import InputError
from mask3d_core.files.target import atomic_write, check_target
import numpy as np
from numpy.typing import NDArray

Log = Callable[[str, bool], None]
"""Called with a line, and whether it names something that is wrong."""
SUPERPOINT_VERSION = 3
"""Increased when `find_superpoints` gives different results: stored ones are made again."""


@dataclass(frozen=True)
class PreparedSource:
    """
    The result of preparing one source.

    Attributes
    ----------
    source : str
    scans : mapping of name to ScanFacts
        Scans that were written; empty when it failed.
    notes : strings
        Problems that could be repaired.
    error : str
        Why it failed; empty when it did not.
    earlier : bool
        Whether an earlier call prepared it.

    """

    source: str
    scans: dict[str, ScanFacts]
    notes: tuple[str, ...] = ()
    error: str = ''
    earlier: bool = False


def prepare(data: Dataset, sources: Sequence[RawSource], workers: int, log: Log,
            superpoints: bool = False, mixed_color: bool = True) -> Dataset:
    """
    Write the scans of a data set and its dataset.json.

    Sources that an earlier call prepared are skipped while the raw files, or the version of the
    generator, are unchanged. Files are written atomically.

    Parameters
    ----------
    data : Dataset
        With folder, name, classes and suggestions for training; splits, folds, scans and colour
        statistics follow from the sources.
    sources : sequence of RawSource
    workers : int
        Processes.
    log : callable
        Called with a line for each source, which names what is wrong with it, if anything.
    superpoints : bool
        Whether to make superpoints of scans that have none, in voxels of `data.voxel_size`. For
        scans with faces they are always made, of the mesh.
    mixed_color : bool
        Whether some scans may have colour and others not.

    Raises
    ------
    InputError
        At once, when the folder holds another data set. At the end, when a source failed: the
        others are written; if all failed, an existing dataset.json stays. It does, too, if only
        some scans have colour.

    """
    _check_folder(data)
    for folder in ('scans', 'facts'):
        (data.folder / folder).mkdir(parents=True, exist_ok=True)
    results = {}
    begin, made = time.monotonic(), 0
    task = partial(prepare_source, data, superpoints=superpoints)
    for prepared in _prepare_all(task, sources, workers):
        results[prepared.source] = prepared
        made += not prepared.earlier
        each = (time.monotonic() - begin) / made if made else None
        log(_progress(prepared, len(results), len(sources), each),
            bool(prepared.error or prepared.notes))
    done = _assemble(data, [(source, results[source.name]) for source in sources])
    failed = [prepared for prepared in results.values() if prepared.error]
    if failed and not done.scans:
        raise InputError(f'none of {len(sources)} could be prepared, they are named above: no '
                         f'dataset.json was written to {data.folder}')
    if not mixed_color:
        _refuse_mixed_color(done)
    done.save()
    if failed:
        raise InputError(f'{len(failed)} of {len(sources)} could not be prepared, they are named '
                         f'above; the other {len(done.scans)} scans are in {data.folder}')
    return done


def _refuse_mixed_color(data: Dataset) -> None:
    without = [name for name, facts in data.scans.items() if facts.color_mean is None]
    if without and len(without) < len(data.scans):
        raise InputError(f'{len(without)} of {len(data.scans)} scans have no colour, the others '
                         f'have: {", ".join(without[:5])}{", …" if len(without) > 5 else ""}. '
                         'Export these with their colours, take them out, or allow it with '
                         '--mixed-colour; no dataset.json was written')


def _check_folder(data: Dataset) -> None:
    if (data.folder / 'dataset.json').exists():
        there = Dataset.open(data.folder)
        if there.name != data.name:
            raise InputError(f'{data.folder} holds the data set {there.name!r}: give another '
                             f'folder for {data.name!r}')


def _prepare_all(task: Callable[[RawSource], PreparedSource], sources: Sequence[RawSource],
                 workers: int) -> Iterator[PreparedSource]:
    """Prepare the sources, `workers` at a time; yield results as they complete."""
    if workers == 1 or len(sources) < 2:
        yield from map(task, sources)
        return
    # Forked processes inherit locks of threads they do not have; spawned ones start clean.
    pool = ProcessPoolExecutor(min(workers, len(sources)),
                               multiprocessing.get_context('spawn'), _init_worker)
    try:
        for future in as_completed([pool.submit(task, source) for source in sources]):
            yield future.result()
    except BrokenProcessPool as error:
        raise InputError('a worker was killed, probably out of memory: repeat the command with '
                         'fewer --workers; finished scans are kept') from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _init_worker() -> None:
    """Leave interrupts to the parent, and exit when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, 'a worker has one'
    parent.join()
    os._exit(1)  # what is being written has another name until it is whole


def prepare_source(data: Dataset, source: RawSource, superpoints: bool = False) -> PreparedSource:
    """Read a source and write its scans, unless that is done; never raise for damaged input."""
    facts_file = data.folder / 'facts' / f'{source.name}.json'
    state = _state(data, source, superpoints)
    done = _find_done(data, facts_file, state)
    if done is not None:
        return replace(done, source=source.name)
    try:
        scans: dict[str, ScanFacts] = {}
        notes: list[str] = []
        for raw in source.read():
            labelled, made = _with_superpoints(_labelled(raw, data.classes.ids), raw.faces,
                                               data.voxel_size if superpoints else None)
            for original in source.files:
                check_target(data.path(raw.name), original)
            write_labelled(data.path(raw.name), labelled)
            scans[raw.name] = ScanFacts.of(labelled, raw.inner)
            notes += [*raw.notes, *made]
        with atomic_write(facts_file) as file:
            content = {'state': state, 'notes': notes,
                       'scans': {name: facts.to_dict() for name, facts in scans.items()}}
            file.write(json.dumps(content).encode())
    except (InputError, OSError) as error:
        return PreparedSource(source.name, {}, (), str(error))
    except MemoryError:
        return PreparedSource(source.name, {}, (),
                              'does not fit into memory: give fewer --workers')
    return PreparedSource(source.name, scans, tuple(notes))


def _state(data: Dataset, source: RawSource, superpoints: bool) -> list[Any]:
    """Return what the result depends on; a source is prepared again when it changes."""
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns)
             if file.exists() else (file.name, 0, 0) for file in source.files]
    classes = [list(row) for row in zip(data.classes.ids, data.classes.names)]
    return [classes, [list(file) for file in files],
            [data.voxel_size, SUPERPOINT_VERSION] if superpoints else None, source.version]


def _find_done(data: Dataset, facts_file: Path, state: list[Any]) -> PreparedSource | None:
    try:
        content = json.loads(facts_file.read_bytes())
        scans = {name: ScanFacts.from_dict(facts) for name, facts in content['scans'].items()}
        notes = tuple(content['notes'])
        same = content['state'] == state
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None
    whole = same and bool(scans) and all(data.path(name).is_file() for name in scans)
    return PreparedSource('', scans, notes, earlier=True) if whole else None


def _labelled(raw: RawScan, ids: tuple[int, ...]) -> LabelledScan:
    """Check a raw scan; labels of classes that are not in the table become -1."""
    try:
        labelled = LabelledScan.from_columns(raw.columns, raw.name)
    except InputError as error:
        raise InputError(f'{raw.name}: {error}') from error
    known = np.isin(labelled.label, ids)
    return replace(labelled, label=np.where(known, labelled.label, NO_ID).astype(np.int32))


def _with_superpoints(labelled: LabelledScan, faces: NDArray[np.integer] | None,
                      voxel_size: float | None) -> tuple[LabelledScan, list[str]]:
    """Make superpoints if there are none: of the faces or, in voxels of a size, of the points."""
    scan = labelled.scan
    if scan.segment is not None or faces is None and voxel_size is None:
        return labelled, []
    # imported here, as it needs torch and no other step does
    from mask3d_core.superpoints.superpoints import find_superpoints, group_mesh

    if faces is not None:
        segment, origin = group_mesh(scan.xyz, faces), 'the mesh'
    else:
        assert voxel_size is not None
        segment, origin = find_superpoints(scan, voxel_size), 'the points'
    note = f'{segment.max() + 1} superpoints made from {origin}'
    return replace(labelled, scan=replace(scan, segment=segment)), [note]


def _progress(prepared: PreparedSource, done: int, total: int, each: float | None) -> str:
    """Return a progress line; `each` is the mean number of seconds a source takes."""
    whole = prepared.scans.get(prepared.source)  # other scans of its source are parts of it
    scans = prepared.scans.values() if whole is None else [whole]
    points = sum(facts.points for facts in scans)
    head = f'[{done:{len(str(total))}}/{total}] {prepared.source}'
    fate = f'FAILED: {prepared.error}' if prepared.error else f'{points} points'
    more = ''.join(f'; {note}' for note in prepared.notes)
    left = f'  ({_duration(each * (total - done))} left)' if each and done < total else ''
    return f'{head}  {fate}{more}{left}'


def _duration(seconds: float) -> str:
    return f'{seconds:.0f} s' if seconds < 100 else f'{seconds / 60:.0f} min'


def _assemble(data: Dataset, results: Sequence[tuple[RawSource, PreparedSource]]) -> Dataset:
    """Merge the facts of all scans, in the order of the sources."""
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    folds: dict[str, list[str]] = {}
    scans = {}
    for source, prepared in results:
        for name in prepared.scans:
            splits.setdefault(source.split_of(name), []).append(name)
        if source.fold:
            folds.setdefault(source.fold, []).extend(prepared.scans)
        scans.update(prepared.scans)
    mean, std = color_statistics(scans[name] for name in splits['train'])
    return replace(data, splits={name: tuple(names) for name, names in splits.items()},
                   folds={name: tuple(names) for name, names in folds.items()},
                   scans=scans, color_mean=mean, color_std=std)
