"""Text of a JSON file to typed rows: plain JSON lines at full speed, damaged text with care.

Here: the two ways, what each may take, and texts that are read in one of them alone. Not here: text that is read
in both (``mixed.py``), where records begin and end (``split.py``), many records at once (``typed.py``), one record
(``convert.py``), CSV (``csv_rows.py``), and any reading of files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from stedi_assets.records.convert import Converter, Members, count_drift, json_decoder
from stedi_assets.records.outcome import Outcome, line_end
from stedi_assets.records.split import MAX_RECORD_BYTES, Kind, is_cut_short, split_records
from stedi_assets.records.typed import TypedRows, typed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from stedi_assets.records.source import Parsed, Source

# Records that the careful way tries at once. A single bad one costs the conversion of a batch one by one.
_BATCH = 1024


def parse_lines(text: bytes, offset: int, source: Source) -> Parsed | None:
    """Parse whole lines of plain JSON, one object to a line; None if there is any doubt that they are that.

    Args:
        text: whole lines; the last one may lack its newline.
        offset: where ``text`` begins in the file, in bytes.
        source: the fields and rules.
    """
    outcome = Outcome(source, text, offset)
    return outcome.parsed() if add_lines(outcome, text, line_starts(text)) else None


def parse_damaged(text: bytes, offset: int, source: Source, *, final: bool) -> tuple[Parsed, int]:
    """Parse what can be parsed of any text, quarantine the rest, and say how many bytes are settled.

    Args:
        text: text of the file from ``offset`` on.
        offset: where ``text`` begins in the file, in bytes.
        source: the fields and rules.
        final: as ``add_damaged`` has it.
    """
    outcome = Outcome(source, text, offset)
    settled = add_damaged(outcome, 0, len(text), final=final)
    parsed = outcome.parsed()
    parsed.landed = parsed.landed.sort("source_position")
    return parsed, settled


def line_starts(text: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where lines begin."""
    starts = np.append(0, np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1)
    return starts[starts < len(text)]


def add_lines(outcome: Outcome, text: bytes, starts: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    """Add what is in whole lines of plain JSON, one object to a line; nothing if there is any doubt of that.

    Args:
        outcome: What was found.
        text: Whole lines, with which the window begins.
        starts: Where they begin.

    Returns:
        Whether they were added.
    """
    if np.diff(starts, append=len(text)).max(initial=0) > MAX_RECORD_BYTES:
        return False
    odd = np.frombuffer(text, dtype=np.uint8)[starts] != ord("{")
    if any(text[start : line_end(text, start)].strip() for start in starts[odd].tolist()):
        return False
    return add_objects(outcome, text, starts[~odd])


def add_objects(outcome: Outcome, text: bytes, starts: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    """Add what is in lines of plain JSON as ``add_lines`` does, of which it is known where they begin.

    Args:
        outcome: What was found.
        text: Whole lines, an object each, and blank lines between.
        starts: Where in the window the lines that are not blank begin.

    Returns:
        Whether they were added.
    """
    if len(starts):
        typed = typed_rows(text, len(starts), outcome.source)
        if typed is None:
            return False
        _add_typed(outcome, typed, pl.Series(starts))
    outcome.records += len(starts)
    return True


def add_damaged(outcome: Outcome, start: int, end: int, *, final: bool, before_object: bool = False) -> int:
    """Add what can be parsed of any part of a window, quarantine the rest, and say where what is settled ends.

    Args:
        outcome: What was found.
        start: Where the part begins in the window.
        end: Where it ends there.
        final: Whether the part reaches the end of the file, or of what is to be read. Otherwise the bytes that are
            not settled must be given again at the head of the next window; if none are settled, with more text
            behind them. A part of twice ``split.MAX_RECORD_BYTES`` is never left wholly unsettled.
        before_object: Whether an object follows at ``end`` that is known to be a record.
    """
    text = outcome.window[start:end]
    found = split_records(text, final=final, before_object=before_object)
    outcome.records += len(found.spans)
    outcome.repaired += found.separators
    decode = json_decoder()
    objects = []
    for first, last, kind in found.spans:
        if kind == "object":
            objects.append(start + first)
            outcome.ends[start + first] = start + last
        else:
            outcome.reject(start + first, start + last, _reasons_of_no_object(text[first:last], kind, decode))
    for first in range(0, len(objects), _BATCH):
        _add_batch(outcome, objects[first : first + _BATCH], decode)
    return start + found.consumed


def _add_batch(outcome: Outcome, starts: list[int], decode: Callable[[str], Any]) -> None:
    """Add the objects that begin there in the window."""
    objects = [outcome.window[start : outcome.ends[start]] for start in starts]
    outcome.repaired["pretty_printed"] += sum(b"\n" in text for text in objects)
    # A newline is never inside a string, as the splitter found them.
    lines = b"\n".join(text.replace(b"\n", b" ") for text in objects)
    typed = typed_rows(lines, len(objects), outcome.source)
    if typed is not None:
        _add_typed(outcome, typed, starts)
        return
    converter = Converter(outcome.source, outcome.repaired, outcome.drift)
    for start, text in zip(starts, objects, strict=True):
        try:
            row = converter.convert(decode(text.decode()))
        except UnicodeDecodeError:
            row = {"bad_encoding"}
        except (ValueError, RecursionError):
            row = {"not_json"}
        if isinstance(row, tuple):
            outcome.add_row(row, start)
        else:
            outcome.reject(start, start + len(text), row)


def _add_typed(outcome: Outcome, typed: TypedRows, starts: list[int] | pl.Series) -> None:
    outcome.add_frame(typed.rows, starts)
    outcome.repaired.update(typed.repaired)
    for name, records in typed.drift.items():
        count_drift(outcome.drift, name, records)


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
