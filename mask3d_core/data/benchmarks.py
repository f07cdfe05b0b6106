"""The data sets the literature uses: how each is read, and what to suggest for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.readers.raw_scan import RawSource
from mask3d_core.data.readers.s3dis import s3dis_sources
from mask3d_core.data.readers.scannet import scannet_sources
from mask3d_core.data.readers.stpls3d import stpls3d_sources


@dataclass(frozen=True)
class Benchmark:
    """
    A known data set.

    Attributes
    ----------
    classes : str
        Name of its class table.
    sources : callable
        Lists what to read, given the raw folder and the class table.
    background : tuple of str
    voxel_size : float
        Metres.
    min_region_size : int

    """

    classes: str
    sources: Callable[[Path, ClassTable], list[RawSource]]
    background: tuple[str, ...] = ()
    voxel_size: float = 0.02
    min_region_size: int = 100

    def dataset(self, name: str, folder: Path) -> Dataset:
        """Return the description of the data set, still without scans."""
        return Dataset(folder, name, load_classes(self.classes), self.background,
                       voxel_size=self.voxel_size,
                       min_region_size=self.min_region_size)


BENCHMARKS = {
    'scannet': Benchmark(
        'scannet20', lambda raw, classes: scannet_sources(raw, 'nyu40id'), ('wall', 'floor')),
    'scannet200': Benchmark(
        'scannet200', lambda raw, classes: scannet_sources(raw, 'id'), ('wall', 'floor')),
    's3dis': Benchmark(
        's3dis', lambda raw, classes: s3dis_sources(raw, dict(zip(classes.names, classes.ids)))),
    'stpls3d': Benchmark(
        'stpls3d', lambda raw, classes: stpls3d_sources(raw), voxel_size=0.333,
        min_region_size=10),
}
