"""
Endurance trials of segment_node: floods, malformed clouds, kills, transitions, looping bags.

Prints a table, writes a report and a plot of the memory over time. Exit status 1 if a bound is
broken.

Usage: make soak, or: . .venv/ros.sh && python tools/soak.py [--scale 0.1] [--trials flood kill]
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
import os
from pathlib import Path
import sys
import tempfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'support'))

from mask3d_core.drawing.chart import Chart, draw_charts, Line, LINE_COLORS, linear_axis
import numpy as np
import rclpy
from ros_client import Client
from shared import ROOT, SHARED
from small_weights import save_small_weights
from soak import NAMESPACE, Outcome, Setting
from soak_trials import run_trial, TRIALS

COLORS = (*LINE_COLORS, (200, 30, 60), (120, 80, 180))


def main() -> int:
    """Run the trials; return the exit status."""
    options = _options()
    outcomes = []
    # neither tests nor a robot share our topics
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    rclpy.init(args=[])
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name) / 'small.weights'
        save_small_weights(weights)
        for trial in options.trials:
            folder = Path(name) / trial
            folder.mkdir()
            with Client(NAMESPACE) as client:
                outcome = run_trial(
                    trial, Setting(client, folder, weights, options.scale, options.bags))
            _print(outcome)
            outcomes.append(outcome)
            _write(options.output, outcomes)
    rclpy.try_shutdown()
    return 0 if all(outcome.holds for outcome in outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--trials', nargs='+', choices=TRIALS, default=list(TRIALS),
                        help='default: all of them')
    parser.add_argument('--scale', type=float, default=1.0,
                        help='share of the full amount of work; default: 1')
    parser.add_argument('--bags', type=Path, default=SHARED / 'data' / 'bags',
                        help='folder of bags to play; a generated sequence if it has none')
    parser.add_argument('--output', type=Path, default=ROOT / 'out' / 'soak',
                        help='folder for soak.json and soak.png')
    return parser.parse_args()


def _print(outcome: Outcome) -> None:
    print(f'\n{outcome.trial}: {outcome.amount}, {outcome.seconds:.0f} s')
    for bound in outcome.bounds:
        print(f'  {"ok    " if bound.holds else "BROKEN"} {bound.what:40} {bound.value:10.4g}'
              f'  at most {bound.limit:g}')
    for name, value in outcome.facts.items():
        print(f'         {name:40} {value:>10}' if isinstance(value, int) else
              f'         {name:40} {value}', flush=True)


def _write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report = [{**asdict(outcome), 'holds': outcome.holds, 'memory': outcome.memory.tolist()}
              for outcome in outcomes]
    (folder / 'soak.json').write_text(json.dumps(report, indent=1))
    curves = [outcome for outcome in outcomes if len(outcome.memory)]
    if curves:
        lines = [Line(f'{one.trial} ({one.memory[-1, 0] / 60:.1f} min)', color,
                      one.memory[:, 0] / one.memory[-1, 0], one.memory[:, 1])
                 for one, color in zip(curves, COLORS)]
        top = max(line.y.max() for line in lines)
        draw_charts(folder / 'soak.png', [Chart(
            linear_axis('share of the trial', [0.0, 1.0]),
            linear_axis('resident memory, MB', np.array([0.0, top])), lines)])


if __name__ == '__main__':
    sys.exit(main())
