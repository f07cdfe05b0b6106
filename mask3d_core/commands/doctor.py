"""`mask3d doctor`: what is installed, and which device will be used."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from mask3d_core.commands.json_output import (
    add_json_argument,
    prints_document,
    write_document,
)
from mask3d_core.errors import InputError

SUMMARY = 'show what is installed and which device will be used'
DESCRIPTION = """\
Show what is installed, which device the network will run on and, if that is not a
GPU, why. Fails if something the network needs is missing.
"""
EXAMPLES = """\
example:
  mask3d doctor
  mask3d doctor --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_json_argument(parser)


def run(options: argparse.Namespace) -> None:
    """Print one check a line."""
    from mask3d_core.doctor import DoctorCheck, run_checks

    checks = run_checks()
    if all(check.passed for check in checks):
        from mask3d_core.engines import describe_engines

        checks += [DoctorCheck(f'engine {name}', value)
                   for name, value in describe_engines().items()]
    failed = [check.name for check in checks if not check.passed]
    width = max(len(check.name) for check in checks)
    for check in checks if not prints_document(options) else ():
        print(f'{check.name:{width}}  {check.value}')
    write_document(options, {'ready': not failed, 'checks': [asdict(check) for check in checks]})
    if failed:
        raise InputError(f'not ready: see {", ".join(failed)} above')
