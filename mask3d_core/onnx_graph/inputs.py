"""The inputs of the graph: the tables of a pyramid, and the voxels in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mask3d_core.sparse import Pyramid
from mask3d_core.sparse.pyramid import DeviceKernelMap, KernelMap, Level
from mask3d_core.voxels import Voxels
import torch
from torch import Tensor


def graph_inputs(voxels: Voxels, pyramid: Pyramid) -> dict[str, Tensor]:
    """
    Return the inputs of the graph but `seeds`, by name, on the device of the pyramid.

    Parameters
    ----------
    voxels : Voxels
        On that device.
    pyramid : Pyramid
        Of these voxels.

    """
    centers = (voxels.centers - voxels.centers.mean(0))[pyramid.order]
    inputs = {'features': voxels.features[pyramid.order], 'positions': centers,
              'rank': pyramid.rank.int()}
    for depth, level in enumerate(pyramid.levels):
        for volume, kernel_map in level.kernel_maps.items():
            inputs[f'neighbors_{depth}_{volume}'] = _neighbors(kernel_map, len(level), volume)
        if level.slots is not None:
            inputs[f'children_{depth}'] = _children(level, level.slots)
            inputs[f'slots_{depth}'] = level.slots.int()
    if voxels.segment is not None:
        segment = voxels.segment[pyramid.order]
        ends = torch.bincount(segment).cumsum(0)
        inputs |= {'segment': segment.int(), 'segment_order': segment.argsort(stable=True).int(),
                   'segment_ends': torch.cat([ends.new_zeros(1), ends]).int()}
    return inputs


def padded(inputs: Mapping[str, Tensor], sizes: Sequence[int]) -> dict[str, Tensor]:
    """
    Return the inputs of the U-Net with more rows: scans of many sizes then have few shapes.

    Parameters
    ----------
    inputs : tensors by name
        What `graph_inputs` returned.
    sizes : five int
        Rows of the levels, fine to coarse, at least those they have. Further rows have no
        neighbors and are nobody's; cut them off from the outputs.

    """
    result = dict(inputs)
    for name in ('features', 'positions'):
        result[name] = _with_rows(inputs[name], sizes[0], 0)
    for name, table in inputs.items():
        kind, *numbers = name.split('_')
        if kind not in ('neighbors', 'children', 'slots') or not numbers[0].isdigit():
            continue
        depth = int(numbers[0])
        if kind == 'slots':
            result[name] = _with_rows(table, sizes[depth], 0)
            continue
        count = len(inputs[f'slots_{depth}']) if f'slots_{depth}' in inputs else len(table)
        table = table.masked_fill(table == count, sizes[depth])     # absent ones stay absent
        rows = sizes[depth] if kind == 'neighbors' else sizes[depth + 1] + 1
        result[name] = _with_rows(table, rows, sizes[depth])
    return result


def _with_rows(rows: Tensor, size: int, value: int) -> Tensor:
    """Append rows of a value: [n, …] -> [size, …]."""
    missing = size - len(rows)
    return torch.cat([rows, rows.new_full((missing, *rows.shape[1:]), value)])


def _neighbors(kernel_map: KernelMap | DeviceKernelMap, count: int, volume: int) -> Tensor:
    """Return the neighbors of all rows at all offsets: [V, volume] int32, V if absent."""
    if isinstance(kernel_map, DeviceKernelMap):
        return kernel_map.table.t().contiguous()
    first = kernel_map.blocks[0].neighbors
    table = first.new_full((count, volume), count)
    for block in kernel_map.blocks:
        neighbors = block.neighbors.view(block.stop - block.start, -1)
        if block.offsets is None:
            table[block.start:block.stop] = neighbors
        else:
            table[block.start:block.stop].index_copy_(1, block.offsets, neighbors)
    return table


def _children(level: Level, slots: Tensor) -> Tensor:
    """Return the children of each parent, none in a last row: [num_parents + 1, 8] int32."""
    count = len(level)
    table = torch.full((8 * (level.num_parents + 1),), count, dtype=torch.int32,
                       device=slots.device)
    table[slots] = torch.arange(count, dtype=torch.int32, device=slots.device)
    return table.view(-1, 8)
