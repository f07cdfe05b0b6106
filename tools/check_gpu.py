"""
Check the network on a GPU against the original's outputs, and measure it, in some minutes.

Prints Markdown. Exit status 1 without a GPU, or if results differ from what they must be. What the
repository does not hold (golden data, a room of 121,060 voxels) is looked for in the folder
MASK3D_SHARED; without it those checks are left out, and a generated room is measured.

Other libraries for sparse convolutions are compared where they are installed. They tune themselves
first, which takes minutes more.

Usage: . .venv/ros.sh && python tools/check_gpu.py [--minutes 8]
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
import sys
import time
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'support'))

from golden_check import check_golden
from golden_model import BACKBONE, EVAL_CASES
from mask3d_core import ExtractSettings, Scan, Segmenter
from mask3d_core.bench.conv_libraries import unet_seconds
from mask3d_core.bench.gpu import (
    copy_rate,
    equal_bits,
    markdown_table,
    matrix_rate,
    measure_network,
    median_seconds,
    NetworkTimes,
    same_instances,
    Setting,
    synchronize,
)
from mask3d_core.bench.inference import peak_bytes, reset_peak
from mask3d_core.bench.training import room_targets
from mask3d_core.device import find_precision
from mask3d_core.doctor import why_no_cuda
from mask3d_core.engines import describe_engines, ENGINES, make_engine
from mask3d_core.engines.warm_up import make_room
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.model import Mask3D
from mask3d_core.sparse import fused_kernels
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.training.data_loader import Batch, Sample
from mask3d_core.training.learner import ModelWithLoss
from mask3d_core.voxels import Voxels
from mask3d_core.weights.checkpoint import load_weights, untrained_full_weights, Weights
from mask3d_core.weights.shipped import shipped_weights
import numpy as np
from shared import ROOT, SHARED
import torch

PRECISIONS = ('float32', 'tf32', 'bfloat16', 'float16')
REFERENCE = Setting('torch', 'float32', 'off')
ROOM, ROOM_EDGE = 'bench_121060', 229
"""The room that is measured, and the edge of a generated one with about as many voxels."""
CLOUD_POINTS, BATCH_SIZE = 300_000, 8
TRAINING_EDGE = 75
"""Voxels along the edge of the rooms of a training step: 13,000 voxels."""
MIN_EQUAL_BITS = 0.995
ONE_BIT = """\
Within the tolerances of the tests on the CPU. An attention mask is a threshold: where a logit is
nearly 0, other rounding flips a bit and changes all later predictions. So only the features decide
whether a case has failed."""


@dataclass(frozen=True)
class Job:
    """What is measured, and where; tests measure less."""

    device: torch.device
    full: Weights
    trained: Weights
    room: Voxels
    scan: Scan
    points: int = CLOUD_POINTS
    training_edge: int = TRAINING_EDGE
    repeats: int = 10


T = TypeVar('T')


class Report:
    """The rows of the table of aims, and what failed."""

    def __init__(self, minutes: float) -> None:
        self.rows: list[tuple[str, str, str]] = []
        self.failed: list[str] = []
        self._end = time.monotonic() + 60 * minutes

    def attempt(self, work: Callable[[], T]) -> T | str:
        """Measure something; return why not if the time is up or an engine cannot do it."""
        if time.monotonic() > self._end:
            return 'not measured: the time was up'
        try:
            return work()
        except InputError as error:
            return f'not measured: {error}'

    def add(self, what: str, aim: str, work: Callable[[], str]) -> None:
        """Add a row to the table of aims."""
        self.rows.append((what, aim, self.attempt(work)))


def main() -> int:
    """Run everything; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--minutes', type=float, default=8,
                        help='what has not begun by then is left out (default: 8)')
    options = parser.parse_args()
    reason = why_no_cuda()
    if reason is not None:
        print(f'check_gpu: no GPU: {reason}', file=sys.stderr)
        return 1
    job = Job(torch.device('cuda', 0), untrained_full_weights(), load_weights(shipped_weights()),
              find_room(), read_scan(ROOT / 'demo' / 'office.ply'))
    report = Report(options.minutes)
    for part in (describe, goldens, engines, aims):
        print(part(job, report), end='\n\n', flush=True)
    for line in report.failed:
        print(f'check_gpu: {line}', file=sys.stderr)
    return bool(report.failed)


