"""Text that is plain JSON lines but for a few records: only those are read with care.

Here: which lines of a window may be read fast. Not here: the two ways of reading (``parse.py``).

Damaged text means what it does because of what stands before it, so a line may leave its context only where that
cannot matter. Two plain lines in a row are such a place: were they inside a value that began before them, a comma
would stand between them, and a line of JSON begins outside any string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from stedi_assets.records.outcome import Outcome
from stedi_assets.records.parse import add_damaged, add_lines, add_objects, line_starts
from stedi_assets.records.split import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stedi_assets.records.source import Parsed, Source

    _Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Plain records in a row that do not depend on what stands before them.
INDEPENDENT_RECORDS = 2
# Runs of fewer lines are read with care: they would cost more than they save.
_WORTHWHILE_LINES = 64
# Lines that look like fewer than this share of all are read with care.
_RARE = 0.01


def parse_text(
    window: bytes, offset: int, source: Source, *, final: bool, before_object: bool = False
) -> tuple[Parsed, int]:
    """Parse what of a window can be settled, quarantine the rest, and say how many bytes are settled.

    Args:
        window: Text of the file from ``offset`` on.
        offset: Where ``window`` begins in the file, in bytes.
        source: The fields and rules.
        final: As ``add_damaged`` has it.
        before_object: As ``add_damaged`` has it.

    Returns:
        The records, the landed ones in no certain order, and the number of settled bytes.
    """
    outcome = Outcome(source, window, offset)
    lines = window if final else window[: window.rfind(b"\n") + 1]
    starts = line_starts(lines)
    if len(starts) and add_lines(outcome, lines, starts):
        return outcome.parsed(), len(lines)
    bounds = np.append(starts, len(lines))
    settled = 0
    for start, end in _add_plain(outcome, lines, bounds, _uniform(lines, bounds)):
        if settled < start:
            add_damaged(outcome, settled, start, final=True, before_object=True)
        settled = end
    settled = add_damaged(outcome, settled, len(window), final=final, before_object=before_object)
    return outcome.parsed(), settled


def _add_plain(
    outcome: Outcome, text: bytes, bounds: _Integers, is_uniform: np.ndarray[Any, Any]
) -> Iterator[tuple[int, int]]:
    """Add what is in runs of uniform lines that are plain; where each of these begins and ends, in order.

    Args:
        outcome: What was found.
        text: Whole lines, with which the window begins.
        bounds: Where the lines begin that are looked at, and where the last one ends.
        is_uniform: Whether each of these is uniform.
    """
    runs = np.flatnonzero(np.diff(is_uniform, prepend=False, append=False)).reshape(-1, 2)
    runs = runs[runs[:, 1] - runs[:, 0] >= _WORTHWHILE_LINES]
    if not len(runs):
        return
    read = [(start, end) for start, end in bounds[runs].tolist()]
    starts = np.concatenate([bounds[start:end] for start, end in runs.tolist()])
    if add_objects(outcome, _only(text, read), starts):
        yield from read
        return
    # Some line is not what it looks like: it is in one half.
    middle = len(is_uniform) // 2
    yield from _add_plain(outcome, text, bounds[: middle + 1], is_uniform[:middle])
    yield from _add_plain(outcome, text, bounds[middle:], is_uniform[middle:])


def _only(text: bytes, read: list[tuple[int, int]]) -> bytes:
    """The text from the first of these parts to the last, with blank lines in place of what is between them."""
    view, (position, _) = memoryview(text), read[0]
    parts: list[bytes | memoryview] = []
    for start, end in read:
        parts += [b"\n" * (start - position), view[start:end]]
        position = end
    return b"".join(parts)


def _uniform(text: bytes, bounds: _Integers) -> np.ndarray[Any, Any]:
    """Whether each line looks like many others: it begins with an object and has as many colons and quotes.

    Too long a line never does.
    """
    data, starts = np.frombuffer(text, dtype=np.uint8), bounds[:-1]
    # Modulo 256, which is several times as fast, and enough for looks.
    is_mark = (data == ord(":")) | (data == ord('"'))
    look = np.add.reduceat(is_mark.view(np.uint8), starts, dtype=np.uint8)
    common = np.bincount(look, minlength=256) >= len(starts) * _RARE
    uniform: np.ndarray[Any, Any] = common[look] & (data[starts] == ord("{"))
    return uniform & (np.diff(bounds) <= MAX_RECORD_BYTES)
