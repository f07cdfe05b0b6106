"""The folder of a training run: configuration, logs, weights, pictures and training state."""

from __future__ import annotations

from collections.abc import Mapping
import csv
from pathlib import Path
import pickle
from typing import Any, TYPE_CHECKING
import zipfile

from mask3d_core.errors import InputError
from mask3d_core.files.target import atomic_write
from mask3d_core.training.config import config_text, differences, load_config, TrainConfig
from mask3d_core.weights.checkpoint import load_verified

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CONFIG, STATE, LOG, SCORES = 'config.yaml', 'state.pt', 'log.csv', 'scores.csv'
LAST, BEST = 'last.weights', 'best.weights'

TrainingState = dict[str, Any]
"""Everything a run needs to resume exactly where it was saved."""


class RunLogger:
    """
    Write log.csv, scores.csv and TensorBoard events; only rank 0 has one.

    Parameters
    ----------
    path : path
    step : int
        Step the run starts from: later entries, of an interrupted process, are removed.

    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        for name in (LOG, SCORES):
            _truncate(path / name, step)
        self._board = _summary_writer(path, step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append training losses to log.csv and to TensorBoard."""
        self._add(LOG, step, values, 'training')

    def log_scores(self, step: int, values: Mapping[str, float]) -> None:
        """Append validation scores to scores.csv and to TensorBoard."""
        self._add(SCORES, step, values, 'validation')

    def show(self, step: int, name: str, picture: Path) -> None:
        """Add a picture to TensorBoard."""
        import numpy as np
        from PIL import Image

        with Image.open(picture) as image:
            self._board.add_image(name, np.asarray(image), step, dataformats='HWC')

    def close(self) -> None:
        """Flush and close the files."""
        self._board.close()

    def _add(self, file: str, step: int, values: Mapping[str, float], group: str) -> None:
        with open(self.path / file, 'a', newline='') as out:
            writer = csv.writer(out, lineterminator='\n')
            if not out.tell():
                writer.writerow(['step', *values])
            writer.writerow([step, *(f'{value:.7g}' for value in values.values())])
        for name, value in values.items():
            self._board.add_scalar(f'{group}/{name}', value, step)


def open_run(config: TrainConfig, resume: bool) -> TrainingState | None:
    """
    Create the folder of a run, or load the state of the run that is to be resumed.

    Returns
    -------
    dict or None
        None for a new run.

    Raises
    ------
    InputError
        If the folder holds another run, or cannot be used.

    """
    if not config.output:
        raise InputError('no folder is given for the run: set --output')
    path = Path(config.output)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f'output {path} is a file or inside one: give a folder') from error
    # a folder without them is of a run that failed before its first step
    started = any((path / name).exists() for name in (STATE, LOG))
    if started and not resume:
        raise InputError(f'{path} holds a run already: continue it with --resume, or give another '
                         'folder with --output')
    if started:
        others = differences(load_config(path / CONFIG), config)
        if others:
            raise InputError(f'the run in {path} was started with {", ".join(others)}: resume it '
                             f'with `--config {path / CONFIG} --resume`, or start a new one with '
                             f'another --output and --start_weights {path / LAST}')
    with atomic_write(path / CONFIG) as file:
        file.write(config_text(config).encode())
    if not (path / STATE).exists():
        return None
    state = load_state(path / STATE)
    if not {'trained', 'material'} <= state.keys():
        raise InputError(f'{path / STATE} was written by an older version: start a new run from '
                         f'its weights, with --start_weights {path / LAST}')
    return state


def load_state(path: Path) -> TrainingState:
    """Load a training state onto the CPU; raise InputError if the file is damaged."""
    try:
        return load_verified(path)
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError,
            zipfile.BadZipFile) as error:
        raise InputError(f'{path} is damaged ({error}): start a new run from the weights of the '
                         f'last one, with --start_weights {path.parent / LAST}') from error


def _truncate(path: Path, step: int) -> None:
    """Remove the lines of a log after a step, and an incomplete last line."""
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    lines = [line for line in lines if line.endswith('\n')]
    kept = [line for line in lines[1:] if int(line.split(',')[0]) <= step]
    with atomic_write(path) as file:
        file.write(''.join([*lines[:1], *kept]).encode())


def _summary_writer(path: Path, step: int) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError('training needs tensorboard: pip install tensorboard') from error
    return SummaryWriter(str(path), purge_step=step + 1 if step else None)
