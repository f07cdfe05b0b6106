"""
The Triton kernels of sparse convolution; `fused_conv` calls them.

All convolutions are one product: row r of the output is the sum, over the offsets k of a kernel,
of W[k] times row `table[k, r]` of the input. A program computes a tile of rows and channels and
walks only the offsets that occur among its rows. Numbers of channels are constants of the compiled
kernel, numbers of rows are not.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=['num_rows', 'num_inputs'])
def list_offsets(table: tl.tensor, order: tl.tensor, offsets: tl.tensor,  # noqa: PLR0913
                 counts: tl.tensor, occurs: tl.tensor, num_rows: tl.tensor, num_inputs: tl.tensor,
                 VOLUME: tl.constexpr, PADDED: tl.constexpr, ORDERED: tl.constexpr,
                 TILE: tl.constexpr) -> None:
    """
    List for each tile of rows the offsets at which at least one row has an input.

    Writes `offsets` [T, VOLUME], of which the first `counts` [T] of a row are valid, ascending,
    and `occurs` [VOLUME, T], 0 or 1. `PADDED` is the power of two from VOLUME up.
    """
    tile = tl.program_id(0)
    rows = tile * TILE + tl.arange(0, TILE)
    valid = rows < num_rows
    if ORDERED:
        rows = tl.load(order + rows, mask=valid, other=0)
    offset = tl.arange(0, PADDED)
    inside = offset < VOLUME
    inputs = tl.load(table + offset[:, None] * num_rows + rows[None, :],
                     mask=inside[:, None] & valid[None, :], other=num_inputs)
    present = tl.max((inputs < num_inputs).to(tl.int32), 1)       # [PADDED]
    place = tl.cumsum(present, 0) - present
    tl.store(offsets + tile * VOLUME + place, offset, mask=present > 0)
    tl.store(counts + tile, tl.sum(present, 0))
    tl.store(occurs + offset * tl.num_programs(0) + tile, present, mask=inside)


@triton.jit(do_not_specialize=['num_rows', 'num_inputs'])
def gather_product(inputs: tl.tensor, weight: tl.tensor, table: tl.tensor,  # noqa: PLR0913
                   order: tl.tensor, offsets: tl.tensor, counts: tl.tensor, bias: tl.tensor,
                   residual: tl.tensor, output: tl.tensor, num_rows: tl.tensor,
                   num_inputs: tl.tensor, IN: tl.constexpr, OUT: tl.constexpr,
                   VOLUME: tl.constexpr, OUT_STRIDE: tl.constexpr, OFFSET_STRIDE: tl.constexpr,
                   IN_STRIDE: tl.constexpr, MIRRORED: tl.constexpr, ORDERED: tl.constexpr,
                   BIAS: tl.constexpr, RESIDUAL: tl.constexpr, RELU: tl.constexpr,
                   PRECISION: tl.constexpr, UPCAST: tl.constexpr, TILE: tl.constexpr,
                   BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr) -> None:
    """
    Compute a tile of output[r] = relu(sum over k of W[k] inputs[table[k, r]] + bias + residual).

    `inputs` is [num_inputs, IN], `output` and `residual` are [num_rows, OUT]. The strides are
    those of the weight. MIRRORED: use W[VOLUME - 1 - k]. ORDERED: tiles are consecutive in
    `order`, else in the rows. UPCAST: multiply in float32, for the interpreter.
    """
    # one axis, as CUDA bounds the others; programs near in time share the gathered rows
    columns: tl.constexpr = (OUT + BLOCK_OUT - 1) // BLOCK_OUT
    column, tile = tl.program_id(0) % columns, tl.program_id(0) // columns
    rows = tile * TILE + tl.arange(0, TILE)
    valid = rows < num_rows
    if ORDERED:
        rows = tl.load(order + rows, mask=valid, other=0)
    outs = column * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    total = tl.zeros((TILE, BLOCK_OUT), tl.float32)
    blocks: tl.constexpr = (IN + BLOCK_IN - 1) // BLOCK_IN
    for step in range(tl.load(counts + tile) * blocks):
        offset = tl.load(offsets + tile * VOLUME + step // blocks)
        ins = step % blocks * BLOCK_IN + tl.arange(0, BLOCK_IN)
        source = tl.load(table + offset * num_rows + rows, mask=valid, other=num_inputs)
        values = tl.load(inputs + source.to(tl.int64)[:, None] * IN + ins[None, :],
                         mask=(source < num_inputs)[:, None] & (ins < IN)[None, :], other=0.)
        if MIRRORED:
            offset = VOLUME - 1 - offset
        matrix = tl.load(weight + offset * OFFSET_STRIDE + ins[:, None] * IN_STRIDE
                         + outs[None, :] * OUT_STRIDE,
                         mask=(ins < IN)[:, None] & (outs < OUT)[None, :], other=0.)
        if UPCAST:
            values, matrix = values.to(tl.float32), matrix.to(tl.float32)
        total = tl.dot(values, matrix, total, input_precision=PRECISION)
    if BIAS:
        total += tl.load(bias + outs, mask=outs < OUT, other=0.).to(tl.float32)[None, :]
    place = rows.to(tl.int64)[:, None] * OUT + outs[None, :]
    inside = valid[:, None] & (outs < OUT)[None, :]
    if RESIDUAL:
        total += tl.load(residual + place, mask=inside, other=0.).to(tl.float32)
    if RELU:
        total = tl.maximum(total, 0., propagate_nan=tl.PropagateNan.ALL)  # as torch does
    tl.store(output + place, total.to(output.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=['num_rows', 'num_inputs', 'num_tiles', 'num_parts'])
def weight_gradient(grads: tl.tensor, inputs: tl.tensor, table: tl.tensor,  # noqa: PLR0913
                    order: tl.tensor, tiles: tl.tensor, counts: tl.tensor, parts: tl.tensor,
                    num_rows: tl.tensor, num_inputs: tl.tensor, num_tiles: tl.tensor,
                    num_parts: tl.tensor, IN: tl.constexpr, OUT: tl.constexpr,
                    VOLUME: tl.constexpr, ORDERED: tl.constexpr, PRECISION: tl.constexpr,
                    UPCAST: tl.constexpr, TILE: tl.constexpr, BLOCK_OUT: tl.constexpr,
                    BLOCK_IN: tl.constexpr) -> None:
    """
    Sum the outer products grads[r] inputs[table[k, r]] over a part of the tiles of rows.

    `tiles` [VOLUME, num_tiles] lists for each offset the tiles in which it occurs, `counts`
    [VOLUME] how many they are. Part p of `parts` [num_parts, OUT, VOLUME, IN] float32 is the sum
    over the p-th share of that list, in its order: nothing depends on which program ends first.
    """
    block, offset, part = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    blocks: tl.constexpr = (IN + BLOCK_IN - 1) // BLOCK_IN
    outs = block // blocks * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    ins = block % blocks * BLOCK_IN + tl.arange(0, BLOCK_IN)
    total = tl.zeros((BLOCK_OUT, BLOCK_IN), tl.float32)
    count = tl.load(counts + offset)
    share = (count + num_parts - 1) // num_parts
    for step in range(part * share, tl.minimum(part * share + share, count)):
        tile = tl.load(tiles + offset * num_tiles + step)
        rows = tile * TILE + tl.arange(0, TILE)
        valid = rows < num_rows
        if ORDERED:
            rows = tl.load(order + rows, mask=valid, other=0)
        source = tl.load(table + offset * num_rows + rows, mask=valid, other=num_inputs)
        present = source < num_inputs
        left = tl.load(grads + rows.to(tl.int64)[None, :] * OUT + outs[:, None],
                       mask=present[None, :] & (outs < OUT)[:, None], other=0.)
        right = tl.load(inputs + source.to(tl.int64)[:, None] * IN + ins[None, :],
                        mask=present[:, None] & (ins < IN)[None, :], other=0.)
        if UPCAST:
            left, right = left.to(tl.float32), right.to(tl.float32)
        total = tl.dot(left, right, total, input_precision=PRECISION)
    place = ((part * OUT + outs)[:, None] * VOLUME + offset) * IN + ins[None, :]
    tl.store(parts + place, total, mask=(outs < OUT)[:, None] & (ins < IN)[None, :])
