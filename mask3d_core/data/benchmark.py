"""Benchmarks: everything this package knows of a published data set, in one object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.data import readers
from mask3d_core.data.dataset import Dataset
from mask3d_core.data.protocol import CUSTOM, Protocol
from mask3d_core.data.readers.raw_scan import RawSource
from mask3d_core.tiling.settings import default_tiles, TileSettings

INDOOR_TILES = TileSettings(12.0)
"""Of published indoor data sets: most of their scans are not cut."""


@dataclass(frozen=True)
class OriginalModels:
    """
    What checkpoints of the original, trained on a benchmark, leave out.

    Attributes
    ----------
    num_classes : int
        Class logits without "no object": the classes of the table that are no background, and
        where the original has more logits than classes, these.
    voxel_size : float or None
        Metres; None: they were trained with several.
    scannet_colors : bool
        Whether they were trained with ScanNet's colour statistics.

    """

    num_classes: int
    voxel_size: float | None = 0.02
    scannet_colors: bool = False


@dataclass(frozen=True)
class Benchmark:
    """
    A published data set: how it is read, prepared, evaluated and submitted.

    Attributes
    ----------
    name : str
        Of the data set and of its command, `mask3d prepare NAME`.
    title : str
        As its authors write it.
    table : str
        Name of its class table.
    protocol : Protocol
    layout : str
        What the folder RAW holds, for `mask3d prepare --help`.
    sources : callable or None
        Lists what to read, given the raw folder and the class table; None: the data set has a
        command of its own.
    voxel_size : float
        To suggest for training, metres.
    tiles : TileSettings
        How maps are cut for weights that are trained on it.
    has_superpoints : bool
        Whether its scans come with superpoints, or with a mesh to make them of.
    submission : 'scenes', 'blocks' or 'none'
        What its server takes: one file per scene in ScanNet's format; the same for blocks without
        their margin; nothing, as there is no server.
    block_name : callable
        Returns the file name of a submitted block, without suffix, given the name of its scan.
    original : OriginalModels or None
        None: the original has no models of it.

    """

    name: str
    title: str
    table: str
    protocol: Protocol
    layout: str = ''
    sources: Callable[[Path, ClassTable], list[RawSource]] | None = None
    voxel_size: float = 0.02
    tiles: TileSettings = INDOOR_TILES
    has_superpoints: bool = False
    submission: Literal['scenes', 'blocks', 'none'] = 'scenes'
    block_name: Callable[[str], str] = str
    original: OriginalModels | None = None

    def dataset(self, folder: Path) -> Dataset:
        """Return the description of the data set, still without scans."""
        return Dataset(folder, self.name, load_classes(self.table), self.protocol.background,
                       voxel_size=self.voxel_size, min_region_size=self.protocol.min_region)


@cache
def benchmarks() -> dict[str, Benchmark]:
    """
    Return all benchmarks by name, in the order of their modules.

    They are what the modules of `data/readers/`, and `data/generated.py`, list in BENCHMARKS: a
    new data set is a new file there.
    """
    names = [f'{readers.__name__}.{module.name}' for module in iter_modules(readers.__path__)]
    modules = [import_module(name) for name in (*names, 'mask3d_core.data.generated')]
    return {benchmark.name: benchmark
            for module in modules for benchmark in getattr(module, 'BENCHMARKS', ())}


def find_benchmark(name: str) -> Benchmark | None:
    """
    Return the benchmark of a data set, or None for a custom data set.

    Parameters
    ----------
    name : str
        Of the data set, or of the class table.

    """
    known = benchmarks()
    if name.split(' ')[0] == 'rooms':  # their data sets are named after their seeds: 'rooms 0'
        return known['rooms']
    if name in known:
        return known[name]
    return next((benchmark for benchmark in known.values() if benchmark.table == name), None)


def find_protocol(name: str, background: tuple[str, ...] | None = None) -> Protocol:
    """
    Return how a data set is evaluated.

    Parameters
    ----------
    name : str
        As for `find_benchmark`; a custom data set is evaluated as ScanNet is, but with all its
        classes, and its masks are made as by the node, without duplicates.
    background : tuple of str, optional
        Classes without instances; those of the benchmark by default.

    """
    benchmark = find_benchmark(name)
    protocol = CUSTOM if benchmark is None else benchmark.protocol
    return protocol if background is None else replace(protocol, background=background)


def find_tiles(name: str, voxel_size: float) -> TileSettings:
    """
    Return how maps are cut for weights that are trained on a data set.

    Parameters
    ----------
    name : str
        As for `find_benchmark`.
    voxel_size : float
        Of the weights, metres; large voxels are for the outdoors. It counts for a custom data set.

    """
    benchmark = find_benchmark(name)
    return default_tiles(voxel_size) if benchmark is None else benchmark.tiles