def find_room() -> Voxels:
    """Return the room of the golden data, or a generated one."""
    file = SHARED / 'golden' / f'{ROOM}.npz'
    if not file.exists():
        return make_room(untrained_full_weights().model, ROOM_EDGE)
    stored = np.load(file)
    coords, color = torch.from_numpy(stored['coords']).long(), torch.from_numpy(stored['color'])
    return Voxels(coords, (color / 255 - 0.5) / 0.28, torch.from_numpy(stored['centers']),
                  np.zeros(3), torch.arange(len(coords)), None, float(stored['voxel_size']))


def describe(job: Job, report: Report, copied_bytes: int = 1 << 30, size: int = 8192) -> str:
    """Return what the device is and how fast it copies and multiplies."""
    name = torch.cuda.get_device_name(job.device) if job.device.type == 'cuda' else 'CPU'
    rates = []
    for dtype, tf32 in ((torch.float32, False), (torch.float32, True), (torch.bfloat16, False),
                        (torch.float16, False)):
        with Setting('torch', 'tf32' if tf32 else 'float32').active():
            rate = matrix_rate(job.device, dtype, size)
        label = 'tf32' if tf32 else str(dtype).removeprefix('torch.')
        rates.append((f'product of {size} x {size}, {label}', f'{rate / 1e12:.3g} TFLOP/s'))
    rows = [('device', name), ('room', f'{len(job.room)} voxels'),
            *((f'engine {engine}', what) for engine, what in describe_engines().items()),
            ('copy', f'{copy_rate(job.device, copied_bytes) / 1e9:.4g} GB/s'), *rates]
    return markdown_table(('what', 'value'), rows)


def goldens(job: Job, report: Report, cases: tuple[str, ...] = EVAL_CASES) -> str:
    """Return how far the device is from the original, without and with the fused kernels."""
    rows = []
    for case in cases:
        if not (SHARED / 'golden' / f'{case}.npz').exists():
            continue
        for mode in ('off', 'auto'):
            with fused_kernels(mode):
                found = check_golden(case, job.device)
            rows.append((case, mode, *(f'{value:.1e}' for value in found),
                         'yes' if found.within else 'NO'))
            if found.features > BACKBONE:
                report.failed.append(f'{case} with fused kernels {mode} differs by {found}')
    if not rows:
        return 'No golden data here: set MASK3D_SHARED to the folder that holds golden/.'
    return markdown_table(('case', 'fused kernels', 'features', 'logits', 'masks', 'within'),
                          rows) + '\n\n' + ONE_BIT


def settings() -> Iterator[Setting]:
    """Yield all engines that are installed, in all precisions; torch also without kernels."""
    for precision in PRECISIONS:
        for name, engine in ENGINES.items():
            if engine.missing() is None and (name == 'torch' or precision != 'tf32'):
                yield Setting(name, precision)
                if name == 'torch':
                    yield Setting(name, precision, 'off')


def engines(job: Job, report: Report) -> str:
    """Return the times of all engines and precisions on the room, and their masks."""
    reference = measure_network(job.full, job.room, REFERENCE, job.device, job.repeats)
    rows = [_row(REFERENCE, reference, reference)]
    for setting in settings():
        if setting == REFERENCE:
            continue
        times = report.attempt(lambda setting=setting: measure_network(
            job.full, job.room, setting, job.device, job.repeats))
        rows.append((str(setting), times, *[''] * 5) if isinstance(times, str)
                    else _row(setting, times, reference))
    return markdown_table(('engine', 'pyramid ms', 'U-Net ms', 'decoder ms', 'network ms',
                           'peak MB', 'mask bits equal %'), rows)


def _row(setting: Setting, times: NetworkTimes, reference: NetworkTimes) -> tuple[str, ...]:
    seconds = (times.pyramid, times.unet, times.decoder, times.network)
    return (str(setting), *(f'{1e3 * value:.2f}' for value in seconds),
            f'{times.peak_bytes / 1e6:.0f}',
            f'{100 * equal_bits(times.masks, reference.masks):.3f}')


def aims(job: Job, report: Report) -> str:
    """Return the table of what is to be reached."""
    fused = Setting('torch', 'bfloat16')
    network = report.attempt(lambda: measure_network(job.full, job.room, fused, job.device,
                                                     job.repeats))
    report.rows += [
        ('network (features to prediction), bfloat16', 'at most 8 ms',
         network if isinstance(network, str) else _ms(network.network)),
        ('peak memory, inference, bfloat16', 'at most 1.5 GB',
         network if isinstance(network, str) else f'{network.peak_bytes / 1e9:.2f} GB')]
    for label, weights in (('full network, random weights', job.full),
                           ('shipped weights', job.trained)):
        report.add(f'cloud of {job.points} points to instances with DBSCAN, bfloat16, {label}',
                   'at most 15 ms', lambda weights=weights: measure_cloud(job, weights))
    report.add('mask bits in bfloat16 against float32, trained weights',
               'at least 99.5 % equal, same instances above score 0.5',
               lambda: compare_precisions(job, report))
    report.add(f'training step, batch {BATCH_SIZE}, bfloat16', 'at least 25 scans/s',
               lambda: f'{BATCH_SIZE / training_seconds(job):.1f} scans/s')
    report.add('U-Net alone, float16, against the best of spconv, spconv-triton, ocnn',
               'at least 1.3 times faster', lambda: compare_libraries(job))
    return markdown_table(('what', 'to reach', 'measured'), report.rows)


