"""JSON objects to typed rows: many plain lines at once, or any text with care.

Here: the two ways of reading. Not here: where records begin and end (``split.py``), what a plain line is
(``json_plain.py``), one record (``convert.py``).

Damaged text means what it does because of what stands before it, so lines may leave their context only where that
cannot matter: at a cut. Two plain lines in a row are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from stedi_assets.records.convert import Converter, Members, json_decoder
from stedi_assets.records.envelope import split_unwrapped
from stedi_assets.records.json_plain import typed_rows
from stedi_assets.records.split import MAX_RECORD_BYTES, Kind, is_cut_short

if TYPE_CHECKING:
    from collections.abc import Callable

    from stedi_assets.records.json_lines import Lines
    from stedi_assets.records.outcome import Outcome

# Records that the careful way tries at once, which bounds the memory for their copies.
_BATCH = 8192
# Fewer are converted one by one: calls of polars take as long as some 50 of them.
_WORTHWHILE_OBJECTS = 64


def add_plain(outcome: Outcome, lines: Lines) -> list[tuple[int, int]]:
    """Add what is in lines of plain JSON: in all of them, or in each that stands beside another one.

    Args:
        outcome: What was found.
        lines: Lines with which its window begins.

    Returns:
        Where runs of lines that were added begin and end, in order.
    """
    typed = typed_rows(lines.text, lines.bounds, outcome.source) if len(lines.ends) else None
    if typed is None:
        return []
    kept = typed.certain & (np.diff(lines.bounds) <= MAX_RECORD_BYTES)
    if not kept.all():
        kept &= lines.may_be_cuts()
        is_pair = kept[1:] & kept[:-1]
        kept = np.append(is_pair, False) | np.append(False, is_pair)
    outcome.add_typed(typed.rows(kept), pl.Series(lines.bounds[:-1][kept]))
    outcome.records += int(kept.sum())
    outcome.repaired["comma"] += int(lines.commas[kept].sum())
    runs = np.flatnonzero(np.diff(kept, prepend=False, append=False)).reshape(-1, 2)
    return [(start, end) for start, end in lines.bounds[runs].tolist()]


def add_damaged(outcome: Outcome, parts: list[tuple[int, int]], *, final: bool) -> int:
    """Add what can be parsed of any parts of a window, quarantine the rest, and say where what is settled ends.

    Args:
        outcome: What was found.
        parts: Where each begins and ends; all but the last one end at a cut.
        final: Whether the file ends with the last part, or a cut follows.
    """
    decode = json_decoder()
    objects, settled = [], 0
    for start, end in parts:
        text, is_last = outcome.window[start:end], end == parts[-1][1]
        found = split_unwrapped(text, outcome.source, final=final or not is_last)
        settled = start + found.consumed
        outcome.records += len(found.spans)
        outcome.repaired += found.separators
        for first, last, kind in found.spans:
            if kind == "object":
                objects.append(start + first)
                outcome.ends[start + first] = start + last
            else:
                why = _reasons_of_no_object(text[first:last], kind, decode)
                outcome.reject(start + first, start + last, why)
    for first in range(0, len(objects), _BATCH):
        _add_batch(outcome, objects[first : first + _BATCH], decode)
    return settled


def _add_batch(outcome: Outcome, starts: list[int], decode: Callable[[str], Any]) -> None:
    """Add the objects that begin there in the window."""
    objects = [outcome.window[start : outcome.ends[start]] for start in starts]
    outcome.repaired["pretty_printed"] += sum(b"\n" in text for text in objects)
    # A newline is never inside a string, as the splitter found them.
    lines = [text.replace(b"\n", b" ") + b"\n" for text in objects]
    typed = None
    if len(objects) >= _WORTHWHILE_OBJECTS:
        typed = typed_rows(b"".join(lines), np.cumsum([0, *map(len, lines)]), outcome.source)
    certain = typed.certain if typed else np.zeros(len(objects), dtype=bool)
    if typed:
        outcome.add_typed(typed.rows(certain), pl.Series(starts).filter(certain))
    converter = Converter(outcome.source, outcome.repaired, outcome.drift)
    for number in np.flatnonzero(~certain).tolist():
        start, text = starts[number], objects[number]
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
