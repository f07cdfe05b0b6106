"""What a user sees of `mask3d segment`: stages or a progress bar, tables, a JSON document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mask3d_core.commands.arguments import describe_tiles
from mask3d_core.commands.result_folders import num_bytes, Place
from mask3d_core.progress import log, ProgressBar, report

if TYPE_CHECKING:
    from mask3d_core.instances import Instances
    from mask3d_core.tiling.settings import TileSettings


class SegmentOutput:
    """
    Print the stages of one scan, or one progress bar of several; and the results of each.

    Parameters
    ----------
    places : sequence of Place
    rank, num_processes : int
        Number of this process, and of all.
    only_document : bool
        Whether stdout is for a JSON document, so that results are not printed as text.

    """

    def __init__(self, places: Sequence[Place], rank: int, num_processes: int,
                 only_document: bool) -> None:
        self.places = places
        self.rank, self.num_processes = rank, num_processes
        self.only_document = only_document
        self.bar = (ProgressBar('scan', [num_bytes(place.file) for place in places])
                    if len(places) > 1 else None)

    def stage(self, text: str) -> None:
        """Print the stage of a scan, if it is the only one."""
        if self.bar is None:
            log(text)

    def report(self, sentence: str) -> None:
        """Print a failure or a warning to stderr."""
        (report if self.bar is None else self.bar.line.report)(sentence)

    def warn(self, file: Path, text: str) -> None:
        """Print a warning about a scan to stderr."""
        self.report(f'warning: {text}' if self.bar is None else f'warning: {file}: {text}')

    def on_tile(self, points: Sequence[int]) -> Callable[[], None]:
        """Return what to call after each tile of this process; all have so many points."""
        mine = points[self.rank::self.num_processes]
        if self.bar is None:
            return ProgressBar('tile', mine, self.num_processes, len(points)).advance
        bar, counts = self.bar, iter(range(1, len(mine) + 1))
        return lambda: bar.show(sum(mine[:next(counts)]) / sum(mine))

    def results(self, file: Path, lines: Iterable[str]) -> None:
        """Print the results of a scan."""
        if self.only_document:
            return
        if self.bar is not None:
            self.bar.line.end()
            lines = [str(file), *lines, '']
        for line in lines:
            print(line, flush=True)

    def advance(self) -> None:
        """Show that one more scan is done or has failed."""
        if self.bar is not None:
            self.bar.advance()

    def summary(self, num_found: int) -> None:
        """Print how many of several scans have results."""
        if self.bar is not None and not self.only_document:
            print(f'{num_found} of {len(self.places)} scans segmented')


def result_lines(instances: Instances, num_processes: int, tiles: Sequence[int],
                 tiling: TileSettings) -> Iterator[str]:
    """Yield the table of the instances, run times, tiles and voxel size as text."""
    yield f'{"id":>4}  {"class":16} {"score":>5} {"points":>8}  size in m (x y z)'
    for index in range(len(instances)):
        x, y, z = instances.box_size[index]
        yield (f'{index + 1:4}  {instances.name(index):16} {instances.score[index]:5.2f} '
               f'{len(instances.points(index)):8}  {x:.2f} {y:.2f} {z:.2f}')
    yield f'{len(instances)} instances'
    stages = [f'{stage} {seconds:.3f}' for stage, seconds in instances.seconds.items()]
    whose = f' of the first of {num_processes} processes' if num_processes > 1 else ''
    yield (f'seconds{whose}: {", ".join(stages)}; together '
           f'{sum(instances.seconds.values()):.3f}')
    yield 'tiles: ' + ('1, the whole scan' if not tiles else
                       f'{len(tiles)} of {describe_tiles(tiling)}; the largest has {max(tiles)} '
                       'points')
    yield f'voxel size: {100 * instances.voxel_size:.3g} cm'


def result_document(place: Place, instances: Instances, tiles: Sequence[int],
                    warnings: Sequence[str]) -> dict[str, Any]:
    """Return what --json says of a scan: where its results are, and instances.json's content."""
    from mask3d_core.files.results import instances_content

    return {'file': str(place.file), 'folder': str(place.folder), 'warnings': list(warnings),
            'tiles': max(len(tiles), 1), **instances_content(instances)}
