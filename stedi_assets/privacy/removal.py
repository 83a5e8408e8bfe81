"""Text without some of its records: their bytes go, with a separator each, and every other record stays as it was.

This module says which bytes to leave out, and proves that no other record changed. Whose records go, and how files
are read and written, belongs in ``raw_files``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from stedi_assets.errors import StediError
from stedi_assets.records.csv_rows import row_ends
from stedi_assets.records.csv_text import behind_blanks
from stedi_assets.records.envelope import split_unwrapped, without_envelope
from stedi_assets.records.read_task import reader_of
from stedi_assets.records.split import BOM, Kind
from stedi_assets.records.tables import records_of_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from stedi_assets.records.source import Parsed, Source

_Span: TypeAlias = tuple[int, int, Kind]

_COMMA = re.compile(rb"\s*+,\s*+")
_COMMA_BEFORE = re.compile(rb",\s*+\Z")
_LINE_END = re.compile(rb"[ \t\r]*+\n")


class RemovalError(StediError):
    """The records cannot be left out without changing how others are read."""


def remove_records(
    text: bytes, source: Source, *, is_csv: bool, doomed: Callable[[Parsed], set[int]]
) -> bytes | None:
    """Leave records out of the text of a file.

    Args:
        text: The whole file, uncompressed.
        source: Its fields and rules.
        is_csv: Whether it is CSV; JSON otherwise.
        doomed: Gives the positions of the records that go, from all records of the file.

    Returns:
        The text without the records; None if no record goes.

    Raises:
        RemovalError: The text is so damaged that other records would be read in another way.
    """
    if not is_csv:
        # A table that is one object becomes lines.
        text = records_of_table(text, source) or text
    before = _parse(text, source, is_csv=is_csv)
    gone = doomed(before)
    if not gone:
        return None
    kept = _records(before, gone)
    spans = _rows(text, source) if is_csv else _spans(text, source)
    for cuts, filling in (
        # As if the records had never been delivered.
        (_row_cuts(text, spans, gone) if is_csv else _cuts_with_separators(text, spans, gone), b""),
        # Where a record stood between broken records, a newline keeps the broken records apart.
        (_cuts(spans, gone), b"\n"),
    ):
        shortened = _without(text, cuts, filling)
        after = _records(_parse(shortened, source, is_csv=is_csv), set())
        if all(one.equals(other) for one, other in zip(kept, after, strict=True)):
            return shortened
    raise RemovalError


def lines_to_remove(text: bytes, source: Source, doomed: Callable[[Parsed], set[int]]) -> set[int]:
    """The numbers of the lines, an object each, whose records go: the rows of Parquet and Avro."""
    return {text.count(b"\n", 0, position) for position in doomed(_parse(text, source, is_csv=False))}


def _spans(text: bytes, source: Source) -> list[tuple[int, int, Kind]]:
    return split_unwrapped(without_envelope(text, source), source, final=True).spans


def _rows(text: bytes, source: Source) -> list[_Span]:
    return [(start, end, "other") for start, end in row_ends(text, source).items()]


def _parse(text: bytes, source: Source, *, is_csv: bool) -> Parsed:
    return reader_of(source, is_csv=is_csv).close(text)


def _records(parsed: Parsed, gone: set[int]) -> tuple[pl.DataFrame, ...]:
    """The landed and the quarantined records that stay, in order, without their positions."""
    return tuple(
        frame.remove(frame["source_position"].is_in(list(gone))).drop("source_position")
        for frame in (parsed.landed, parsed.quarantined)
    )


def _row_cuts(text: bytes, spans: list[_Span], gone: set[int]) -> list[tuple[int, int]]:
    """Start and end of CSV rows, each with the blank lines behind it; a header behind it stays."""
    return [(start, behind_blanks(text, end, final=True)) for start, end in _cuts(spans, gone)]


def _cuts(spans: list[_Span], gone: set[int]) -> list[tuple[int, int]]:
    """Start and end of records."""
    return [(start, end) for start, end, _ in spans if start in gone]


def _cuts_with_separators(text: bytes, spans: list[_Span], gone: set[int]) -> list[tuple[int, int]]:
    """Start and end of JSON records that go, neighbours as one, each with the separator that nobody needs any more."""
    return [
        _with_separator(text, behind_last, start, end, next_start)
        for behind_last, start, end, next_start in _runs(text, spans, gone)
    ]


def _runs(text: bytes, spans: list[_Span], gone: set[int]) -> Iterator[tuple[int, int, int, int]]:
    """For each run of neighbours that go: end of the record before, start, end, start of the record behind."""
    behind_last, run_start, run_end = 0, -1, -1
    for start, end, _ in spans:
        if start in gone:
            run_start = start if run_start < 0 else run_start
            run_end = end
        else:
            if run_start >= 0:
                yield behind_last, run_start, run_end, start
            behind_last, run_start = end, -1
    if run_start >= 0:
        yield behind_last, run_start, run_end, len(text)


def _with_separator(text: bytes, behind_last: int, start: int, end: int, next_start: int) -> tuple[int, int]:
    if comma := _COMMA.match(text, end, next_start):
        return start, comma.end()
    if comma := _COMMA_BEFORE.search(text[behind_last:start]):
        return behind_last + comma.start(), end
    *lines, line = text[behind_last:start].split(b"\n")
    begins_line = (lines or not behind_last) and not line.removeprefix(BOM).strip(b" \t")
    newline = _LINE_END.match(text, end, next_start)
    if newline and begins_line:
        return start, newline.end()
    return start, end


def _without(text: bytes, cuts: list[tuple[int, int]], filling: bytes) -> bytes:
    kept, position = [], 0
    for start, end in cuts:
        kept += [text[position:start], filling]
        position = end
    return b"".join([*kept, text[position:]])
