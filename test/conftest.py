"""Fixtures: the original's inputs and outputs; what was skipped, told at the end."""

from collections import defaultdict
from collections.abc import Callable, Iterator
import os
import textwrap
from typing import Any

if 'PYTEST_XDIST_WORKER' in os.environ:
    # One worker per core: more threads would only wait for each other. Before torch is imported.
    os.environ.setdefault('OMP_NUM_THREADS', '1')

from hypothesis import HealthCheck, settings
import mask3d_core  # noqa: F401  sets how OpenMP's threads wait, before torch is imported
from numpy.typing import NDArray
import pytest
from shared import read_golden, read_golden_facts

settings.register_profile('tests', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('tests')  # a slow machine is no failure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take longest, so that no worker is left with them at the end."""
    items.sort(key=lambda item: 'ros' not in item.path.parts)


@pytest.hookimpl(trylast=True)  # after the table of coverage
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end which files had tests that were skipped, by reason."""
    tests: dict[str, set[str]] = defaultdict(set)
    for report in terminalreporter.stats.get('skipped', []):
        tests[report.longrepr[2].removeprefix('Skipped: ')].add(report.nodeid)
    for reason, names in sorted(tests.items()):
        files = sorted({name.split('::')[0].removeprefix('test/') for name in names})
        terminalreporter.write_line(f'skipped {len(names)}: {reason}', yellow=True)
        terminalreporter.write_line(textwrap.fill(
            ', '.join(files), 99, initial_indent='    ', subsequent_indent='    '))


@pytest.fixture(scope='session')
def golden() -> Callable[[str], dict[str, NDArray]]:
    """Return a loader of the original's inputs and outputs, by case name."""
    return read_golden


@pytest.fixture(scope='session')
def golden_json() -> Callable[[str], dict[str, Any]]:
    """Return a loader of the facts of a golden case, by case name."""
    return read_golden_facts


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
