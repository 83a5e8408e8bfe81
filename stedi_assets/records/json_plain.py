"""Plain lines of JSON, many at once: one flat object a line, of which every single value is certain.

Here: polars over lines, and the guards under which it may be believed. Not here: what is done with the other lines.

polars is lenient in silence: it takes a number, a Boolean, an array or an object for text, drops unknown and
repeated fields, and reads a lone surrogate as NUL (measured, 2.1). Three sums over all lines rule that out:
rows = lines; colons = cells, so that each member of each object is exactly one cell; quotes = two for each name and two
for each text, so that text comes from text.

Where a sum does not hold, or polars refuses the text because of one line, each line must match a pattern, which has
the known names and for each a value of its type, and must have as many colons as members.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa

from stedi_assets.records.source import DTYPES, Field, Source
from stedi_assets.records.typed import TypedRows, without_absent

if TYPE_CHECKING:
    _Array: TypeAlias = np.ndarray[Any, Any]

# So many lines show which names there are, and how they are spelled.
_SAMPLE = 32
# A column for each name would take long where names are data.
_MOST_UNKNOWN = 1000
# An unknown field is read as the type that its first value has.
_DTYPES_OF_JSON = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean, type(None): pl.String}
# A name that JSON writes as it is. Python reads a lone surrogate, which no other library takes.
_BARE = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]*+')

_ESCAPE = r'\\(?:["\\/bfnrt]|u(?:[0-9abcefABCEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'
_TEXT = r'"(?:[^"\\\x00-\x1f]|' + _ESCAPE + r')*"'
_DOUBLE = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?"
_VALUES = {"string": _TEXT, "bigint": r"-?(?:0|[1-9][0-9]{0,17})", "double": _DOUBLE}
_UNKNOWN = rf"{_TEXT}|{_DOUBLE}|true|false"
_SPACE = r"[ \t\r]*"

# Before the name of a column that says whether a record has it. No field of a source is called so.
_REPAIR, _DRIFT = "repair:", "drift:"


@dataclass(frozen=True)
class PlainLines:
    """What was read of lines.

    Attributes:
        certain: For each line, whether it is plain.
    """

    certain: _Array
    _fields: list[str]
    # With a column more for each repair and each unknown field: whether the record has it.
    _rows: pl.DataFrame

    def rows(self, kept: _Array) -> TypedRows:
        """The rows of some of the lines, all of which are plain."""
        rows = (
            self._rows
            if np.count_nonzero(kept) == self._rows.height
            else self._rows.filter(kept[self.certain])
        )
        counts = rows.drop(self._fields).sum().to_dicts() if rows.width > len(self._fields) else [{}]
        repaired, drift = (
            {name.removeprefix(kind): count for name, count in counts[0].items() if name.startswith(kind)}
            for kind in (_REPAIR, _DRIFT)
        )
        return TypedRows(rows.select(self._fields), repaired, drift)


@dataclass(frozen=True)
class _Column:
    dtype: Any
    field: Field | None


def typed_rows(text: bytes, bounds: _Array, source: Source) -> PlainLines | None:
    """Parse lines, an object each; None if none of them is plain.

    Args:
        text: The lines, with blank ones before, between and after.
        bounds: Where the lines begin that are not blank, and where the text ends.
        source: The fields.
    """
    columns = _columns(text, bounds, source)
    if not columns:
        return None
    begin_objects = np.frombuffer(text, dtype=np.uint8)[bounds[:-1]] == ord("{")
    unknown = [name for name, column in columns.items() if not column.field]
    quotes = _quotes(text) if begin_objects.all() else None
    frame = None if quotes is None else _frame(text, columns)
    if frame is not None and frame.height != len(bounds) - 1:
        frame = None
    if frame is not None and _sums_hold(frame, text, quotes):
        drift, certain = frame.select(pl.col(unknown).is_not_null()), np.ones(frame.height, dtype=bool)
    else:
        found = _line_by_line(text, bounds, columns, frame)
        if found is None:
            return None
        frame, members, certain = found
        drift = members.select(unknown)
    return _plain_lines(frame, drift, certain, columns, source)


def _plain_lines(
    frame: pl.DataFrame, drift: pl.DataFrame, certain: _Array, columns: dict[str, _Column], source: Source
) -> PlainLines:
    """The lines that have every required field.

    Args:
        frame: The cells of the lines that are certain.
        drift: Which of them have each unknown field.
        certain: Which lines these are.
        columns: The columns of the frame.
        source: The fields.
    """
    fields = [f.name for f in source.fields]
    renamed = {name: c.field.name for name, c in columns.items() if c.field and name != c.field.name}
    rows, is_absent = without_absent(frame.rename(renamed).select(fields))
    marks = [drift[name].alias(_DRIFT + name) for name in drift.columns]
    if renamed:
        is_present = [pl.col(name).is_not_null() for name in renamed.values()]
        marks.append(rows.select(pl.any_horizontal(is_present)).to_series().alias(f"{_REPAIR}field_name"))
    if is_absent is not None:
        marks.append(is_absent.alias(f"{_REPAIR}absent_value"))
    rows = rows.hstack(marks)
    if lacking := [f.name for f in source.fields if f.required and rows[f.name].null_count()]:
        is_complete = rows.select(pl.all_horizontal(pl.col(lacking).is_not_null())).to_series()
        rows, certain[certain] = rows.filter(is_complete), is_complete.to_numpy()
    return PlainLines(certain, fields, rows)


def _sums_hold(frame: pl.DataFrame, text: bytes, quotes: int | None) -> bool:
    """Whether each line is certain, as far as all of them together show."""
    names = _count(text, ":")
    cells = {name: frame[name].count() for name in frame.columns}
    texts = sum(count for name, count in cells.items() if frame.schema[name] == pl.String)
    return sum(cells.values()) == names and quotes == 2 * (names + texts)


def _line_by_line(
    text: bytes, bounds: _Array, columns: dict[str, _Column], frame: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame, _Array] | None:
    """The lines that match the pattern and have each name once: their cells, their members, and which they are.

    Args:
        text: The lines.
        bounds: Where they begin and end.
        columns: What they may have.
        frame: The cells of all lines; None if polars refuses one of the lines.

    Returns:
        None if there is no such line.
    """
    lines = _series(text, bounds)
    try:
        is_match = lines.str.contains(_pattern(columns))
    except pl.exceptions.PolarsError:  # More names than a pattern can have.
        return None
    certain = is_match.to_numpy().copy()
    if not certain.any():
        return None
    if frame is None:
        frame = _frame(
            _only(text, bounds, certain),
            {name: c if c.field else _Column(pl.String, None) for name, c in columns.items()},
        )
        if frame is None or frame.height != is_match.sum():
            return None
    else:
        frame = frame.filter(is_match)
    lines = lines.filter(is_match)
    colons = lines.str.count_matches(":", literal=True)
    members = frame.select(pl.all().is_not_null())
    if not (members.sum_horizontal() == colons).all():
        # A name with a value and with a null is one member here, and two colons: no null is lost where it withdraws.
        members = members.with_columns(
            members[name] | lines.str.contains(rf'"{pl.escape_regex(name)}"{_SPACE}:{_SPACE}null')
            for name in frame.columns
            if frame[name].null_count()
        )
    holds = members.sum_horizontal() == colons
    certain[certain] = holds.to_numpy()
    return frame.filter(holds), members.filter(holds), certain


def _series(text: bytes, bounds: _Array) -> pl.Series:
    """The lines as texts, with NUL, which no plain line has, for each byte that is not UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        written = np.frombuffer(text, dtype=np.uint8)
        replaced = text.decode(errors="surrogateescape").encode(errors="replace")
        text = np.where(np.frombuffer(replaced, dtype=np.uint8) == written, written, 0).tobytes()
    places, shown = (pa.py_buffer(part) for part in (bounds.astype(np.int64).tobytes(), text))
    return pl.Series(pa.LargeStringArray.from_buffers(len(bounds) - 1, places, shown))


