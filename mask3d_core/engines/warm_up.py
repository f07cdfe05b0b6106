"""Run the network once on a GPU, so that no scan waits for kernels to be compiled and measured."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from mask3d_core.model import ModelConfig
from mask3d_core.sparse import build_pyramid
from mask3d_core.sparse.kernel_tuning import tuning
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.voxels import batch_coords, Voxels
import numpy as np
import torch

if TYPE_CHECKING:
    from mask3d_core.engines.engine import Engine

ROOM_EDGES = (180, 60)
"""
Voxels along the edges of the rooms: about 75,000 and 8,000 of them.

Configurations are measured on the first; the second compiles what smaller scans use of them.
"""


def warm_up(engine: Engine, config: ModelConfig, edges: tuple[int, ...] = ROOM_EDGES) -> None:
    """
    Run an engine on empty rooms.

    The first time on a device this takes minutes, as the fused kernels are compiled in several
    configurations and measured. Later the fastest ones are read from files.
    """
    for number, edge in enumerate(edges):
        voxels = make_room(config, edge).to(engine.device)
        with tuning() if number == 0 else nullcontext():
            with torch.inference_mode():
                pyramid = build_pyramid(batch_coords([voxels]), config.kernels)
            engine.predict(voxels, pyramid, config.num_queries, Stopwatch(engine.device))


def make_room(config: ModelConfig, edge: int) -> Voxels:
    """Return the voxels of a floor and four walls, a third as high; rough, as scans are."""
    draw = torch.Generator().manual_seed(0)
    a, b = torch.meshgrid(torch.arange(edge), torch.arange(edge), indexing='ij')
    a, b = a.reshape(-1), b.reshape(-1)
    depth = torch.randint(0, 2, (5, len(a)), generator=draw)
    low = b < edge // 3
    walls = [torch.stack(axes, 1)[low] for axes in (
        (a, depth[0], b), (a, edge - depth[1], b), (depth[2], a, b), (edge - depth[3], a, b))]
    coords = torch.cat([torch.stack([a, b, depth[4]], 1), *walls]).unique(dim=0)
    count = len(coords)
    return Voxels(coords, torch.randn(count, config.in_channels, generator=draw), coords * 0.02,
                  np.zeros(3), torch.arange(count), torch.arange(count) // 64, 0.02)
