"""
Segment a point cloud that is held in numpy arrays, and print a box for each object.

    mask3d prepare rooms rooms --count 1 --held-out 0
    python examples/segment_cloud.py rooms/scans/room_000000.npz

The .npz file holds `xyz`, [N, 3] metres with z up, and optionally `color`, [N, 3] uint8.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from mask3d_core import ExtractSettings, load_segmenter, Scan, Segmenter
import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A box that stands upright around an object, metres and radians, in the cloud's frame."""

    name: str
    score: float
    center: NDArray[np.float64]  # [3]
    size: NDArray[np.float64]    # [3], along the box's own axes
    yaw: float                   # rotation about z
    rows: NDArray[np.int32]      # rows of the cloud that belong to the object, ascending


def find_boxes(segmenter: Segmenter, xyz: NDArray[np.floating],
               color: NDArray[np.uint8] | None, min_score: float) -> list[Box]:
    """Return the boxes of the objects in a cloud, best score first."""
    scan = Scan.from_points(xyz, color)
    found = segmenter.segment(scan, ExtractSettings(score_threshold=min_score))
    return [Box(found.name(index), float(found.score[index]), found.upright_center[index],
                found.upright_size[index], float(found.upright_yaw[index]), found.points(index))
            for index in range(len(found))]


def main() -> None:
    """Read a cloud, segment it, print the boxes."""
    parser = argparse.ArgumentParser(description='Print the boxes of the objects in a cloud.')
    parser.add_argument('cloud', type=Path, help='.npz file with xyz and optionally color')
    parser.add_argument('--weights', type=Path, help='default: those that ship with the package')
    parser.add_argument('--min-score', type=float, default=0.5, help='default: 0.5')
    options = parser.parse_args()

    arrays = np.load(options.cloud)
    color = arrays['color'] if 'color' in arrays else None
    segmenter = load_segmenter(options.weights)  # once: the next clouds need no loading
    for box in find_boxes(segmenter, arrays['xyz'], color, options.min_score):
        x, y, z = box.center
        length, width, height = box.size
        print(f'{box.name:16} {box.score:.2f}  {len(box.rows):6} points  center {x:6.2f} {y:6.2f} '
              f'{z:6.2f}  size {length:.2f} {width:.2f} {height:.2f}  yaw {box.yaw:5.2f}')


if __name__ == '__main__':
    main()
