"""Topics of an .mcap file whose messages are not serialized as ROS 2 does it."""

from __future__ import annotations

from collections.abc import Iterator
from io import SEEK_CUR, SEEK_END
from pathlib import Path
import struct

MAGIC_SIZE = 8
"""Bytes at both ends of a file."""
FOOTER_SIZE = 9 + 20 + MAGIC_SIZE
"""Bytes of the last record, with the magic ones: it has the place of the summary."""
SCHEMA, CHANNEL = 3, 4
"""Opcodes of records."""
CDR = 'cdr'


def topics_of_other_encodings(path: Path) -> list[str]:
    """
    Return the topics whose messages are not in CDR: '/points (foxglove.PointCloud in protobuf)'.

    They are taken from the summary of the file, or from its records if it has none. Of a damaged
    file, and of one whose topics are in compressed chunks only, the list is empty.
    """
    schemas: dict[int, str] = {}
    found: dict[str, None] = {}
    try:
        for opcode, content in _schemas_and_channels(path):
            if opcode == SCHEMA:
                [number] = struct.unpack_from('<H', content)
                schemas[number], _ = _string(content, 2)
            else:
                [schema] = struct.unpack_from('<H', content, 2)
                topic, place = _string(content, 4)
                encoding, _ = _string(content, place)
                if encoding != CDR:
                    kind = schemas.get(schema, 'no schema')
                    found[f'{topic} ({kind} in {encoding or "no encoding"})'] = None
    except (struct.error, UnicodeDecodeError):
        return []
    return list(found)


def _schemas_and_channels(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the opcode and the content of these records."""
    with path.open('rb') as file:
        end = file.seek(0, SEEK_END)
        file.seek(max(end - FOOTER_SIZE, 0))
        [summary] = struct.unpack_from('<Q', file.read(FOOTER_SIZE), 9)
        file.seek(min(summary, end) or MAGIC_SIZE)
        while file.tell() < end - FOOTER_SIZE:
            opcode, size = struct.unpack('<BQ', file.read(9))
            if opcode in (SCHEMA, CHANNEL):
                yield opcode, file.read(min(size, end))
            else:
                file.seek(min(size, end), SEEK_CUR)


def _string(content: bytes, place: int) -> tuple[str, int]:
    """Return the string at a place of a record, and where the next value is."""
    [size] = struct.unpack_from('<I', content, place)
    end = place + 4 + size
    return content[place + 4:end].decode(), end
