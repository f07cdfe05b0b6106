"""The full pipeline: scan in, instances out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from mask3d_core.device import (
    check_memory,
    find_device,
    find_precision,
    give_back_memory,
    guard_memory,
)
from mask3d_core.engines import AUTO, Engine, make_engine
from mask3d_core.extraction.postprocess import EPS_VOXELS, extract, ExtractSettings, group_scan
from mask3d_core.geometry.point_groups import PointGroups
from mask3d_core.instances import Instances
from mask3d_core.model import Prediction
from mask3d_core.scan import Scan
from mask3d_core.sparse import (
    build_pyramid,
    in_background,
    on_one_thread,
    Pyramid,
    single_threaded,
)
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.superpoints.superpoints import find_superpoints
from mask3d_core.tiling.map_segmentation import MapSegmentation, Workers, Workload
from mask3d_core.tiling.settings import TileSettings
from mask3d_core.tiling.tile_cache import TileCache
from mask3d_core.tiling.tiles import fits_one_tile
from mask3d_core.voxels import batch_coords, VoxelGrid, Voxelization, voxelize, Voxels
from mask3d_core.weights.checkpoint import load_weights, Weights
from mask3d_core.weights.shipped import shipped_weights
import torch

SUPERPOINT_VOXEL_RATIO = 0.8
"""
Voxel size of superpoints over that of the model: finer voxels keep small objects. For dense maps
with larger voxels the ratio is 1, which is as good there (docs/log/superpoints.md).
"""
MANY_POINTS = 1 << 20
"""
From so many points on all threads put them into voxels, on a GPU the CPU's, which bounds its
memory, and freed memory is returned to the system, which takes some tens of milliseconds.
"""


def load_segmenter(weights: str | Path | Weights | None = None, device: str = 'auto',
                   precision: str = 'float32', num_queries: int | None = None,
                   max_voxels: int | None = None, engine: str = AUTO) -> Segmenter:
    """
    Make a segmenter.

    Parameters
    ----------
    weights : path or Weights, optional
        By default those that ship with the package (`docs/weights.md`).
    device : str
        'auto', 'cpu', 'cuda' or 'cuda:1'.
    precision : str
        Of the U-Net: 'float32', 'bfloat16' or 'float16'. The decoder always computes in float32.
    num_queries : int, optional
        Default of `Segmenter.segment`; itself by default the number used in training.
    max_voxels : int, optional
        Default of `Segmenter.segment`; itself by default that of the weights.
    engine : str
        What runs the network: 'auto' or a name in `ENGINES` (docs/engines.md).

    Raises
    ------
    InputError
        When the weights cannot be used, the device does not exist, or the engine is not
        installed.

    """
    if not isinstance(weights, Weights):
        weights = load_weights(shipped_weights() if weights is None else weights)
    return Segmenter(weights, make_engine(engine, weights, find_device(device),
                                          find_precision(precision)), num_queries, max_voxels)


class Segmenter:
    """
    A model, ready to segment one scan after another.

    It does not change: what may differ between scans is an argument of `segment`.

    Attributes
    ----------
    weights : Weights
        Metadata of the model; `state` is empty, the engine holds the tensors.
    engine : Engine
        Runs the network.
    voxelization : Voxelization
        That of the weights, with the default `max_voxels`.

    """

    def __init__(self, weights: Weights, engine: Engine, num_queries: int | None = None,
                 max_voxels: int | None = None) -> None:
        self.weights = replace(weights, state={})
        self.engine = engine
        self._num_queries = self._checked_queries(num_queries, weights.model.num_queries)
        self.voxelization = self._bounded(weights.voxelization, max_voxels)

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return self.engine.device

    @property
    def precision(self) -> torch.dtype:
        """Floating-point type of the U-Net."""
        return self.engine.precision

    @property
    def num_queries(self) -> int:
        """Number of queries where `segment` is not given another."""
        return self._num_queries

    @property
    def max_voxels(self) -> int:
        """Bound on the voxels of a scan where `segment` is not given another."""
        return self.voxelization.max_voxels

    def segment(self, scan: Scan, settings: ExtractSettings | None = None, *,
                tiles: TileSettings | None = None, num_queries: int | None = None,
                max_voxels: int | None = None, workers: Workers | None = None) -> Instances:
        """
        Find the instances of a scan, or of a map of any size.

        A map larger than what the weights were trained on is cut into tiles, which are segmented
        one by one, and their instances joined; see `open_map` to keep tiles from map to map.

        Parameters
        ----------
        scan : Scan
        settings : ExtractSettings, optional
            Of the post-processing.
        tiles : TileSettings, optional
            How it is cut; by default as the weights say. A size of 0 cuts nothing.
        num_queries, max_voxels : int, optional
            Of each tile, as in `segment_at_once`.
        workers : Workers, optional
            Processes that all segment this scan now, and share its tiles.

        Returns
        -------
        Instances
            `seconds` has the sum of each stage over the tiles that this process segmented;
            `voxel_size` is the largest.

        Raises
        ------
        InputError
            When the scan does not suit the weights, or does not fit into memory.

        """
        alone = workers is None or workers.size == 1
        if alone and fits_one_tile(scan, tiles or self.weights.tiling):
            instances = self.segment_at_once(scan, settings, num_queries=num_queries,
                                             max_voxels=max_voxels)
        else:
            opened = self.open_map(scan, settings, tiles=tiles, workload=Workload(workers=workers),
                                   num_queries=num_queries, max_voxels=max_voxels)
            instances = opened.finish().instances
        if len(scan) >= MANY_POINTS:
            give_back_memory()
        return instances

    def open_map(self, scan: Scan, settings: ExtractSettings | None = None, *,
                 cache: TileCache | None = None, frame: str = '',
                 tiles: TileSettings | None = None, workload: Workload | None = None,
                 **options: int | None) -> MapSegmentation:
        """
        Cut a map into tiles, to segment them one by one.

        Parameters
        ----------
        scan, settings, tiles
            As in `segment`.
        cache : TileCache, optional
            Has the tiles of earlier maps: what did not change is not segmented again.
        frame : str
            Of the map; tiles of another frame are forgotten.
        workload : Workload, optional
        **options
            `num_queries` and `max_voxels` of `segment_at_once`.

        """
        settings = settings or ExtractSettings()
        if cache is not None:
            cache.use((frame, settings, tiles, tuple(sorted(options.items()))))

        def segment(tile: Scan) -> Instances:
            return self.segment_at_once(tile, settings, **options)

        workload = replace(workload or Workload(), min_points=settings.min_points)
        return MapSegmentation(scan, tiles or self.weights.tiling, segment, self.weights.classes,
                               cache, workload)

    def segment_at_once(self, scan: Scan, settings: ExtractSettings | None = None, *,
                        num_queries: int | None = None, max_voxels: int | None = None,
                        ) -> Instances:
        """
        Find the instances of a scan without cutting it.

        Superpoints are computed if the scan has no segments, for weights trained on segments and
        for settings that need them.

        Parameters
        ----------
        scan : Scan
        settings : ExtractSettings, optional
            Of the post-processing.
        num_queries : int, optional
            Most objects the network looks for; by default the segmenter's `num_queries`. Fewer
            are faster (paper, Fig. 3). The number of learned queries cannot be changed. More than
            in training are bounded by the number of voxels: each starts at another one.
        max_voxels : int, optional
            A scan that fills more gets larger voxels (`Voxelization`), which takes two thirds of
            the time on a dense map; 0: no limit. By default the segmenter's `max_voxels`.

        Returns
        -------
        Instances
            `seconds` has the time of each stage: voxels, pyramid, unet, decoder, superpoints (if
            needed), clustering, instances. Superpoints that the network does not need are
            computed concurrently with it; their time is what remains after it has finished.

        Raises
        ------
        InputError
            When the scan does not suit the weights, or does not fit into memory.

        """
        watch, settings = Stopwatch(self.device), settings or ExtractSettings()
        scan, offset = scan.near_origin()
        scan, voxels = self.prepare(scan, watch, num_queries, max_voxels)
        wanted = settings.superpoints and scan.segment is None
        # the network leaves cores idle now and then, all of them on a GPU
        work = partial(self._grouped, scan, voxels)
        background = in_background(work) if wanted else nullcontext()
        with _memory_for(voxels), background as grouped:
            prediction, groups = self.predict(voxels, watch, num_queries), None
            if grouped is not None:
                with watch.stage('superpoints'):
                    scan, groups = grouped.result()
            instances = self.extract(prediction, voxels, scan, settings, groups)
        return replace(instances.moved(offset), seconds=watch.seconds | dict(instances.seconds))

    def prepare(self, scan: Scan, watch: Stopwatch, num_queries: int | None = None,
                max_voxels: int | None = None) -> tuple[Scan, Voxels]:
        """
        Return a scan with the colour and superpoints these weights need, and its voxels.

        Parameters are those of `segment`; the number of queries decides whether the scan fits
        into memory.
        """
        num_queries = self._checked_queries(num_queries, self.num_queries)
        voxelization = self._bounded(self.voxelization, max_voxels)
        scan = self.weights.colored(scan)
        with watch.stage('voxels'):
            if self.device.type != 'cpu' and len(scan) < MANY_POINTS:
                with guard_memory(f'for {len(scan)} points: crop the cloud, or use device cpu'):
                    voxels = voxelize(scan, voxelization, self.device)
            else:
                work = partial(voxelize, scan, voxelization)
                voxels = work() if len(scan) >= MANY_POINTS else on_one_thread(work)
        if not self.weights.model.on_segments:
            voxels = replace(voxels, segment=None)
        check_memory(self.device, len(voxels), self.useful_queries(voxels, num_queries))
        if self.weights.model.on_segments and scan.segment is None:
            with _memory_for(voxels), watch.stage('superpoints'):
                scan = self.with_superpoints(scan, self.voxelization.size, voxels.grid)
                voxels = voxelize(scan, voxelization)
        return scan, voxels

    def with_superpoints(self, scan: Scan, voxel_size: float, grid: VoxelGrid | None = None,
                         ) -> Scan:
        """
        Return the scan with superpoints as its segments, for a network voxel size, metres.

        A grid that the scan has been put on already is used if it has the voxels wanted.
        """
        same = self.weights.model.on_segments or voxel_size > self.voxelization.size
        factor = 1 if same else SUPERPOINT_VOXEL_RATIO
        return replace(scan, segment=find_superpoints(scan, factor * voxel_size, None, grid))

    def _grouped(self, scan: Scan, voxels: Voxels) -> tuple[Scan, PointGroups]:
        """Return the scan with superpoints, and its points grouped by them and by voxels."""
        scan = self.with_superpoints(scan, voxels.size, voxels.grid)
        return scan, group_scan(voxels, scan.segment)

    @torch.inference_mode()
    def predict(self, voxels: Voxels, watch: Stopwatch | None = None,
                num_queries: int | None = None) -> Prediction:
        """Run the network on one scan; the prediction stays on the device."""
        num_queries = self.useful_queries(voxels, num_queries)
        watch = watch or Stopwatch(self.device)
        voxels = voxels.to(self.device)
        return self.engine.predict(voxels, self.pyramid(voxels, watch), num_queries, watch)

    def extract(self, prediction: Prediction, voxels: Voxels, scan: Scan,
                settings: ExtractSettings, groups: PointGroups | None = None) -> Instances:
        """Post-process a prediction; an eps of None becomes `EPS_VOXELS` of the weights."""
        if settings.dbscan_eps is None:
            settings = replace(settings, dbscan_eps=EPS_VOXELS * self.voxelization.size)
        return extract(prediction, voxels, scan, self.weights.classes, settings, groups)

    @torch.inference_mode()
    def pyramid(self, voxels: Voxels, watch: Stopwatch) -> Pyramid:
        """Build the pyramid of one scan on the device."""
        with watch.stage('pyramid'):
            build = partial(build_pyramid, batch_coords([voxels]), self.weights.model.kernels,
                            self.engine.planes)
            return single_threaded(build) if self.device.type == 'cpu' else build()

    def _checked_queries(self, num_queries: int | None, default: int) -> int:
        """Return the number of queries; raise InputError for one this model cannot have."""
        num_queries = default if num_queries is None else num_queries
        self.weights.model.check_queries(num_queries)
        return num_queries

    def useful_queries(self, voxels: Voxels, num_queries: int | None = None) -> int:
        """Return the number of queries, at most that in training or one for each voxel."""
        return min(self._checked_queries(num_queries, self.num_queries),
                   max(len(voxels), self.weights.model.num_queries))

    def _bounded(self, default: Voxelization, max_voxels: int | None) -> Voxelization:
        """Return a voxelization with another bound, if one is given; raise InputError below 0."""
        if max_voxels is None:
            return default
        return replace(self.weights, max_voxels=max_voxels).voxelization


def _memory_for(voxels: Voxels) -> AbstractContextManager[None]:
    return guard_memory(f'for {len(voxels)} voxels: crop the map, use fewer queries, or weights '
                         'with larger voxels')
