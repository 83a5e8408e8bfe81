"""CSV exports by header: rows found by a lexical scan, values converted as the members of a JSON object are.

Here: headers and columns. Not here: where rows begin and end (``csv_text.py``), columns without a header
(``headerless.py``), and what a value may be (``convert.py``).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.records.convert import Converter
from stedi_assets.records.csv_header import (
    NOTHING_BEGINS,
    Header,
    beginning,
    is_nothing,
    read_header,
    resembles_header,
)
from stedi_assets.records.csv_plain import plain_rows
from stedi_assets.records.csv_text import Row, behind_blanks, is_row, next_row, whole_row
from stedi_assets.records.headerless import values_by_kind
from stedi_assets.records.identity import DEVICE_FIELDS, PERSON_FIELDS
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
    from collections.abc import Callable, Iterable, Iterator

    from stedi_assets.records.source import Source

# So many rows are converted at once, and so many are worth it.
_BATCH, _WORTHWHILE_ROWS = 1024, 8
# So much text is read at once if all of it is plain; less where it is not.
_MOST_AT_ONCE, _LEAST_AT_ONCE = 512 * 1024, 8 * 1024
# A number with which an address may begin if it is glued to a row.
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")


class NotAloneError(Exception):
    """A part of a file means what it does because of another part."""


class CsvReader(TextReader):
    """Reads CSV: rows by the header before them; a header is no record.

    Two exports put one behind the other have two headers: each holds for the rows behind it.

    Parts of a file that begin and end with lines can be read alone if the file has one header, and if no row extends
    over two parts. A row does so only from a quote that is open where its part ends, and that part finds out. So if no
    part does, each begins with a row, whatever stands before it.

    Args:
        source: The fields and rules.
        offset: Where the text begins in the file, in bytes.
        header: The header of the file, if the text does not begin with it.
        is_part: Whether the text is a part of a file. ``NotAloneError`` is raised if it cannot be read alone.
    """

    def __init__(
        self, source: Source, offset: int = 0, header: Header | None = None, *, is_part: bool = False
    ) -> None:
        super().__init__(source, offset)
        self._header = header
        self._is_part = is_part

    def _settle(self, outcome: Outcome, *, final: bool) -> int:
        window = outcome.window
        settled = 0
        if self._header is None:
            begins = beginning(window, outcome.source, final=final)
            if begins is None:
                blanks = behind_blanks(window, 0, final=final)
                outcome.repaired["bom"] = window.count(BOM, 0, blanks)
                return blanks
            self._header = Header()
            settled, outcome.repaired["title"] = begins
            outcome.repaired["bom"] = window.count(BOM, 0, behind_blanks(window, 0, final=True))
        outcome.behind = b"\r\n"
        headers = [(0, self._header)]
        outcome.mentions = partial(_mentions, headers, outcome.source.by_name())
        settled = self._rows(outcome, settled, headers, final=final)
        return behind_blanks(window, settled, final=final)

    def _rows(self, outcome: Outcome, settled: int, headers: list[tuple[int, Header]], *, final: bool) -> int:
        """Add the rows, and the headers with the places from which on they hold; where the last one ends."""
        window, block, odd = outcome.window, _MOST_AT_ONCE, _LEAST_AT_ONCE
        while True:
            header, begin = headers[-1][1], behind_blanks(window, settled, final=final)
            end = window.rfind(b"\n", begin, begin + block) + 1
            if end and header.names and (plain := plain_rows(window[begin:end], header, outcome.source)):
                typed, starts = plain
                outcome.add_typed(typed, starts + begin)
                outcome.records += len(starts)
                settled, block, odd = end, min(2 * block, _MOST_AT_ONCE), _LEAST_AT_ONCE
                continue
            if end and header.names and block > _LEAST_AT_ONCE:
                block //= 8
                continue
            reached = self._rows_one_by_one(outcome, (settled, begin + odd), headers, final=final)
            if reached == settled:
                return settled
            # Where rows are odd, so are most of the next ones.
            settled, odd = reached, min(2 * odd, _MOST_AT_ONCE)

    def _rows_one_by_one(
        self, outcome: Outcome, bounds: tuple[int, int], headers: list[tuple[int, Header]], *, final: bool
    ) -> int:
        """As ``_rows``, of the rows that begin within bounds, up to the next header."""
        settled, stop = bounds
        window, known, header = outcome.window, outcome.source.by_name(), headers[-1][1]
        batch = _Batch(outcome, header)
        may_extend = self._is_part and b'"' in window
        while settled < stop:
            row = next_row(window, settled, header.separator, len(header.names), final=final)
            if row is None:
                break
            settled = row.end
            text = window[row.start : row.end]
            if may_extend and (row.kind == "not_csv" or b'\\"' in text):
                raise NotAloneError
            found = None if row.kind == "too_long" else read_header(text, known)
            if found is None:
                if text[0] in NOTHING_BEGINS and is_nothing(text):
                    continue
                if header.names and text.endswith(header.text):
                    text = header.row_before(text)
                    row = whole_row(text, row.start, header.separator)
                    settled = row.end
                outcome.records += 1
                outcome.ends[row.start] = row.end
                if not batch.take(text, row):
                    found = Header(separator=header.separator)
            if found:
                if self._is_part and header.names and found != header:
                    raise NotAloneError
                self._header = found
                headers.append((row.end, found))
                break
        batch.add()
        return settled


class _RowReader(CsvReader):
    """Reads as ``CsvReader`` does, and notes where each row ends."""

    def _rows(self, outcome: Outcome, settled: int, headers: list[tuple[int, Header]], *, final: bool) -> int:
        bounds = settled, len(outcome.window)
        while (reached := self._rows_one_by_one(outcome, bounds, headers, final=final)) != bounds[0]:
            bounds = reached, bounds[1]
        return reached


def row_ends(text: bytes, source: Source) -> dict[int, int]:
    """Where each record of a whole file ends, by its start."""
    outcome = Outcome(source, text, 0)
    _RowReader(source)._settle(outcome, final=True)  # noqa: SLF001 - of this module
    return outcome.ends


class _Batch:
    """Rows under one header, of which many are converted at once where all their values are certain."""

    def __init__(self, outcome: Outcome, header: Header) -> None:
        self._outcome = outcome
        self._header = header
        self._converter = Converter(outcome.source, outcome.repaired, outcome.drift)
        self._known = outcome.source.by_name()
        self._number = self._column_of_a_number()
        self._starts: list[int] = []
        self._rows: list[list[str]] = []

    def _column_of_a_number(self) -> int | None:
        """A column in which every row has a number; None if there is none."""
        fields = [self._known.get(name.casefold()) for name in self._header.names]
        return next(
            (at for at, field in enumerate(fields) if field and field.required and field.type != "string"),
            None,
        )

    def take(self, text: bytes, row: Row) -> bool:
        """Take a row, which is added now or with the others; False if the rows behind it have other columns."""
        values, reasons = self._values(text, row)
        is_in_doubt = False
        if reasons or self._number is None or not values[self._number][:1].isdigit():
            is_in_doubt = resembles_header(text, len(self._header.names), self._known)
            reasons |= {"unknown_header"} if is_in_doubt else set()
        if reasons:
            self._outcome.reject(row.start, row.end, reasons)
            return not is_in_doubt
        self._starts.append(row.start)
        self._rows.append(values)
        if len(self._rows) == _BATCH:
            self.add()
        return True

    def add(self) -> None:
        """Add all rows that were taken."""
        starts, rows, self._starts, self._rows = self._starts, self._rows, [], []
        repairs = [] if self._header.names else ["headerless"]
        names = self._header.names or [field.name for field in self._outcome.source.fields]
        columns = [pl.Series(values, dtype=pl.String) for values in zip(*rows, strict=True)]
        is_worthwhile = len(rows) >= _WORTHWHILE_ROWS
        if is_worthwhile and (typed := typed_columns(names, columns, self._outcome.source)):
            self._outcome.add_typed(typed, starts)
            self._outcome.repaired.update(dict.fromkeys(repairs, len(rows)))
            return
        for start, values in zip(starts, rows, strict=True):
            converted = self._converter.convert_row(names, values, *repairs)
            if isinstance(converted, tuple):
                self._outcome.add_row(converted, start)
            else:
                self._outcome.reject(start, self._outcome.ends[start], converted)

    def _values(self, text: bytes, row: Row) -> tuple[list[str], set[str]]:
        """The values of a row, or why they are not certain."""
        if row.kind != "row":
            return [], {row.kind}
        try:
            written = text.decode()
        except UnicodeDecodeError:
            return [], {"bad_encoding"}
        if not self._header.names:
            by_kind = values_by_kind(written, self._outcome.source)
            return by_kind or [], set() if by_kind else {"unknown_header"}
        values = self._header.values(written)
        if values is None:
            return [], {"not_csv"}
        return values, set() if len(values) == len(self._header.names) else {"field_count"}


def _mentions(headers: list[tuple[int, Header]], known: Iterable[str], row: str, start: int) -> Mentions:
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
    if len(values) != len(header.names):
        persons = sorted({*persons, *persons_of(_without_glue(persons, known))})
    devices = sorted({*found.devices, *devices_of(serials)})
    certain = (
        is_row(row, header.separator)
        and len(values) == len(header.names)
        and len(times) == len(persons) == 1
        and all("@" in email for email in emails)
    )
    return Mentions(persons, devices, snapshot_time(times[0]) if certain else None)


def _without_glue(persons: list[str], names: Iterable[str]) -> Iterator[str]:
    """Addresses without the number, or the name of a column, with which the row before them or a header ends."""
    for person in persons:
        yield _NUMBER.sub("", person)
        yield from (person.removeprefix(name) for name in names)


def _values_of(header: Header, values: list[str], is_wanted: Callable[[str], bool]) -> list[str]:
    """The values of a row that stand in the columns of some names, counted from both ends of the row."""
    columns = [column for column, name in enumerate(header.names) if is_wanted(name)]
    places = {place for column in columns for place in (column, len(values) - len(header.names) + column)}
    return [values[place] for place in sorted(places) if 0 <= place < len(values)]


def _ends_with(name: str, fields: tuple[str, ...]) -> bool:
    """Whether a name of a column is a field's, or ends with it: ``serial_number``, ``customer e-mail``."""
    return re.sub(r"[\W_]", "", name).casefold().endswith(tuple(field.casefold() for field in fields))
