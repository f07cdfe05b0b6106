"""`mask3d train`: from labelled scans to a weights file."""

from __future__ import annotations

import argparse
from pathlib import Path
import shlex
import sys

SUMMARY = 'train a model on labelled scans'
DESCRIPTION = """\
Train a model on a data set that `mask3d prepare` made. Into the folder of the run go

  last.weights, best.weights   what `mask3d segment` and the robot read
  config.yaml                  every number of the run
  log.csv, scores.csv          the curves, for TensorBoard, too: tensorboard --logdir RUN
  pictures/                    a few validation scans with what was found in them
  state.pt                     where the run stands; it goes on from there by --resume

A run that is stopped, by Ctrl-C or SIGTERM, ends after the step it is in; resumed, it gives the
same weights as one that ran through.

Every key of the configuration can be set: --epochs 100, --model.num_queries 150,
--augmentation.color_drop 0.2. `mask3d train --show` prints all of them.
"""
EXAMPLES = """\
example:
  mask3d train --config config/train_scannet.yaml --data scannet/ --output runs/scannet
  mask3d train --config config/train_own.yaml --data office/ --output runs/office
  mask3d train --config runs/office/config.yaml --resume
  torchrun --nproc_per_node 4 -m mask3d_core train --config config/train_scannet.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; all others are keys of the configuration."""
    parser.add_argument('--config', type=Path, metavar='FILE',
                        help='YAML; config/train_*.yaml, or config.yaml of a run (default: the '
                             "paper's numbers for ScanNet)")
    parser.add_argument('--resume', action='store_true',
                        help='go on where the run in the output folder was stopped; start it if '
                             'there is none')
    parser.add_argument('--show', action='store_true',
                        help='print the whole configuration as YAML, and stop')
    parser.set_defaults(keys=[])


def run(options: argparse.Namespace) -> None:
    """Read the configuration and train."""
    from mask3d_core.training.config import config_text, load_config
    from mask3d_core.training.loop import train

    config = load_config(options.config, options.keys)
    if options.show:
        print(config_text(config), end='')
        return
    train(config, options.resume, shlex.join(['mask3d', *sys.argv[1:]]))
