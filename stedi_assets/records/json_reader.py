"""The reader of JSON files: lines as long as they are plain, and with care whatever is not.

Here: which lines of a window may be read fast. Not here: the two ways of reading (``json_objects.py``).

Damaged text means what it does because of what stands before it, so lines may leave their context only where that
cannot matter: at the beginning of what is read, and at a cut. Two plain lines in a row are one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from stedi_assets.records.cuts import MAX_LINE_BYTES
from stedi_assets.records.envelope import Unwrapper
from stedi_assets.records.json_objects import add_damaged, add_plain
from stedi_assets.records.outcome import Outcome
from stedi_assets.records.split import MAX_RECORD_BYTES
from stedi_assets.records.tables import may_be_table, records_of_table
from stedi_assets.records.text_reader import TextReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stedi_assets.records.source import Parsed, Source

    _Array: TypeAlias = np.ndarray[Any, Any]

_NAME = re.compile(rb'"[^"\\]++"(?=\s*+:)')
# Runs of fewer lines are read with care: they would cost more than they save. Two are a cut.
_WORTHWHILE_LINES = 64
# Lines that look like fewer than this share of all are read with care.
_RARE = 0.01


class JsonReader(TextReader):
    """Reads JSON, whatever state it is in, from the beginning of a file or from a cut."""

    def __init__(self, source: Source, offset: int = 0) -> None:
        super().__init__(source, offset)
        self._unwrapper = Unwrapper(source) if offset == 0 else None
        # All of the text, as long as it may be a table.
        self._table: bytes | None = b"" if offset == 0 else None

    def _read(self, text: bytes, *, final: bool) -> Parsed:
        if self._unwrapper is None:
            return super()._read(text, final=final)
        is_table = False
        if self._table is not None:
            text = self._table + text
            self._table = text if not final and may_be_table(text) else None
            if self._table is not None:
                return super()._read(b"", final=False)
            records = records_of_table(text, self._source) if final else None
            text, is_table = (text, False) if records is None else (records, True)
        before = self._unwrapper.envelopes
        parsed = super()._read(self._unwrapper.pass_on(text, final=final), final=final)
        if is_table:
            parsed.repaired["table"] = 1
        if envelopes := self._unwrapper.envelopes - before:
            parsed.repaired["envelope"] = parsed.repaired.get("envelope", 0) + envelopes
        if head := self._unwrapper.cut_off:
            # Blanked when its end was not known to be missing.
            lost = Outcome(self._source, head, self._unwrapper.cut_off_at, records=1)
            lost.reject(len(head) - len(head.lstrip()), len(head), {"truncated"})
            quarantined = pl.concat([lost.parsed().quarantined, parsed.quarantined])
            parsed.quarantined = quarantined.sort("source_position")
            parsed.records += 1
        return parsed

    def _settle(self, outcome: Outcome, *, final: bool) -> int:
        window = outcome.window
        lines = _Lines.of(window if final else window[: window.rfind(b"\n") + 1])
        if lines.text and _add_whole(outcome, lines):
            return len(lines.text)
        settled = 0
        for start, end in _add_runs(outcome, lines, lines.uniform(), 0):
            if settled < start:
                add_damaged(outcome, settled, start, final=True)
            settled = end
        return add_damaged(outcome, settled, len(window), final=final)


@dataclass(frozen=True)
class _Lines:
    """Whole lines with which a window begins; the last one may lack its newline at the end of what is read.

    Attributes:
        text: The lines, with a blank for the comma with which a line ends.
        bounds: Where they begin, and where the last one ends.
        commas: For each line, whether it ends with a comma.
    """

    text: bytes
    bounds: _Array
    commas: _Array

    @classmethod
    def of(cls, text: bytes) -> _Lines:
        data = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        if len(text) and data[-1] != ord("\n"):
            ends = np.append(ends, len(text))
        bounds = np.minimum(np.append(0, ends + 1), len(text))
        last = ends - 1
        last = last - (data[last] == ord("\r")) if len(text) else last
        commas = data[last] == ord(",") if len(text) else np.zeros(0, dtype=bool)
        commas &= last >= bounds[:-1]
        if commas.any():
            data = data.copy()
            data[last[commas]] = ord(" ")
            text = data.tobytes()
        return cls(text, bounds, commas)

    def uniform(self) -> _Array:
        """Whether each line looks like many others: it begins with an object and has as many colons and quotes.

        Too long a line never does.
        """
        starts = self.bounds[:-1]
        if not len(starts):
            return np.zeros(0, dtype=bool)
        data = np.frombuffer(self.text, dtype=np.uint8)
        # Modulo 256, which is several times as fast, and enough for looks.
        is_mark = (data == ord(":")) | (data == ord('"'))
        look = np.add.reduceat(is_mark.view(np.uint8), starts, dtype=np.uint8)
        common = np.bincount(look, minlength=256) >= len(starts) * _RARE
        uniform: _Array = common[look] & (data[starts] == ord("{"))
        uniform &= np.diff(self.bounds) <= MAX_LINE_BYTES
        return self._without_other_names(uniform) if uniform.any() else uniform

    def _without_other_names(self, uniform: _Array) -> _Array:
        """The uniform lines but for the few that lack a name of the first one: they spell a field in another case.

        Of 95,600 lines, to find 150 such lines by halves took twenty times as long as to read the others.
        """
        first = int(np.argmax(uniform))
        for name in set(_NAME.findall(self.text, *self.bounds[first : first + 2].tolist())):
            if self.text.count(name) >= len(uniform):
                continue
            places = [found.start() for found in re.finditer(re.escape(name), self.text)]
            has_name = np.zeros(len(uniform), dtype=bool)
            has_name[np.searchsorted(self.bounds, places, side="right") - 1] = True
            if (uniform & ~has_name).sum() < len(uniform) * _RARE:
                uniform &= has_name
        return uniform


def _add_whole(outcome: Outcome, lines: _Lines) -> bool:
    """Add all lines if each of them is plain or blank."""
    starts = lines.bounds[:-1]
    if np.diff(lines.bounds).max(initial=0) > MAX_RECORD_BYTES:
        return False
    is_odd = np.frombuffer(lines.text, dtype=np.uint8)[starts] != ord("{")
    odd = lines.bounds[np.append(is_odd, False)].tolist(), lines.bounds[np.append(False, is_odd)].tolist()
    if any(lines.text[start:end].strip() for start, end in zip(*odd, strict=True)):
        return False
    if not add_plain(outcome, lines.text, starts[~is_odd]):
        return False
    outcome.repaired["comma"] += int(lines.commas.sum())
    return True


def _add_runs(outcome: Outcome, lines: _Lines, is_uniform: _Array, first: int) -> Iterator[tuple[int, int]]:
    """Add what is in runs of uniform lines that are plain; where each of these begins and ends, in order.

    Args:
        outcome: What was found.
        lines: The lines.
        is_uniform: Whether each of the lines that are looked at is uniform.
        first: The number of the first one of these.
    """
    runs = np.flatnonzero(np.diff(is_uniform, prepend=False, append=False)).reshape(-1, 2)
    runs = runs[runs[:, 1] - runs[:, 0] >= _WORTHWHILE_LINES] + first
    if not len(runs):
        return
    numbers = np.concatenate([np.arange(start, end) for start, end in runs.tolist()])
    read = [(start, end) for start, end in lines.bounds[runs].tolist()]
    if add_plain(outcome, _only(lines.text, read), lines.bounds[numbers]):
        outcome.repaired["comma"] += int(lines.commas[numbers].sum())
        yield from read
        return
    # Some line is not what it looks like: it is in one half.
    middle = len(is_uniform) // 2
    yield from _add_runs(outcome, lines, is_uniform[:middle], first)
    yield from _add_runs(outcome, lines, is_uniform[middle:], first + middle)


def _only(text: bytes, read: list[tuple[int, int]]) -> bytes:
    """The text from the first of these parts to the last, with blank lines in place of what is between them."""
    view, (position, _) = memoryview(text), read[0]
    parts: list[bytes | memoryview] = []
    for start, end in read:
        parts += [b"\n" * (start - position), view[start:end]]
        position = end
    return b"".join(parts)
