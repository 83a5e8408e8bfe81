"""Cuts: places in the text of a JSON file from which on it can be read without what stands before them.

A cut is where two lines begin that each look like a record: the line begins with an object, the object is whole and
names every required field of the source, and nothing but commas follows on its line. No record extends over a cut. So a
file holds the same records whether it is read as a whole or from cut to cut.

Two such lines without a comma between them are never values of one object. With a comma they can be, and then the
object around them wraps records.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

# Longer lines make no cut, so that a cut shows in little text.
MAX_LINE_BYTES = 64 * 1024
# Nor do lines with more blank text between them.
MAX_BLANK_BYTES = 1024

_LINE = rb"\{[^\n]{0,%d}+" % MAX_LINE_BYTES
_BLANK = rb"\n\s{0,%d}+" % MAX_BLANK_BYTES
_TWO_LINES = re.compile(rb"(%s)%s(%s)\n" % (_LINE, _BLANK, _LINE))
# What more text could make two lines.
_CUT_LINES = re.compile(rb"%s(?:%s(?:%s)?+)?+\Z" % (_LINE, _BLANK, _LINE))
_AROUND_OBJECTS = b", \t\r"


class Cut(NamedTuple):
    """Where a piece of text ends that can be read alone.

    Attributes:
        position: Of a cut, or the end of the text.
        is_certain: Whether nothing behind it can matter. False if more text decides whether this is a cut.
    """

    position: int
    is_certain: bool


def first_cut(text: bytes, start: int, stop: int, required: frozenset[str]) -> int | None:
    """The first cut at ``start`` or behind it of which all lines end before ``stop``; None if there is none.

    The text must have the byte before ``start``.
    """
    cut = Cuts(text[:stop], required, final=False).behind(start - 1)
    return cut.position if cut.is_certain else None


class Cuts:
    """The cuts in a window of text, looked for from its beginning on, so that each line is looked at twice at most.

    Args:
        text: The window.
        required: Names of the source's required fields, folded to one case.
        final: Whether the file, or what is to be read of it, ends with the window.
    """

    def __init__(self, text: bytes, required: frozenset[str], *, final: bool) -> None:
        self._text = text
        self._required = required
        self._end = Cut(len(text), is_certain=final)
        self._next = Cut(0, is_certain=True)

    def behind(self, position: int) -> Cut:
        """The first cut behind a position, or the end of the text."""
        if self._next.position <= position < len(self._text):
            self._next = self._search(position)
        return self._next

    def _search(self, position: int) -> Cut:
        text = self._text
        while (position := text.find(b"\n{", position) + 1) > 0:
            if lines := _TWO_LINES.match(text, position):
                if all(map(self._is_record, lines.groups())):
                    return Cut(position, is_certain=True)
            elif not self._end.is_certain and _CUT_LINES.match(text, position):
                return Cut(position, is_certain=False)
        return self._end

    def _is_record(self, line: bytes) -> bool:
        decoder = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
        try:
            members = decoder.decode(line.rstrip(_AROUND_OBJECTS).decode(errors="replace"))
        except (ValueError, RecursionError):
            return False
        return self._required <= {name.casefold() for name in members}
