"""The facts of weights in the metadata of an ONNX file, which `mask3d export` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, TYPE_CHECKING

from mask3d_core.errors import InputError

if TYPE_CHECKING:
    import onnx

SUFFIX: Final = '.onnx'
FACTS: Final = 'mask3d'
"""Key of the facts in the metadata: `Weights.facts` as JSON."""
INSTALL_ONNX: Final = "pip install 'mask3d_ros[onnx]' (or: pip install onnx onnxruntime)"


def read_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file; raise InputError if it is none, or `onnx` is not installed."""
    try:
        from google.protobuf.message import DecodeError
        import onnx
    except ImportError as error:
        raise InputError(f'{path.name} is an ONNX file, which needs more packages: '
                         f'{INSTALL_ONNX}') from error
    try:
        return onnx.load(path)
    except (OSError, ValueError, DecodeError) as error:
        raise InputError(f'{path.name} is no ONNX file or is cut short ({error}): copy it again, '
                         'or make one with `mask3d export WEIGHTS OUT.onnx`') from error


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts in an ONNX file; raise InputError if it has none."""
    for entry in read_model(path).metadata_props:
        if entry.key == FACTS:
            try:
                return dict(json.loads(entry.value))
            except (ValueError, TypeError) as error:
                raise InputError(f'{path.name} is damaged: its metadata cannot be read '
                                 f'({error})') from error
    raise InputError(f'{path.name} has no facts of weights in its metadata: expected a file that '
                     '`mask3d export` wrote')
