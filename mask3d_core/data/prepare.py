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
from mask3d_core.data.labels import LabelledScan, NONE, write_labelled
from mask3d_core.data.readers.raw_scan import RawScan, RawSource
from mask3d_core.errors import InputError
from mask3d_core.files.target import check_target, writing
import numpy as np
from numpy.typing import NDArray

Say = Callable[[str], None]
SUPERPOINT_VERSION = 3
"""Grows when `find_superpoints` finds others than before: stored ones are made anew then."""


@dataclass(frozen=True)
class Outcome:
    """
    What became of a source.

    Attributes
    ----------
    source : str
    scans : mapping of name to ScanFacts
        What it gave; empty when it failed.
    notes : strings
        What was odd but could be mended.
    error : str
        Why it failed; empty when it did not.
    earlier : bool
        Whether an earlier call did the work.

    """

    source: str
    scans: dict[str, ScanFacts]
    notes: tuple[str, ...] = ()
    error: str = ''
    earlier: bool = False


def prepare(data: Dataset, sources: Sequence[RawSource], workers: int, say: Say,
            superpoints: bool = False) -> Dataset:
    """
    Write the scans of a data set and its dataset.json.

    What an earlier call did is not done again, as long as the raw files, or the version of what is
    generated, are the same. Every file is there whole or not at all.

    Parameters
    ----------
    data : Dataset
        With its folder, name, classes and suggestions; splits, folds, scans and colours follow
        from the sources.
    sources : sequence of RawSource
    workers : int
        Processes.
    say : callable
        Told of each source, and of everything that is wrong.
    superpoints : bool
        Whether to make superpoints for scans that bring none, in voxels of `data.voxel_size`. For
        those that bring faces instead they are made of these in any case.

    Raises
    ------
    InputError
        After all is done, when a source failed; what could be read is there, and where nothing
        could, the dataset.json that was there stays. At once, when the folder holds another data
        set.

    """
    _check_folder(data)
    for folder in ('scans', 'facts'):
        (data.folder / folder).mkdir(parents=True, exist_ok=True)
    outcomes = {}
    begin, made = time.monotonic(), 0
    task = partial(prepare_source, data, superpoints=superpoints)
    for outcome in _outcomes(task, sources, workers):
        outcomes[outcome.source] = outcome
        made += not outcome.earlier
        each = (time.monotonic() - begin) / made if made else None
        say(_progress(outcome, len(outcomes), len(sources), each))
    done = _assemble(data, [(source, outcomes[source.name]) for source in sources])
    failed = [outcome for outcome in outcomes.values() if outcome.error]
    if failed and not done.scans:
        raise InputError(f'none of {len(sources)} could be prepared, they are named above: no '
                         f'dataset.json was written to {data.folder}')
    done.save()
    if failed:
        raise InputError(f'{len(failed)} of {len(sources)} could not be prepared, they are named '
                         f'above; the other {len(done.scans)} scans are in {data.folder}')
    return done


def _check_folder(data: Dataset) -> None:
    if (data.folder / 'dataset.json').exists():
        there = Dataset.open(data.folder)
        if there.name != data.name:
            raise InputError(f'{data.folder} holds the data set {there.name!r}: give another '
                             f'folder for {data.name!r}')


def _outcomes(task: Callable[[RawSource], Outcome], sources: Sequence[RawSource], workers: int,
              ) -> Iterator[Outcome]:
    """Do one source after another, or several at once; as they come."""
    if workers == 1 or len(sources) < 2:
        yield from map(task, sources)
        return
    # Forked processes inherit locks of threads they do not have; spawned ones start clean.
    pool = ProcessPoolExecutor(min(workers, len(sources)),
                               multiprocessing.get_context('spawn'), _begin_worker)
    try:
        for future in as_completed([pool.submit(task, source) for source in sources]):
            yield future.result()
    except BrokenProcessPool as error:
        raise InputError('a worker was killed, probably for want of memory: run the same again '
                         'with fewer --workers, what is done stays') from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Leave interrupts to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, 'a worker has one'
    parent.join()
    os._exit(1)  # what is being written has another name until it is whole


