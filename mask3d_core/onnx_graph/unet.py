"""
The U-Net as an ONNX graph, made of standard operators without a scatter.

A convolution gathers the neighbors of each row and multiplies once: Gather, Reshape, Gemm. Rows
are convolved in pieces, which bounds the memory of the gathered ones. Features have a row of
zeros at their end, which stands for absent neighbors; the Concat that joins the pieces appends
it without another copy.
"""

from __future__ import annotations

from typing import cast, Final

from mask3d_core.model.backbone import ResidualBlock, UNet
from mask3d_core.model.layers import DownConv, NeighborConv, PointConv, UpConv
from mask3d_core.onnx_graph.graph import Graph, tensor_type
import numpy as np
from torch import nn, Tensor

PIECES: Final = (16, 8, 4, 2, 1)
"""Pieces of the rows of each level, fine to coarse; measured in docs/engines.md."""
NUM_LEVELS: Final = len(PIECES)


class Rows:
    """
    The rows of one level and their tables, inputs of the graph.

    Parameters
    ----------
    graph : Graph
    depth : int
        0: the finest level.

    """

    def __init__(self, graph: Graph, depth: int) -> None:
        self.graph = graph
        self.depth = depth
        self._bounds: list[tuple[str, str]] = []
        self._pieces: dict[int, list[str]] = {}

    def neighbors(self, volume: int) -> list[str]:
        """Return the neighbors of each piece: [rows, volume] int32; V if absent."""
        if volume not in self._pieces:
            table = self.graph.input(f'neighbors_{self.depth}_{volume}', np.int32,
                                     [f'V{self.depth}', volume])
            self._pieces[volume] = [self.graph.slice(table, *bounds)
                                    for bounds in self._all_bounds(table)]
        return self._pieces[volume]

    def piece(self, value: str, number: int) -> str:
        """Return the rows of one piece, once `neighbors` was called."""
        return self.graph.slice(value, *self._bounds[number])

    def children(self) -> str:
        """Return the children of each parent, none in a last row: [V' + 1, 8] int32."""
        return self.graph.input(f'children_{self.depth}', np.int32,
                                [f'V{self.depth + 1}_and_1', 8])

    def slots(self) -> str:
        """Return 8 times the row of the parent plus the place among its children: [V] int32."""
        return self.graph.input(f'slots_{self.depth}', np.int32, [f'V{self.depth}'])

    def _all_bounds(self, table: str) -> list[tuple[str, str]]:
        graph, count = self.graph, PIECES[self.depth]
        if not self._bounds:
            rows = graph.num_rows(table)
            step = graph.add('Div', graph.add('Add', rows, graph.shape(count - 1)),
                             graph.shape(count))
            ends = [graph.shape(0), *(
                graph.add('Min', graph.add('Mul', step, graph.shape(number)), rows)
                for number in range(1, count)), rows]
            self._bounds = list(zip(ends[:-1], ends[1:]))
        return self._bounds


