"""JSON objects to typed rows: many plain lines at once, or any text with care.

Here: the two ways of reading. Not here: which text is read in which (``json_reader.py``), where records begin and end
(``split.py``), the guards of the fast way (``typed.py``), one record (``convert.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from stedi_assets.records.convert import Converter, Members, json_decoder
from stedi_assets.records.envelope import split_unwrapped
from stedi_assets.records.split import Kind, is_cut_short
from stedi_assets.records.typed import typed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from stedi_assets.records.outcome import Outcome

# Records that the careful way tries at once. A single bad one costs the conversion of a batch one by one.
_BATCH = 1024
# Fewer are converted one by one: a call of polars takes as long as several of them, and odd lines stand alone.
_WORTHWHILE_OBJECTS = 4


def add_plain(outcome: Outcome, text: bytes, starts: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    """Add what is in lines of plain JSON; nothing if there is any doubt that they are that.

    Args:
        outcome: What was found.
        text: Whole lines, an object each, and blank lines between; the window, as far as it goes.
        starts: Where the lines that are not blank begin.

    Returns:
        Whether they were added.
    """
    if len(starts):
        typed = typed_rows(text, len(starts), outcome.source)
        if typed is None:
            return False
        outcome.add_typed(typed, pl.Series(starts))
    outcome.records += len(starts)
    return True


def add_damaged(outcome: Outcome, start: int, end: int, *, final: bool) -> int:
    """Add what can be parsed of any part of a window, quarantine the rest, and say where what is settled ends.

    Args:
        outcome: What was found.
        start: Where the part begins in the window.
        end: Where it ends there.
        final: Whether the file ends with the part, or a cut follows.
    """
    text = outcome.window[start:end]
    found = split_unwrapped(text, outcome.source, final=final)
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
    typed = typed_rows(lines, len(objects), outcome.source) if len(objects) >= _WORTHWHILE_OBJECTS else None
    if typed is not None:
        outcome.add_typed(typed, starts)
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
