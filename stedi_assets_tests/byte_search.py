"""The search of every byte below a folder for marks, such as what identifies a person."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def holding(folder: Path, *marks: str) -> list[str]:
    """Files below a folder that have any of the marks, in any case, as stored or when decoded."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            texts = [text.lower() for text in (path.read_bytes(), str(path).encode(), *_decoded(path))]
            if any(mark.lower().encode() in text for mark in marks for text in texts):
                found.append(str(path.relative_to(folder)))
    return found


def _decoded(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path).to_pydict()).encode()
    elif path.suffix == ".avro":
        yield from _avro_blocks(content)
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif path.suffix == ".bz2":
        yield bz2.decompress(content)
    elif path.suffix == ".xz":
        yield lzma.decompress(content)
    elif path.suffix == ".zst":
        yield pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
    elif content.startswith(b"\xff\xfe"):
        yield content.decode("utf-16").encode()


def _avro_blocks(content: bytes) -> Iterator[bytes]:
    """The blocks of an Avro file, inflated: between sync markers, each a count, a size and its bytes."""
    assert content[:4] == b"Obj\x01"
    assert b"deflate" in content[:20_000]
    sync = content[-16:]
    for block in content.split(sync)[1:-1]:
        _, position = _number(block, 0)
        size, position = _number(block, position)
        yield zlib.decompress(block[position : position + size], -15)


def _number(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
