"""CSV exports by header: rows found by a lexical scan, values converted as the members of a JSON object are.

Here: rows and columns. Not here: what a value may be (``convert.py``), and any reading of files.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from stedi_assets.records.convert import Converter
from stedi_assets.records.identity import DEVICE_FIELDS, PERSON_FIELDS, WHITE_SPACE
from stedi_assets.records.mentions import (
    SNAPSHOT_FIELD,
    Mentions,
    devices_of,
    mentions_in,
    persons_of,
    snapshot_time,
)
from stedi_assets.records.split import BOM, MAX_RECORD_BYTES
from stedi_assets.records.text_reader import TextReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stedi_assets.records.outcome import Outcome
    from stedi_assets.records.source import Field

# A quote opens a quoted field only at the field's beginning, blanks before it aside, and one that closes it ends the
# field.
_QUOTED = rb' *+"[^"]*+(?:""[^"]*+)*+" *+'
_OPEN = rb' *+"[^"]*+(?:""[^"]*+)*+"?+ *+\Z'


class _Rows:
    """The patterns of rows whose fields a separator parts."""

    def __init__(self, separator: str) -> None:
        mark = re.escape(separator.encode())
        end = rb"(?=[%s\r\n]|\Z)" % mark
        field = rb"(?:%s%s|(?! *+\")[^%s\r\n]++|%s)" % (_QUOTED, end, mark, end)
        # A row ends at CR, too: text of an old Mac has no other line end.
        self.row = re.compile(rb"%s(?:%s%s)*+(?=[\r\n]|\Z)" % (field, mark, field))
        # A quoted field that the end of the text cuts, perhaps between its last quote and a second one.
        self.open_row = re.compile(rb"(?:%s%s)*+%s" % (field, mark, _OPEN))
        other = re.escape(separator)
        self.value = re.compile(rf'(?:\A|{other})(?: *+"((?:[^"]|"")*+)" *+|([^{other}]*+))')


_ROWS = {separator: _Rows(separator) for separator in (",", ";", "\t", "|")}
_BLANK_LINES = re.compile(rb"(?:\xef\xbb\xbf|[ \t]*+[\r\n])*+(?:[ \t]*+\Z)?")
# By which Excel is told the separator.
_SEPARATOR_LINE = re.compile(rb'"?sep=[,;\t|]"?', re.IGNORECASE)
_LINE_END = re.compile(rb"[\r\n]")
# What stands around a name, and what stands in no name: a header to which a row is glued is a record.
_AROUND_NAMES = WHITE_SPACE + "\u00a0\"'"
_NAME = re.compile(r"[^\W\d][^@;|]*")

_Kind = Literal["row", "not_csv", "too_long"]


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

    def values(self, row: str) -> list[str]:
        """The values of a row."""
        values = _values(row, self.separator)
        return [value.lstrip(" ") for value in values] if self.is_spaced else values


class CsvReader(TextReader):
    """Reads CSV from the beginning of a file: rows by the header before them; a header is no record.

    Two exports put one behind the other have two headers: each holds for the rows behind it.
    """

    _header: Header | None = None

    def _settle(self, outcome: Outcome, *, final: bool) -> int:
        window = outcome.window
        header = self._header or Header()
        headers = [(0, header)]
        outcome.mentions = partial(_mentions, headers)
        converter = Converter(outcome.source, outcome.repaired, outcome.drift)
        known = outcome.source.by_name()
        settled = 0
        while span := _next_row(window, settled, header.separator, final=final):
            start, settled, kind = span
            text = window[start:settled]
            if self._header is None:
                outcome.repaired["bom"] += BOM in window[:start]
                self._header = header
                if _SEPARATOR_LINE.fullmatch(text):
                    continue
            if kind != "too_long" and (found := _read_header(text, known)):
                self._header = header = found
                headers.append((start, found))
                continue
            outcome.records += 1
            outcome.ends[start] = settled
            row = _convert(text, kind, header, converter)
            if isinstance(row, tuple):
                outcome.add_row(row, start)
            else:
                outcome.reject(start, settled, row)
        return _behind_blanks(window, settled, final=final)


def _next_row(window: bytes, position: int, separator: str, *, final: bool) -> tuple[int, int, _Kind] | None:
    """Start, end and kind of the row behind a position; None if more text is needed, or there is none.

    A quote that never closes costs one line.
    """
    size = len(window)
    start = _end(_BLANK_LINES, window, position, size)
    if start == size:
        return None
    rows = _ROWS[separator]
    limit = min(size, start + MAX_RECORD_BYTES)
    end = _end(rows.row, window, start, limit)
    kind: _Kind = "row"
    if end < 0 and (final or limit < size or not rows.open_row.match(window, start, limit)):
        kind, end = "not_csv", _line_end(window, start, limit)
    if end in (-1, limit):  # no end before the limit
        if limit < size:
            return start, limit, "too_long"
        return (start, size, kind) if final else None
    return start, end, kind


def _behind_blanks(window: bytes, position: int, *, final: bool) -> int:
    """Where settled text ends: behind the blank lines, of which the last may be part of a row."""
    start = _end(_BLANK_LINES, window, position, len(window))
    if start < len(window) or final:
        return start
    line = max(window.rfind(b"\n", position), window.rfind(b"\r", position)) + 1
    return max(position, line)


def _end(pattern: re.Pattern[bytes], text: bytes, start: int, limit: int) -> int:
    match = pattern.match(text, start, limit)
    return match.end() if match else -1


def _line_end(text: bytes, start: int, limit: int) -> int:
    match = _LINE_END.search(text, start, limit)
    return match.start() if match else -1


def _values(row: str, separator: str) -> list[str]:
    if '"' not in row:
        return row.split(separator)
    found = _ROWS[separator].value.finditer(row)
    return [match[2] if match[1] is None else match[1].replace('""', '"') for match in found]


def _read_header(row: bytes, known: Mapping[str, Field]) -> Header | None:
    """The header that a row is: names alone, a field's among them. No row of any source is names alone."""
    if b"@" in row or row.lstrip(b' "')[:1].isdigit():  # which is quick, and enough for almost all rows
        return None
    text = row.decode(errors="backslashreplace")
    for separator in _ROWS:
        written = _values(text, separator)
        names = tuple(name.strip(_AROUND_NAMES) for name in written)
        is_known = any(name.casefold() in known for name in names)
        if is_known and all(map(_may_be_name, filter(None, names))):
            is_spaced = len(names) > 1 and text.count(f"{separator} ") == len(names) - 1
            return Header(names, separator, is_spaced)
    return None