def prepare_source(data: Dataset, source: RawSource, superpoints: bool = False) -> Outcome:
    """Read a source and write its scans, unless that is done; never raise for damaged input."""
    facts_file = data.folder / 'facts' / f'{source.name}.json'
    state = _state(data, source, superpoints)
    done = _done(data, facts_file, state)
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
        with writing(facts_file) as file:
            content = {'state': state, 'notes': notes,
                       'scans': {name: facts.to_dict() for name, facts in scans.items()}}
            file.write(json.dumps(content).encode())
    except (InputError, OSError) as error:
        return Outcome(source.name, {}, (), str(error))
    except MemoryError:
        return Outcome(source.name, {}, (), 'does not fit into memory: give fewer --workers')
    return Outcome(source.name, scans, tuple(notes))


def _state(data: Dataset, source: RawSource, superpoints: bool) -> list[Any]:
    """Return what the result depends on: when it changes, the work is done again."""
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns)
             if file.exists() else (file.name, 0, 0) for file in source.files]
    classes = [list(row) for row in zip(data.classes.ids, data.classes.names)]
    return [classes, [list(file) for file in files],
            [data.voxel_size, SUPERPOINT_VERSION] if superpoints else None, source.version]


def _done(data: Dataset, facts_file: Path, state: list[Any]) -> Outcome | None:
    try:
        content = json.loads(facts_file.read_bytes())
        scans = {name: ScanFacts.from_dict(facts) for name, facts in content['scans'].items()}
        notes = tuple(content['notes'])
        same = content['state'] == state
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None
    whole = same and bool(scans) and all(data.path(name).is_file() for name in scans)
    return Outcome('', scans, notes, earlier=True) if whole else None


def _labelled(raw: RawScan, ids: tuple[int, ...]) -> LabelledScan:
    """Check a raw scan; labels of classes that are not in the table become -1."""
    try:
        labelled = LabelledScan.from_columns(raw.columns, raw.name)
    except InputError as error:
        raise InputError(f'{raw.name}: {error}') from error
    known = np.isin(labelled.label, ids)
    return replace(labelled, label=np.where(known, labelled.label, NONE).astype(np.int32))


def _with_superpoints(labelled: LabelledScan, faces: NDArray[np.integer] | None,
                      voxel_size: float | None) -> tuple[LabelledScan, list[str]]:
    """Make superpoints where there are none: of the faces, or, in voxels of a size, without."""
    scan = labelled.scan
    if scan.segment is not None or faces is None and voxel_size is None:
        return labelled, []
    # It imports torch, which no other step needs.
    from mask3d_core.superpoints.superpoints import find_superpoints, group_mesh

    if faces is not None:
        segment, origin = group_mesh(scan.xyz, faces), 'the mesh'
    else:
        assert voxel_size is not None
        segment, origin = find_superpoints(scan, voxel_size), 'the points'
    note = f'{segment.max() + 1} superpoints made from {origin}'
    return replace(labelled, scan=replace(scan, segment=segment)), [note]


def _progress(outcome: Outcome, done: int, total: int, each: float | None) -> str:
    """Return a line about an outcome; `each` is the seconds one of those to come may take."""
    points = sum(facts.points for facts in outcome.scans.values())
    head = f'[{done:{len(str(total))}}/{total}] {outcome.source}'
    fate = f'FAILED: {outcome.error}' if outcome.error else f'{points} points'
    more = ''.join(f'; {note}' for note in outcome.notes)
    left = f'  ({_duration(each * (total - done))} left)' if each and done < total else ''
    return f'{head}  {fate}{more}{left}'


def _duration(seconds: float) -> str:
    return f'{seconds:.0f} s' if seconds < 100 else f'{seconds / 60:.0f} min'


def _assemble(data: Dataset, outcomes: Sequence[tuple[RawSource, Outcome]]) -> Dataset:
    """Put the facts together, in the order of the sources."""
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    folds: dict[str, list[str]] = {}
    scans = {}
    for source, outcome in outcomes:
        splits[source.split] += outcome.scans
        if source.fold:
            folds.setdefault(source.fold, []).extend(outcome.scans)
        scans.update(outcome.scans)
    mean, std = color_statistics(scans[name] for name in splits['train'])
    return replace(data, splits={name: tuple(names) for name, names in splits.items()},
                   folds={name: tuple(names) for name, names in folds.items()},
                   scans=scans, color_mean=mean, color_std=std)
