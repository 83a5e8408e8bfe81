"""Rows of Parquet and Avro files as lines of JSON, so that the same contract and the same reader hold for them.

Every value is written exactly, or the file is refused. A time without a zone stays one, and is quarantined as in JSON.
"""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROWS_AT_ONCE = 32 * 1024
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_date32,
)


class ColumnError(ValueError):
    """A file has columns of which the values cannot be told; the message has nothing of what is in the file."""


class JsonRows:
    """The rows of a file as lines of JSON, read bit by bit.

    Args:
        stream: The file. Of Avro all of it is held in memory.
        kind: ``Parquet`` or ``Avro``.
    """

    def __init__(self, stream: BinaryIO, kind: str) -> None:
        self._pieces = _pieces(stream, kind)

    def read(self, size: int = -1) -> bytes:
        """More lines, whatever the size; none at the end alone.

        Raises:
            ColumnError: The values of a column cannot be told.
        """
        del size
        return next(self._pieces, b"")


def without_rows(delivered: bytes, kind: str, gone: set[int]) -> bytes:
    """A file without the rows of these numbers; no value of them is left in dictionaries, statistics and notes.

    Args:
        delivered: The file.
        kind: ``Parquet`` or ``Avro``.
        gone: The numbers of the rows, from 0.
    """
    new = io.BytesIO()
    if kind == "Avro":
        rows = pl.read_avro(io.BytesIO(delivered))
        left = rows.filter(pl.Series([at not in gone for at in range(rows.height)], dtype=pl.Boolean))
        if left.is_empty():
            return b""  # polars 2.1 writes an Avro file without rows that it cannot read
        left.write_avro(new, compression="deflate")
        return new.getvalue()
    file = pq.ParquetFile(io.BytesIO(delivered))
    table = file.read()
    kept = table.filter(pa.array([at not in gone for at in range(table.num_rows)], pa.bool_()))
    columns = [
        # A dictionary keeps the values of rows that went.
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in kept.columns
    ]
    codec: Any = file.metadata.row_group(0).column(0).compression.lower().replace("uncompressed", "none")
    pq.write_table(pa.table(columns, names=kept.column_names), new, compression=codec)
    return new.getvalue()


def _pieces(stream: BinaryIO, kind: str) -> Iterator[bytes]:
    for batch in _BATCHES[kind](stream):
        if len(set(batch.schema.names)) < len(batch.schema.names):
            raise ColumnError("two of its columns have one name: give each its own")
        columns = [_values(column) for column in batch.columns]
        if batch.num_rows:
            rows = (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))
            lines = (json.dumps(row, ensure_ascii=False, default=_text) for row in rows)
            yield ("\n".join(lines) + "\n").encode()


def _parquet(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    yield from pq.ParquetFile(stream).iter_batches(batch_size=_ROWS_AT_ONCE)


def _avro(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    try:
        rows = pl.read_avro(io.BytesIO(stream.read()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise EOFError from None
    return iter(rows.to_arrow().to_batches(max_chunksize=_ROWS_AT_ONCE))


_BATCHES: dict[str, Callable[[BinaryIO], Iterator[pa.RecordBatch]]] = {"Parquet": _parquet, "Avro": _avro}


def _values(column: Any) -> list[Any]:  # noqa: ANN401 - an array, whose methods are untyped
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        text_of = partial(_time, digits=_DIGITS[kind.unit], zone="Z" if kind.tz else "")
        return [None if value is None else text_of(value) for value in column.cast(pa.int64()).to_pylist()]
    if not any(is_exact(kind) for is_exact in _EXACT):
        raise ColumnError(
            "it has a column of neither text, numbers, dates nor times: export it as JSON or CSV"
        )
    values: list[Any] = column.to_pylist()
    return values


def _time(value: int, *, digits: int, zone: str) -> str:
    """ISO text of a time; text that is no time where the calendar has none."""
    seconds, fraction = divmod(value, 10**digits)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"time {value}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{fraction:0{digits}d}" if digits else "") + zone


def _text(value: object) -> str:
    """A value that JSON does not have."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError
