"""Errors are logged with throttling and do not end the node."""

from mask3d_core.errors import InputError
from mask3d_ros.error_log import ErrorLog, THROTTLE_SECONDS
import pytest


class Recorder:
    """A logger that keeps its lines, and a clock that the test sets."""

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


def test_success_logs_nothing(log: ErrorLog, recorder: Recorder) -> None:
    assert log.guard(lambda: None)
    assert recorder.lines == []


def test_a_repeated_error_is_throttled(log: ErrorLog, recorder: Recorder) -> None:
    for _ in range(5):
        assert not log.guard(refuse)
    assert recorder.lines == ['cloud is empty']
    recorder.now = THROTTLE_SECONDS + 1
    log.guard(refuse)
    assert recorder.lines[1:] == ['cloud is empty (repeated 4 times)']


def test_messages_that_differ_in_numbers_are_the_same(log: ErrorLog, recorder: Recorder) -> None:
    for count, place in ((7, '-1.5'), (12, '1e+20'), (0, '3')):
        log.log(f'{count} finite points at {place} m')
    assert recorder.lines == ['7 finite points at -1.5 m']
    assert log.last_error == '0 finite points at 3 m'


def test_value_or_returns_the_value_or_the_default(log: ErrorLog, recorder: Recorder) -> None:
    assert log.value_or(1.0, lambda: 2.0) == 2.0 and recorder.lines == []
    assert log.value_or(1.0, lambda: {}['missing']) == 1.0 and 'KeyError' in recorder.lines[0]


def test_another_error_is_logged_at_once(log: ErrorLog, recorder: Recorder) -> None:
    log.log('one')
    log.log('other')
    log.log('one')
    assert recorder.lines == ['one', 'other', 'one']


def test_after_a_success_an_error_is_logged_again(log: ErrorLog, recorder: Recorder) -> None:
    log.guard(refuse)
    log.reset()
    log.guard(refuse)
    assert recorder.lines == ['cloud is empty'] * 2


def test_an_unexpected_error_has_its_traceback(log: ErrorLog, recorder: Recorder) -> None:
    assert not log.guard(lambda: {}['missing'])
    assert 'unexpected error' in recorder.lines[0] and 'KeyError' in recorder.lines[0]
    assert 'test_error_log.py' in recorder.lines[0]


def test_unexpected_errors_during_shutdown_are_not_logged(
        log: ErrorLog, recorder: Recorder) -> None:
    recorder.ok = False
    assert not log.guard(lambda: {}['missing'])
    assert recorder.lines == []


@pytest.mark.parametrize('end', [KeyboardInterrupt, SystemExit])
def test_exceptions_that_end_the_process_pass(log: ErrorLog, end: type[BaseException]) -> None:
    def interrupt() -> None:
        raise end

    with pytest.raises(end):
        log.guard(interrupt)
