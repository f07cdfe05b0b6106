"""Measure the seconds of each stage of the full pipeline: scan in, instances out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
import resource
import statistics
import time
from typing import Any

from mask3d_core.bench.attempt import Attempt
from mask3d_core.bench.busy import busy_processes
from mask3d_core.bench.flops import count_decoder_gflop, count_unet_gflop
from mask3d_core.bench.noise import overlaid
from mask3d_core.device import resident_bytes
from mask3d_core.extraction.postprocess import ExtractSettings
from mask3d_core.files import read_scan
from mask3d_core.progress import log
from mask3d_core.scan import MIN_POINTS, Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.sparse import build_pyramid
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.tiling.tiles import cut_map, fits_one_tile
from mask3d_core.voxels import batch_coords
import torch

STAGES = ('voxels', 'superpoints', 'pyramid', 'unet', 'decoder', 'clustering', 'instances')
NETWORK_STAGES = ('pyramid', 'unet', 'decoder')
"""Of `Instances.seconds`, those of the network."""
REFERENCE_PRODUCT_SHAPE = (8192, 2048, 96)
"""Rows, inner size and columns of the product whose rate sets the floor."""


@dataclass(frozen=True)
class Measurement:
    """
    Time and memory of one scan.

    Attributes
    ----------
    name, engine : str
    points, voxels, queries : int
        Of a scan that is cut, the voxels of all tiles, and the queries of each.
    voxel_size : float
        Metres; that of the largest voxels.
    seconds : dict of str to float
        Median of each stage; superpoints only for weights on segments.
    together : float
        Median of `Segmenter.segment` with the node's defaults: superpoints are computed
        concurrently with the network, or before it for weights on segments.
    peak_bytes : int
        Peak memory of the process, or of the GPU, while the scan was segmented.
    unet_gflop, decoder_gflop : float
        Useful arithmetic.
    product_rate : float
        GFLOP/s of torch's own product of [8192, 2048] x [2048, 96], median over the run.
    num_busy : int
        Number of busy processes that ran concurrently.
    tile_seconds : tuple of float
        Of a scan that is cut: median time of each tile, segmented alone with the node's defaults.
    outside : float
        Median of what pyramid, U-Net and decoder leave of `together`.
    kept_bytes : int
        Memory of the process after the last run, its instances included, less that before it.

    """

    name: str
    engine: str
    points: int
    voxels: int
    queries: int
    voxel_size: float
    seconds: dict[str, float]
    together: float
    peak_bytes: int
    unet_gflop: float
    decoder_gflop: float
    product_rate: float
    num_busy: int = 0
    tile_seconds: tuple[float, ...] = ()
    outside: float = 0.0
    kept_bytes: int = 0

    @property
    def outside_per_million(self) -> float:
        """Seconds outside pyramid, U-Net and decoder for each million of points."""
        return 1e6 * self.outside / self.points

    @property
    def network_seconds(self) -> float:
        """From points to prediction, geometry included."""
        return sum(self.seconds[stage] for stage in ('voxels', *NETWORK_STAGES))

    @property
    def floor_seconds(self) -> float:
        """The U-Net's arithmetic at the rate of torch's product."""
        return self.unet_gflop / self.product_rate

    @property
    def ratio(self) -> float:
        """Seconds of the network over those of the floor."""
        return self.network_seconds / self.floor_seconds

    @property
    def tile_ratio(self) -> float:
        """Seconds of the whole over those of its tiles alone."""
        return self.together / sum(self.tile_seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with the figures derived from them."""
        values = asdict(self) | {'network_seconds': self.network_seconds,
                                 'floor_seconds': self.floor_seconds, 'ratio': self.ratio,
                                 'outside_per_million': self.outside_per_million}
        return values | ({'tile_ratio': self.tile_ratio} if self.tile_seconds else {})


