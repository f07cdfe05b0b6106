"""Measure a device and engines on it, for `tools/check_gpu.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import statistics
import time

from mask3d_core.bench.inference import peak_bytes, reset_peak
from mask3d_core.device import find_precision
from mask3d_core.engines import Engine, make_engine
from mask3d_core.instances import Instances
from mask3d_core.sparse import build_pyramid, fused_kernels
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.voxels import batch_coords, Voxels
from mask3d_core.weights.checkpoint import Weights
import numpy as np
import torch
from torch import Tensor

MIN_IOU = 0.5
"""Two instances are the same from this intersection over union, of the points, upwards."""


@dataclass(frozen=True)
class Setting:
    """
    How the network is run.

    Attributes
    ----------
    engine : str
    precision : str
        As in `find_precision`, or 'tf32': float32 whose products are rounded.
    kernels : str
        Mode of `fused_kernels`.

    """

    engine: str
    precision: str
    kernels: str = 'auto'

    def __str__(self) -> str:
        kernels = ', no fused kernels' if self.engine == 'torch' and self.kernels == 'off' else ''
        return f'{self.engine}, {self.precision}{kernels}'

    @contextmanager
    def active(self) -> Iterator[torch.dtype]:
        """Choose kernels and rounding while the context lasts; yield the precision."""
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = self.precision == 'tf32'
        try:
            with fused_kernels(self.kernels):
                yield find_precision('float32' if self.precision == 'tf32' else self.precision)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


@dataclass(frozen=True)
class NetworkTimes:
    """
    Medians of a network on one scan: seconds of the stages, and the whole without waiting between.

    `masks` [V, Q] bool are those of the prediction, on the CPU; `peak_bytes` those of the device.
    """

    pyramid: float
    unet: float
    decoder: float
    network: float
    peak_bytes: int
    masks: Tensor


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what was queued."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def median_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median time of some work on a device, after one run to warm up."""
    times = []
    for _ in range(repeats + 1):
        synchronize(device)
        began = time.perf_counter()
        work()
        synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def copy_rate(device: torch.device, num_bytes: int = 1 << 30, repeats: int = 20) -> float:
    """Return the bytes per second that a copy within the device reads and writes."""
    source = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * num_bytes / median_seconds(lambda: target.copy_(source), device, repeats)


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int = 8192, repeats: int = 10,
                ) -> float:
    """Return the operations per second of torch's product of two square matrices."""
    left = torch.randn(size, size, device=device).to(dtype)
    return 2 * size ** 3 / median_seconds(lambda: left @ left, device, repeats)


def measure_network(weights: Weights, voxels: Voxels, setting: Setting, device: torch.device,
                    repeats: int = 10) -> NetworkTimes:
    """
    Run the network on some voxels, and measure it.

    Raises
    ------
    InputError
        When the engine cannot run these weights like that.

    """
    voxels, num_queries = voxels.to(device), weights.model.num_queries
    coords = batch_coords([voxels])
    with setting.active() as precision, torch.inference_mode():
        engine = make_engine(setting.engine, weights, device, precision)
        pyramid = build_pyramid(coords, weights.model.kernels)
        masks = engine.predict(voxels, pyramid, num_queries, Stopwatch(device)).mask_logits > 0
        reset_peak(device)
        runs = [_stages(engine, voxels, num_queries, weights) for _ in range(repeats)]
        peak = peak_bytes(device)
        quiet = Stopwatch(torch.device('cpu'))  # does not wait between U-Net and decoder
        network = median_seconds(lambda: engine.predict(voxels, pyramid, num_queries, quiet),
                                 device, repeats)
    pyramid_seconds, unet, decoder = (statistics.median(stage) for stage in zip(*runs))
    return NetworkTimes(pyramid_seconds, unet, decoder, network, peak, masks.cpu())


def _stages(engine: Engine, voxels: Voxels, num_queries: int, weights: Weights,
            ) -> tuple[float, float, float]:
    watch = Stopwatch(engine.device)
    with watch.stage('pyramid'):
        pyramid = build_pyramid(batch_coords([voxels]), weights.model.kernels)
    engine.predict(voxels, pyramid, num_queries, watch)
    return watch.seconds['pyramid'], watch.seconds['unet'], watch.seconds['decoder']


def equal_bits(one: Tensor, two: Tensor) -> float:
    """Return the share of bits of two masks [V, Q] that are equal."""
    return float((one == two).double().mean())


def same_instances(one: Instances, two: Instances, min_score: float = 0.5) -> bool:
    """Return whether both have the same instances above a score, by class and points."""
    ours, theirs = ([(int(class_id), rows) for class_id, score, rows
                     in zip(each.class_id, each.score, each.rows) if score > min_score]
                    for each in (one, two))
    if len(ours) != len(theirs):
        return False
    for class_id, rows in ours:
        match = next((number for number, (other_id, others) in enumerate(theirs)
                      if other_id == class_id and _iou(rows, others) >= MIN_IOU), None)
        if match is None:
            return False
        del theirs[match]
    return True


def _iou(one: np.ndarray, two: np.ndarray) -> float:
    common = len(np.intersect1d(one, two))
    return common / max(len(one) + len(two) - common, 1)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; columns are as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ['-' * width for width in widths], *rows]
    return '\n'.join('| ' + ' | '.join(cell.ljust(width) for cell, width in zip(line, widths))
                     + ' |' for line in lines)
