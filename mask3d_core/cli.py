"""The command line: `mask3d COMMAND …`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
import sys

import mask3d_core
from mask3d_core.commands import (
    bench,
    completion,
    convert,
    doctor,
    evaluate,
    export,
    figures,
    info,
    prepare,
    segment,
    study,
    train,
    view,
)
from mask3d_core.commands.arguments import add_quiet_argument
from mask3d_core.commands.failures import describe_failure
from mask3d_core.commands.json_output import check_document_target, write_failure
from mask3d_core.errors import InputError
from mask3d_core.progress import report, silenced

COMMANDS = {'segment': segment, 'convert': convert, 'info': info, 'bench': bench,
            'prepare': prepare, 'train': train, 'evaluate': evaluate, 'study': study,
            'export': export, 'view': view, 'figures': figures, 'doctor': doctor,
            'completion': completion}
EPILOG = """\
start here:
  mask3d doctor                          check the installation and show the device
  mask3d segment scan.ply -o found       find the objects of a scan
  mask3d segment --help                  options of a command, with an example

exit status: 0 success, 1 failure (the reason is on stderr), 2 wrong usage
"""


def build_parser(command_names: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """
    Return the parser of the command line.

    Parameters
    ----------
    command_names : strings
        Commands whose arguments are added; all others have their help line only. Adding some
        takes imports that the others need not wait for.

    """
    parser = argparse.ArgumentParser(
        'mask3d', description='Object instances in 3D point clouds, with Mask3D.',
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action='version',
                        version=f'mask3d {mask3d_core.__version__}')
    add_quiet_argument(parser)
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.SUMMARY, description=module.DESCRIPTION, epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        add_quiet_argument(command)
        if name in command_names:
            module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Parameters
    ----------
    arguments : strings
        Command line arguments; by default those of the process.

    Returns
    -------
    int
        Exit status: 0 success, 1 failure. Wrong usage raises SystemExit with status 2.

    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = build_parser([word for word in arguments if not word.startswith('-')][:1])
    options, others = parser.parse_known_args(arguments)
    if others and 'keys' not in options:
        parser.error(f'unrecognized arguments: {" ".join(others)}')
    options.keys = others  # configuration keys of `mask3d train`, which parses them itself
    options.build_parser = build_parser  # for `mask3d completion`
    try:
        with silenced('quiet' in options):
            check_document_target(options)
            options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the pipe has closed it, as in `mask3d info … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (InputError, OSError, MemoryError) as error:
        return _failed(describe_failure(error), options)
    except KeyboardInterrupt:
        return _failed('interrupted', options)
    return 0


def _failed(sentence: str, options: argparse.Namespace) -> int:
    report(sentence)
    write_failure(options, sentence)
    return 1
