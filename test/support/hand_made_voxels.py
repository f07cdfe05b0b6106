"""Voxels, classes and settings for predictions that are made by hand."""

from mask3d_core.classes import ClassTable
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.voxels import Voxels
import numpy as np
from numpy.typing import NDArray
import torch

PLAIN = ExtractSettings(min_points=1, dbscan_eps=0, overlap_threshold=None)
CLASSES = ClassTable((10, 20), ('chair', 'table'), ((255, 0, 0), (0, 0, 255)))


def voxels_of(centers: NDArray, inverse: NDArray, segment: NDArray | None = None) -> Voxels:
    """Return voxels of which only centers, inverse and segments matter."""
    count = len(centers)
    return Voxels(torch.zeros(count, 3, dtype=torch.int64), torch.ones(count, 1),
                  torch.from_numpy(centers), np.zeros(3), torch.from_numpy(inverse).long(),
                  None if segment is None else torch.from_numpy(segment).long(), 0.02)
