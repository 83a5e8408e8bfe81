"""An envelope: one object around the array that has the records of a file, as programs answer and export.

Its bytes are blanked, so that every record stays where it is, and the reader finds objects with commas between.
An object is an envelope if its own members are none of the source's fields, and those of the first object in an array
of it, or of an object in it, are. What is around the array must hold no record.

Here: where an envelope begins and ends. Not here: the records in it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeAlias

from stedi_assets.records.split import Kind, Split, split_records

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from stedi_assets.records.source import Source

Span: TypeAlias = tuple[int, int, Kind]

# So many bytes at the beginning show whether there is an envelope, and at the end how it ends.
ENVELOPE_BYTES = 64 * 1024
UNDECIDED = -1
# So deep the array is looked for, and envelopes in envelopes.
_DEEPEST = 4

_SPACE = re.compile(r"(?:\xef\xbb\xbf|[ \t\r\n])*+")
_KEY = re.compile(r'"((?:[^"\\\n]|\\.)*+)"[ \t\r\n]*+:[ \t\r\n]*+')
_MEMBER_NAMES = re.compile(r'"((?:[^"\\\n]|\\.)*+)"[ \t\r\n]*+:')
_TEXT = rb'"(?:[^"\\\n]|\\.)*+"'
_PLAIN = rb'(?:[^{}\[\]"]|%s)' % _TEXT
# DynamoDB's last key has objects in an object.
_VALUE = rb"(?:%s|[^\s{}\[\]\",:]++|\{(?:%s|\{%s*+\})*+\}|\[%s*+\])" % (_TEXT, _PLAIN, _PLAIN, _PLAIN)
_REST = rb"(?:\s*+,\s*+%s\s*+:\s*+%s)*+\s*+\}" % (_TEXT, _VALUE)
_TAIL = re.compile(rb"\](?:%s){1,%d}\s*+" % (_REST, _DEEPEST))


class Unwrapper:
    """Blanks the envelopes in the text of a file that is given bit by bit; other text passes as it is.

    A file may have an envelope for each page of an answer. Behind what is none there is none any more.

    Attributes:
        envelopes: How many there are, as far as the text shows.
        cut_off: What stands before the records of an envelope that has no end; empty as long as that is not known.
        cut_off_at: Where that stands.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._head = UNDECIDED
        self._held = b""
        self._shown = b""
        self._position = 0
        self.envelopes = 0
        self.cut_off = b""
        self.cut_off_at = 0

    def pass_on(self, text: bytes, *, final: bool) -> bytes:
        """The text that was held back, and the new text but for what is held back now.

        Args:
            text: More of the file's text.
            final: Whether it is the last of it.
        """
        text, self._held = self._held + text, b""
        passed = []
        while text:
            shown, text = self._next(text, final=final)
            self._position += len(shown)
            passed.append(shown)
            if not shown:
                self._held = text
                break
        return b"".join(passed)

    def _next(self, text: bytes, *, final: bool) -> tuple[bytes, bytes]:
        """Some text that is settled, and the rest of it; nothing if more text is needed."""
        if self._head == UNDECIDED:
            head = head_of(text, self._source, final=final)
            if head > 0:
                self.envelopes += 1
                self._shown, self.cut_off_at = text[:head], self._position
                # One without records is all head.
                self._head = UNDECIDED if text[head - 1 : head] == b"}" else head
                return _blank(self._shown), text[head:]
            if head == UNDECIDED:
                return b"", text
            self._head = 0
        if not self._head:
            return text, b""
        start, end = _tail(text, self._source, final=final)
        if end:
            self._head = UNDECIDED
            return text[:start] + _blank(text[start:end]), text[end:]
        if final:
            self.cut_off = self._shown
            return text, b""
        return text[:-ENVELOPE_BYTES], text[-ENVELOPE_BYTES:]


def head_of(text: bytes, source: Source, *, final: bool) -> int:
    """How many bytes of the envelope stand before its records; 0 if there is none.

    Args:
        text: The beginning of a file, or of what is behind an envelope in it.
        source: Says which fields its records have.
        final: Whether it is all of the file.

    Returns:
        ``UNDECIDED`` if more text could tell; never of ``ENVELOPE_BYTES`` and more. All of an envelope without records.
    """
    # In Latin-1 a character is a byte.
    shown = text[:ENVELOPE_BYTES].decode("latin-1")
    found = _Found(source)
    try:
        start = _past_space(shown, 0)
        end = found.pass_object(shown, start) if shown[start] == "{" else -1
    except (IndexError, ValueError, RecursionError):
        if len(text) < ENVELOPE_BYTES:
            return 0 if final else UNDECIDED
        # The array is longer than what is shown. What is shown whole is an envelope only if it is whole.
        end = len(shown)
        found.is_empty = False
    head = found.records or end * found.is_empty
    return 0 if end < 0 or _has_a_record(text[:head], source) else head


