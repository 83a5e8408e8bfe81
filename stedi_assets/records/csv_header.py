"""Headers of CSV files: which row is one, what stands above it, and which row may be one that nobody can read.

Here: rows that hold no record. Not here: rows that do (``csv_rows.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stedi_assets.records.csv_text import SEPARATORS, is_row, next_row, values_of
from stedi_assets.records.identity import WHITE_SPACE
from stedi_assets.records.mentions import mentions_in
from stedi_assets.records.split import BOM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stedi_assets.records.source import Field, Source

# Excel writes rows of separators alone below its table, and is told the separator by a line.
_NOTHING = re.compile(rb'[ ,;\t|]*+|"?sep=[,;\t|]"?', re.IGNORECASE)
NOTHING_BEGINS = frozenset(b' ,;\t|"sS')
# What stands around a name, and what stands in no name: a header to which a row is glued is a record.
_AROUND_NAMES = WHITE_SPACE + "\u00a0\"'"
_NAME = re.compile(r"[^\W\d][^@;|]*")
# More lines, or longer ones, above a header are no title.
_TITLE_LINES, _TITLE_BYTES = 8, 1024
# As long a number may be a time.
_LONG_NUMBER = re.compile("[0-9]{10}")


@dataclass(frozen=True)
class Header:
    """Column names of rows of a CSV file as the row before them writes them; none where no row has named a field.

    Attributes:
        names: The names.
        separator: What parts them, and the values of the rows.
        is_spaced: Whether a blank follows each separator, which belongs to no value then.
        text: The row.
    """

    names: tuple[str, ...] = ()
    separator: str = ","
    is_spaced: bool = False
    text: bytes = b""

    def values(self, row: str) -> list[str] | None:
        """The values of a row; None if its quotes leave doubt."""
        values = values_of(row, self.separator, len(self.names))
        return [value.lstrip(" ") for value in values] if self.is_spaced and values else values

    def row_before(self, text: bytes) -> bytes:
        """The row to which this header is glued, as ``cat`` does where a file ends without a line end."""
        return text.removesuffix(self.text).removesuffix(BOM)


def beginning(window: bytes, source: Source, *, final: bool) -> tuple[int, int] | None:
    """Where the rows of a file begin, behind titles if it has a header, and how many titles there are.

    None if more text is needed.
    """
    position = titles = 0
    while row := next_row(window, position, ",", 0, final=final):
        text, position = window[row.start : row.end], row.end
        if row.kind != "too_long" and read_header(text, source.by_name()):
            return row.start, titles
        if is_nothing(text):
            continue
        if titles == _TITLE_LINES or not _may_be_title(text, source):
            return 0, 0
        titles += 1
    return (0, 0) if final else None


def first_header(head: bytes, source: Source) -> tuple[Header, int] | None:
    """The header of a file that begins so, and where it ends; None if it does not show there."""
    begins = beginning(head, source, final=False)
    row = next_row(head, begins[0], ",", 0, final=False) if begins else None
    if row is None or row.kind == "too_long":
        return None
    header = read_header(head[row.start : row.end], source.by_name())
    return (header, row.end) if header else None


def is_nothing(row: bytes) -> bool:
    """Whether a row has no values, or says what the separator is."""
    return _NOTHING.fullmatch(row) is not None


def resembles_header(row: bytes, columns: int, known: Mapping[str, Field]) -> bool:
    """Whether a row, which is no header that can be read, may be one all the same.

    The rows behind it may then have columns in another order: of two dates one is the consent to research. It has two
    names of fields, broken or glued to a record; or it has as many values as there are columns, all of them names.
    """
    text = row.decode(errors="backslashreplace")
    for separator in SEPARATORS:
        names = [name.strip(_AROUND_NAMES) for name in text.split(separator)]
        if sum(name.casefold() in known for name in names) > 1:
            return True
        if len(names) == len(set(names)) == columns > 1 and all(map(_may_be_name, names)):
            return True
    return False


def _may_be_title(line: bytes, source: Source) -> bool:
    """Whether nobody loses a line above a header: it has words, it names nobody, and no record has so few values."""
    if len(line) > _TITLE_BYTES:
        return False
    text = line.decode(errors="replace")
    values = max(sum(map(bool, map(str.strip, text.split(mark)))) for mark in SEPARATORS)
    has_words = any(map(str.isalpha, text)) and not _LONG_NUMBER.search(text) and "\ufffd" not in text
    found = mentions_in(text)
    return values < len(source.required_names()) and has_words and not found.persons and not found.devices


def read_header(row: bytes, known: Mapping[str, Field]) -> Header | None:
    """The header that a row is: names alone, a field's among them. No row of any source is names alone."""
    if b"@" in row or row.lstrip(b' "')[:1].isdigit():  # which is quick, and enough for almost all rows
        return None
    text = row.decode(errors="backslashreplace")
    for separator in SEPARATORS:
        # Behind a quoted name is a separator.
        written = (values_of(text, separator, 0) if is_row(text, separator) else None) or []
        names = tuple(name.strip(_AROUND_NAMES) for name in written)
        is_known = any(name.casefold() in known for name in names)
        if is_known and all(map(_may_be_name, filter(None, names))):
            is_spaced = len(names) > 1 and text.count(f"{separator} ") == len(names) - 1
            return Header(names, separator, is_spaced, row)
    return None


def _may_be_name(name: str) -> bool:
    """False for an address, a number, a date, and text with a control character or another line end in it."""
    return name.isprintable() and bool(_NAME.fullmatch(name))
