"""Where files in landing folders still name people: files that no run reads are searched, too.

What cannot be searched is named. How records are taken out of files belongs in ``raw_files``.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from stedi_assets.landing.files import list_landing
from stedi_assets.records.content import ContentError, open_text
from stedi_assets.records.mentions import mentions_in
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from stedi_assets.lake.lake import Lake

_SEARCH_BYTES = 1024 * 1024
# No address is as long, even with each character escaped.
_OVERLAP_BYTES = 4096
_BLANKS = bytes(range(0x21)) + b"\x7f"
# What a member of a zip archive raises that is damaged, encrypted, or packed in a way that Python does not know.
_UNREADABLE = (
    OSError,
    ContentError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        mentions: How often files name one of the people, in what they hold or in their own names, by path.
        unsearched: Paths of files that may hold what the search cannot see: damaged, packed twice, or no text.
    """

    mentions: dict[str, int]
    unsearched: list[str]


def search(lake: Lake, persons: Collection[str]) -> Searched:
    """Search the landing folders for people, as ``person_of`` spells them."""
    found, unsearched = {}, []
    for source in SOURCES:
        listing = list_landing(lake, source)
        for path in sorted([*(file.path for file in listing.files), *listing.ignored]):
            found[path] = _count(persons, _name(path))
            try:
                with lake.filesystem.open(f"{lake.uri}/{path}") as stream:
                    for part in _parts(stream):
                        try:
                            text = open_text(part, is_csv=False, is_packed=False)[1]
                        except ContentError:
                            unsearched.append(path)
                            part.seek(0)
                            text = part
                        found[path] += _count(persons, text)
            except _UNREADABLE:
                unsearched.append(path)
    return Searched({path: count for path, count in found.items() if count}, sorted(set(unsearched)))


def _parts(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The members of a zip archive with their names, or the one file that it is."""
    is_archive = zipfile.is_zipfile(stream)
    stream.seek(0)
    if not is_archive:
        yield stream
        return
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            yield _name(member.filename)
            with archive.open(member) as content:
                yield cast("BinaryIO", content)


def _name(path: str) -> BinaryIO:
    """A file's name as text, with an address that stands before the extensions."""
    name = PurePosixPath(path)
    names = [name, *(name := name.with_suffix("") for _ in name.suffixes)]
    return io.BytesIO("\n".join(map(str, names)).encode(errors="replace"))


def _count(persons: Collection[str], stream: BinaryIO) -> int:
    return sum(_occurrences(person, text) for text in _texts(stream) for person in persons)


def _texts(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; a long line in parts that overlap, so that each address is whole in one of them."""
    rest = b""
    while block := stream.read(_SEARCH_BYTES):
        *whole, rest = (rest + block).split(b"\n")
        if len(rest) > _SEARCH_BYTES:
            whole.append(rest)
            rest = rest[-_OVERLAP_BYTES:]
        yield from whole
    yield rest


def _occurrences(person: str, text: bytes) -> int:
    """How often a text names a person; once, if it spells the person otherwise than the tables do."""
    is_plain = text.isascii() and not any(mark in text for mark in (b"\\", b"%", b"&"))
    before, _, _ = person.partition("@")
    if is_plain and before.encode().translate(None, _BLANKS) not in text.translate(None, _BLANKS).lower():
        # Nothing but case and blanks could hide what is before the @ here; a domain may be in Punycode. Looking further
        # takes fifty times as long.
        return 0
    shown = text.decode(errors="backslashreplace")
    if person not in mentions_in(shown).persons:
        return 0
    return max(1, shown.lower().count(person))
