"""Labelled frames of a Kinect: table tops of the shared data, and a can of the repository."""

from __future__ import annotations

from pathlib import Path
import struct

from mask3d_core.files import lzf, read_scan
from mask3d_core.scan import Scan
import numpy as np
from numpy.typing import NDArray
from shared import find_shared

NAMES = ('test55', 'test10', 'learn13')
"""With 14, 2 and 3 objects."""


def labels_of_each_point(path: Path) -> NDArray[np.int64]:
    """Return the label of each finite point: 10 times the object, below 10 the table."""
    content = path.read_bytes()
    body = content[content.index(b'DATA binary_compressed\n') + 23:]
    packed, size = struct.unpack_from('<II', body)
    stored = lzf.decompress(body[8:8 + packed], size)            # field after field, labels first
    label = np.frombuffer(stored, '<u4', 640 * 480)
    return label[read_scan(path).kept].astype(np.int64)


def can_on_a_floor() -> tuple[Scan, NDArray[np.int64]]:
    """Return the scan of the repository, and its labels: 20 the can, 1 floor, 2 wall, 0 none."""
    scan = read_scan(find_shared('data/bags/kinect_tabletop_ros2_mcap_zstd'))
    label = np.load(find_shared('data/labels/kinect_tabletop.npz'))['label']
    return scan, label.reshape(-1)[scan.kept].astype(np.int64)


def turned_upright(scan: Scan, label: NDArray[np.int64]) -> Scan:
    """Turn the camera's frame (y down, z ahead) so that the normal of the table is z."""
    table = scan.xyz[(label > 0) & (label < 10)].astype(np.float64)
    up = np.linalg.svd(table[::20] - table.mean(0), full_matrices=False)[2][2]
    up = up if up[1] < 0 else -up
    left = np.cross([0, 0, 1], up) / np.linalg.norm(np.cross([0, 0, 1], up))
    turned = scan.xyz @ np.stack([left, np.cross(up, left), up], axis=1)
    return Scan.from_points(turned.astype(np.float32), scan.color)
