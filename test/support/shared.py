"""Where the original's outputs and real recordings are: in the repository, or beside it."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get('MASK3D_SHARED', ROOT.parent / 'shared'))
"""The folder with what is too large for the repository, or not ours to redistribute."""
WHY_NOT_HERE = {
    'golden': 'golden data too large for the repository',
    'data': 'recordings and tables that the repository does not redistribute'}


def find_shared(name: str) -> Path:
    """
    Return the path of golden/… or data/…; skip the test if it is on this machine nowhere.

    The repository's own folder test/ comes first, then SHARED.
    """
    for folder in (ROOT / 'test', SHARED):
        if (folder / name).exists():
            return folder / name
    folder, _ = name.split('/', 1)
    pytest.skip(f'{WHY_NOT_HERE[folder]}: set MASK3D_SHARED to the folder that holds {folder}/')


def read_golden(case: str) -> dict[str, NDArray]:
    """Return the original's inputs and outputs of a case; skip the test if they are not here."""
    arrays = dict(np.load(find_shared(f'golden/{case}.npz')))
    if 'inputs_of' in arrays:  # two cases with the same inputs: stored once
        return read_golden(str(arrays.pop('inputs_of'))) | arrays
    return arrays


def read_golden_facts(case: str) -> dict[str, Any]:
    """Return the settings and names of the weights of a golden case."""
    facts: dict[str, Any] = json.loads(find_shared(f'golden/{case}.json').read_text())
    return facts