def _pattern(columns: dict[str, _Column]) -> str:
    """What a line matches that has some of these columns, each of them as often as it likes."""
    names: dict[str, list[str]] = {}
    for name, column in columns.items():
        value = _VALUES[column.field.type] if column.field else _UNKNOWN
        names.setdefault(value, []).append(pl.escape_regex(name))
    members = [
        rf'"(?:{"|".join(of_type)})"{_SPACE}:{_SPACE}(?:{value}|null)' for value, of_type in names.items()
    ]
    member = rf"{_SPACE}(?:{'|'.join(members)}){_SPACE}"
    return rf"^\{{{member}(?:,{member})*\}}[ \t\r\n]*$"


def _columns(text: bytes, bounds: _Array, source: Source) -> dict[str, _Column]:
    """The fields as most of a sample of lines spell them, and unknown ones; none if no line of it has a field."""
    by_name = source.by_name()
    spellings: dict[str, Counter[str]] = {}
    unknown: dict[str, _Column] = {}
    sample = np.unique(np.linspace(0, len(bounds) - 2, _SAMPLE).astype(int))
    for start, end in zip(bounds[sample].tolist(), bounds[sample + 1].tolist(), strict=True):
        for name, value in _members_of(text[start:end]):
            field_ = by_name.get(name.casefold())
            dtype = _DTYPES_OF_JSON.get(type(value))
            if field_:
                spellings.setdefault(field_.name, Counter())[name] += 1
            elif len(unknown) < _MOST_UNKNOWN and dtype is not None and _is_certain(name, source):
                unknown.setdefault(name, _Column(dtype, None))
    if not spellings:
        return {}
    spelled = {f.name: spellings.get(f.name, Counter([f.name])).most_common(1)[0][0] for f in source.fields}
    return {spelled[f.name]: _Column(DTYPES[f.type], f) for f in source.fields} | unknown


def _is_certain(name: str, source: Source) -> bool:
    """Whether an unknown name is written as it is, and denies no consent under nearly the name of a field."""
    return _BARE.fullmatch(name) is not None and source.nearly_consent(name) is None


def _members_of(line: bytes) -> list[tuple[str, Any]]:
    """The members of an object; none of a line that is no object."""
    try:
        members: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list) if line[:1] == b"{" else []
    except (ValueError, RecursionError):
        return []
    return members


def _frame(text: bytes, columns: dict[str, _Column]) -> pl.DataFrame | None:
    """A row for each line; None if polars refuses one of them."""
    try:
        return pl.read_ndjson(text, schema={name: column.dtype for name, column in columns.items()})
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None


def _only(text: bytes, bounds: _Array, kept: _Array) -> bytes:
    """The text of some of the lines."""
    runs = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    view = memoryview(text)
    return b"".join([view[start:end] for start, end in bounds[runs].reshape(-1, 2).tolist()])


def _count(text: bytes, character: str) -> int:
    # bytes.count() would take ten times as long for a character as frequent as these.
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == ord(character)))


def _quotes(text: bytes) -> int | None:
    """The quotes that open or close a name or a text; None if escapes or an array leave doubt about them or a text.

    polars takes an array for text, and its quotes could make up for other ones.
    """
    if b"[" in text:
        return None
    if b"\\" not in text:
        return _count(text, '"')
    if any(doubtful in text for doubtful in (rb"\\", rb"\ud", rb"\uD")):
        return None
    return _count(text, '"') - text.count(rb"\"")
