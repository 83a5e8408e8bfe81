"""Where records begin and end in damaged text: a lexical scan, independent of the JSON parser.

Here: spans of bytes and the separators between them. Not here: what a record means, or whether it is valid
JSON. Every byte is in exactly one span or is a separator, and is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from stedi_assets.records.cuts import Cuts

# A longer record is cut into pieces of this size, each of them quarantined. It bounds the memory of a task.
MAX_RECORD_BYTES = 16 * 1024 * 1024

BOM = b"\xef\xbb\xbf"
_BRACE, _QUOTE, _NEWLINE = b'{"\n'

# Possessive quantifiers throughout: no backtracking, whatever the text. A raw newline is never inside a JSON
# string.
_STRING = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_SCALAR = rb'[^\s{}\[\]",:\\]++'
_MEMBER = rb"%s\s*+:\s*+(?:%s|%s)\s*+" % (_STRING, _STRING, _SCALAR)
_FLAT = rb"\{\s*+(?:%s(?:,\s*+%s)*+)?+\}" % (_MEMBER, _MEMBER)
_GAP = rb"(?:[\s,\[\]\x1e]|\xef\xbb\xbf)*+"

_FLAT_OBJECT = re.compile(_FLAT)
_GAP_AND_FLAT_OBJECT = re.compile(rb"(%s)(%s)" % (_GAP, _FLAT))
_SEPARATORS = re.compile(_GAP)
_TOKEN = re.compile(rb"\s*+(?:(%s|%s)|([{}\[\]:,]))" % (_STRING, _SCALAR))
_SPACE = re.compile(rb"\s*+")
_OPEN_STRING = re.compile(rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+\\?+\Z')
# Where broken text may end: a run of separators that begins with a newline, or what looks like an object.
_POSSIBLE_END = re.compile(rb'(\n%s)|\{\s*+(?:"|\Z)' % _GAP)

# What a span holds: an object; a broken object; other text; a piece of something endless.
Kind = Literal["object", "broken", "other", "too_long"]

# Deeper nesting the JSON parser would refuse. Such text ends at the next newline; what it nests is no record.
_MAX_DEPTH = 500

# White space before a value is looked at so far back.
_INDENTATION = 1024

# A scan, and the search for an end, give a position or one of these. A smaller number -n says that the text is nested
# too deep at position n.
_FAILED = -1
_INCOMPLETE = -2
_UNDECIDED = -3

# What a token (``s`` a string, ``v`` another scalar, or a mark) leads to in an object that expects a first key, a
# key, a colon, a value or a comma, and in an array that expects a first value, a value or a comma.
_NEXT_STATE: dict[str, dict[str, str]] = {
    "object": {"s": "colon", "}": "leave"},
    "key": {"s": "colon"},
    "colon": {":": "value"},
    "value": {"s": "comma", "v": "comma", "{": "enter", "[": "enter"},
    "comma": {",": "key", "}": "leave"},
    "array": {"s": "array comma", "v": "array comma", "{": "enter", "[": "enter", "]": "leave"},
    "array value": {"s": "array comma", "v": "array comma", "{": "enter", "[": "enter"},
    "array comma": {",": "array value", "]": "leave"},
}


@dataclass
class Split:
    """The records of a window.

    Attributes:
        spans: start, end and kind of each record, in order; without surrounding white space.
        separators: what else was between them, by kind of repair (see ``records.REPAIRS``).
        consumed: bytes that are settled. The rest must be given again, with more text after it.
    """

    spans: list[tuple[int, int, Kind]] = field(default_factory=list)
    separators: Counter[str] = field(default_factory=Counter)
    consumed: int = 0


def split_records(window: bytes, required: frozenset[str], *, final: bool) -> Split:
    """Find the records in ``window``; unless it is the ``final`` one, leave what more text could change.

    The final one ends with the file, or at a cut; ``required`` is what ``Cuts`` needs to know of the source. The
    outcome does not depend on how a file is divided into windows. A window of at least twice ``MAX_RECORD_BYTES`` is
    never left wholly unconsumed.
    """
    return _Splitter(window, required, final=final).run()


def is_cut_short(text: bytes) -> bool:
    """Whether ``text``, a broken object, is well-formed as far as it goes."""
    return _scan(text, 0, len(text), _Known()) == _INCOMPLETE


class _Splitter:
    def __init__(self, window: bytes, required: frozenset[str], *, final: bool) -> None:
        self.text = window
        self.final = final
        self.cuts = Cuts(window, required, final=final)
        self.known = _Known()
        self.found = Split()

    def run(self) -> Split:
        text, found = self.text, self.found
        position = 0
        while True:
            match = _GAP_AND_FLAT_OBJECT.match(text, position)
            end = 0
            kind: Kind = "object"
            if match:
                start, end = match.span(2)
            if not match or end - start > MAX_RECORD_BYTES:
                start = self._next_start(position)
                if start == len(text) or self._may_be_bom(start):
                    self._settle_tail(position, start)
                    return found
                end, kind = self._item(start)
            if start != position + 1 or text[position] != _NEWLINE:
                self._count(position, start)
            found.consumed = start
            if end == _UNDECIDED:
                return found
            found.spans.append((start, end, kind))
            position = end

    def _next_start(self, position: int) -> int:
        """Where the record after ``position`` starts: after the separators.

        A bracket separates only objects: before other text on the same line it belongs to that text, so that
        the line ``[1, 2]`` is one record.
        """
        text = self.text
        start = _end(_SEPARATORS, text, position, len(text))
        if text[start : start + 1] == b"{":
            return start
        line = max(position, text.rfind(b"\n", position, start) + 1)
        bracket = text.find(b"[", line, start)
        return start if bracket < 0 or start == len(text) else bracket

    def _item(self, start: int) -> tuple[int, Kind]:
        """End and kind of the record at ``start``; the end is ``_UNDECIDED`` if more text could change it."""
        text, cut = self.text, self.cuts.behind(start)
        limit = min(cut.position, start + MAX_RECORD_BYTES)
        ends_here = cut.is_certain and limit == cut.position
        kind: Kind = "other"
        end = _FAILED
        if text[start] == _BRACE:
            kind = "broken"
            end = _scan(text, start, limit, self.known)
            if end >= 0:
                return end, "object"
        if end < _UNDECIDED:
            newline = text.find(b"\n", -end, limit)
            end = _INCOMPLETE if newline < 0 else newline
        elif end == _FAILED or ends_here:
            end = self._end_of_broken(start, limit, kind)
        if end == _INCOMPLETE and ends_here:
            end = limit
        if end == _INCOMPLETE:
            return (limit, "too_long") if limit < cut.position else (_UNDECIDED, kind)
        return (end if end == _UNDECIDED else start + len(text[start:end].rstrip())), kind

    def _end_of_broken(self, start: int, limit: int, kind: Kind) -> int:
        """Broken text ends at an intact object; at a newline before any object; other text at any newline.

        Separators alone between a newline and the end of what can be read are none of it either.
        """
        text, position, cut = self.text, start + 1, self.cuts.behind(start)
        while match := _POSSIBLE_END.search(text, position, limit):
            candidate = match.start()
            position = candidate + 1
            if match.lastindex:
                position = match.end()
                object_follows = text[position : position + 1] == b"{" and not self._is_value(position)
                object_follows |= cut.is_certain and position == cut.position
                if kind == "other" or object_follows:
                    return candidate
                continue
            if self._is_value(candidate):
                continue
            reach = min(cut.position, candidate + MAX_RECORD_BYTES)
            end = _scan(text, candidate, reach, self.known)
            if end >= 0 or end < _UNDECIDED:
                return candidate
            if end == _INCOMPLETE and not cut.is_certain and reach == cut.position:
                return _UNDECIDED
        return _INCOMPLETE

    def _is_value(self, position: int) -> bool:
        """Whether the object at ``position`` is a value of the broken one around it, and no record.

        Not if it begins on a line after its key's colon: few write a value there, but that is where a record
        stands after one that was cut behind the colon.
        """
        before = self.text[max(0, position - _INDENTATION) : position]
        key = before.rstrip()
        after_cut = key.endswith(b":") and b"\n" in before[len(key) :]
        return position in self.known.nested and not after_cut

    def _may_be_bom(self, start: int) -> bool:
        return not self.final and len(self.text) - start < len(BOM) and BOM.startswith(self.text[start:])

    def _settle_tail(self, position: int, end: int) -> None:
        """Settle the separators from ``position`` to ``end``, with which the window ends.

        Whether a record is glued to the last one shows only at the newline after that, so without one the
        last record is left for the next window.
        """
        found, settled = self.found, end
        if not self.final and end - position < MAX_RECORD_BYTES:
            settled = self.text.rfind(b"\n", position, end) + 1
        if settled:
            self._count(position, settled)
            found.consumed = settled
        elif found.spans:
            found.spans.pop()

    def _count(self, position: int, end: int) -> None:
        """Count the separators between ``position``, the end of a record or of the window before, and ``end``."""
        gap, counts = self.text[position:end], self.found.separators
        counts["comma"] += gap.count(b",")
        counts["array"] += gap.count(b"[")
        counts["record_separator"] += gap.count(b"\x1e")
        counts["bom"] += gap.count(BOM)
        counts["glued"] += (
            bool(self.found.spans) and end < len(self.text) and b"\n" not in gap and b"," not in gap
        )


def _end(pattern: re.Pattern[bytes], text: bytes, start: int, limit: int) -> int:
    match = pattern.match(text, start, limit)
    return match.end() if match else start


@dataclass
class _Known:
    """What scans of broken objects have shown of the objects in them, by the position of the opening brace.

    Attributes:
        broken: never complete. They are not scanned again, which keeps the whole split linear.
        nested: complete, and the object around them goes on.
    """

    broken: set[int] = field(default_factory=set)
    nested: set[int] = field(default_factory=set)


def _symbol(token: re.Match[bytes], text: bytes) -> str:
    if token.lastindex == 1:
        return "s" if text[token.start(1)] == _QUOTE else "v"
    return token[2].decode()


def _scan(text: bytes, start: int, limit: int, known: _Known) -> int:
    """The end of the well-formed object at ``start``, or ``_FAILED``, or ``_INCOMPLETE`` if ``limit`` cuts it.

    What it shows of nested objects is added to ``known``.
    """
    if start in known.broken:
        return _FAILED
    if flat := _FLAT_OBJECT.match(text, start, limit):
        return flat.end()
    opened, states, closed = [start], ["object"], [start]
    position = start + 1
    while token := _TOKEN.match(text, position, limit):
        position = token.end()
        symbol = _symbol(token, text)
        state = _NEXT_STATE[states[-1]].get(symbol)
        if state is None or len(states) > _MAX_DEPTH:
            known.broken.update(opened if state is None else ())
            return _FAILED if state is None else -position
        if states[-1] == "key" or symbol == "}":
            while closed[-1] > opened[-1]:
                known.nested.add(closed.pop())
        if state == "leave":
            closed.append(opened.pop())
            states.pop()
            if not states:
                return position
        elif state == "enter":
            # What the container is followed by, then what it begins with.
            states[-1] = "comma" if states[-1] == "value" else "array comma"
            states.append("object" if symbol == "{" else "array")
            opened.append(token.start(2))
        else:
            states[-1] = state
    known.broken.update(opened)
    position = _end(_SPACE, text, position, limit)
    cut = position == limit or _OPEN_STRING.match(text, position, limit)
    return _INCOMPLETE if cut else _FAILED
