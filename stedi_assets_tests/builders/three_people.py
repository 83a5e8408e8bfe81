"""Small lakes of a few people, and the search of every byte below a lake for what identifies one of them."""

import bz2
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stedi_assets_tests.builders import rows as frames
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import SERIAL, SERIAL_2, T0

ANN = "ann@example.org"
# Marks that nothing but this person's data has.
VIC, VIC_NAME = "vic.tim@example.org", "Victoria Timmons"
VIC_SERIAL = "99999999-0000-4000-8000-00000000face"
MARKS = (VIC, VIC_NAME, VIC_SERIAL)
PROVENANCE = ("source_file", "source_position", "ingested_at")


def customer(email: str = ANN, **fields: Any) -> dict[str, Any]:
    return _delivered(frames.customer(email, **fields))


def vic(**fields: Any) -> dict[str, Any]:
    return customer(VIC, **({"serial": VIC_SERIAL, "customerName": VIC_NAME} | fields))


def reading(user: str = ANN, at: int = T0) -> dict[str, Any]:
    return _delivered(frames.reading(user, at))


def step(serial: str = SERIAL, at: int = T0) -> dict[str, Any]:
    return _delivered(frames.step(serial, at))


def _delivered(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in PROVENANCE and value is not None}


def lines(records: Iterable[dict[str, Any] | bytes]) -> bytes:
    """One record to a line; a record may be given as it is written."""
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)


def deliver(
    lake: Path, source: str, content: bytes | Iterable[dict[str, Any]], name: str = "one.json"
) -> Path:
    file = lake / source / "landing" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else lines(content))
    return file


def deliver_three_people(lake: Path) -> None:
    """Ann and Vic consent and have readings, Bob does not consent; each has a device of their own."""
    bob = customer("bob@example.org", serial=SERIAL_2, research=None)
    deliver(lake, "customer", [customer(), vic(), bob])
    times = range(T0, T0 + 5)
    deliver(
        lake,
        "accelerometer",
        [reading(user, at) for at in times for user in (ANN, VIC.upper(), "bob@example.org")],
    )
    deliver(
        lake, "step_trainer", [step(serial, at) for at in times for serial in (SERIAL, VIC_SERIAL, SERIAL_2)]
    )


def runs_but_the_first(graph: Graph) -> Callable[[], None]:
    """Brings the tables up to date for an erasure whose lake is up to date when it begins."""
    asked = []

    def refresh() -> None:
        if asked:
            graph.run()
        asked.append(True)

    return refresh


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
    elif path.suffix == ".gz":
        yield gzip.decompress(content)
    elif path.suffix == ".bz2":
        yield bz2.decompress(content)


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
