"""LZF decompression for .pcd files with `DATA binary_compressed`."""

from __future__ import annotations

from mask3d_core.errors import InputError


def decompress(packed: bytes, size: int) -> bytearray:
    """
    Decompress an LZF stream.

    The stream is a sequence of runs. The first byte c of a run gives its kind. If c < 32, c + 1
    literal bytes follow. Otherwise the run is a back reference: it copies (c >> 5) + 2 bytes of
    the output (if c >> 5 is 7, the next byte is added to the length) from a distance of
    ((c & 31) << 8 | last byte) + 1 bytes. The copy may overlap the bytes that it writes.

    Parameters
    ----------
    packed : bytes
    size : int
        Length of the output in bytes.

    Raises
    ------
    InputError
        If the stream is damaged or its output has another length.

    """
    out = bytearray()
    position, end = 0, len(packed)
    try:
        while position < end:
            control = packed[position]
            if control < 32:
                stop = position + control + 2
                out += packed[position + 1:stop]
                position = stop
                continue
            length = (control >> 5) + 2
            if length == 9:
                position += 1
                length += packed[position]
            distance = ((control & 31) << 8) + packed[position + 1] + 1
            position += 2
            start = len(out) - distance
            if start < 0:
                raise InputError('compressed data is damaged: it refers to before its start')
            if length <= distance:
                out += out[start:start + length]
            else:  # the copy reads its own output: the last `distance` bytes are repeated
                out += (out[start:] * (length // distance + 1))[:length]
    except IndexError as error:
        raise InputError('compressed data is truncated') from error
    if len(out) != size:
        raise InputError(f'compressed data gives {len(out)} bytes, expected {size}')
    return out