def run_bench(files: Sequence[Path], segmenters: Sequence[Segmenter], repeats: int = 5,
              num_busy: int = 0, overlap: int = 1, attempt: Attempt = nullcontext,
              ) -> list[Measurement]:
    """
    Measure scans and print a row of the table after each.

    Several segmenters, of different engines, are measured in turns, and each gets a row. A row
    after each but the first has the ratios to the first.

    With `num_busy`, each scan is measured a second time while so many processes keep the cores
    busy, and a third row has the ratios of the two.

    With an `overlap` each scan is laid over itself so many times, and a further row has the
    seconds outside the network and the memory that is not given back.

    `attempt` makes the context in which each file is read and measured. It may catch exceptions,
    so that the others are measured all the same.

    With random weights masks cover much of a scan: with trained ones the decoder and the
    extraction are faster.
    """
    first = segmenters[0]
    threads = f', {torch.get_num_threads()} threads' if first.device.type == 'cpu' else ''
    print(f'{first.weights.model.backbone}, {first.num_queries} queries, '
          f'{str(first.precision).removeprefix("torch.")}, {first.device}{threads}; '
          f'median of {repeats} runs, seconds')
    print(f'{"scan":20} {"engine":11} {"voxels":>8} '
          + ' '.join(f'{stage:>11}' for stage in STAGES)
          + f' {"together":>8} {"network":>8} {"floor":>7} {"ratio":>6} {"GFLOP":>7} '
          + f'{"GFLOP/s":>8} {"peak MB":>8}')
    measurements = []
    for file in files:
        with attempt(file):
            log(f'measuring {file} …')
            scan = overlaid(read_scan(file), overlap)
            rows = measure_all(segmenters, scan, file.stem, repeats)
            measurements += rows
            for row in rows:
                print(_row(row), flush=True)
                if row.tile_seconds:
                    print(_tile_row(row), flush=True)
                if overlap > 1:
                    print(_overlap_row(row), flush=True)
                if row is not rows[0]:
                    print(_ratios(f'{row.engine} / {rows[0].engine}', row, rows[0]), flush=True)
            if num_busy:
                with busy_processes(num_busy):
                    busy = measure(first, scan, file.stem, repeats)
                measurements.append(replace(busy, num_busy=num_busy))
                print(_row(measurements[-1]))
                print(_ratios('busy / idle', measurements[-1], rows[0]), flush=True)
    return measurements


def measure(segmenter: Segmenter, scan: Scan, name: str, repeats: int = 5) -> Measurement:
    """Segment a scan to warm up, with superpoints and without, then take medians of `repeats`."""
    return measure_all([segmenter], scan, name, repeats)[0]


def measure_all(segmenters: Sequence[Segmenter], scan: Scan, name: str, repeats: int = 5,
                ) -> list[Measurement]:
    """Measure segmenters in turns: a noisy neighbor then slows all."""
    trials = [_Trials(segmenter, scan) for segmenter in segmenters]
    for _ in range(repeats):
        for one in trials:
            one.repeat()
    return [one.summary(name) for one in trials]


class _Trials:
    """The runs of one segmenter on one scan."""

    def __init__(self, segmenter: Segmenter, scan: Scan) -> None:
        self.segmenter, self.scan = segmenter, scan
        self.parts = _parts(segmenter, scan)
        self.sizes = [_count(segmenter, part) for part in self.parts]
        # superpoints would take turns with the network
        self.settings = ExtractSettings(superpoints=False)
        self.runs: list[Mapping[str, float]] = []
        self.whole: list[float] = []
        self.outside: list[float] = []
        self.kept = 0
        self.alone: list[list[float]] = []
        self.rates: list[float] = []
        self.peak = 0
        for warm_up in (self.settings, None):
            segmenter.segment(scan, warm_up)

    def repeat(self) -> None:
        """Segment the scan, and each tile alone."""
        segmenter = self.segmenter
        reset_peak(segmenter.device)
        self.runs.append(segmenter.segment(self.scan, self.settings).seconds)
        before, began = resident_bytes(), time.perf_counter()
        found = segmenter.segment(self.scan)
        self.whole.append(time.perf_counter() - began)
        self.kept = resident_bytes() - before
        self.outside.append(self.whole[-1] - sum(found.seconds.get(stage, 0.)
                                                 for stage in NETWORK_STAGES))
        self.alone.append([_seconds_alone(segmenter, part) for part in self.parts
                           if len(self.parts) > 1])
        self.peak = max(self.peak, peak_bytes(segmenter.device))
        self.rates.append(product_rate(segmenter.device))

    def summary(self, name: str) -> Measurement:
        """Return the medians."""
        voxels, voxel_size, unet, decoder = zip(*self.sizes)
        seconds = {stage: statistics.median(run.get(stage, 0.) for run in self.runs)
                   for stage in STAGES}
        return Measurement(
            name, self.segmenter.engine.name, self.scan.input_size, sum(voxels),
            self.segmenter.num_queries, max(voxel_size), seconds, statistics.median(self.whole),
            self.peak, sum(unet), sum(decoder), statistics.median(self.rates),
            tile_seconds=tuple(map(statistics.median, zip(*self.alone))),
            outside=statistics.median(self.outside), kept_bytes=self.kept)


