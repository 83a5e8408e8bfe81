"""What the record reader speaks of: sources, fields, rules, and the result of parsing one piece of text.

Here: plain types, and the documented lists of reasons and repairs. Not here: any parsing.

The modules of the record reader run inside Spark executors that may not have this package. They therefore
import the standard library, polars, numpy and each other, by name, and hold nothing at module level that
cannot be pickled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

# Why a record is in quarantine. Those that concern one field carry it: ``missing_field:email``; a row rule of
# the contract carries its name: ``rule:timestamp_positive``.
REASONS: dict[str, str] = {
    "truncated": "an object whose text ends before it is complete",
    "not_json": "text that is no JSON, and no object cut short",
    "not_an_object": "JSON, but a bare value or an array of bare values",
    "column_wise": "a table written column by column in one object, as pandas' `to_json()` does, of more than 16 MiB, "
    "beside other text, or without a required field",
    "missing_field": "a required field is absent, null or empty, or has what stands for that, such as `NULL`",
    "wrong_type": "a value that cannot be read as the field's type without guessing, such as `1.65556E+12`, whose last "
    "digits Excel cut off, or a time without its zone",
    "duplicate_field": "the same field twice with different values, also in another case",
    "bad_encoding": "bytes that are not UTF-8, or an escape that is no character",
    "too_long": "more than MAX_RECORD_BYTES without an end; cut into pieces of that size",
    "field_count": "a CSV row with more or fewer fields than the header",
    "not_csv": "a CSV row with a quote that is never closed, or closed in mid-field, or whose quotes can be read "
    "in two ways",
    "unknown_header": "a row of a CSV file without a header before it: names alone, a field of the source among them. "
    "Without one, only values of which no two are of one kind (a time, a number, an address, a serial number) tell "
    "which column is which",
    "rule": "a row rule of the landing contract, by its name",
    "rule:snapshot_not_in_future": "a customer snapshot dated more than a day after it was read",
}

# What was put right without loss, and what is counted.
REPAIRS: dict[str, str] = {
    "glued": "objects that follow another on the same line without a comma",
    "comma": "commas between or after objects",
    "array": "arrays of objects that were opened",
    "bom": "byte order marks skipped",
    "record_separator": "record separator characters (0x1E) skipped",
    "pretty_printed": "objects written over several lines",
    "field_name": "records with a field spelled in another case",
    "repeated_field": "records with the same field twice, with equal values or one of them null",
    "repeated_consent": (
        "records with one consent field twice, perhaps once under nearly its name, with consent and without; landed "
        "without consent"
    ),
    "number_as_text": "records with a number where text belongs",
    "text_as_number": "records with a number written as text",
    "float_as_integer": "records with an integer written as a float",
    "absent_value": "records with an absent value written as `NULL`, `null`, `\\N`, `NaN`, `None`, `N/A` or empty text",
    "refused_consent": "records with `false` for a date of consent; landed without consent",
    "iso_time": "records with a time in ISO 8601, to the millisecond and with its zone",
    "wrapped": "records that are the one member of an object, such as `Item` in an export of DynamoDB",
    "dynamodb": 'records with values as DynamoDB writes them, such as `{"S": "text"}`',
    "envelope": 'files of one object that has the records in an array, such as `{"Items": […]}`',
    "table": "files that are one object with a table in it, column by column, as pandas' `to_json()` and "
    '`to_json(orient="split")` write it',
    "csv": "records read from CSV rows",
    "title": "lines above the header of a CSV file that are no record and name nobody; skipped",
    "headerless": "CSV rows without a header, read by position, since no two columns have values of one kind",
    "decimal_comma": "CSV rows with decimal commas in their numbers",
}

# 2000-01-01 and 2100-01-01, UTC. Seconds or microseconds in place of milliseconds fall outside.
EARLIEST_MS = 946_684_800_000
LATEST_MS = 4_102_444_800_000

DTYPES: dict[str, Any] = {"string": pl.String, "bigint": pl.Int64, "double": pl.Float64}


@dataclass(frozen=True)
class Field:
    """A field of a source: its name and type in the landing table. Names are matched without case.

    A field that ``is_time`` has milliseconds. In a field that ``is_consent``, 0 and an absent value mean that there is
    no consent.
    """

    name: str
    type: Literal["string", "bigint", "double"]
    required: bool
    is_consent: bool = False
    is_time: bool = False


@dataclass(frozen=True)
class Rule:
    """A row rule of the landing contract: see ``rules.py`` for the checks and their arguments."""

    name: str
    column: str
    check: str
    arguments: tuple[Any, ...]


_BETWEEN_WORDS = re.compile(r"[\W_]")


@dataclass(frozen=True)
class Source:
    """A source of landing files: its fields in the order of the landing table, and its row rules."""

    name: str
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...] = ()

    def schema(self) -> dict[str, Any]:
        """The polars schema of landed rows: the fields, then ``source_position`` (Int64)."""
        return {f.name: DTYPES[f.type] for f in self.fields} | {"source_position": pl.Int64}

    def by_name(self) -> dict[str, Field]:
        """Fields by every name they come under, folded to one case."""
        return {f.name.casefold(): f for f in self.fields}

    def nearly_consent(self, name: str) -> Field | None:
        """The consent field whose name differs in blanks, underscores or hyphens alone, as ``share_with_…`` does."""
        plain = _BETWEEN_WORDS.sub("", name).casefold()
        return next((f for f in self.fields if f.is_consent and f.name.casefold() == plain), None)

    def required_names(self) -> frozenset[str]:
        """Names of the fields without which there is no record, folded to one case."""
        return frozenset(f.name.casefold() for f in self.fields if f.required)


QUARANTINE_SCHEMA: dict[str, Any] = {
    "raw_text": pl.String,
    "reasons": pl.List(pl.String),
    "source_position": pl.Int64,
    "persons": pl.List(pl.String),
    "devices": pl.List(pl.String),
    "snapshot_at": pl.Int64,
}


@dataclass
class Parsed:
    """The result of parsing one piece of a file.

    Attributes:
        landed: the source's fields (String, Int64, Float64), ``source_position`` (Int64), and ``person`` and ``device``
            (String) where the source has a field that names one.
        quarantined: ``raw_text`` (String), ``reasons`` (List(String), sorted), ``source_position`` (Int64), ``persons``
            and ``devices`` (List(String), sorted) that the text names, and ``snapshot_at`` (Int64), in file order.
        records: records found by the lexical scan of the text, never by the parser.
        repaired: counts by kind, see ``REPAIRS``; repairs of values count only in records that could be read.
        drift: unknown field name -> records that had it; names unlike a field's are "(other)".
        erased: records of people who were erased, in neither frame; see ``erased.py``.

    ``source_position`` is the byte offset of the record's first byte in the text of the file: unpacked, in UTF-8.
    """

    landed: pl.DataFrame
    quarantined: pl.DataFrame
    records: int
    repaired: dict[str, int] = field(default_factory=dict)
    drift: dict[str, int] = field(default_factory=dict)
    erased: int = 0
