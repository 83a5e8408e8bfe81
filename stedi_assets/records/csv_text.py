"""Rows of CSV text: where each begins and ends, and which values it has.

A quote in a quoted value is written twice, or behind a backslash. Nothing in a file says which, so each row is read as
the first way has it, and as the second way has it where the first way fails. A row that has another meaning in each of
the two has no certain values.

Here: the lexical scan. Not here: headers, and what a value may be.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from stedi_assets.records.split import MAX_RECORD_BYTES

_BLANK_LINES = re.compile(rb"(?:\xef\xbb\xbf|[ \t]*+[\r\n])*+(?:[ \t]*+\Z)?")
_LINE_END = re.compile(rb"[\r\n]")

Kind = Literal["row", "not_csv", "too_long"]


class Row(NamedTuple):
    """Where a row begins and ends in a text, and whether it is one."""

    start: int
    end: int
    kind: Kind


class _Pattern:
    """Rows whose fields a separator parts, and whose quotes are written in one way.

    A quote opens a quoted field only at the field's beginning, blanks before it aside, and one that closes it ends the
    field.

    Args:
        separator: Parts the fields.
        inside: What is in quotes.
        unfinished: How that goes on where the text ends in it: perhaps between two characters that belong together.
        escape: What stands for another character there, which is its first group, or for a quote.
    """

    def __init__(self, separator: str, inside: str, unfinished: str, escape: str) -> None:
        mark = re.escape(separator)
        end = rf"(?=[{mark}\r\n]|\Z)"
        field = rf'(?: *+"{inside}" *+{end}|(?! *+")[^{mark}\r\n]++|{end})'
        # A row ends at CR, too: text of an old Mac has no other line end.
        self.row = re.compile(rf"{field}(?:{mark}{field})*+(?=[\r\n]|\Z)".encode())
        self.open_row = re.compile(rf'(?:{field}{mark})*+ *+"{inside}{unfinished}\Z'.encode())
        self._value = re.compile(rf'(?:\A|{mark})(?: *+"({inside})" *+|([^{mark}]*+))')
        self._escape = re.compile(escape)

    def values(self, row: str) -> list[str]:
        """The values of a row."""
        return [
            plain if quoted is None else self._escape.sub(lambda escape: escape[1] or '"', quoted)
            for quoted, plain in (found.groups() for found in self._value.finditer(row))
        ]


class _Patterns(NamedTuple):
    doubled: _Pattern
    escaped: _Pattern


_PATTERNS = {
    separator: _Patterns(
        _Pattern(separator, '[^"]*+(?:""[^"]*+)*+', '"?+ *+', '""()'),
        _Pattern(separator, r'[^"\\]*+(?:(?:""|(?s:\\.))[^"\\]*+)*+', r'(?:\\|" *+)?+', r'""|\\(["\\])'),
    )
    for separator in (",", ";", "\t", "|")
}
SEPARATORS = tuple(_PATTERNS)


def next_row(window: bytes, position: int, separator: str, columns: int, *, final: bool) -> Row | None:
    """The row behind a position; None if more text is needed, or there is none.

    A quote that never closes costs one line.

    Args:
        window: The text.
        position: Where to look from.
        separator: Parts the values.
        columns: How many values a row should have; 0 if that is not known.
        final: Whether the file ends with the window.
    """
    size = len(window)
    start = _end(_BLANK_LINES, window, position, size)
    if start == size:
        return None
    limit = min(size, start + MAX_RECORD_BYTES)
    end = _row_end(
        window, (start, limit), _PATTERNS[separator], columns, may_grow=limit == size and not final
    )
    if end is None:
        return None
    kind: Kind = "row"
    if end < 0:
        kind, end = "not_csv", _line_end(window, start, limit)
    if end in (-1, limit):  # no end before the limit
        if limit < size:
            return Row(start, limit, "too_long")
        return Row(start, size, kind) if final else None
    return Row(start, end, kind)


def _row_end(
    window: bytes, bounds: tuple[int, int], patterns: _Patterns, columns: int, *, may_grow: bool
) -> int | None:
    """Where the row ends that begins at the first of the bounds; -1 if it is none, None if more text tells."""
    doubled, escaped = patterns
    start, limit = bounds
    end = _end(doubled.row, window, start, limit)
    if end >= 0 and (
        window.find(b'\\"', start, end) < 0 or not _has_other_end(window[start:end], patterns, columns)
    ):
        return end
    if end < 0 and may_grow and doubled.open_row.match(window, start, limit):
        return None
    second = _end(escaped.row, window, start, limit)
    if may_grow and (second == limit or (second < 0 and escaped.open_row.match(window, start, limit))):
        return None
    if end < 0 or second < 0:
        return max(end, second)
    return second if len(escaped.values(_shown(window[start:second]))) == columns else end


def _has_other_end(row: bytes, patterns: _Patterns, columns: int) -> bool:
    """Whether a row of too many or too few values goes on where a backslash stands before its last quote."""
    is_open = patterns.escaped.open_row.fullmatch(row)
    return bool(columns and is_open) and len(patterns.doubled.values(_shown(row))) != columns


def _shown(row: bytes) -> str:
    return row.decode(errors="replace")


def behind_blanks(window: bytes, position: int, *, final: bool) -> int:
    """Where settled text ends: behind the blank lines, of which the last may be part of a row."""
    start = _end(_BLANK_LINES, window, position, len(window))
    if start < len(window) or final:
        return start
    line = max(window.rfind(b"\n", position), window.rfind(b"\r", position)) + 1
    return max(position, line)


def values_of(row: str, separator: str, columns: int) -> list[str] | None:
    """The values of a row; None if it can be read in two ways, of which none alone has as many values as columns."""
    if '"' not in row:
        return row.split(separator)
    patterns = _PATTERNS[separator]
    doubled = patterns.doubled.values(row)
    if '\\"' not in row:
        return doubled
    text = row.encode()
    second = patterns.escaped.row.match(text)
    if second is None:
        return None if patterns.escaped.open_row.fullmatch(text) else doubled
    escaped = patterns.escaped.values(text[: second.end()].decode())
    if doubled == escaped or not patterns.doubled.row.fullmatch(text):
        return escaped
    as_many = [values for values in (doubled, escaped) if len(values) == columns]
    return as_many[0] if len(as_many) == 1 else None


def is_row(row: str, separator: str) -> bool:
    """Whether a text is one whole row."""
    text = row.encode()
    return any(pattern.row.fullmatch(text) for pattern in _PATTERNS[separator])


def whole_row(text: bytes, start: int, separator: str) -> Row:
    """A text that begins there as a row, if it is one."""
    kind: Kind = "row" if is_row(text.decode(errors="replace"), separator) else "not_csv"
    return Row(start, start + len(text), kind)


def _end(pattern: re.Pattern[bytes], text: bytes, start: int, limit: int) -> int:
    match = pattern.match(text, start, limit)
    return match.end() if match else -1


def _line_end(text: bytes, start: int, limit: int) -> int:
    match = _LINE_END.search(text, start, limit)
    return match.start() if match else -1
