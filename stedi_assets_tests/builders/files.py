"""Landing files, written as a source delivers them."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Columns of a landing table that no source delivers.
_ADDED = {"person", "device", "source_file", "source_position", "ingested_at"}


def record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a landing table as its source delivers it: without absent values, and without what we add."""
    return {name: value for name, value in row.items() if value is not None and name not in _ADDED}


def line(row: Mapping[str, Any]) -> bytes:
    """A row as a JSON object."""
    return json.dumps(record(row)).encode()


def lines(*rows: Mapping[str, Any] | bytes) -> bytes:
    """One record to a line; a record may be given as it is written."""
    return b"".join((row if isinstance(row, bytes) else line(row)) + b"\n" for row in rows)


def deliver(
    lake: Path, source: str, content: bytes | Iterable[Mapping[str, Any]], name: str = "1.json"
) -> Path:
    """Write a landing file; one that is there already counts as changed, however coarse the file system's clock."""
    path = lake / source / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.stat().st_mtime_ns if path.exists() else None
    path.write_bytes(content if isinstance(content, bytes) else lines(*content))
    if before is not None:
        os.utime(path, ns=(before + 1_000_000, before + 1_000_000))
    return path