class UNetGraph:
    """
    Adds the nodes of a U-Net with folded batch norms.

    Parameters
    ----------
    graph : Graph
    unet : UNet
    dtype : numpy type
        float32 or float16, of weights and features.

    """

    def __init__(self, graph: Graph, unet: UNet, dtype: type[np.floating]) -> None:
        self.graph = graph
        self.unet = unet
        self.dtype = dtype
        self.rows = [Rows(graph, depth) for depth in range(NUM_LEVELS)]

    def add(self, features: str) -> list[str]:
        """
        Add the network and return its levels.

        Parameters
        ----------
        features : [V, C] float32
            Of the voxels, in the row order of the finest level.

        Returns
        -------
        Five values [V_l, C_l] float32, coarse to fine.

        """
        graph, unet, rows = self.graph, self.unet, self.rows
        with graph.scope('unet'):
            if self.dtype != np.float32:
                features = graph.add('Cast', features, to=tensor_type(self.dtype))
            features = self._stem(self._with_zeros(features, unet.stem.weight.shape[2]))
            skips, outputs = [], []
            for depth, (down, blocks) in enumerate(zip(unet.down, unet.down_blocks)):
                skips.append(features)
                with graph.scope(f'down.{depth}'):
                    features = self._down(features, cast(DownConv, down), rows[depth])
                features = self._blocks(f'down_blocks.{depth}', features, blocks, rows[depth + 1])
            outputs.append(features)
            for number, (up, blocks) in enumerate(zip(unet.up, unet.up_blocks)):
                depth = NUM_LEVELS - 2 - number
                with graph.scope(f'up.{number}'):
                    features = self._up(features, cast(UpConv, up), rows[depth])
                    features = graph.add('Concat', features, skips.pop(), axis=1)
                features = self._blocks(f'up_blocks.{number}', features, blocks, rows[depth])
                outputs.append(features)
            return [self._output(level) for level in outputs]

    def _output(self, features: str) -> str:
        """Return the features without their row of zeros, float32."""
        features = self.graph.slice(features, self.graph.shape(0), self.graph.shape(-1))
        if self.dtype != np.float32:
            features = self.graph.add('Cast', features, to=tensor_type(np.float32))
        return features

    def _stem(self, features: str) -> str:
        """As `StemConv`: between the parents, then the rows of the children."""
        graph, stem, (fine, coarse) = self.graph, self.unet.stem, self.rows[:2]
        weight, bias = stem.between_parents()
        with graph.scope('stem'):
            parents = graph.add('Gather', features, fine.children(), axis=0)
            parents = graph.add('Reshape', parents, graph.shape(-1, weight.shape[2]))
            parts = self._convolve(parents, weight, bias, coarse)
            product = graph.add('Concat', *parts, axis=0)
            product = graph.add('Reshape', product, graph.shape(-1, len(stem.weight)))
            product = graph.add('Gather', product, fine.slots(), axis=0)
            return self._with_zeros(graph.add('Relu', product), len(stem.weight))

    def _down(self, features: str, conv: DownConv, fine: Rows) -> str:
        """As `DownConv`, with ReLU."""
        graph, (channels, volume, channels_in) = self.graph, conv.weight.shape
        # the last parent, without children, would be the bias
        table = graph.slice(fine.children(), graph.shape(0), graph.shape(-1))
        children = graph.add('Gather', features, table, axis=0)
        children = graph.add('Reshape', children, graph.shape(-1, volume * channels_in))
        product = graph.add('Relu', self._product(children, conv.weight.flatten(1), conv.bias))
        return self._with_zeros(product, channels)

    def _up(self, features: str, conv: UpConv, fine: Rows) -> str:
        """As `UpConv`, with ReLU."""
        graph, (channels, volume, _) = self.graph, conv.weight.shape
        weight = conv.weight.transpose(0, 1).reshape(volume * channels, -1)
        assert conv.bias is not None
        children = self._product(features, weight, conv.bias.repeat(volume))
        children = graph.add('Reshape', children, graph.shape(-1, channels))
        children = graph.add('Gather', children, fine.slots(), axis=0)
        return self._with_zeros(graph.add('Relu', children), channels)

    def _blocks(self, name: str, features: str, blocks: nn.Module, rows: Rows) -> str:
        for number, block in enumerate(cast(nn.ModuleList, blocks)):
            with self.graph.scope(f'{name}.{number}'):
                features = self._block(features, cast(ResidualBlock, block), rows)
        return features

    def _block(self, features: str, block: ResidualBlock, rows: Rows) -> str:
        """As `ResidualBlock`: [V + 1, C] -> [V + 1, D]."""
        graph = self.graph
        inner = [graph.add('Relu', part) for part in self._neighbor_conv(
            features, block.conv1, rows)]
        padded = self._joined(inner, len(block.conv1.weight))
        parts = []
        for number, part in enumerate(self._neighbor_conv(padded, block.conv2, rows)):
            shortcut = rows.piece(features, number)
            if block.shortcut is not None:
                shortcut = self._point(shortcut, block.shortcut)
            parts.append(graph.add('Relu', graph.add('Add', part, shortcut)))
        return self._joined(parts, len(block.conv2.weight))

    def _neighbor_conv(self, features: str, conv: NeighborConv, rows: Rows) -> list[str]:
        return self._convolve(features, conv.weight, conv.bias, rows)

    def _convolve(self, features: str, weight: Tensor, bias: Tensor | None, rows: Rows,
                  ) -> list[str]:
        """Convolve [V + 1, C] with a weight [D, volume, C]: pieces [rows, D]."""
        graph, (_, volume, channels) = self.graph, weight.shape
        parts = []
        for neighbors in rows.neighbors(volume):
            gathered = graph.add('Gather', features, neighbors, axis=0)
            gathered = graph.add('Reshape', gathered, graph.shape(-1, volume * channels))
            parts.append(self._product(gathered, weight.flatten(1), bias))
        return parts

    def _point(self, features: str, conv: PointConv) -> str:
        return self._product(features, conv.weight[:, 0], conv.bias)

    def _product(self, features: str, weight: Tensor, bias: Tensor | None) -> str:
        """Multiply [M, C] with a weight [D, C]: [M, D]."""
        assert bias is not None, 'batch norms are folded'
        return self.graph.add('Gemm', features, self._constant(weight), self._constant(bias),
                              transB=1)

    def _joined(self, parts: list[str], channels: int) -> str:
        """Join pieces, and append a row of zeros: [V + 1, D]."""
        zeros = self.graph.constant(np.zeros((1, channels), self.dtype))
        return self.graph.add('Concat', *parts, zeros, axis=0)

    def _with_zeros(self, features: str, channels: int) -> str:
        return self._joined([features], channels)

    def _constant(self, tensor: Tensor) -> str:
        return self.graph.constant(tensor.detach().cpu().numpy(), self.dtype)