def _ms(seconds: float) -> str:
    return f'{1e3 * seconds:.2f} ms'


def make_segmenter(job: Job, weights: Weights, precision: str) -> Segmenter:
    """Return a segmenter that merges no voxels."""
    engine = make_engine('torch', weights, job.device, find_precision(precision))
    return Segmenter(weights, engine, max_voxels=0)


def cloud_of(room: Voxels, points: int) -> Scan:
    """Return a cloud that fills the voxels of a room, with random colours."""
    draw = np.random.default_rng(0)
    rows = np.concatenate([np.arange(len(room)), draw.integers(
        len(room), size=max(points - len(room), 0))])[:points]
    xyz = (room.coords.numpy()[rows] + draw.uniform(.05, .95, (len(rows), 3))) * room.size
    return Scan.from_points(xyz.astype(np.float32), draw.random((len(rows), 3), np.float32))


def measure_cloud(job: Job, weights: Weights) -> str:
    """Return the time from points to instances, without superpoints and with them."""
    scan, segmenter = cloud_of(job.room, job.points), make_segmenter(job, weights, 'bfloat16')
    seconds = [median_seconds(lambda wanted=wanted: segmenter.segment_at_once(
        scan, ExtractSettings(superpoints=wanted)), job.device, min(job.repeats, 3))
        for wanted in (False, True)]
    return f'{_ms(seconds[0])}; with superpoints {_ms(seconds[1])}'


def compare_precisions(job: Job, report: Report) -> str:
    """Return how much of the demo's masks and instances is the same in bfloat16."""
    masks, found = [], []
    for precision in ('float32', 'bfloat16'):
        segmenter = make_segmenter(job, job.trained, precision)
        scan, voxels = segmenter.prepare(job.scan, Stopwatch(job.device))
        masks.append(segmenter.predict(voxels).mask_logits.cpu() > 0)
        found.append(segmenter.segment_at_once(job.scan, ExtractSettings(superpoints=False)))
    bits, same = equal_bits(*masks), same_instances(*found)
    if bits < MIN_EQUAL_BITS or not same:
        report.failed.append('bfloat16 finds other masks or instances than float32')
    return f'{100 * bits:.3f} % equal, {"the same" if same else "OTHER"} instances'


def compare_libraries(job: Job) -> str:
    """Return how much faster our U-Net is than those of the libraries that are installed."""
    ours, theirs = unet_seconds(job.full, job.room, job.device, repeats=job.repeats)
    times = {name: found for name, found in theirs.items() if isinstance(found, float)}
    found = ', '.join(f'{name} {found if isinstance(found, str) else _ms(found)}'
                      for name, found in theirs.items())
    if not times:
        return f'not measured: {found}'
    return f'{min(times.values()) / ours:.2f} times: {_ms(ours)}; {found}'


def training_seconds(job: Job) -> float:
    """Return the time of a training step on a batch: geometry, forward, losses, backward."""
    config = job.full.model
    voxels = replace(make_room(config, job.training_edge), segment=None).to(job.device)
    samples = [Sample('room', voxels, room_targets(voxels, config.num_classes), len(voxels))
               for _ in range(BATCH_SIZE)]
    learner = ModelWithLoss(Mask3D(config)).to(job.device).train()
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        learner.zero_grad(set_to_none=True)
        batch = Batch(samples, job.device, config.kernels)
        with torch.autocast(job.device.type, torch.bfloat16):
            total, _ = learner(batch, 1.0, generator)
        total.backward()

    reset_peak(job.device)
    seconds = median_seconds(step, job.device, min(job.repeats, 5))
    synchronize(job.device)
    print(f'training step: peak {peak_bytes(job.device) / 1e9:.1f} GB, '
          f'{len(voxels)} voxels a scan', file=sys.stderr)
    return seconds


if __name__ == '__main__':
    sys.exit(main())
