"""Farthest point sampling on a GPU: one launch per point, and no round trip to the host."""

from __future__ import annotations

import triton
import triton.language as tl

PARTS = 128
"""Programs of a step; each searches its share of the points. A power of two."""


@triton.jit(do_not_specialize=['count', 'number'])
def farthest_step(axes: tl.tensor, weight: tl.tensor, distance: tl.tensor,  # noqa: PLR0913
                  best: tl.tensor, place: tl.tensor, chosen: tl.tensor, count: tl.tensor,
                  number: tl.tensor, WEIGHTED: tl.constexpr, PARTS: tl.constexpr,
                  BLOCK: tl.constexpr) -> None:
    """
    Finish the choice of point `number - 1`, then find the candidates for point `number`.

    Each program stores the farthest point of its share, [2, PARTS] `best` and `place`; the next
    step takes the best of them all. The two rows take turns, as programs of a step that end early
    must not overwrite what others still read. Of equally far points the first is chosen.

    Parameters
    ----------
    axes : [3, count] float32
    weight : [count] float32
        Factor of the squared distance.
    distance : [count] float32
        To the nearest chosen point, squared; updated.
    chosen : [Q] int64
        The first is given.

    """
    part = tl.program_id(0)
    all_parts = tl.arange(0, PARTS)
    if number == 1:
        last = tl.load(chosen)
    else:
        row = (number - 1) % 2 * PARTS
        scores = tl.load(best + row + all_parts)
        places = tl.load(place + row + all_parts)
        last = tl.min(tl.where(scores == tl.max(scores, 0), places, count), 0).to(tl.int64)
        if part == 0:
            tl.store(chosen + number - 1, last)
    x, y, z = (tl.load(axes + last), tl.load(axes + count + last),
               tl.load(axes + 2 * count + last))
    share = (count + PARTS - 1) // PARTS
    end = tl.minimum(part * share + share, count)
    top = tl.full((BLOCK,), -1., tl.float32)
    where = tl.full((BLOCK,), 0, tl.int32)
    for start in range(part * share, end, BLOCK):
        point = start + tl.arange(0, BLOCK)
        valid = point < end
        dx = tl.load(axes + point, mask=valid, other=0.) - x
        dy = tl.load(axes + count + point, mask=valid, other=0.) - y
        dz = tl.load(axes + 2 * count + point, mask=valid, other=0.) - z
        near = tl.minimum(tl.load(distance + point, mask=valid, other=0.),
                          dx * dx + dy * dy + dz * dz)
        tl.store(distance + point, near, mask=valid)
        if WEIGHTED:
            near = near * tl.load(weight + point, mask=valid, other=0.)
        better = valid & (near > top)
        top, where = tl.where(better, near, top), tl.where(better, point, where)
    farthest = tl.max(top, 0)
    row = number % 2 * PARTS
    tl.store(best + row + part, farthest)
    tl.store(place + row + part, tl.min(tl.where(top == farthest, where, count), 0))