def _may_be_name(name: str) -> bool:
    """False for an address, a number, a date, and text with a control character or another line end in it."""
    return name.isprintable() and bool(_NAME.fullmatch(name))


def _convert(row: bytes, kind: _Kind, header: Header, converter: Converter) -> tuple[object, ...] | set[str]:
    if kind != "row":
        return {kind}
    try:
        values = header.values(row.decode())
    except UnicodeDecodeError:
        return {"bad_encoding"}
    if not header.names:
        return {"unknown_header"}
    if len(values) != len(header.names):
        return {"field_count"}
    return converter.convert(
        [(n, v or None) for n, v in zip(header.names, values, strict=True)], from_csv=True
    )


def _mentions(headers: list[tuple[int, Header]], row: str, start: int) -> Mentions:
    """Whom a quarantined row names: whoever its text names, and whatever stands in the columns of names.

    In a row of more or fewer values than columns, a column is counted from both ends. The snapshot's time is certain
    only in a row of as many values, with an address wherever one belongs.
    """
    header = headers[bisect_right(headers, start, key=itemgetter(0)) - 1][1]
    values = header.values(row)
    found = mentions_in(row)
    emails = _values_of(header, values, lambda name: _ends_with(name, PERSON_FIELDS))
    serials = _values_of(header, values, lambda name: _ends_with(name, DEVICE_FIELDS))
    times = _values_of(header, values, lambda name: name.casefold() == SNAPSHOT_FIELD.casefold())
    persons = sorted({*found.persons, *persons_of(emails)})
    devices = sorted({*found.devices, *devices_of(serials)})
    certain = (
        _ROWS[header.separator].row.fullmatch(row.encode())
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
