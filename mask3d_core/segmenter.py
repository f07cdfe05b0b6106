"""The way from a scan to its instances, in one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
import time

from mask3d_core.device import check_memory, enough_memory, find_device, find_precision
from mask3d_core.extraction.postprocess import EPS_VOXELS, extract, ExtractSettings
from mask3d_core.instances import Instances
from mask3d_core.model import Mask3D, Prediction
from mask3d_core.model.layers import fold_batch_norms
from mask3d_core.scan import Scan
from mask3d_core.sparse import alone, aside, build_pyramid, Pyramid
from mask3d_core.superpoints.superpoints import find_superpoints
from mask3d_core.voxels import batch_coords, voxelize, Voxels
from mask3d_core.weights.checkpoint import load_weights, Weights
from mask3d_core.weights.shipped import shipped_weights
import torch

FINER_SUPERPOINTS = 0.8
"""
Size of the voxels of superpoints, in voxels of the model: finer ones keep small things. Dense maps
of larger voxels have theirs of the same size, which are as good there (docs/log/superpoints.md).
"""


def load_segmenter(weights: str | Path | Weights | None = None, device: str = 'auto',
                   precision: str = 'float32', num_queries: int | None = None,
                   max_voxels: int | None = None) -> Segmenter:
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
        Most objects looked for; the number used in training by default. Fewer are faster
        (paper, Fig. 3).
    max_voxels : int, optional
        A cloud that fills more is seen with larger voxels (`Voxelization`): a dense map takes two
        thirds of the time; 0: none is. By default what the weights say.

    Raises
    ------
    InputError
        When the weights cannot be used, or the device is not there.

    """
    if not isinstance(weights, Weights):
        weights = load_weights(shipped_weights() if weights is None else weights)
    return Segmenter(weights, find_device(device), find_precision(precision), num_queries,
                     max_voxels)


class Segmenter:
    """
    A model, ready to segment one scan after another.

    Attributes
    ----------
    weights : Weights
        The facts of the model; `state` is dropped once the model has it.
    device : torch.device
    num_queries : int
        May be changed between scans, unless the queries are learned; None asks for the number
        used in training.
    voxelization : Voxelization
        That of the weights, but for `max_voxels`.

    """

    def __init__(self, weights: Weights, device: torch.device,
                 precision: torch.dtype = torch.float32, num_queries: int | None = None,
                 max_voxels: int | None = None) -> None:
        model = Mask3D(weights.model)
        model.load_state_dict(weights.state)
        model.eval()
        fold_batch_norms(model)
        self.model = model.to(device)
        self.model.unet.to(precision)
        self.weights = replace(weights, state={})
        self.device = device
        self.precision = precision
        self.num_queries = num_queries
        self.max_voxels = max_voxels

    @property
    def num_queries(self) -> int:
        """Return how many objects are looked for."""
        return self._num_queries

    @num_queries.setter
    def num_queries(self, count: int | None) -> None:
        count = self.weights.model.num_queries if count is None else count
        self.weights.model.check_queries(count)
        self._num_queries = count

    @property
    def max_voxels(self) -> int:
        """Return how many voxels a cloud may fill before it gets larger ones."""
        return self.voxelization.max_voxels

    @max_voxels.setter
    def max_voxels(self, count: int | None) -> None:
        count = self.weights.max_voxels if count is None else count
        self.voxelization = replace(self.weights, max_voxels=count).voxelization

    def segment(self, scan: Scan, settings: ExtractSettings | None = None) -> Instances:
        """
        Find the instances of a scan.

        Weights trained on segments, and settings that want superpoints, get them where the scan
        has no segments.

        Returns
        -------
        Instances
            `seconds` has the time of each stage: voxels, pyramid, unet, decoder, superpoints (if
            needed), clustering, instances. Superpoints are found while the network runs, if it
            can do without, and their time is what they took longer.

        Raises
        ------
        InputError
            When the scan does not suit the weights, or does not fit into memory.

        """
        watch, settings = Stopwatch(self.device), settings or ExtractSettings()
        scan, voxels = self.prepare(scan, watch)
        wanted = settings.superpoints and scan.segment is None
        # the network leaves cores idle now and then, all of them on a GPU
        work = partial(self.with_superpoints, scan, voxels.size)
        beside = aside(work) if wanted else nullcontext()
        with _memory_for(voxels), beside as grouped:
            prediction = self.predict(voxels, watch)
            if grouped is not None:
                with watch.stage('superpoints'):
                    scan = grouped.result()
            instances = self.extract(prediction, voxels, scan, settings)
        return replace(instances, seconds=watch.seconds | dict(instances.seconds))

    def prepare(self, scan: Scan, watch: Stopwatch) -> tuple[Scan, Voxels]:
        """Return a scan with the colour and superpoints these weights want, and its voxels."""
        scan = self.weights.colored(scan)
        with watch.stage('voxels'):
            voxels = voxelize(scan, self.voxelization)
        if not self.weights.model.on_segments:
            voxels = replace(voxels, segment=None)
        check_memory(self.device, len(voxels), self.num_queries)
        if self.weights.model.on_segments and scan.segment is None:
            with _memory_for(voxels), watch.stage('superpoints'):
                scan = self.with_superpoints(scan, self.voxelization.size)
                voxels = voxelize(scan, self.voxelization)
        return scan, voxels

    def with_superpoints(self, scan: Scan, voxel_size: float) -> Scan:
        """Return the scan with new superpoints for segments, for voxels the network sees."""
        same = self.weights.model.on_segments or voxel_size > self.voxelization.size
        times = 1 if same else FINER_SUPERPOINTS
        return replace(scan, segment=find_superpoints(scan, times * voxel_size))

    @torch.inference_mode()
    def predict(self, voxels: Voxels, watch: Stopwatch | None = None) -> Prediction:
        """Run the network on one scan; the prediction stays on the device."""
        watch = watch or Stopwatch(self.device)
        voxels = voxels.to(self.device)
        pyramid, levels = self.encode(voxels, watch)
        with watch.stage('decoder'):
            steps = self.model.decode(levels, [voxels], pyramid, self.num_queries)
        return steps[-1][0]

    def extract(self, prediction: Prediction, voxels: Voxels, scan: Scan,
                settings: ExtractSettings) -> Instances:
        """Turn a prediction into instances; where settings leave eps open, by the voxels."""
        if settings.dbscan_eps is None:
            settings = replace(settings, dbscan_eps=EPS_VOXELS * self.voxelization.size)
        return extract(prediction, voxels, scan, self.weights.classes, settings)

    @torch.inference_mode()
    def encode(self, voxels: Voxels, watch: Stopwatch) -> tuple[Pyramid, list[torch.Tensor]]:
        """Run the U-Net on one scan on the device: its features [V_l, C_l], coarse to fine."""
        with watch.stage('pyramid'):
            build = partial(build_pyramid, batch_coords([voxels]), self.weights.model.kernels)
            pyramid = alone(build) if self.device.type == 'cpu' else build()
        with watch.stage('unet'):
            features = voxels.features[pyramid.order].to(self.precision)
            levels = [level.float() for level in self.model.unet(features, pyramid)]
        return pyramid, levels


class Stopwatch:
    """
    Seconds per stage; on a GPU a stage ends when its work is done, not when it is queued.

    Attributes
    ----------
    seconds : dict of str to float

    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        start = time.perf_counter()
        yield
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        self.seconds[name] = time.perf_counter() - start


def _memory_for(voxels: Voxels) -> AbstractContextManager[None]:
    return enough_memory(f'for {len(voxels)} voxels: crop the map, use fewer queries, or weights '
                         'with larger voxels')
