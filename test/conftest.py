"""Fixtures: the original's inputs and outputs, and real data, where they are at hand."""

from collections.abc import Callable, Iterator
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
import numpy as np
import pytest
from shared import SHARED

settings.register_profile('tests', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('tests')  # a slow machine is no failure


def _existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f'{path.name} is not at hand: set MASK3D_SHARED to the folder that holds '
                    f'{path.relative_to(SHARED)}')
    return path


@pytest.fixture(scope='session')
def golden() -> Callable[[str], Any]:
    """Return a loader of one of the original's npz files, by case name."""
    return lambda case: np.load(_existing(SHARED / 'golden' / f'{case}.npz'))


@pytest.fixture(scope='session')
def golden_json() -> Callable[[str], dict[str, Any]]:
    """Return a loader of the facts of a golden case, by case name."""
    return lambda case: json.loads(
        _existing(SHARED / 'golden' / f'{case}.json').read_text())


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    """Let a test draw the same numbers, whichever tests ran before it."""
    import torch

    torch.manual_seed(0)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread: whoever starts processes would have too many."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Return the folder of real clouds and bags."""
    return _existing(SHARED / 'data')
