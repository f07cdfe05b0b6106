"""Benchmark one training step: forward, losses, backward."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
import statistics
from typing import Any

from mask3d_core.bench.attempt import Attempt
from mask3d_core.bench.flops import count_unet_gflop
from mask3d_core.bench.inference import peak_bytes, product_rate, reset_peak
from mask3d_core.device import find_device, find_precision, guard_memory
from mask3d_core.files import read_scan
from mask3d_core.model import Mask3D
from mask3d_core.model.queries import farthest_points
from mask3d_core.progress import log
from mask3d_core.scan import Scan
from mask3d_core.sparse import build_pyramid, mean_by_group
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.superpoints.superpoints import find_superpoints
from mask3d_core.training.losses import compute_loss
from mask3d_core.training.targets import Targets
from mask3d_core.voxels import batch_coords, voxelize, Voxels
from mask3d_core.weights.checkpoint import load_weights, untrained_full_weights, Weights
import torch

STAGES = ('pyramid', 'forward', 'losses', 'backward')
NUM_INSTANCES = 20
UNET_PASSES = 3
"""Forward, gradients of the features, gradients of the weights: as many operations each."""


@dataclass(frozen=True)
class TrainingMeasurement:
    """
    Run time and memory of a training step.

    Attributes
    ----------
    name : str
    voxels : int
    seconds : dict of str to float
        Of each stage, in the step with the median total.
    peak_bytes : int
        Peak memory of the process, or of the GPU.
    unet_gflop : float
        Floating-point operations of one forward pass of the U-Net (`flops`).
    product_rate : float
        GFLOP/s of torch's own product of [8192, 2048] x [2048, 96], median over the run.

    """

    name: str
    voxels: int
    seconds: dict[str, float]
    peak_bytes: int
    unet_gflop: float
    product_rate: float

    @property
    def total_seconds(self) -> float:
        """The whole step, including the pyramid."""
        return sum(self.seconds.values())

    @property
    def floor_seconds(self) -> float:
        """Lower bound: three passes of the U-Net at the rate of torch's matrix product."""
        return UNET_PASSES * self.unet_gflop / self.product_rate

    @property
    def ratio(self) -> float:
        """Time of the step, relative to the floor."""
        return self.total_seconds / self.floor_seconds

    def to_dict(self) -> dict[str, Any]:
        """Return all values, including derived ones, for JSON."""
        return asdict(self) | {'total_seconds': self.total_seconds,
                               'floor_seconds': self.floor_seconds, 'ratio': self.ratio}


@dataclass(frozen=True)
class StepSettings:
    """
    Settings of the training steps.

    Attributes
    ----------
    precision : str
        Of the U-Net: 'float32', 'bfloat16' or 'float16'.
    num_queries : int or None
        None: the number the model was trained with.
    recompute : bool
        Recompute activations in the backward pass, see `UNet`.

    """

    precision: str = 'float32'
    num_queries: int | None = None
    recompute: bool = False


def run_training_bench(files: Sequence[Path], settings: StepSettings, device: str = 'auto',
                       weights: Path | None = None, repeats: int = 5,
                       attempt: Attempt = nullcontext) -> list[TrainingMeasurement]:
    """
    Measure a training step on each scan; print a table row by row.

    `attempt` is as for `run_bench`.

    Without weights the full network (Res16UNet34C, 100 queries) is measured with random ones: the
    time of a step does not depend on them.
    """
    facts = untrained_full_weights() if weights is None else load_weights(weights)
    place = find_device(device)
    if settings.num_queries is not None:
        facts.model.check_queries(settings.num_queries)
    model = Mask3D(facts.model)
    model.load_state_dict(facts.state)
    model.to(place).train()
    model.unet.recompute = settings.recompute
    threads = f', {torch.get_num_threads()} threads' if place.type == 'cpu' else ''
    print(f'training step: {facts.model.backbone}, '
          f'{settings.num_queries or facts.model.num_queries} queries, {NUM_INSTANCES} instances, '
          f'{settings.precision}, {place}{threads}; median of {repeats} steps, seconds')
    print(f'{"scan":20} {"voxels":>8} ' + ' '.join(f'{stage:>9}' for stage in STAGES)
          + f' {"total":>8} {"floor":>7} {"ratio":>6} {"GFLOP/s":>8} {"peak MB":>8}')
    measurements = []
    for file in files:
        with attempt(file):
            log(f'measuring {file} …')
            with guard_memory('for this scan: set --recompute, or give a smaller one'):
                voxels = _voxels(facts, read_scan(file)).to(place)
                measurements.append(measure_training(model, voxels, file.stem, settings, repeats))
            print(_row(measurements[-1]), flush=True)
    return measurements