def _parts(segmenter: Segmenter, scan: Scan) -> list[Scan]:
    """Return the tiles of a scan that is cut, or the scan."""
    tiling = segmenter.weights.tiling
    if fits_one_tile(scan, tiling):
        return [scan]
    return [tile.cut() for tile in cut_map(scan, tiling).tiles if len(tile) >= MIN_POINTS]


def _count(segmenter: Segmenter, scan: Scan) -> tuple[int, float, float, float]:
    """Return voxels, their size, and the GFLOP of U-Net and decoder."""
    _, voxels = segmenter.prepare(scan, Stopwatch(segmenter.device))
    config = segmenter.weights.model
    pyramid = build_pyramid(batch_coords([voxels]), config.kernels)
    return (len(voxels), voxels.size, count_unet_gflop(config, pyramid),
            count_decoder_gflop(config, pyramid, segmenter.num_queries))


def _seconds_alone(segmenter: Segmenter, scan: Scan) -> float:
    began = time.perf_counter()
    segmenter.segment_at_once(scan)
    return time.perf_counter() - began


def product_rate(device: torch.device) -> float:
    """Return the GFLOP/s of torch's own product of [8192, 2048] x [2048, 96]."""
    rows, inner, columns = REFERENCE_PRODUCT_SHAPE
    left, right = (torch.ones(rows, inner, device=device),
                   torch.ones(inner, columns, device=device))
    times = []
    for _ in range(4):
        start = time.perf_counter()
        left @ right
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return 2 * rows * inner * columns / min(times) / 1e9


def reset_peak(device: torch.device) -> None:
    """Reset the counter of the peak memory, where the system has one."""
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    clear = Path('/proc/self/clear_refs')
    if clear.exists():
        clear.write_text('5')


def peak_bytes(device: torch.device) -> int:
    """Return the largest memory of the GPU, or of this process, since `reset_peak`."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device)
    status = Path('/proc/self/status')
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _overlap_row(m: Measurement) -> str:
    return (f'{"  overlaid":20} {m.points} points: {m.outside:.3f} s outside the network, '
            f'{1e3 * m.outside_per_million:.0f} ms per million points; '
            f'{m.kept_bytes / 1e6:.0f} MB more after it than before')


def _row(m: Measurement) -> str:
    stages = ' '.join(f'{m.seconds[stage]:11.3f}' for stage in STAGES)
    name = f'busy processes: {m.num_busy}' if m.num_busy else m.name
    return (f'{name[:20]:20} {m.engine:11} {m.voxels:8} {stages} {m.together:8.3f} '
            f'{m.network_seconds:8.3f} {m.floor_seconds:7.3f} {m.ratio:6.2f} '
            f'{m.unet_gflop:7.1f} {m.product_rate:8.0f} {m.peak_bytes / 1e6:8.0f}')


def _tile_row(m: Measurement) -> str:
    return (f'{"  in tiles":20} {len(m.tile_seconds)} tiles alone: median '
            f'{statistics.median(m.tile_seconds):.3f}, max {max(m.tile_seconds):.3f}, sum '
            f'{sum(m.tile_seconds):.3f} s; together / sum {m.tile_ratio:.2f}')


def _ratios(what: str, one: Measurement, other: Measurement) -> str:
    """Return the row of the times of one measurement in those of the other."""
    stages = ' '.join(f'{one.seconds[stage] / other.seconds[stage]:11.2f}'
                      if other.seconds[stage] else ' ' * 11 for stage in STAGES)
    return (f'{what:41} {stages} {one.together / other.together:8.2f} '
            f'{one.network_seconds / other.network_seconds:8.2f}')
