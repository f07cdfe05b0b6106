"""`mask3d completion`: the script with which a shell completes commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mask3d_core.errors import InputError

SUMMARY = 'print the script that lets bash or zsh complete commands'
DESCRIPTION = """\
Print the script that lets a shell complete commands, options, their choices and file names
at the Tab key. The script is complete: neither Python nor mask3d starts at the Tab key.
Needs shtab: pip install 'mask3d_ros[completion]'
"""
EXAMPLES = """\
example:
  eval "$(mask3d completion bash)"     in this shell alone; in ~/.bashrc: in all
  mask3d completion bash > ~/.local/share/bash-completion/completions/mask3d
  mask3d completion zsh > ~/.zfunc/_mask3d     a folder of fpath, before compinit
"""
SHELLS = ('bash', 'zsh')
FOLDERS = ('DIR', 'DATASET', 'FOLDER', 'RAW', 'RUN')
"""Metavariables of arguments that are folders; other paths may be files."""
INSTALL_SHTAB = "pip install 'mask3d_ros[completion]' (or: pip install shtab)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('shell', choices=SHELLS, metavar='SHELL', help=', '.join(SHELLS))


def run(options: argparse.Namespace) -> None:
    """Print the script."""
    try:
        shtab = import_module('shtab')
    except ImportError as error:
        raise InputError('completion scripts are made by another package: '
                         f'{INSTALL_SHTAB}') from error
    parser = options.build_parser()
    for action in _arguments(parser):
        if isinstance(action, argparse._SubParsersAction):
            _shorten(action)
        elif action.type is Path or action.dest == 'json':
            action.complete = (  # type: ignore[attr-defined]
                shtab.DIRECTORY if action.metavar in FOLDERS else shtab.FILE)
    print(shtab.complete(parser, options.shell))


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of all its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _arguments(command)


def _shorten(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Let the line about each command be its description, which zsh shows."""
    for described in commands._choices_actions:
        commands.choices[described.dest].description = described.help