def measure_training(model: Mask3D, voxels: Voxels, name: str,
                     settings: StepSettings = StepSettings(), repeats: int = 5,
                     ) -> TrainingMeasurement:
    """Run a warm-up step, then `repeats` steps on a scan, and return the median one."""
    device = voxels.coords.device
    targets = room_targets(voxels, model.config.num_classes)
    pyramid = build_pyramid(batch_coords([voxels]), model.config.kernels)
    gflop = count_unet_gflop(model.config, pyramid)
    _step(model, voxels, targets, settings)
    reset_peak(device)
    runs, rates = [], []
    for _ in range(repeats):  # alternate, so that other load on the machine slows both
        runs.append(_step(model, voxels, targets, settings))
        rates.append(product_rate(device))
    runs.sort(key=lambda seconds: sum(seconds.values()))
    return TrainingMeasurement(name, len(voxels), runs[(repeats - 1) // 2], peak_bytes(device),
                               gflop, statistics.median_low(rates))


def _voxels(facts: Weights, scan: Scan) -> Voxels:
    """Voxelize a scan, with superpoints if the model's masks are over segments."""
    scan = facts.colored(scan)
    if not facts.model.on_segments:
        scan = replace(scan, segment=None)
    elif scan.segment is None:
        scan = replace(scan, segment=find_superpoints(scan, facts.voxel_size))
    return voxelize(scan, replace(facts.voxelization, max_voxels=0))


def room_targets(voxels: Voxels, num_classes: int) -> Targets:
    """
    Split a scan into instances of typical size: the cells around farthest point samples.

    With segments, each segment belongs to the sample nearest to its center.
    """
    seeds = farthest_points(voxels.coords, NUM_INSTANCES)
    centers = voxels.centers
    if voxels.segment is not None:
        centers = mean_by_group(centers, voxels.segment, int(voxels.segment.max()) + 1)
    nearest = torch.cdist(centers, voxels.centers[seeds]).argmin(1)
    numbers = torch.arange(NUM_INSTANCES, device=nearest.device)
    return Targets(numbers % num_classes, nearest == numbers[:, None])


def _step(model: Mask3D, voxels: Voxels, targets: Targets, settings: StepSettings,
          ) -> dict[str, float]:
    """Return the seconds of each stage of one step."""
    device, precision = voxels.coords.device, find_precision(settings.precision)
    half = torch.autocast(device.type, precision, enabled=precision != torch.float32)
    watch = Stopwatch(device)
    model.zero_grad(set_to_none=True)
    with watch.stage('pyramid'):
        pyramid = build_pyramid(batch_coords([voxels]), model.config.kernels)
    with watch.stage('forward'), half:
        steps = model([voxels], pyramid, settings.num_queries, every_step=True)
    with watch.stage('losses'):
        loss = compute_loss(steps, [targets])
    with watch.stage('backward'):
        loss.total.backward()
    return watch.seconds


def _row(m: TrainingMeasurement) -> str:
    stages = ' '.join(f'{m.seconds[stage]:9.3f}' for stage in STAGES)
    return (f'{m.name[:20]:20} {m.voxels:8} {stages} {m.total_seconds:8.3f} '
            f'{m.floor_seconds:7.3f} {m.ratio:6.2f} {m.product_rate:8.0f} '
            f'{m.peak_bytes / 1e6:8.0f}')
