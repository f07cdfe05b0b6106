"""Errors are told once, and never end the node."""

from mask3d_core.errors import InputError
from mask3d_ros.error_log import ErrorLog, THROTTLE_SECONDS
import pytest


class Recorder:
    """A logger and a clock to look at."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.ok = True

    def error(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def log(recorder: Recorder) -> ErrorLog:
    return ErrorLog(recorder, lambda: recorder.ok, lambda: recorder.now)


def refuse() -> None:
    raise InputError('cloud is empty')


def test_success_says_nothing(log: ErrorLog, recorder: Recorder) -> None:
    assert log.guard(lambda: None)
    assert recorder.lines == []


def test_the_same_error_is_told_once_and_again_after_a_while(
        log: ErrorLog, recorder: Recorder) -> None:
    for _ in range(5):
        assert not log.guard(refuse)
    assert recorder.lines == ['cloud is empty']
    recorder.now = THROTTLE_SECONDS + 1
    log.guard(refuse)
    assert recorder.lines[1:] == ['cloud is empty (repeated 4 times)']


def test_another_error_is_told_at_once(log: ErrorLog, recorder: Recorder) -> None:
    log.log('one')
    log.log('other')
    log.log('one')
    assert recorder.lines == ['one', 'other', 'one']


def test_after_a_success_it_is_news_again(log: ErrorLog, recorder: Recorder) -> None:
    log.guard(refuse)
    log.reset()
    log.guard(refuse)
    assert recorder.lines == ['cloud is empty'] * 2


def test_a_defect_comes_with_its_traceback(log: ErrorLog, recorder: Recorder) -> None:
    assert not log.guard(lambda: {}['missing'])
    assert 'unexpected error' in recorder.lines[0] and 'KeyError' in recorder.lines[0]
    assert 'test_error_log.py' in recorder.lines[0]


def test_what_fails_because_ros_shuts_down_is_no_defect(
        log: ErrorLog, recorder: Recorder) -> None:
    recorder.ok = False
    assert not log.guard(lambda: {}['missing'])
    assert recorder.lines == []


@pytest.mark.parametrize('end', [KeyboardInterrupt, SystemExit])
def test_the_wish_to_end_passes(log: ErrorLog, end: type[BaseException]) -> None:
    def interrupt() -> None:
        raise end

    with pytest.raises(end):
        log.guard(interrupt)
