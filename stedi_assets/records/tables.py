"""A table that is one object of JSON, column by column or with its columns beside its rows, as lines of records.

pandas writes such a table as ``to_json()`` does by default (``{"column": {"row": value}}``) and as
``to_json(orient="split")`` does; others write ``{"column": [values]}``. The lines take the place of the file's text:
a record's position is where its line begins in them.

Here: the file that is all of a table. Not here: the records in it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from stedi_assets.records.convert import Members, is_column_wise, json_decoder
from stedi_assets.records.split import BOM, MAX_RECORD_BYTES
from stedi_assets.records.values import Fraction, Integer, NotANumber

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stedi_assets.records.source import Source

# A larger table is read as other text is: it is held in memory, several times.
MAX_TABLE_BYTES = MAX_RECORD_BYTES
_TEXT = rb'"(?:[^"\\\n]|\\.)*+"\s*+'
_VALUE = rb'(?:"(?!")|[^"\s{\[]|"")'
# A column, the names of columns, the index, or the first row.
_BEGINNING = re.compile(
    rb'\s*+\{\s*+(?:%s:\s*+(?:\{\s*+%s:\s*+%s|\[\s*+[^\s{\[])|"data"\s*+:\s*+\[\s*+\[)'
    % (_TEXT, _TEXT, _VALUE)
)
# So much shows whether a table may begin, unless a name in it is longer.
_BEGINNING_BYTES = 4096
_SPLIT = {"columns", "data"}


def may_be_table(text: bytes) -> bool:
    """Whether a file that begins so may be a table."""
    begins = text.removeprefix(BOM).lstrip()[:1] in (b"", b"{")
    if len(text) < _BEGINNING_BYTES and begins:
        return True
    return len(text) <= MAX_TABLE_BYTES and _BEGINNING.match(text.removeprefix(BOM)) is not None


def records_of_table(text: bytes, source: Source) -> bytes | None:
    """The records of a file that is all of a table with the source's fields, a line each; None if it is none."""
    if len(text) > MAX_TABLE_BYTES or not _BEGINNING.match(text.removeprefix(BOM)):
        return None
    try:
        table = json_decoder()(text.removeprefix(BOM).decode())
    except (ValueError, RecursionError):
        return None
    found = _names_and_rows(table)
    if found is None or not source.required_names() <= {name.casefold() for name in found[0]}:
        return None
    names = [json.dumps(name) for name in found[0]]
    lines = ("{" + ", ".join(_members(names, row)) + "}\n" for row in found[1])
    return "".join(lines).encode(errors="surrogatepass")


def _names_and_rows(table: object) -> tuple[Sequence[str], Iterator[Sequence[Any]]] | None:
    """The names of the columns, and the rows; None if it is no table."""
    if not isinstance(table, Members):
        return None
    parts = dict(table)
    if set(parts) - {"index"} == _SPLIT and len(parts) == len(table):
        names, rows = parts["columns"], parts["data"]
        is_table = (
            _is_list(names)
            and _is_list(rows)
            and all(_is_list(row) and len(row) == len(names) for row in rows)
        )
        return (names, iter(rows)) if is_table and all(type(name) is str for name in names) else None
    names = [name for name, _ in table]
    if is_column_wise(table):
        return names, zip(*([value for _, value in column] for _, column in table), strict=True)
    columns = [column for _, column in table]
    if len(columns) > 1 and all(map(_is_list, columns)) and len({len(column) for column in columns}) == 1:
        return names, zip(*columns, strict=True)
    return None


def _is_list(value: object) -> bool:
    return type(value) is list


def _members(names: Sequence[str], row: Sequence[Any]) -> Iterator[str]:
    return (f"{name}: {_written(value)}" for name, value in zip(names, row, strict=True))


def _written(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """A value as the file has it."""
    if isinstance(value, Integer | Fraction):
        return str.__str__(value)
    if isinstance(value, NotANumber):
        return "NaN"
    if isinstance(value, Members):
        return (
            "{"
            + ", ".join(_members([json.dumps(name) for name, _ in value], [item for _, item in value]))
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
