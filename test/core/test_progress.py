"""The progress bar, in a file and on a terminal."""

from types import SimpleNamespace

from mask3d_core.progress import ProgressBar
import pytest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, which stands still."""
    now = [100.0]
    monkeypatch.setattr('mask3d_core.progress.time', SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_the_time_left_is_that_of_the_work(capsys: pytest.CaptureFixture[str],
                                           clock: list[float]) -> None:
    bar = ProgressBar('tile', [100, 100, 300, 500])
    clock[0] += 60
    bar.advance()
    assert capsys.readouterr().err == 'tile 1/4 [###---------------------------] 0:09:00 left\n'
    clock[0] += 20
    bar.advance()
    assert capsys.readouterr().err == '', 'in a file, not every tile'
    clock[0] += 70
    bar.advance()
    assert capsys.readouterr().err == 'tile 3/4 [###############---------------] 0:02:30 left\n'
    bar.advance()
    assert capsys.readouterr().err == 'tile 4/4 [##############################] 0:00:00 left\n'


def test_one_of_several_processes_counts_for_all(capsys: pytest.CaptureFixture[str],
                                                 clock: list[float]) -> None:
    bar = ProgressBar('tile', [10, 10], num_processes=2, total=3)
    clock[0] += 1
    for _ in range(2):
        bar.advance()
    assert [line.split(' [')[0] for line in capsys.readouterr().err.splitlines()] == [
        'tile 2/3', 'tile 3/3']


def test_on_a_terminal_the_bar_is_updated_in_place(capsys: pytest.CaptureFixture[str],
                                                   monkeypatch: pytest.MonkeyPatch,
                                                   clock: list[float]) -> None:
    monkeypatch.setattr('sys.stderr.isatty', lambda: True)
    bar = ProgressBar('tile', [1, 1])
    clock[0] += 4
    bar.advance()
    bar.advance()
    first, second, end = capsys.readouterr().err.removeprefix('\r').replace('\n', '\r').split('\r')
    assert first.startswith('tile 1/2 [') and first.endswith(' 0:00:04 left')
    assert second.startswith('tile 2/2 [') and end == ''
