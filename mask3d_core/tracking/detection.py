"""The instances of a cloud as tracks keep them: by the cells that they occupy."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product

from mask3d_core.geometry.cells import (
    cell_centers,
    cell_keys,
    CELL_SIZE,
    CellSet,
    find,
)
from mask3d_core.geometry.points_in_cells import (
    count_cells,
    count_keys,
    count_keys_of,
    take_points,
)
from mask3d_core.instances import COLUMNS, Instances
from mask3d_core.scan import Scan
from mask3d_core.tracking.incidence import incidence_of_rows
from mask3d_core.tracking.rigid_motion import RigidMotion
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

SHAPE_COLUMNS = [name for name in COLUMNS if name not in ('class_id', 'score')]
"""The measures of an instance."""
POSITIONS = ('centroid', 'box_center', 'upright_center')
EIGHTHS = CELL_SIZE / 4 * np.array(list(product((-1, 1), repeat=3)), np.float64)
"""From the centre of a cell to those of its eighths: [8, 3]."""
SEARCH_FACTOR = 50
"""Finding a row by bisection takes as long as numbering so many points of the cloud."""


@dataclass(frozen=True, eq=False)
class Detection:
    """
    One instance of a cloud, as tracks keep it.

    Attributes
    ----------
    cells : CellSet
        That its points occupy.
    filled : [c] bool
        Cells of whose points more than half belong to it.
    class_id : int
    score : float
    shape : dict of str to [...] float64
        The measures of the instance: its row of the columns of `Instances` by name.

    """

    cells: CellSet
    filled: NDArray[np.bool_]
    class_id: int
    score: float
    shape: dict[str, NDArray[np.float64]]

    def moved(self, motion: RigidMotion) -> Detection:
        """
        Return it after a motion of the map.

        Its cells then do not coincide with cells any more: those that eighths of them reach into
        are taken, so that there are no gaps.
        """
        eighths = (cell_centers(self.cells.keys, self.shape['centroid'])
                   + EIGHTHS[:, None]).reshape(-1, 3)
        keys, first = np.unique(cell_keys(motion.apply(eighths)), return_index=True)
        yaw = (self.shape['upright_yaw'] + motion.yaw + np.pi / 2) % np.pi - np.pi / 2
        shape = {**self.shape, 'upright_yaw': yaw,
                 **{name: motion.apply(self.shape[name]) for name in POSITIONS}}
        filled = self.filled[first % len(self.filled)]
        return replace(self, cells=CellSet(keys), filled=filled, shape=shape)


def detect(scan: Scan, instances: Instances, chosen: Sequence[int],
           changed: NDArray[np.int64] | None) -> tuple[CellSet, list[Detection], csr_matrix]:
    """
    Return the cells that a scan shows, and some of its instances as detections.

    Parameters
    ----------
    scan : Scan
    instances : Instances
    chosen : sequence of int
        Their indices.
    changed : [n] int64 or None
        Rows of all points in the places to be looked at; None: the whole scan.

    Returns
    -------
    shown : CellSet
        The c cells there.
    detections : list of J Detections
    incidence : [J, c]
        Of the detections and these cells.

    """
    rows_of = _scan_rows(scan, [instances.rows[index] for index in chosen])
    rows = np.concatenate([*rows_of, np.empty(0, np.int32)])
    points = np.cumsum(list(map(len, rows_of)), dtype=np.int64)
    with ThreadPoolExecutor(1) as other:  # the cells of the scan and of the detections at once
        if changed is None:
            keys = cell_keys(scan.xyz)
            of_detections = keys.take(rows)
            counting = other.submit(count_keys, keys)
        else:
            counting = other.submit(count_cells, scan.xyz, changed)
            of_detections = cell_keys(take_points(scan.xyz, rows))
        keys, own, ends = count_keys_of(of_detections, points)
        shown, counts = counting.result()
    row, contained = find(keys, shown.keys)
    total = np.where(contained, counts[row], own) if len(counts) else own
    parts = zip(np.split(keys, ends[:-1]), np.split(2 * own > total, ends[:-1]))
    detections = [
        Detection(CellSet(cells), filled, int(instances.class_id[index]),
                  float(instances.score[index]),
                  {name: getattr(instances, name)[index] for name in SHAPE_COLUMNS})
        for index, (cells, filled) in zip(chosen, parts)]
    return shown, detections, incidence_of_rows(row, contained, ends, len(shown))


def _scan_rows(scan: Scan, rows: Sequence[NDArray[np.int32]]) -> list[NDArray[np.integer]]:
    """Return the rows of the scan for rows of the input cloud."""
    if len(scan) == scan.input_size:
        return list(rows)
    if SEARCH_FACTOR * sum(map(len, rows)) < scan.input_size:
        return [np.searchsorted(scan.kept, points) for points in rows]
    row_of = np.zeros(scan.input_size, np.int32)
    row_of[scan.kept] = np.arange(len(scan), dtype=np.int32)
    return [row_of[points] for points in rows]
