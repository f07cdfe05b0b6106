"""Measure updates of a map: the same map again, and a map of which one tile changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
import statistics
import time
from typing import Any

from mask3d_core.bench.attempt import Attempt
from mask3d_core.bench.inference import NETWORK_STAGES
from mask3d_core.files import read_scan
from mask3d_core.progress import log
from mask3d_core.scan import MIN_POINTS, Scan
from mask3d_core.segmenter import Segmenter
from mask3d_core.tiling.map_segmentation import MapResult
from mask3d_core.tiling.tile_cache import TileCache
import numpy as np

REMOVED_SHARE = 0.3
"""Share of the points of a tile's core that are removed, those nearest to its middle."""
TILING_STAGES = ('tiles', 'joining')
"""Of `Instances.seconds`, those that a scan of one tile does not have."""


@dataclass(frozen=True)
class Update:
    """
    Time of one map after another.

    Attributes
    ----------
    name : str
        Of the scan.
    update : 'first', 'same again' or 'one tile changed'
    points, tiles : int
    segmented : int
        Number of tiles that were segmented.
    seconds : float
        Median, from the scan to its instances.
    outside : float
        Median of those outside the network: voxels, post-processing and `tiling`.
    tiling : float
        Median of those that tiles take: cutting, checksums, fingerprints, joining.
    alone : float
        Median of the time to segment these tiles alone, without the map around them.

    """

    name: str
    update: str
    points: int
    tiles: int
    segmented: int
    seconds: float
    outside: float
    tiling: float
    alone: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with the figures derived from them."""
        return asdict(self) | {f'{part}_per_million': 1e6 * getattr(self, part) / self.points
                               for part in ('outside', 'tiling')}


def run_update_bench(files: Sequence[Path], segmenter: Segmenter, repeats: int = 5,
                     attempt: Attempt = nullcontext) -> list[Update]:
    """Measure the updates of maps, each a row of a table; `attempt` as for `run_bench`."""
    print(f'median of {repeats} updates, seconds (reading the file, tracking and messages are not '
          'included)')
    print(f'{"scan":20} {"update":16} {"points":>9} {"tiles":>5} {"segmented":>9} {"seconds":>8} '
          f'{"alone":>8} {"outside/10^6":>12} {"tiling/10^6":>12}')
    updates = []
    for file in files:
        with attempt(file):
            log(f'measuring {file} …')
            for update in measure_updates(segmenter, read_scan(file), file.stem, repeats):
                updates.append(update)
                print(f'{update.name[:20]:20} {update.update:16} {update.points:9} '
                      f'{update.tiles:5} {update.segmented:9} {update.seconds:8.3f} '
                      f'{update.alone:8.3f} '
                      f'{1e6 * update.outside / update.points:12.3f} '
                      f'{1e6 * update.tiling / update.points:12.3f}', flush=True)
    return updates


def measure_updates(segmenter: Segmenter, scan: Scan, name: str, repeats: int = 5,
                    ) -> list[Update]:
    """
    Segment a map, then in turns the same map again and one of which a tile changed.

    `REMOVED_SHARE` of the points in the tile of median size are removed, and put back by the next
    change.
    """
    cache = TileCache()
    segmenter.segment_at_once(scan.take(np.arange(min(len(scan), 10_000))))  # warm-up
    first, result = _measure_update(segmenter, scan, name, 'first', cache)
    other, same, changed = _without_middle(scan, result), [], []
    for number in range(repeats):
        now, then = (scan, other) if number % 2 == 0 else (other, scan)
        same.append(_measure_update(segmenter, now, name, 'same again', cache)[0])
        changed.append(_measure_update(segmenter, then, name, 'one tile changed', cache)[0])
    return [first, _median(same), _median(changed)]


def _measure_update(segmenter: Segmenter, scan: Scan, name: str, update: str, cache: TileCache,
                    ) -> tuple[Update, MapResult]:
    start = time.perf_counter()
    opened = segmenter.open_map(scan, cache=cache)
    tiles = list(opened.pending)
    result = opened.finish()
    seconds = time.perf_counter() - start
    stages = result.instances.seconds
    network = sum(stages.get(stage, 0.0) for stage in NETWORK_STAGES)
    alike = sum(spent for stage, spent in stages.items() if stage not in TILING_STAGES)
    start = time.perf_counter()
    for tile in tiles:
        if len(tile) >= MIN_POINTS:
            segmenter.segment_at_once(tile.cut())
    alone = time.perf_counter() - start
    return Update(name, update, len(scan), opened.num_tiles, len(tiles), seconds,
                  seconds - network, seconds - alike, alone), result


def _without_middle(scan: Scan, result: MapResult) -> Scan:
    """Return a scan without the middle of the tile of median size, seen from above."""
    sizes = np.bincount(result.core)
    rows = np.flatnonzero(result.core == np.argsort(sizes)[len(sizes) // 2])
    xy = scan.xyz[rows, :2]
    order = np.argsort(np.linalg.norm(xy - np.median(xy, axis=0), axis=1), kind='stable')
    return scan.take(np.delete(np.arange(len(scan)), rows[order[:int(REMOVED_SHARE * len(rows))]]))


def _median(updates: Sequence[Update]) -> Update:
    """Return the update of median time, with the medians of its parts."""
    middle = sorted(updates, key=lambda update: update.seconds)[len(updates) // 2]
    medians = {key: statistics.median(getattr(update, key) for update in updates)
               for key in ('seconds', 'outside', 'tiling', 'alone')}
    return Update(**asdict(middle) | medians)
