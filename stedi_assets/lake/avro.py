"""Whether an Avro file is whole.

PyIceberg crashes the process on a manifest that ends within a record, instead of raising an error.
"""

from __future__ import annotations

import io

_MAGIC = b"Obj\x01"
_MARKER_BYTES = 16


def is_whole(content: bytes) -> bool:
    """Whether a file has its header and whole blocks, each of which ends with the marker that the header has."""
    stream = io.BytesIO(content)
    try:
        if _take(stream, len(_MAGIC)) != _MAGIC:
            return False
        _skip_properties(stream)
        marker = _take(stream, _MARKER_BYTES)
        while stream.tell() < len(content):
            _number(stream)  # of records
            _take(stream, _number(stream))
            if _take(stream, _MARKER_BYTES) != marker:
                return False
    except EOFError:
        return False
    return True


def _skip_properties(stream: io.BytesIO) -> None:
    """Skip the header's map of names and values, which is written in parts, the last of which is empty."""
    while count := _number(stream):
        if count < 0:
            _number(stream)  # bytes of this part
        for _ in range(2 * abs(count)):
            _take(stream, _number(stream))


def _number(stream: io.BytesIO) -> int:
    """Read a number as Avro writes it: seven bits a byte, the lowest first, the sign in the lowest bit."""
    number = shift = 0
    while True:
        byte = _take(stream, 1)[0]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more bytes follow
            return (number >> 1) ^ -(number & 1)
        shift += 7


def _take(stream: io.BytesIO, length: int) -> bytes:
    content = stream.read(max(length, 0))
    if len(content) != length:
        raise EOFError
    return content
