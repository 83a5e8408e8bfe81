"""Many records at once, fast and typed, and only if every single value is certain.

Here: rows of CSV, and what holds for CSV and JSON alike. Not here: lines of JSON (``json_plain.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.records.source import DTYPES, Field, Source
from stedi_assets.records.values import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

# Numbers in CSV that are read as they stand, by whatever reads them.
_CERTAIN = {"bigint": r"^-?[0-9]{1,18}$", "double": r"^-?[0-9]{1,15}(?:\.[0-9]{1,15})?$"}

_LONGEST_ABSENT = max(map(len, ABSENT))


@dataclass
class TypedRows:
    """The source's fields of every record; how many records were repaired, by kind; records by unknown field."""

    rows: pl.DataFrame
    repaired: dict[str, int]
    drift: dict[str, int] = field(default_factory=dict)


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


def without_absent(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series | None]:
    """The rows with nulls for texts that stand for an absent value; which rows had such texts, if any had."""
    # A look at the lengths takes a fraction of the time of a look at the texts.
    short = [
        name
        for name, dtype in rows.schema.items()
        if dtype == pl.String and (rows[name].str.len_bytes() <= _LONGEST_ABSENT).any()
    ]
    if not short:
        return rows, None
    absent = {name: pl.col(name).is_in(list(ABSENT)) for name in short}
    is_absent = rows.select(pl.any_horizontal(absent.values()).fill_null(value=False)).to_series()
    return rows.with_columns(
        pl.when(is_absent).then(None).otherwise(pl.col(name)).alias(name)
        for name, is_absent in absent.items()
    ), is_absent
