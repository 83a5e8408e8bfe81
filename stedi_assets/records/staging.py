"""Rows on their way to staged Parquet files, in bounded memory.

Here: how rows are written. Not here: which rows, and which files are published.
"""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import fsspec


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How rows are written to Parquet.

    Args:
        schema: Their schema.

    Returns:
        Options of PyArrow's writer.
    """
    integers = [field.name for field in schema if pa.types.is_int64(field.type)]
    return {
        "compression": "zstd",
        # Times and positions grow slowly. Measured: a third of the size, and 60 % of the time.
        "use_dictionary": [name for name in schema.names if name not in integers],
        "column_encoding": dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        # Without the schema that Arrow would add, by which Sail reads lists and texts as their 64-bit kinds.
        "store_schema": False,
    }


class Staging:
    """Gathers rows of one table and writes them to new files.

    Args:
        filesystem: From fsspec.
        folder: Address of the folder. A file's name in it is the task's own, so that a task that the engine runs
            twice doubles nothing.
        most: More rows than make up so many bytes of memory go to a file of their own.
    """

    def __init__(self, filesystem: fsspec.AbstractFileSystem, folder: str, most: int) -> None:
        self._filesystem = filesystem
        self._folder = folder
        self._most = most
        self._frames: list[pl.DataFrame] = []
        self._files: list[str] = []
        self._gathered = 0

    def part(self) -> Staging:
        """A staging for rows that this one may yet ``take``."""
        return Staging(self._filesystem, self._folder, self._most)

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows."""
        if not rows.is_empty():
            self._frames.append(rows)
            self._gathered += int(rows.estimated_size())
        if self._gathered > self._most:
            self._write()

    def take(self, part: Staging) -> None:
        """Take over what a part has gathered and written."""
        self._files += part._files
        for rows in part._frames:
            self.add(rows)

    def finish(self) -> tuple[str, ...]:
        """Write what is left, and give the addresses of the files."""
        if self._frames:
            self._write()
        return tuple(self._files)

    def _write(self) -> None:
        rows = pl.concat(self._frames).to_arrow()
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, **parquet_options(rows.schema))
        address = f"{self._folder}/{uuid.uuid4().hex}.parquet"
        self._filesystem.pipe_file(address, buffer.getvalue())
        self._files.append(address)
        self._frames, self._gathered = [], 0
