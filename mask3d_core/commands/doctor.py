"""`mask3d doctor`: what is installed, and which device will be used."""

from __future__ import annotations

import argparse

from mask3d_core.errors import InputError

SUMMARY = 'show what is installed and which device will be used'
DESCRIPTION = """\
Show what is installed, which device the network will run on and, if that is not a
GPU, why. Fails if something the network needs is missing.
"""
EXAMPLES = """\
example:
  mask3d doctor
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments."""


def run(options: argparse.Namespace) -> None:
    """Print one finding a line."""
    from mask3d_core.doctor import examine

    findings = examine()
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f'{finding.name:{width}}  {finding.value}')
    bad = [finding.name for finding in findings if not finding.good]
    if bad:
        raise InputError(f'not ready: see {", ".join(bad)} above')
