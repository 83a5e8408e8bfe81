"""An envelope: one object around the array that has the records of a file, as programs answer and export.

Its bytes are blanked, so that every record stays where it is, and the reader finds objects with commas between.
An object is an envelope if its own members are none of the source's fields, and those of the first object in an array
of it are.

Here: where an envelope begins and ends. Not here: the records in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stedi_assets.records.source import Source

# So many bytes at the beginning show whether there is an envelope, and at the end how it ends.
ENVELOPE_BYTES = 64 * 1024
UNDECIDED = -1

_SPACE = re.compile(r"(?:\xef\xbb\xbf|[ \t\r\n])*+")
_KEY = re.compile(r'"((?:[^"\\\n]|\\.)*+)"[ \t\r\n]*+:[ \t\r\n]*+')
_MEMBER_NAMES = re.compile(r'"((?:[^"\\\n]|\\.)*+)"[ \t\r\n]*+:')
_TEXT = rb'"(?:[^"\\\n]|\\.)*+"'
_VALUE = rb"(?:%s|[^\s{}\[\]\",:]++|\{[^{}\[\]]*+\}|\[[^{}\[\]]*+\])" % _TEXT
_TAIL = re.compile(rb"(?<=[}\s])\](?:\s*+,\s*+%s\s*+:\s*+%s)*+\s*+\}\s*+\Z" % (_TEXT, _VALUE))


class Unwrapper:
    """Blanks the envelope in the text of a file that is given bit by bit; other text passes as it is.

    Attributes:
        is_enveloped: Whether there is an envelope, as far as the text shows.
        cut_off: What stands before the records of an envelope that has no end; empty as long as that is not known.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._head = UNDECIDED
        self._held = b""
        self._shown = b""
        self.cut_off = b""

    @property
    def is_enveloped(self) -> bool:
        """Whether the text so far shows an envelope."""
        return self._head > 0

    def pass_on(self, text: bytes, *, final: bool) -> bytes:
        """The text that was held back, and the new text but for what is held back now.

        Args:
            text: More of the file's text.
            final: Whether it is the last of it.
        """
        text, self._held = self._held + text, b""
        if self._head == UNDECIDED:
            self._head = head_of(text, self._source, final=final)
            if self._head == UNDECIDED:
                self._held = text
                return b""
            self._shown = text[: self._head]
            text = _without_head(text, self._head)
        if not self.is_enveloped:
            return text
        if final:
            # An envelope without records is its head.
            end = len(text) if not text.strip() else _tail(text)
            self.cut_off = self._shown if end < 0 else b""
            return text if end < 0 else text[:end] + _blank(text[end:])
        self._held = text[-ENVELOPE_BYTES:]
        return text[:-ENVELOPE_BYTES]


def head_of(text: bytes, source: Source, *, final: bool) -> int:
    """How many bytes of the envelope stand before its records; 0 if there is none.

    Args:
        text: The beginning of a file.
        source: Says which fields its records have.
        final: Whether it is all of the file.

    Returns:
        ``UNDECIDED`` if more text could tell; never of ``ENVELOPE_BYTES`` and more. All bytes, if an envelope has none.
    """
    # In Latin-1 a character is a byte.
    shown = text[:ENVELOPE_BYTES].decode("latin-1")
    undecided = 0 if final or len(text) >= ENVELOPE_BYTES else UNDECIDED
    try:
        head = _head(shown, set(source.by_name()))
    except (IndexError, ValueError, RecursionError):
        return undecided
    # Without records, it is one only if it is all of the file.
    return undecided if head == len(shown) and not final else head


def _head(text: str, fields: set[str]) -> int:
    """As ``head_of``; IndexError or ValueError where more text could tell, or the text is no JSON."""
    found = _Found()
    try:
        return _members(text, fields, found)
    except (IndexError, ValueError, RecursionError):
        if len(text) == ENVELOPE_BYTES and found.records:
            # The array is longer than what is shown. What is shown whole is an envelope only if it is whole.
            return found.records
        raise


@dataclass
class _Found:
    """Where the records begin in the array that seems to hold them; 0 before it is found."""

    records: int = 0


def _members(text: str, fields: set[str], found: _Found) -> int:
    """Go through the members of the first object. A record may have an array of its own before its other fields."""
    # Made here, as it cannot be pickled.
    decode = json.JSONDecoder().raw_decode
    position = _past_space(text, 0)
    if text[position] != "{":
        return 0
    is_empty, position = False, _past_space(text, position + 1)
    while text[position] == '"':
        key = _KEY.match(text, position)
        if key is None:
            raise ValueError
        if key[1].casefold() in fields:
            return 0
        position = key.end()
        if text[position] == "[":
            inside = _past_space(text, position + 1)
            if text[inside] == "{" and not found.records:
                end = text.index("}", inside)
                names = {name.casefold() for name in _MEMBER_NAMES.findall(text, inside, end)}
                if not names & fields:
                    return 0
                found.records = position + 1
            is_empty |= text[inside] == "]"
        _, position = decode(text, position)
        position = _past_space(text, position)
        if text[position] == "}":
            return found.records or (len(text) if is_empty and not text[position + 1 :].strip() else 0)
        if text[position] != ",":
            return 0
        position = _past_space(text, position + 1)
    return 0


def _past_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _without_head(text: bytes, head: int) -> bytes:
    """The text with blanks for what stands before the records."""
    return _blank(text[:head]) + text[head:] if head else text


def _tail(text: bytes) -> int:
    """Where the end of an envelope begins that ends with the text; -1 if there is none."""
    found = _TAIL.search(text, max(0, len(text) - ENVELOPE_BYTES))
    return found.start() if found else -1


def _blank(text: bytes) -> bytes:
    return re.sub(rb"[^\r\n]", b" ", text)


def without_envelope(text: bytes, source: Source) -> bytes:
    """The whole text of a file with blanks for its envelope, if it has one."""
    return Unwrapper(source).pass_on(text, final=True)
