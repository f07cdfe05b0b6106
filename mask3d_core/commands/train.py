"""`mask3d train`: train a model on labelled scans."""

from __future__ import annotations

import argparse
from pathlib import Path
import shlex
import sys

SUMMARY = 'train a model on labelled scans'
DESCRIPTION = """\
Train a model on a data set that `mask3d prepare` made. Writes into the output folder

  last.weights, best.weights   weights files for `mask3d segment` and the node
  config.yaml                  the whole configuration of the run
  log.csv, scores.csv          losses and scores; also: tensorboard --logdir RUN
  pictures/                    some validation scans with predicted instances
  state.pt                     model, optimizer and schedule, for --resume

Ctrl-C or SIGTERM stops a run after its current step; resumed, it gives the same weights
as a run without interruption.

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
    """Add the arguments; all others are keys of the configuration."""
    parser.add_argument('--config', type=Path, metavar='FILE',
                        help='YAML; config/train_*.yaml, or config.yaml of a run (default: the '
                             "paper's numbers for ScanNet)")
    parser.add_argument('--resume', action='store_true',
                        help='continue the run in the output folder; start one if there is none')
    parser.add_argument('--show', action='store_true',
                        help='print the whole configuration as YAML and exit')
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
