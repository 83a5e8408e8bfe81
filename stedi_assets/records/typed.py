"""Many records at once, fast and typed, and only if every single value is certain.

Here: polars over lines of JSON and rows of CSV, and the guards under which it may be believed. Not here: what is done
otherwise.

polars is lenient in silence: it takes a number, a Boolean, an array or an object for text, drops unknown and
repeated fields, and reads a lone surrogate as NUL (measured, 2.1). Three sums rule all of that out:
rows = lines; colons = cells + explicit nulls, so that each member of each object is exactly one cell;
quotes = two for each name and two for each text, so that text comes from text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from stedi_assets.records.source import DTYPES, Field, Source
from stedi_assets.records.values import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE = re.compile(rb"\S[^\n]*+")

# Numbers in CSV that are read as they stand, by whatever reads them.
_CERTAIN = {"bigint": r"^-?[0-9]{1,18}$", "double": r"^-?[0-9]{1,15}(?:\.[0-9]{1,15})?$"}

_LONGEST_ABSENT = max(map(len, ABSENT))

# An unknown field is read as the type that its first value has.
_DTYPES_OF_JSON = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}


@dataclass
class TypedRows:
    """The source's fields of every record; how many records were repaired, by kind; records by unknown field."""

    rows: pl.DataFrame
    repaired: dict[str, int]
    drift: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Column:
    dtype: Any
    field: Field | None


def typed_rows(text: bytes, records: int, source: Source) -> TypedRows | None:
    """Parse ``records`` lines, an object each, and blank lines between; None if there is any doubt."""
    first_line = _LINE.search(text)
    columns = _columns(first_line[0] if first_line else b"", source)
    quotes = _quotes(text)
    # A bracket may hold an array, which polars takes for text; its quotes could make up for other ones.
    if columns is None or quotes is None or b"[" in text:
        return None
    try:
        frame = pl.read_ndjson(text, schema={name: column.dtype for name, column in columns.items()})
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    names = _count(text, ":")
    members = _members(frame, text, names)
    texts = sum(frame[name].count() for name, column in columns.items() if column.dtype == pl.String)
    if frame.height != records or sum(members.values()) != names or quotes != 2 * (names + texts):
        return None
    renamed = {name: c.field.name for name, c in columns.items() if c.field and name != c.field.name}
    rows = frame.rename(renamed).select([f.name for f in source.fields])
    rows, absent = _without_absent(rows)
    if any(rows[f.name].null_count() for f in source.fields if f.required):
        return None
    present = [pl.col(name).is_not_null() for name in renamed.values()]
    return TypedRows(
        rows=rows,
        repaired={
            "field_name": rows.select(pl.any_horizontal(present).sum()).item() if present else 0,
            "absent_value": absent,
        },
        drift={name: members[name] for name, column in columns.items() if column.field is None},
    )


def typed_columns(names: Sequence[str], values: Sequence[pl.Series], source: Source) -> TypedRows | None:
    """The rows of a CSV file by their columns of text; None if any value may not be what it seems."""
    by_name = source.by_name()
    fields = [by_name.get(name.casefold()) for name in names]
    columns: dict[str, pl.Series] = {}
    for name, field_, written in zip(names, fields, values, strict=True):
        if field_ is None:
            if source.nearly_consent(name):
                return None
            continue
        present = written if field_.required else written.replace("", None)
        if field_.name in columns or not _is_certain(present, field_):
            return None
        columns[field_.name] = present.cast(DTYPES[field_.type]).alias(field_.name)
    if any(f.required and f.name not in columns for f in source.fields):
        return None
    absent = {f.name: pl.lit(None, DTYPES[f.type]) for f in source.fields if f.name not in columns}
    renamed = [f.name for f, name in zip(fields, names, strict=True) if f and name != f.name]
    rows = pl.DataFrame(columns).with_columns(**absent).select([f.name for f in source.fields])
    is_renamed = [pl.col(name).is_not_null() for name in renamed]
    return TypedRows(
        rows=rows,
        repaired={
            "csv": rows.height,
            "field_name": rows.select(pl.any_horizontal(is_renamed).sum()).item() if renamed else 0,
        },
        drift={name: rows.height for name, field_ in zip(names, fields, strict=True) if field_ is None},
    )


def _is_certain(written: pl.Series, field_: Field) -> bool:
    """Whether each value that is not null is surely what it seems."""
    if field_.type == "string":
        short = written.filter(written.str.len_bytes() <= _LONGEST_ABSENT)
        return not short.is_in(list(ABSENT)).any()
    return bool(written.str.contains(_CERTAIN[field_.type]).all())


def _columns(first_line: bytes, source: Source) -> dict[str, _Column] | None:
    """The columns as the first record spells them, then the fields it lacks; None if that is in doubt."""
    try:
        named: list[tuple[str, Any]] = json.loads(first_line, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    by_name = source.by_name()
    columns: dict[str, _Column] = {}
    for name, value in named:
        field_ = by_name.get(name.casefold())
        dtype = DTYPES[field_.type] if field_ else _DTYPES_OF_JSON.get(type(value))
        if name in columns or dtype is None or (field_ is None and source.nearly_consent(name)):
            return None
        columns[name] = _Column(dtype, field_)
    known = [column.field for column in columns.values() if column.field]
    lacking = {f.name: _Column(DTYPES[f.type], f) for f in source.fields if f not in known}
    return columns | lacking if len(known) == len(set(known)) else None


def _count(text: bytes, character: str) -> int:
    # bytes.count() would take ten times as long for a character as frequent as these.
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == ord(character)))


def _quotes(text: bytes) -> int | None:
    """The quotes that open or close a name or a text; None if escapes leave doubt about them or a text."""
    if b"\\" not in text:
        return _count(text, '"')
    if any(doubtful in text for doubtful in (rb"\\", rb"\ud", rb"\uD")):
        return None
    return _count(text, '"') - text.count(rb"\"")


def _members(frame: pl.DataFrame, text: bytes, names: int) -> dict[str, int]:
    r"""Members by name: cells that are not null, and, where there are more than these, explicit nulls.

    With escapes, a name may only look like a field's (``"\"x":null``), and nulls are not counted. Nor are they where a
    line has the name twice: polars keeps one of a value and a null, and a null must not be lost where it withdraws.
    """
    members = {name: frame[name].count() for name in frame.columns}
    if sum(members.values()) != names and b"\\" not in text:
        for name in frame.columns:
            if frame[name].null_count():
                key = f'"{name}"'.encode()
                if all(b"\n" in between for between in text.split(key)[1:-1]):
                    members[name] += text.count(key + b":null") + text.count(key + b": null")
    return members


def _without_absent(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows with nulls for texts that stand for an absent value; in how many rows there were such texts."""
    # A look at the lengths takes a fraction of the time of a look at the texts.
    short = [
        name
        for name, dtype in rows.schema.items()
        if dtype == pl.String and (rows[name].str.len_bytes() <= _LONGEST_ABSENT).any()
    ]
    if not short:
        return rows, 0
    absent = {name: pl.col(name).is_in(list(ABSENT)) for name in short}
    count: int = rows.select(pl.any_horizontal(absent.values()).sum()).item()
    return rows.with_columns(
        pl.when(is_absent).then(None).otherwise(pl.col(name)).alias(name)
        for name, is_absent in absent.items()
    ), count
