"""Raw files rewritten without some of their records, and searched: the only module that changes landing files.

A file is held in memory while it is rewritten. The caller says which records go; how records are taken out of a text
belongs in ``removal``.
"""

from __future__ import annotations

import io
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.errors import StediError
from stedi_assets.landing.files import LandingFile, list_landing
from stedi_assets.privacy.removal import RemovalError, remove_records
from stedi_assets.records.content import ContentError, open_text
from stedi_assets.records.identity import person_of
from stedi_assets.records.mentions import mentions_in
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stedi_assets.lake.lake import Lake
    from stedi_assets.records.source import Parsed

_SEARCH_BYTES = 1024 * 1024
# No address is as long, even with each character escaped.
_OVERLAP_BYTES = 4096
_BLANKS = bytes(range(0x21)) + b"\x7f"


class RewriteError(StediError):
    """A raw file cannot be rewritten; the message names it and says what to do."""


def rewrite(lake: Lake, source: str, file: LandingFile, doomed: Callable[[Parsed], set[int]]) -> None:
    """Rewrite a raw file without some records; of the other bytes at most a separator for each record goes.

    Args:
        lake: The lake.
        source: The file's source.
        file: The file as it was listed.
        doomed: Gives the positions of the records that go, from all records of the file.

    Raises:
        RewriteError: The file changed meanwhile, or it is so damaged that its records depend on each other.
    """
    delivered = lake.filesystem.cat_file(f"{lake.uri}/{file.path}")
    if len(delivered) != file.size:
        raise RewriteError(
            f"{file.path} changed while it was looked at: run this again when no file is arriving"
        )
    try:
        content, stream = open_text(io.BytesIO(delivered), is_csv=file.is_csv, is_packed=file.is_packed)
        text = remove_records(
            stream.read(), source_of(CONTRACTS[f"{source}_landing"]), is_csv=content.is_csv, doomed=doomed
        )
        shortened = None if text is None else content.packed(text)
    except ContentError as error:
        raise RewriteError(
            f"{file.path} cannot be rewritten ({error}): take the person's records out by hand, then run this again"
        ) from None
    except RemovalError:
        raise RewriteError(
            f"{file.path} is so damaged that without the person's records other records would be read in another way: "
            "take the person's records out by hand, then run this again"
        ) from None
    if shortened is not None:
        _replace_file(lake, file.path, shortened)


def _replace_file(lake: Lake, path: str, content: bytes) -> None:
    """Put other content in the place of a file, whole or not at all."""
    if lake.on_s3:
        lake.filesystem.pipe_file(f"{lake.uri}/{path}", content)
        return
    target = Path(lake.uri, path)
    # Hidden, so that it is no landing file; named after its target, so that the next attempt replaces a leftover.
    new = target.with_name(f".{target.name}.new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    shutil.copymode(target, new)
    new.replace(target)


def mentions(lake: Lake, email: str) -> dict[str, int]:
    """How often files in landing folders name a person, by path; files that no run reads are searched, too."""
    found = {}
    for source in SOURCES:
        listing = list_landing(lake, source)
        for path in sorted([*(file.path for file in listing.files), *listing.ignored]):
            with suppress(OSError, ContentError), lake.filesystem.open(f"{lake.uri}/{path}") as stream:
                found[path] = sum(_occurrences(person_of(email), text) for text in _texts(_opened(stream)))
    return {path: count for path, count in found.items() if count}


def _opened(stream: BinaryIO) -> BinaryIO:
    """A file as text in UTF-8; as it is, if it holds none."""
    try:
        return open_text(stream, is_csv=False, is_packed=False)[1]
    except ContentError:
        stream.seek(0)
        return stream


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
