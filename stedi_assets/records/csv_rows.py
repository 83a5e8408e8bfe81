"""CSV exports by header: rows found by a lexical scan, values converted as the members of a JSON object are.

Here: headers and columns. Not here: where rows begin and end (``csv_text.py``), columns without a header
(``headerless.py``), and what a value may be (``convert.py``).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from stedi_assets.records.convert import Converter
from stedi_assets.records.csv_text import SEPARATORS, Row, behind_blanks, is_row, next_row, values_of
from stedi_assets.records.headerless import values_by_kind
from stedi_assets.records.identity import DEVICE_FIELDS, PERSON_FIELDS, WHITE_SPACE
from stedi_assets.records.mentions import (
    SNAPSHOT_FIELD,
    Mentions,
    devices_of,
    mentions_in,
    persons_of,
    snapshot_time,
)
from stedi_assets.records.outcome import Outcome
from stedi_assets.records.split import BOM
from stedi_assets.records.text_reader import TextReader
from stedi_assets.records.typed import typed_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stedi_assets.records.source import Field, Source

# By which Excel is told the separator.
_SEPARATOR_LINE = re.compile(rb'"?sep=[,;\t|]"?', re.IGNORECASE)
# What stands around a name, and what stands in no name: a header to which a row is glued is a record.
_AROUND_NAMES = WHITE_SPACE + "\u00a0\"'"
_NAME = re.compile(r"[^\W\d][^@;|]*")
# More lines, or longer ones, above a header are no title.
_TITLE_LINES, _TITLE_BYTES = 8, 1024
# So many rows are converted at once, and so many are worth it.
_BATCH, _WORTHWHILE_ROWS = 1024, 8
# As long a number may be a time.
_LONG_NUMBER = re.compile("[0-9]{10}")


@dataclass(frozen=True)
class Header:
    """Column names of rows of a CSV file as the row before them writes them; none where no row has named a field.

    Attributes:
        names: The names.
        separator: What parts them, and the values of the rows.
        is_spaced: Whether a blank follows each separator, which belongs to no value then.
    """

    names: tuple[str, ...] = ()
    separator: str = ","
    is_spaced: bool = False

    def values(self, row: str) -> list[str] | None:
        """The values of a row; None if its quotes leave doubt."""
        values = values_of(row, self.separator, len(self.names))
        return [value.lstrip(" ") for value in values] if self.is_spaced and values else values


class CsvReader(TextReader):
    """Reads CSV from the beginning of a file: rows by the header before them; a header is no record.

    Two exports put one behind the other have two headers: each holds for the rows behind it.
    """

    _header: Header | None = None

    def _settle(self, outcome: Outcome, *, final: bool) -> int:
        window = outcome.window
        settled = 0
        if self._header is None:
            beginning = _beginning(window, outcome.source, final=final)
            if beginning is None:
                blanks = behind_blanks(window, 0, final=final)
                outcome.repaired["bom"] = window.count(BOM, 0, blanks)
                return blanks
            self._header = Header()
            settled, outcome.repaired["title"] = beginning
            outcome.repaired["bom"] = window.count(BOM, 0, behind_blanks(window, 0, final=True))
        header = self._header
        headers = [(0, header)]
        outcome.mentions = partial(_mentions, headers)
        known = outcome.source.by_name()
        batch = _Batch(outcome, header)
        while row := next_row(window, settled, header.separator, len(header.names), final=final):
            settled = row.end
            text = window[row.start : row.end]
            if row.kind != "too_long" and (found := _read_header(text, known)):
                self._header = header = found
                headers.append((row.start, found))
                batch.add()
                batch = _Batch(outcome, header)
                continue
            outcome.records += 1
            outcome.ends[row.start] = row.end
            batch.take(text, row)
        batch.add()
        return behind_blanks(window, settled, final=final)


def row_ends(text: bytes, source: Source) -> dict[int, int]:
    """Where each record of a whole file ends, by its start."""
    outcome = Outcome(source, text, 0)
    CsvReader(source)._settle(outcome, final=True)  # noqa: SLF001 - of this module
    return outcome.ends


def _beginning(window: bytes, source: Source, *, final: bool) -> tuple[int, int] | None:
    """Where the rows of a file begin, behind a ``sep=`` line and titles, and how many titles there are.

    None if more text is needed.
    """
    settled = position = titles = 0
    while row := next_row(window, position, ",", 0, final=final):
        text, position = window[row.start : row.end], row.end
        if not settled and _SEPARATOR_LINE.fullmatch(text):
            settled = position
        elif row.kind != "too_long" and _read_header(text, source.by_name()):
            return row.start, titles
        elif titles < _TITLE_LINES and _may_be_title(text, source):
            titles += 1
        else:
            return settled, 0
    return (settled, 0) if final else None


def _may_be_title(line: bytes, source: Source) -> bool:
    """Whether nobody loses a line above a header: it has words, it names nobody, and no record has so few values."""
    if len(line) > _TITLE_BYTES:
        return False
    text = line.decode(errors="replace")
    values = max(sum(map(bool, map(str.strip, text.split(mark)))) for mark in SEPARATORS)
    has_words = any(map(str.isalpha, text)) and not _LONG_NUMBER.search(text) and "\ufffd" not in text
    found = mentions_in(text)
    return values < len(source.required_names()) and has_words and not found.persons and not found.devices


def _read_header(row: bytes, known: Mapping[str, Field]) -> Header | None:
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
            return Header(names, separator, is_spaced)
    return None


def _may_be_name(name: str) -> bool:
    """False for an address, a number, a date, and text with a control character or another line end in it."""
    return name.isprintable() and bool(_NAME.fullmatch(name))


class _Batch:
    """Rows under one header, of which many are converted at once where all their values are certain."""

    def __init__(self, outcome: Outcome, header: Header) -> None:
        self._outcome = outcome
        self._header = header
        self._converter = Converter(outcome.source, outcome.repaired, outcome.drift)
        self._starts: list[int] = []
        self._rows: list[list[str]] = []

    def take(self, text: bytes, row: Row) -> None:
        """Take a row, which is added now or with the others."""
        found = self._values(text, row)
        if isinstance(found, set):
            self._outcome.reject(row.start, row.end, found)
            return
        self._starts.append(row.start)
        self._rows.append(found)
        if len(self._rows) == _BATCH:
            self.add()

    def add(self) -> None:
        """Add all rows that were taken."""
        starts, rows, self._starts, self._rows = self._starts, self._rows, [], []
        repairs = [] if self._header.names else ["headerless"]
        names = self._header.names or [field.name for field in self._outcome.source.fields]
        if len(rows) >= _WORTHWHILE_ROWS and (typed := typed_columns(names, rows, self._outcome.source)):
            self._outcome.add_typed(typed, starts)
            self._outcome.repaired.update(dict.fromkeys(repairs, len(rows)))
            return
        for start, values in zip(starts, rows, strict=True):
            converted = self._converter.convert_row(names, values, *repairs)
            if isinstance(converted, tuple):
                self._outcome.add_row(converted, start)
            else:
                self._outcome.reject(start, self._outcome.ends[start], converted)

    def _values(self, text: bytes, row: Row) -> list[str] | set[str]:
        if row.kind != "row":
            return {row.kind}
        try:
            written = text.decode()
        except UnicodeDecodeError:
            return {"bad_encoding"}
        if not self._header.names:
            return values_by_kind(written, self._outcome.source) or {"unknown_header"}
        values = self._header.values(written)
        if values is None:
            return {"not_csv"}
        return values if len(values) == len(self._header.names) else {"field_count"}


def _mentions(headers: list[tuple[int, Header]], row: str, start: int) -> Mentions:
    """Whom a quarantined row names: whoever its text names, and whatever stands in the columns of names.

    In a row of more or fewer values than columns, a column is counted from both ends. The snapshot's time is certain
    only in a row of as many values, with an address wherever one belongs.
    """
    header = headers[bisect_right(headers, start, key=itemgetter(0)) - 1][1]
    found = mentions_in(row)
    # In doubt as what all of it is.
    values = header.values(row) or row.split(header.separator)
    emails = _values_of(header, values, lambda name: _ends_with(name, PERSON_FIELDS))
    serials = _values_of(header, values, lambda name: _ends_with(name, DEVICE_FIELDS))
    times = _values_of(header, values, lambda name: name.casefold() == SNAPSHOT_FIELD.casefold())
    persons = sorted({*found.persons, *persons_of(emails)})
    devices = sorted({*found.devices, *devices_of(serials)})
    certain = (
        is_row(row, header.separator)
        and len(values) == len(header.names)
        and len(times) == len(persons) == 1
        and all("@" in email for email in emails)
    )
    return Mentions(persons, devices, snapshot_time(times[0]) if certain else None)


def _values_of(header: Header, values: list[str], is_wanted: Callable[[str], bool]) -> list[str]:
    """The values of a row that stand in the columns of some names, counted from both ends of the row."""
    columns = [column for column, name in enumerate(header.names) if is_wanted(name)]
    places = {place for column in columns for place in (column, len(values) - len(header.names) + column)}
    return [values[place] for place in sorted(places) if 0 <= place < len(values)]


def _ends_with(name: str, fields: tuple[str, ...]) -> bool:
    """Whether a name of a column is a field's, or ends with it: ``serial_number``, ``customer e-mail``."""
    return re.sub(r"[\W_]", "", name).casefold().endswith(tuple(field.casefold() for field in fields))
