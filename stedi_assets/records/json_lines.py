"""Where the lines of a window begin and end, of which each may be a record.

Here: lines of bytes, whatever they hold. Not here: what is in them (``json_plain.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from stedi_assets.records.cuts import MAX_BLANK_BYTES, MAX_LINE_BYTES

_Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Lines:
    """Whole lines with which a window begins; the last one may lack its newline at the end of what is read.

    Attributes:
        text: The lines, with a blank for the comma with which a line ends.
        bounds: Where those begin that are not blank, and where the text ends.
        ends: Where each of these ends, with its newline.
        commas: Whether each of these ends with a comma.
    """

    text: bytes
    bounds: _Array
    ends: _Array
    commas: _Array

    @classmethod
    def of(cls, text: bytes) -> Lines:
        """The lines of a text."""
        data = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(data == ord("\n")) + 1
        if len(text) and data[-1] != ord("\n"):
            ends = np.append(ends, len(text))
        starts = np.append(0, ends)[:-1]
        # Neither the first byte nor the last one before the newline is visible.
        perhaps = np.flatnonzero(data[starts] <= ord(" "))
        perhaps = perhaps[data[np.maximum(starts[perhaps], ends[perhaps] - 2)] <= ord(" ")]
        spans = zip(starts[perhaps].tolist(), ends[perhaps].tolist(), strict=True)
        if blank := [
            number for number, span in zip(perhaps, spans, strict=True) if text[slice(*span)].isspace()
        ]:
            starts, ends = np.delete(starts, blank), np.delete(ends, blank)
        last = ends - 1
        for newline in b"\n\r":
            last = last - (data[last] == newline)
        commas = data[last] == ord(",")
        if commas.any():
            data = data.copy()
            data[last[commas]] = ord(" ")
            text = data.tobytes()
        return cls(text, np.append(starts, len(text)), ends, commas)

    def may_be_cuts(self) -> _Array:
        """Whether each line may make a cut with one beside it: it is short, ends, and is followed soon."""
        is_short: _Array = np.diff(self.bounds) <= MAX_LINE_BYTES
        is_short &= self.bounds[1:] - self.ends <= MAX_BLANK_BYTES
        is_short[-1] &= self.text.endswith(b"\n")
        return is_short