class _Found:
    """Where the records begin in the array that seems to hold them; 0 before it is found."""

    def __init__(self, source: Source) -> None:
        self._fields = set(source.by_name())
        # Made here, as it cannot be pickled.
        self._decode = json.JSONDecoder().raw_decode
        self.records = 0
        self.is_empty = False

    def pass_object(self, text: str, position: int, depth: int = 1) -> int:
        """Where the object ends that begins there; -1 if it has a field of its own, and is no envelope.

        A record may have an array of its own before its other fields.

        Raises:
            IndexError, ValueError: More text could tell, or the text is no JSON.
        """
        position = _past_space(text, position + 1)
        while text[position] == '"':
            key = _KEY.match(text, position)
            if key is None:
                raise ValueError
            if key[1].casefold() in self._fields:
                self.records = 0
                return -1
            position = _past_space(text, self._pass_value(text, key.end(), depth))
            if text[position] not in ",}":
                raise ValueError
            if text[position] == "}":
                return position + 1
            position = _past_space(text, position + 1)
        if text[position] != "}":
            raise ValueError
        return position + 1

    def _pass_value(self, text: str, position: int, depth: int) -> int:
        end = -1
        if text[position] == "[" and not self.records:
            inside = _past_space(text, position + 1)
            self.is_empty |= text[inside] == "]"
            if text[inside] == "{":
                names = _MEMBER_NAMES.findall(text, inside, text.index("}", inside))
                self.records = (position + 1) * any(name.casefold() in self._fields for name in names)
        elif text[position] == "{" and not self.records and depth < _DEEPEST:
            end = self.pass_object(text, position, depth + 1)
        return end if end >= 0 else self._decode(text, position)[1]


def _past_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _has_a_record(text: bytes, source: Source) -> bool:
    """Whether a part of an envelope may have a record in it, which must not be lost."""
    names = {name.casefold() for name in _MEMBER_NAMES.findall(text.decode("latin-1"))}
    return source.required_names() <= names


def _tail(text: bytes, source: Source, *, final: bool) -> tuple[int, int]:
    """Where the end of an envelope begins, and the next object or the end of the file behind it; zeros if nowhere."""
    position = -1
    while (position := text.find(b"]", position + 1)) >= 0:
        found = _TAIL.match(text, position)
        if (
            found
            and (text[found.end() : found.end() + 1] == b"{" or (final and found.end() == len(text)))
            and not _has_a_record(found[0], source)
        ):
            return found.span()
    return 0, 0


def _blank(text: bytes) -> bytes:
    return re.sub(rb"[^\r\n]", b" ", text)


def without_envelope(text: bytes, source: Source) -> bytes:
    """The whole text of a file with blanks for its envelopes, if it has any."""
    return Unwrapper(source).pass_on(text, final=True)


def split_unwrapped(text: bytes, source: Source, *, final: bool) -> Split:
    """As ``split_records``, with the records of each object that is an envelope in the object's place."""
    found = split_records(text, source.required_names(), final=final)
    spans, found.spans = found.spans, []
    for span in spans:
        found.spans += _unwrapped(text, span, source, found.separators)
    return found


def _unwrapped(
    text: bytes, span: Span, source: Source, separators: Counter[str], depth: int = 1
) -> Iterator[Span]:
    start, end, kind = span
    if kind == "object" and depth < _DEEPEST and text.find(b"[", start, end) >= 0:
        unwrapper = Unwrapper(source)
        bare = unwrapper.pass_on(text[start:end], final=True)
        if unwrapper.envelopes and not unwrapper.cut_off:
            inner = split_records(bare, source.required_names(), final=True)
            separators += inner.separators
            separators["envelope"] += 1
            for first, last, kind in inner.spans:
                yield from _unwrapped(
                    text, (start + first, start + last, kind), source, separators, depth + 1
                )
            return
    yield span
