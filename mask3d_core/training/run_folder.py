"""The folder of a training run: configuration, logs, weights, pictures, and where it stands."""

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

State = dict[str, Any]
"""Everything a run needs to go on as if nothing had happened."""


class RunFolder:
    """
    Writes what a run has to show; one process of the run has it.

    Parameters
    ----------
    path : path
    step : int
        Where the run begins: what a former process logged beyond it is cut off.

    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        for name in (LOG, SCORES):
            _cut(path / name, step)
        self._board = _summary_writer(path, step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line to log.csv, and to TensorBoard's curves."""
        self._add(LOG, step, values, 'training')

    def log_scores(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line to scores.csv, and to TensorBoard's curves."""
        self._add(SCORES, step, values, 'validation')

    def show(self, step: int, name: str, picture: Path) -> None:
        """Show a picture in TensorBoard, too."""
        import numpy as np
        from PIL import Image

        with Image.open(picture) as image:
            self._board.add_image(name, np.asarray(image), step, dataformats='HWC')

    def close(self) -> None:
        """Finish the files."""
        self._board.close()

    def _add(self, file: str, step: int, values: Mapping[str, float], group: str) -> None:
        with open(self.path / file, 'a', newline='') as out:
            writer = csv.writer(out, lineterminator='\n')
            if not out.tell():
                writer.writerow(['step', *values])
            writer.writerow([step, *(f'{value:.7g}' for value in values.values())])
        for name, value in values.items():
            self._board.add_scalar(f'{group}/{name}', value, step)


def open_run(config: TrainConfig, resume: bool) -> State | None:
    """
    Make the folder of a run, or find the state of one that is to be resumed.

    Returns
    -------
    dict or None
        None: a new run begins.

    Raises
    ------
    InputError
        When the folder holds another run, or cannot be used.

    """
    if not config.output:
        raise InputError('no folder is given for the run: set --output')
    path = Path(config.output)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f'output {path} is a file or inside one: give a folder') from error
    started = any((path / name).exists() for name in (STATE, LOG))  # else it failed at once
    if started and not resume:
        raise InputError(f'{path} holds a run already: go on with it by --resume, or give another '
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
                         f'the weights beside it, with --start_weights {path / LAST}')
    return state


def load_state(path: Path) -> State:
    """Read a state onto the CPU; raise InputError when it is broken."""
    try:
        return load_verified(path)
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError,
            zipfile.BadZipFile) as error:
        raise InputError(f'{path} is damaged ({error}): start a new run from the weights beside '
                         f'it, with --start_weights {path.parent / LAST}') from error


def _cut(path: Path, step: int) -> None:
    """Drop the lines of a log that belong to later steps, and a line cut short, at the end."""
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
