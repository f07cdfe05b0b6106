"""
Votes, queries and decoder as an ONNX graph.

As `Mask3D.refine`: with shared rounds keys and values are computed once per level, masks of a
level are products with its pooled mask features. Attention is dense with an additive mask:
attention to a few rows only would need a scatter.
"""

from __future__ import annotations

import math
from typing import cast

from mask3d_core.model.decoder import Attention, DecoderLayer, MASKED_BELOW_LOGIT
from mask3d_core.model.mask3d import Mask3D
from mask3d_core.model.windows import MAX_WIDTH, MIN_WIDTH, WINDOW_DIM
from mask3d_core.onnx_graph.graph import Graph, tensor_type
from mask3d_core.onnx_graph.unet import NUM_LEVELS, Rows
import numpy as np
import torch
from torch import nn, Tensor

MIN_SCORE = -60.
"""Of attention, relative to the highest: e^-60 is nothing beside 1, and far from denormal."""
KeysValues = list[tuple[str, str]]
"""Keys and values of one level, for each head [V, D / H]."""


class DecoderGraph:
    """
    Adds the nodes after the U-Net.

    Parameters
    ----------
    graph : Graph
    model : Mask3D
        With folded batch norms.
    rows : five Rows
        Fine to coarse.

    """

    def __init__(self, graph: Graph, model: Mask3D, rows: list[Rows]) -> None:
        self.graph = graph
        self.model = model
        self.rows = rows
        self.positions = graph.input('positions', np.float32, ['V0', 3])

    def votes(self, finest: str) -> tuple[str, str]:
        """Return the centers [V, 3] and the class logits [V, K + 1] of `VoteHead`."""
        head = self.model.votes
        assert head is not None
        with self.graph.scope('votes'):
            hidden = self.graph.add('Relu', self._linear(finest, head.hidden))
            centers = self.graph.add('Add', self.positions, self._linear(hidden, head.shift))
            return centers, self._linear(hidden, head.classes)

    def predict(self, levels: list[str], vote_centers: str | None) -> list[str]:
        """
        Return class logits [Q, K + 1], mask logits [V, Q], or [S, Q] on segments, and mask IoUs.

        The latter, [Q], only if the model predicts them.

        Parameters
        ----------
        levels : five values [V_l, C_l]
            Of the U-Net, coarse to fine.
        vote_centers : [V, 3], or None without votes

        """
        graph, config = self.graph, self.model.config
        pooled, factor = self._mask_features(levels[-1], vote_centers)
        keys = self._level_inputs(levels, pooled)
        queries, positions, centers = self._queries(levels[-1], vote_centers)
        prepared: list[KeysValues] = []
        for number in range(config.num_rounds):
            layers = cast('list[DecoderLayer]', list(cast(
                nn.ModuleList, self.model.rounds[0 if config.shared_rounds else number])))
            if number == 0 or not config.shared_rounds:
                prepared = [self._keys(layer, features, encoding, f'{number}.{place}')
                            for place, (layer, (features, encoding, _))
                            in enumerate(zip(layers, keys))]
            for place, layer in enumerate(layers):
                with graph.scope(f'round.{number}.{place}'):
                    _, embedding = self._head(self._normed(queries), centers)
                    masked = self._masked(embedding, keys[place][2])
                    queries = self._layer(layer, queries, positions, prepared[place], masked)
        normed = self._normed(queries)
        classes, embedding = self._head(normed, centers)
        masks = graph.add('MatMul', factor, graph.add('Transpose', embedding, perm=(1, 0)))
        if self.model.head.iou is None:
            return [classes, masks]
        with graph.scope('head.iou'):
            ious = graph.add('Sigmoid', self._sequence(normed, self.model.head.iou))
        return [classes, masks, graph.add('Reshape', ious, graph.shape(-1))]

    def _mask_features(self, finest: str, vote_centers: str | None) -> tuple[str, str]:
        """As `Mask3D._mask_features`: [V, E] for pooling; of the masks, [V, E] or [S, E]."""
        graph = self.graph
        with graph.scope('mask_features'):
            ones = graph.add('Add', graph.add('Mul', self._columns(finest, 0, 1),
                                              self._number(0)), self._number(1))
            parts = [finest, ones]
            if vote_centers is not None:
                x, y, z = (self._columns(vote_centers, axis, axis + 1) for axis in range(3))
                products = [graph.add('Mul', *pair) for pair in ((x, x), (y, y), (z, z), (x, y))]
                parts += [ones, vote_centers, *products]
            masks = graph.add('Concat', *parts, axis=1)
            if not self.model.config.on_segments:
                rank = graph.input('rank', np.int32, ['V0'])
                return masks, graph.add('Gather', masks, rank, axis=0)
            means = self._segment_means(masks)
            segment = graph.input('segment', np.int32, ['V0'])
            return graph.add('Gather', means, segment, axis=0), means

    def _segment_means(self, masks: str) -> str:
        """
        Average the rows of each segment: [V, E] -> [S, E].

        Without a scatter: rows sorted by segment are added up in double precision, and the sums
        before and after each segment subtracted.
        """
        graph = self.graph
        order = graph.input('segment_order', np.int32, ['V0'])
        ends = graph.input('segment_ends', np.int32, ['S_and_1'])   # 0, then where each one ends
        summed = graph.add('CumSum', graph.add(
            'Cast', graph.add('Gather', masks, order, axis=0), to=tensor_type(np.float64)),
            graph.constant(0, np.int64))
        first = graph.add('Mul', self._part(summed, 0, 1), graph.constant(0, np.float64))
        bounds = graph.add('Gather', graph.add('Concat', first, summed, axis=0), ends, axis=0)
        sums = graph.add('Sub', self._part(bounds, 1, None), self._part(bounds, 0, -1))
        sizes = graph.add('Sub', self._part(ends, 1, None), self._part(ends, 0, -1))
        sizes = graph.add('Unsqueeze', graph.add('Cast', sizes, to=tensor_type(np.float64)),
                          graph.shape(1))
        # a segment without voxels has a mean of 0
        sizes = graph.add('Max', sizes, graph.constant(1, np.float64))
        return graph.add('Cast', graph.add('Div', sums, sizes), to=tensor_type(np.float32))

    def _level_inputs(self, levels: list[str], mask_features: str) -> list[tuple[str, str, str]]:
        """Return features, position encodings and transposed mask features per attended level."""
        graph, positions = self.graph, self.positions
        by_number = {}
        for depth in range(NUM_LEVELS):
            number = NUM_LEVELS - 1 - depth
            with graph.scope(f'level.{number}'):
                if number in self.model.config.levels:
                    by_number[number] = (
                        levels[number], self._encode(positions, positions),
                        graph.add('Transpose', mask_features, perm=(1, 0)))
                if number > min(self.model.config.levels):
                    positions = self._pool(positions, self.rows[depth])
                    mask_features = self._pool(mask_features, self.rows[depth])
        return [by_number[number] for number in self.model.config.levels]

    def _pool(self, value: str, rows: Rows) -> str:
        """As `Level.pool`: average the occupied children of each parent."""
        graph = self.graph
        table = self._part(rows.children(), 0, -1)
        zeros = graph.add('Mul', self._part(value, 0, 1), self._number(0))
        gathered = graph.add('Gather', graph.add('Concat', value, zeros, axis=0), table, axis=0)
        size = graph.add('Cast', graph.num_rows(value), to=tensor_type(np.int32))
        present = graph.add('Cast', graph.add('Less', table, size), to=tensor_type(np.float32))
        count = graph.add('ReduceSum', present, graph.shape(1), keepdims=1)
        return graph.add('Div', graph.add('ReduceSum', gathered, graph.shape(1), keepdims=0),
                         count)

    def _encode(self, cloud: str, positions: str) -> str:
        """As `FourierPositions`: encode positions relative to the bounding box of a cloud."""
        graph = self.graph
        lowest = graph.add('ReduceMin', cloud, axes=[0], keepdims=1)
        extent = graph.add('Sub', graph.add('ReduceMax', cloud, axes=[0], keepdims=1), lowest)
        extent = graph.add('Where', graph.add('Greater', extent, self._number(0)), extent,
                           self._number(1))
        unit = graph.add('Div', graph.add('Sub', positions, lowest), extent)
        projected = graph.add('MatMul', graph.add('Mul', unit, self._number(2 * math.pi)),
                              self._tensor(self.model.positions.gauss))
        return graph.add('Concat', graph.add('Sin', projected), graph.add('Cos', projected),
                         axis=-1)

    def _queries(self, finest: str, vote_centers: str | None) -> tuple[str, str, str | None]:
        """As `Queries`: content and position [Q, D], and the votes of the seeds [Q, 3]."""
        graph, queries = self.graph, self.model.queries
        with graph.scope('queries'):
            if queries.kind == 'learned':
                return self._tensor(queries.content), self._tensor(queries.position), None
            seeds = graph.input('seeds', np.int64, ['Q'])
            encoding = self._encode(self.positions,
                                    graph.add('Gather', self.positions, seeds, axis=0))
            position = self._sequence(encoding, queries.projection)
            if queries.kind == 'fps_feature':
                content = self._sequence(graph.add('Gather', finest, seeds, axis=0),
                                         queries.feature_projection)
            else:
                content = graph.add('Mul', position, self._number(0))
            centers = None if vote_centers is None else graph.add(
                'Gather', vote_centers, seeds, axis=0)
            return content, position, centers

    def _keys(self, layer: DecoderLayer, features: str, encoding: str, name: str) -> KeysValues:
        """As `DecoderLayer.prepare`: keys and values of a level, for each head [V, D / H]."""
        graph, attention = self.graph, layer.cross.attention
        with graph.scope(f'keys.{name}'):
            squeezed = self._linear(features, layer.squeeze)
            keys = self._linear(graph.add('Add', squeezed, encoding), attention.key)
            return list(zip(self._by_head(keys, attention), self._by_head(
                self._linear(squeezed, attention.value), attention)))

    def _normed(self, queries: str) -> str:
        with self.graph.scope('head'):
            return self._norm(queries, self.model.head.norm)

    def _head(self, normed: str, seed_centers: str | None) -> tuple[str, str]:
        """As `MaskHead`, and `Mask3D._fold_projection`: class logits, embeddings [Q, E]."""
        graph, head = self.graph, self.model.head
        with graph.scope('head'):
            embedding = self._sequence(normed, head.embedding)
            projection = self.model.mask_projection
            folding = torch.cat([projection.weight, projection.bias[:, None]], 1)
            folded = graph.add('MatMul', embedding, self._tensor(folding))
            if seed_centers is not None:
                folded = graph.add('Concat', folded, self._windows(normed, seed_centers), axis=1)
            return self._linear(normed, head.classes), folded

    def _windows(self, queries: str, seeds: str) -> str:
        """As `Windows`: [Q, 8]."""
        graph, windows = self.graph, self.model.head.windows
        assert windows is not None

        def times(*factors: str) -> str:
            product = factors[0]
            for factor in factors[1:]:
                product = graph.add('Mul', product, factor)
            return product

        def total(*terms: str) -> str:
            result = terms[0]
            for term in terms[1:]:
                result = graph.add('Add', result, term)
            return result

        shift, precision, correlation, peak = graph.add_many(
            4, 'Split', self._linear(queries, windows.head), graph.shape(3, 3, 1, 1), axis=1)
        cx, cy, cz = graph.add_many(3, 'Split', graph.add('Add', seeds, shift),
                                    graph.shape(1, 1, 1), axis=1)
        precision = graph.add('Clip', precision, self._number(-2 * math.log(MAX_WIDTH)),
                              self._number(-2 * math.log(MIN_WIDTH)))
        sx, sy, sz = graph.add_many(3, 'Split', graph.add('Exp', precision),
                                    graph.shape(1, 1, 1), axis=1)
        sxy = times(graph.add('Tanh', correlation), graph.add('Sqrt', times(sx, sy)))
        two = self._number(2)
        constant = graph.add('Sub', peak, total(
            times(sx, cx, cx), times(sy, cy, cy), times(sz, cz, cz), times(two, sxy, cx, cy)))
        coefficients = [
            constant, times(two, total(times(sx, cx), times(sxy, cy))),
            times(two, total(times(sy, cy), times(sxy, cx))), times(two, sz, cz),
            *(graph.add('Neg', scale) for scale in (sx, sy, sz, times(two, sxy)))]
        assert len(coefficients) == WINDOW_DIM
        return graph.add('Concat', *coefficients, axis=1)

    def _masked(self, embedding: str, mask_features: str) -> str:
        """As `attention_mask`: [Q, E] and [E, V] -> [Q, V] bool."""
        graph = self.graph
        logits = graph.add('MatMul', embedding, mask_features)
        bound = self._number(MASKED_BELOW_LOGIT)
        highest = graph.add('ReduceMax', logits, axes=[1], keepdims=1)
        empty = graph.add('Less', highest, bound)
        return graph.add('And', graph.add('Less', logits, bound), graph.add('Not', empty))

    def _layer(self, layer: DecoderLayer, queries: str, positions: str, level: KeysValues,
               masked: str) -> str:
        """As `DecoderLayer.forward`: [Q, D]."""
        graph = self.graph
        cross, own, forward = layer.cross, layer.self_attention, layer.feed_forward
        attended = self._attend_to_level(graph.add('Add', queries, positions), level,
                                         cross.attention, masked)
        queries = self._norm(graph.add('Add', queries, attended), cross.norm)
        positioned = graph.add('Add', queries, positions)
        keys = self._heads(self._linear(positioned, own.attention.key), own.attention, (1, 2, 0))
        values = self._heads(self._linear(queries, own.attention.value), own.attention, (1, 0, 2))
        attended = self._attend(positioned, keys, values, own.attention)
        queries = self._norm(graph.add('Add', queries, attended), own.norm)
        hidden = self._sequence(queries, forward.layers)
        return self._norm(graph.add('Add', queries, hidden), forward.norm)

    def _attend(self, queries: str, keys: str, values: str, attention: Attention) -> str:
        """As `Attention._dense` without a mask, with its output layer: [Q, D]."""
        graph, width = self.graph, attention.out.in_features
        projected = self._heads(self._projected(queries, attention), attention, (1, 0, 2))
        weights = graph.add('Softmax', graph.add('MatMul', projected, keys), axis=-1)  # [H, Q, Q]
        attended = graph.add('Transpose', graph.add('MatMul', weights, values), perm=(1, 0, 2))
        return self._linear(graph.add('Reshape', attended, graph.shape(-1, width)),
                            attention.out)

    def _attend_to_level(self, queries: str, level: KeysValues, attention: Attention, masked: str,
                         ) -> str:
        """
        As `Attention._dense`, with its output layer: [Q, D].

        Head after head: their scores, [Q, V] each, then share one buffer that is an eighth of all.
        The mask is added by the product itself. Scores below `MIN_SCORE` are raised to it: their
        exponential, in ONNX Runtime even that of -inf, would be a denormal number, for which
        processors take ten times as long.
        """
        graph = self.graph
        mask = graph.add('Where', masked, self._number(-math.inf), self._number(0))
        attended = []
        for query, (keys, values) in zip(
                self._by_head(self._projected(queries, attention), attention), level):
            scores = graph.add('Gemm', query, keys, mask, transB=1)             # [Q, V]
            lowest = graph.add('Add', graph.add('ReduceMax', scores, axes=[1], keepdims=1),
                               self._number(MIN_SCORE))
            scores = graph.add('Max', scores, lowest)
            attended.append(graph.add('MatMul', graph.add('Softmax', scores, axis=-1), values))
        return self._linear(graph.add('Concat', *attended, axis=1), attention.out)

    def _projected(self, queries: str, attention: Attention) -> str:
        """Project queries and divide them by the square root of a head's channels: [Q, D]."""
        scale = self._number(1 / math.sqrt(attention.out.in_features // attention.num_heads))
        return self.graph.add('Mul', self._linear(queries, attention.query), scale)

    def _by_head(self, rows: str, attention: Attention) -> list[str]:
        """Split the channels by head: [V, D] -> H values [V, D / H]."""
        heads = attention.num_heads
        sizes = self.graph.shape(*heads * [attention.out.in_features // heads])
        return self.graph.add_many(heads, 'Split', rows, sizes, axis=1)

    def _heads(self, rows: str, attention: Attention, order: tuple[int, int, int]) -> str:
        """Split the channels by head, and transpose: [V, D] -> [V, H, D / H], transposed."""
        width = attention.out.in_features
        split = self.graph.add('Reshape', rows, self.graph.shape(
            -1, attention.num_heads, width // attention.num_heads))
        return self.graph.add('Transpose', split, perm=order)

    def _linear(self, rows: str, layer: nn.Linear) -> str:
        return self.graph.add('Gemm', rows, self._tensor(layer.weight),
                              self._tensor(layer.bias), transB=1)

    def _sequence(self, rows: str, layers: nn.Sequential) -> str:
        for layer in layers:
            rows = (self._linear(rows, layer) if isinstance(layer, nn.Linear)
                    else self.graph.add('Relu', rows))
        return rows

    def _norm(self, rows: str, norm: nn.LayerNorm) -> str:
        return self.graph.add('LayerNormalization', rows, self._tensor(norm.weight),
                              self._tensor(norm.bias), axis=-1, epsilon=norm.eps)

    def _columns(self, value: str, start: int, end: int) -> str:
        return self.graph.slice(value, self.graph.shape(start), self.graph.shape(end), axis=1)

    def _part(self, value: str, start: int, end: int | None) -> str:
        """Return some rows of a value; an end of None is the last row."""
        last = np.iinfo(np.int64).max if end is None else end
        return self.graph.slice(value, self.graph.shape(start), self.graph.shape(last))

    def _number(self, value: float) -> str:
        return self.graph.constant(value, np.float32)

    def _tensor(self, tensor: Tensor) -> str:
        return self.graph.constant(tensor.detach().cpu().numpy(), np.float32)
