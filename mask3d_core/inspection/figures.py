"""The pictures of the paper, of any scan: heatmaps, features, and the effect of DBSCAN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mask3d_core.colors import instance_of_points, paint_instances
from mask3d_core.drawing.panels import draw_panels, heat_colors, Panel
from mask3d_core.drawing.side_by_side import point_colors
from mask3d_core.extraction.postprocess import EPS_VOXELS, ExtractSettings
from mask3d_core.inspection.inspection import inspect_scan, Inspection
from mask3d_core.instances import Instances
from mask3d_core.scan import Scan
from mask3d_core.segmenter import Segmenter
import numpy as np
from numpy.typing import NDArray

FIGURES = ('heatmaps', 'features', 'dbscan')
NUM_HEATMAPS = 5


def draw_figures(segmenter: Segmenter, scan: Scan, settings: ExtractSettings, stem: Path,
                 only: tuple[str, ...] = FIGURES) -> Iterator[Path]:
    """
    Write the figures of a scan, and yield their files.

    - `STEM_heatmaps.png`: the scan, and mask probabilities of the queries of its best instances
      (Fig. 1).
    - `STEM_features.png`: the scan, the features of the U-Net, and the instances (Fig. 4).
    - `STEM_dbscan.png`: the scan, and its instances without and with clustering (Fig. 7).

    Parameters
    ----------
    segmenter : Segmenter
    scan : Scan
        No larger than a tile.
    settings : ExtractSettings
    stem : path
        Start of the file names.
    only : strings
        Some of `FIGURES`.

    Raises
    ------
    InputError
        As `inspect_scan`, or if a file cannot be written.

    """
    whole, instances, inspection = inspect_scan(segmenter, scan, settings)
    first = Panel('scan' if scan.color is not None else 'scan, coloured by height',
                  point_colors(scan))
    for name in FIGURES:
        if name not in only:
            continue
        if name == 'heatmaps':
            panels = heat_panels(instances, inspection)
        elif name == 'features':
            color = inspection.features[inspection.voxel].astype(np.float32) / 255
            panels = [Panel('features of the U-Net, principal components', color),
                      instance_panel(f'{len(instances)} instances', whole, instances)]
        else:
            panels = _cluster_panels(segmenter, whole, settings, instances)
        path = stem.with_name(f'{stem.name}_{name}.png')
        draw_panels(path, scan, [first, *panels])
        yield path


def heat_panels(instances: Instances, inspection: Inspection) -> list[Panel]:
    """Return the heatmaps of instances, of one for each class first."""
    names = [instances.name(index) for index in inspection.instance.tolist()]
    order = sorted(range(len(names)), key=lambda row: (names[:row].count(names[row]), row))
    chosen = sorted(order[:NUM_HEATMAPS])
    return [Panel(f'{names[row]} {instances.score[inspection.instance[row]]:.2f}',
                  heat_colors(inspection.heat[inspection.voxel, row])) for row in chosen]


def instance_panel(title: str, scan: Scan, instances: Instances) -> Panel:
    """Return a panel with the instances of a scan in their colours."""
    best = instance_of_points(scan, instances)
    return Panel(title, paint_instances(scan, best).astype(np.float32) / 255)


def _cluster_panels(segmenter: Segmenter, scan: Scan, settings: ExtractSettings,
                    instances: Instances) -> list[Panel]:
    """Return the instances without and with clustering; the same ones have the same colour."""
    plain = segmenter.segment_at_once(scan, replace(settings, dbscan_eps=0))
    eps = settings.dbscan_eps or EPS_VOXELS * segmenter.voxelization.size
    best, other = (instance_of_points(scan, found) for found in (instances, plain))
    ids = 1 + _most_common(best, other, len(instances), len(plain))
    return [instance_panel(f'without DBSCAN: {len(plain)} instances', scan, plain),
            Panel(f'with DBSCAN, eps {eps:.2f} m: {len(instances)} instances',
                  paint_instances(scan, best, ids).astype(np.float32) / 255)]


def _most_common(best: NDArray[np.integer], other: NDArray[np.integer], count: int, others: int,
                 ) -> NDArray[np.int64]:
    """
    Return for each of some instances the other one that it shares most points with: [count].

    Of several with the same one, only the largest gets it: the rest get numbers of their own.
    """
    shared = np.zeros((count, others + 1), np.int64)
    both = best >= 0
    np.add.at(shared, (best[both], other[both]), 1)     # -1, the last column, is none
    chosen = np.arange(others, others + count)
    taken: set[int] = set()
    for row in np.argsort(-shared[:, :-1].max(axis=1, initial=0), kind='stable').tolist():
        column = int(shared[row, :-1].argmax()) if others else -1
        if others and shared[row, column] and column not in taken:
            taken.add(column)
            chosen[row] = column
    return chosen
