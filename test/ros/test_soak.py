"""The endurance trials for some seconds each; `make soak` runs them at length."""

from collections.abc import Iterator
import json
from pathlib import Path
import runpy
import sys
from typing import Any

from malformed_clouds import CHANGES, malformed_cloud
import numpy as np
import pytest
from ros_client import Client
import soak
from soak import growth, NAMESPACE, Outcome, ProcessWatch, Setting
import soak_trials
from soak_trials import run_trial, TRIALS

SCALE = 0.001
"""So small that each trial does its least amount."""


@pytest.fixture
def setting(context: None, weights: Path, tmp_path: Path) -> Iterator[Setting]:
    with Client(NAMESPACE) as client:
        yield Setting(client, tmp_path, weights, SCALE)


@pytest.mark.parametrize('trial', TRIALS)
def test_a_short_trial(setting: Setting, trial: str) -> None:
    outcome = run_trial(trial, setting)
    # memory, files and threads are not flat so soon; times are those of a busy machine
    broken = [bound for bound in outcome.bounds
              if not bound.holds and not bound.what.startswith(('growth', 'p99', 'longest'))]
    assert outcome.bounds and not broken, outcome


def test_malformed_clouds_are_the_same_every_time_and_differ() -> None:
    first, again = ([malformed_cloud(number) for number in range(60)] for _ in range(2))
    assert first == again
    assert len({bytes(cloud.data) for cloud in first}) > 10
    assert len({tuple(field.name for field in cloud.fields) for cloud in first}) > 5


@pytest.mark.parametrize('change', CHANGES)
def test_every_change_can_follow_any_other(change: Any) -> None:
    for number in range(40):
        message = malformed_cloud(number)
        change(message, np.random.default_rng(number))


def test_growth_compares_medians_after_the_warm_up() -> None:
    seconds = np.arange(100.0)
    waves = 100.0 + 30 * (np.arange(100) % 5 == 0)
    assert growth(seconds, waves) == 0
    assert growth(seconds, np.where(seconds < 15, 900.0, waves)) == 0
    assert growth(seconds, waves + seconds) > 50


def test_a_watch_ends_with_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended:
        pid = 'self'

    monkeypatch.setattr(soak, 'SAMPLE_SECONDS', 0.001)
    with ProcessWatch(Ended()) as watch:  # type: ignore[arg-type]
        watch._folder = Path('/proc/none')
        watch._thread.join(10)
    assert watch.samples[0][1] > 1 and watch.samples[0][3] >= 1


def test_a_failed_assertion_breaks_a_bound(
        setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(setting: Setting) -> Outcome:
        raise AssertionError('the node ended')

    monkeypatch.setitem(TRIALS, 'kill', fail)
    outcome = run_trial('kill', setting)
    assert not outcome.holds and outcome.trial == 'kill'


@pytest.mark.parametrize('value', [3, 5])
def test_the_program_writes_a_report_and_tells_broken_bounds(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
        value: int) -> None:
    program = Path(__file__).resolve().parents[2] / 'tools' / 'soak.py'
    outcome = Outcome('kill -9', '3 kills', facts={'kills': 3},
                      memory=np.array([[0.0, 100.0], [60.0, 120.0]]))
    outcome.bound('damaged files', value, 4)
    monkeypatch.setattr(soak_trials, 'run_trial', lambda name, setting: outcome)
    for name in ('init', 'try_shutdown'):
        monkeypatch.setattr(f'rclpy.{name}', lambda **arguments: None)
    monkeypatch.setattr('ros_client.Client.__init__', lambda self, *arguments: None)
    monkeypatch.setattr('ros_client.Client.__exit__', lambda self, *arguments: None)
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, '')  # set back at the end
    monkeypatch.setattr(sys, 'argv', [str(program), '--trials', 'kill', '--output', str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(program), run_name='__main__')
    assert ended.value.code == (value > 4)
    assert ('BROKEN' in capsys.readouterr().out) == (value > 4)
    report = json.loads((tmp_path / 'soak.json').read_text())
    assert report[0]['holds'] == (value <= 4) and report[0]['memory'][1] == [60.0, 120.0]
    assert (tmp_path / 'soak.png').exists()
