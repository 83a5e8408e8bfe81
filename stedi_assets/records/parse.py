"""Text of a JSON file to typed rows: plain JSON lines at full speed, damaged text with care.

Here: the two ways, and what each may take. Not here: where records begin and end (`split.py`), many records
at once (`typed.py`), one record (`convert.py`), CSV (`csv_rows.py`), and any reading of files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from stedi_assets.records.convert import Converter, Members, count_drift, json_decoder
from stedi_assets.records.outcome import Outcome
from stedi_assets.records.source import REASONS, REPAIRS, Field, Parsed, Rule, Source
from stedi_assets.records.split import MAX_RECORD_BYTES, Kind, is_cut_short, split_records
from stedi_assets.records.typed import TypedRows, typed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["REASONS", "REPAIRS", "Field", "Parsed", "Rule", "Source", "parse_damaged", "parse_lines"]

# Records that the careful way tries at once. A single bad one costs the conversion of a batch one by one.
_BATCH = 1024


def parse_lines(text: bytes, offset: int, source: Source) -> Parsed | None:
    """Parse whole lines of plain JSON, one object to a line; None if there is any doubt that they are that.

    Args:
        text: whole lines; the last one may lack its newline.
        offset: where `text` begins in the file, in bytes.
        source: the fields and rules.
    """
    starts = line_starts(text)
    if np.diff(starts, append=len(text)).max(initial=0) > MAX_RECORD_BYTES:
        return None
    odd = np.frombuffer(text, dtype=np.uint8)[starts] != ord("{")
    if any(text[start : _line_end(text, start)].strip() for start in starts[odd].tolist()):
        return None
    return parse_objects(text, offset, source, starts[~odd])


def line_starts(text: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where lines begin."""
    starts = np.append(0, np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1)
    return starts[starts < len(text)]


def parse_objects(
    text: bytes, offset: int, source: Source, starts: np.ndarray[Any, np.dtype[np.int64]]
) -> Parsed | None:
    """Parse lines of plain JSON as `parse_lines` does, of which it is known where they begin.

    Args:
        text: whole lines, an object each, and blank lines between.
        offset: where `text` begins in the file, in bytes.
        source: the fields and rules.
        starts: where in `text` the lines that are not blank begin.
    """
    outcome = Outcome(source, text, offset)
    if len(starts):
        typed = typed_rows(text, len(starts), source)
        if typed is None:
            return None
        _add(outcome, typed, pl.Series(starts))
    return outcome.parsed(
        len(starts), lambda start: start + len(text[start : _line_end(text, start)].rstrip())
    )


def parse_damaged(
    window: bytes, offset: int, source: Source, *, final: bool, before_object: bool = False
) -> tuple[Parsed, int]:
    """Parse what can be parsed of any text, quarantine the rest, and say how many bytes are settled.

    Args:
        window: text of the file from `offset` on. Unless `final`, the bytes that are not settled must be
            given again at the head of the next window; if none are settled, with more text behind them. A
            window of twice `split.MAX_RECORD_BYTES` is never left wholly unsettled.
        offset: where `window` begins in the file, in bytes.
        source: the fields and rules.
        final: whether `window` reaches the end of the file, or of what is to be read.
        before_object: whether an object follows there that is known to be a record.
    """
    found = split_records(window, final=final, before_object=before_object)
    outcome = Outcome(source, window, offset, repaired=found.separators)
    decode = json_decoder()
    objects = {}
    for start, end, kind in found.spans:
        if kind == "object":
            objects[start] = end
        else:
            outcome.reject(start, end, _reasons_of_no_object(window[start:end], kind, decode))
    starts = list(objects)
    for first in range(0, len(starts), _BATCH):
        batch = starts[first : first + _BATCH]
        lines = [window[start : objects[start]] for start in batch]
        for number, line in enumerate(lines):
            if b"\n" in line:
                lines[number] = line.replace(b"\n", b" ")  # outside strings, as the splitter found them
                outcome.repaired["pretty_printed"] += 1
        typed = typed_rows(b"\n".join(lines), len(lines), source)
        if typed is not None:
            _add(outcome, typed, batch)
        else:
            _convert_each(outcome, lines, batch, decode)
    return outcome.parsed(len(found.spans), objects.__getitem__), found.consumed


def _add(outcome: Outcome, typed: TypedRows, starts: list[int] | pl.Series) -> None:
    outcome.add_frame(typed.rows, starts)
    outcome.repaired["field_name"] += typed.renamed
    for name, records in typed.drift.items():
        count_drift(outcome.drift, name, records)


def _convert_each(
    outcome: Outcome, lines: list[bytes], starts: list[int], decode: Callable[[str], Any]
) -> None:
    converter = Converter(outcome.source, outcome.repaired, outcome.drift)
    rows, landed = [], []
    for line, start in zip(lines, starts, strict=True):
        try:
            row = converter.convert(decode(line.decode()))
        except UnicodeDecodeError:
            row = {"bad_encoding"}
        except (ValueError, RecursionError):
            row = {"not_json"}
        if isinstance(row, tuple):
            rows.append(row)
            landed.append(start)
        else:
            outcome.reject(start, start + len(line), row)
    outcome.add_rows(rows, landed)


def _reasons_of_no_object(text: bytes, kind: Kind, decode: Callable[[str], Any]) -> set[str]:
    if kind == "too_long":
        return {"too_long"}
    reasons = {"truncated"} if kind == "broken" and is_cut_short(text) else set()
    try:
        value = decode(text.decode().strip(", \t\r\n"))
    except UnicodeDecodeError:
        return reasons | {"bad_encoding"}
    except (ValueError, RecursionError):
        return reasons or {"not_json"}
    return {"not_json"} if isinstance(value, Members) else {"not_an_object"}


def _line_end(text: bytes, start: int) -> int:
    end = text.find(b"\n", start)
    return len(text) if end < 0 else end
