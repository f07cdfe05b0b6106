"""Fixtures: the original's inputs and outputs, and real data, where they are at hand."""

from collections.abc import Callable, Iterator
import json
from typing import Any

from hypothesis import HealthCheck, settings
import numpy as np
from numpy.typing import NDArray
import pytest
from shared import find_shared

settings.register_profile('tests', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('tests')  # a slow machine is no failure


@pytest.fixture(scope='session')
def golden() -> Callable[[str], dict[str, NDArray]]:
    """Return a loader of the original's inputs and outputs, by case name."""
    return _golden_arrays


def _golden_arrays(case: str) -> dict[str, NDArray]:
    arrays = dict(np.load(find_shared(f'golden/{case}.npz')))
    if 'inputs_of' in arrays:  # two cases with the same inputs: stored once
        return _golden_arrays(str(arrays.pop('inputs_of'))) | arrays
    return arrays


@pytest.fixture(scope='session')
def golden_json() -> Callable[[str], dict[str, Any]]:
    """Return a loader of the facts of a golden case, by case name."""
    return lambda case: json.loads(find_shared(f'golden/{case}.json').read_text())


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
