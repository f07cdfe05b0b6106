"""A scene of a floor with a crate and a bin, predicted, with truth, heatmaps and features."""

from dataclasses import replace

from mask3d_core.extraction.postprocess import measure_masks
from mask3d_core.inspection import Inspection
from mask3d_core.viewer.scene import Layer, Scene, truth_layer
import numpy as np
from toy_rooms import CLASSES, make_room


def small_scene(seed: int = 0) -> Scene:
    """Return the scene; the prediction misses the last box, and invents one on the floor."""
    room = make_room(seed, f'room{seed}', boxes=3)
    scan = room.scan
    masks = [np.flatnonzero(room.instance == number) for number in range(2)]
    masks.append(np.flatnonzero(scan.xyz[:, 2] < 0.01)[:200])
    found = measure_masks(masks, scan, CLASSES)
    found = replace(found, class_id=np.array([2, 3, 2], np.int32),
                    score=np.array([0.9, 0.8, 0.4], np.float32))
    voxel = np.arange(len(scan)) % 50
    inspection = Inspection(voxel, np.arange(3), np.arange(150).reshape(50, 3).astype(np.uint8),
                            np.arange(150).reshape(50, 3).astype(np.uint8))
    segmented = replace(scan, segment=np.arange(len(scan)) // 100)
    return Scene(room.name, segmented, Layer(found), truth_layer(room, CLASSES), inspection,
                 ('A note of the scene.',))
