"""
Mask3D: object instances in point clouds.

    from mask3d_core import load_segmenter, Scan

    segmenter = load_segmenter()            # the shipped weights
    instances = segmenter.segment(Scan.from_points(xyz, color))

Letters of array dimensions, everywhere in this package:

    N  points of a scan              V  voxels            S  segments (superpoints)
    Q  queries                       K  classes           I  instances
    D  channels of the decoder       C  channels of a feature map
    B  scans of a batch              E  channels of mask features; edges of a graph
    R  regions, the parts of masks

Metres, seconds, radians, colours 0..1, z up.
"""

from __future__ import annotations

from importlib import import_module, metadata
import os
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.openmp import wait_briefly

if TYPE_CHECKING:
    from mask3d_core.classes import ClassTable, load_classes
    from mask3d_core.errors import InputError
    from mask3d_core.extraction.postprocess import ExtractSettings
    from mask3d_core.instances import Instances
    from mask3d_core.scan import Scan
    from mask3d_core.segmenter import load_segmenter, Segmenter
    from mask3d_core.weights.checkpoint import load_weights, save_weights, Weights

__all__ = ['ClassTable', 'ExtractSettings', 'InputError', 'Instances', 'load_classes',
           'load_segmenter', 'load_weights', 'save_weights', 'Scan', 'Segmenter', 'Weights']

# torch asks for huge pages if told so before it first needs memory; clearing small ones took a
# tenth of the network's time (docs/log/speed.md).
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')

wait_briefly()  # before torch is imported

# Imported on first use: reading scans and results needs no torch.
_HOME = {
    'ClassTable': 'classes', 'ExtractSettings': 'extraction.postprocess', 'InputError': 'errors',
    'Instances': 'instances', 'load_classes': 'classes', 'load_segmenter': 'segmenter',
    'load_weights': 'weights.checkpoint', 'save_weights': 'weights.checkpoint', 'Scan': 'scan',
    'Segmenter': 'segmenter', 'Weights': 'weights.checkpoint'}


def __getattr__(name: str) -> Any:
    if name == '__version__':
        return _version()
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOME[name]}'), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _version() -> str:
    """Return the version of package.xml, or of the installed package."""
    manifest = Path(__file__).resolve().parent.parent / 'package.xml'
    if not manifest.exists():
        return metadata.version('mask3d_ros')
    from xml.etree import ElementTree

    return ElementTree.parse(manifest).findtext('version', default='unknown').strip()
