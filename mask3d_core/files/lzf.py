"""LZF decompression, as compressed .pcd files need it."""

from __future__ import annotations

from mask3d_core.errors import InputError


def decompress(packed: bytes, size: int) -> bytearray:
    """
    Undo LZF compression.

    The stream is a chain of runs, told apart by the first byte c of each: below 32, c + 1 literal
    bytes follow; else a copy of what was written before, of length (c >> 5) + 2 (for 7 << 5 the
    next byte is added), from ((c & 31) << 8 | last byte) + 1 bytes back. It may overlap itself.

    Parameters
    ----------
    packed : bytes
    size : int
        Length of the result.

    Raises
    ------
    InputError
        If the stream is damaged or does not give `size` bytes.

    """
    out = bytearray()
    here, end = 0, len(packed)
    try:
        while here < end:
            control = packed[here]
            if control < 32:
                stop = here + control + 2
                out += packed[here + 1:stop]
                here = stop
                continue
            length = (control >> 5) + 2
            if length == 9:
                here += 1
                length += packed[here]
            back = ((control & 31) << 8) + packed[here + 1] + 1
            here += 2
            start = len(out) - back
            if start < 0:
                raise InputError('compressed data is damaged: it refers to before its start')
            if length <= back:
                out += out[start:start + length]
            else:
                out += (out[start:] * (length // back + 1))[:length]
    except IndexError as error:
        raise InputError('compressed data is cut') from error
    if len(out) != size:
        raise InputError(f'compressed data gives {len(out)} bytes, expected {size}')
    return out
