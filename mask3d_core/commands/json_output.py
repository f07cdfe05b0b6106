"""The option --json: the results of a command as one JSON document, on stdout or in a file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
import math
import os
from pathlib import Path
from typing import Any, Final

STDOUT: Final = Path('-')


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add --json; `write_document` obeys it."""
    parser.add_argument('--json', type=_target, nargs='?', const=STDOUT, metavar='OUT.json',
                        help='print the results as one JSON document to stdout, and nothing '
                             'else; with OUT.json, write it there and print as usual')


def _target(text: str) -> Path:
    """Parse OUT: only a name that ends with .json, as `--json scan.ply` would replace a scan."""
    path = Path(text)
    if path != STDOUT and path.suffix.lower() != '.json':
        raise argparse.ArgumentTypeError(
            f'expected a name that ends with .json, or -, got {text}: to print to stdout, put '
            '--json after the files')
    return path


def prints_document(options: argparse.Namespace) -> bool:
    """Tell whether stdout is for the document alone, so that text for people is left out."""
    return getattr(options, 'json', None) == STDOUT


def check_document_target(options: argparse.Namespace) -> None:
    """Raise InputError if the document could not be written, before anything takes time."""
    if getattr(options, 'json', None) is not None and not prints_document(options):
        from mask3d_core.files.target import check_folder

        check_folder(options.json.absolute().parent)


def write_document(options: argparse.Namespace, content: Mapping[str, Any]) -> None:
    """
    Write the document of a command where --json says; without the option, do nothing.

    Values that are not finite become null, as JSON has no other way to say it.
    """
    if getattr(options, 'json', None) is None:
        return
    text = json.dumps(_plain(content), indent=1, allow_nan=False)
    options.document_written = True
    if prints_document(options):
        print(text, flush=True)
        return
    from mask3d_core.files.target import atomic_write

    options.json.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(options.json) as file:
        file.write(f'{text}\n'.encode())


def write_failure(options: argparse.Namespace, sentence: str) -> None:
    """Print why there are no results, if stdout is for a document and none was printed yet."""
    first = os.environ.get('RANK', '0') == '0'  # of the processes that torchrun started
    if prints_document(options) and not getattr(options, 'document_written', False) and first:
        write_document(options, {'error': sentence})


def _plain(value: Any) -> Any:
    """Return a value that JSON can represent."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if hasattr(value, 'tolist'):  # arrays and scalars of numpy
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
