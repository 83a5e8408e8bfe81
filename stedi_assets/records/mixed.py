"""Text that is plain JSON lines but for a few records: only those are read with care.

Here: which lines of a window may be read fast. Not here: the two ways of reading (`parse.py`).

Damaged text means what it does because of what stands before it, so a line may leave its context only where that
cannot matter. Two plain lines in a row are such a place: were they inside a value that began before them, a comma
would stand between them, and a line of JSON begins outside any string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from stedi_assets.records.parse import parse_damaged, parse_lines
from stedi_assets.records.source import Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stedi_assets.records.source import Source

# Plain records in a row that do not depend on what stands before them.
INDEPENDENT_RECORDS = 2
# Runs of fewer lines are read with care: they would cost more than they save.
_WORTHWHILE_LINES = 64
# Lines that look like fewer than this share of all are read with care.
_RARE = 0.01


def parse_text(
    window: bytes, offset: int, source: Source, *, final: bool, before_object: bool = False
) -> tuple[Parsed, int]:
    """Parse what of a window can be settled, and say how many bytes that is.

    The arguments are those of `parse_damaged`, and so is the outcome, but for the order of the rows: those read
    fast come first.
    """
    end_of_lines = len(window) if final else window.rfind(b"\n") + 1
    plain = parse_lines(window[:end_of_lines], offset, source) if end_of_lines else None
    if plain is not None:
        return plain, end_of_lines
    parts, read = [], []
    bounds, runs = _uniform_lines(window[:end_of_lines])
    for part, its_runs in _plain(window, offset, source, bounds, runs):
        parts.append(part)
        read += bounds[its_runs].tolist()
    settled = 0
    for start, end in sorted(read):
        if settled < start:
            text = window[settled:start]
            parts.append(parse_damaged(text, offset + settled, source, final=True, before_object=True)[0])
        settled = end
    rest, consumed = parse_damaged(
        window[settled:], offset + settled, source, final=final, before_object=before_object
    )
    return Parsed.of([*parts, rest]), settled + consumed


def _plain(
    window: bytes, offset: int, source: Source, bounds: np.ndarray[Any, Any], runs: np.ndarray[Any, Any]
) -> Iterator[tuple[Parsed, np.ndarray[Any, Any]]]:
    """Runs of lines, by first line and the one behind the last, that are plain, and what is in them."""
    runs = runs[runs[:, 1] - runs[:, 0] >= _WORTHWHILE_LINES]
    if not len(runs):
        return
    starts, ends = bounds[runs].T
    text = b"".join([window[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])
    parsed = parse_lines(text, 0, source)
    if parsed is not None:
        shifts = offset + starts - np.append(0, np.cumsum(ends - starts)[:-1])
        parsed.landed = _shifted(parsed.landed, shifts, starts + offset - shifts)
        parsed.quarantined = _shifted(parsed.quarantined, shifts, starts + offset - shifts)
        yield parsed, runs
        return
    # Some line is not what it looks like: it is in one half.
    lines = np.cumsum(runs[:, 1] - runs[:, 0])
    middle = int(np.searchsorted(lines, lines[-1] // 2, side="right"))
    first, last = runs[middle].tolist()
    cut = last - int(lines[middle] - lines[-1] // 2)
    for half in ([*runs[:middle], (first, cut)], [(cut, last), *runs[middle + 1 :]]):
        yield from _plain(window, offset, source, bounds, np.array(half))


def _shifted(rows: pl.DataFrame, shifts: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> pl.DataFrame:
    """Rows with positions in the file, from those in runs put together that start there at ``starts``."""
    positions = rows["source_position"].to_numpy()
    run = np.searchsorted(starts, positions, side="right") - 1
    return rows.with_columns(source_position=pl.Series(positions + shifts[run], dtype=pl.Int64))


def _uniform_lines(text: bytes) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Where lines begin and the text ends, and runs of lines that look like many others.

    Such lines begin with an object and have as many colons and quotes.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    starts = np.append(0, np.flatnonzero(data == ord("\n")) + 1)
    starts = starts[starts < len(text)]
    bounds = np.append(starts, len(text))
    if not len(starts):
        return bounds, np.empty((0, 2), dtype=np.intp)
    # Modulo 256, which is several times as fast, and enough for looks.
    is_mark = (data == ord(":")) | (data == ord('"'))
    look = np.add.reduceat(is_mark.view(np.uint8), starts, dtype=np.uint8)
    common = np.bincount(look, minlength=256) >= len(starts) * _RARE
    plain = common[look] & (data[starts] == ord("{"))
    return bounds, np.flatnonzero(np.diff(plain, prepend=False, append=False)).reshape(-1, 2)
