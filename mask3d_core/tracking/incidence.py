"""Which cells instances and tracks occupy, as a sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence

from mask3d_core.geometry.cells import CellSet, find
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


def incidence(occupied: Sequence[CellSet], cells: NDArray[np.int64]) -> csr_matrix:
    """Return the incidence matrix [len(occupied), c]: ones at the cells that each occupies."""
    row, contained = find(np.concatenate([*(one.keys for one in occupied),
                                          np.empty(0, np.int64)]), cells)
    return incidence_of_rows(row, contained, np.cumsum(list(map(len, occupied)), dtype=np.int64),
                             len(cells))


def incidence_of_rows(row: NDArray[np.int64], contained: NDArray[np.bool_],
                      ends: NDArray[np.int64], num_cells: int) -> csr_matrix:
    """
    Return the incidence matrix [n, num_cells] of n sets of cells that were looked up.

    Parameters
    ----------
    row, contained : [m]
        What `find` returned for the cells of one set after another.
    ends : [n] int64
        Where the cells of each set end.

    """
    count = np.concatenate([[0], np.cumsum(contained)])[np.concatenate([[0], ends])]
    column = row[contained]
    return csr_matrix((np.ones(len(column)), column, count), shape=(len(ends), num_cells))
