"""Raw files rewritten without some of their records, and searched: the only place where landing files are changed.

A file is held in memory while it is rewritten. Which records go is for the caller to say; how they are taken out of
a text belongs in ``privacy.removal``.
"""

from __future__ import annotations

import bz2
import gzip
import os
import re
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.errors import StediError
from stedi_assets.landing.files import LandingFile, list_landing
from stedi_assets.privacy.person import address_pattern
from stedi_assets.privacy.removal import RemovalError, remove_records
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from stedi_assets.lake.lake import Lake
    from stedi_assets.records.source import Parsed

_DECOMPRESS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.decompress,
    "bz2": bz2.decompress,
}
_COMPRESS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
}
_SEARCH_BYTES = 16 * 1024 * 1024


class RewriteError(StediError):
    """A raw file cannot be rewritten; the message names it and says what to do."""


def rewrite(lake: Lake, source: str, file: LandingFile, doomed: Callable[[Parsed], set[int]]) -> None:
    """Rewrite a raw file without some records; every other byte stays, but for a separator each.

    Args:
        lake: The lake.
        source: The file's source.
        file: The file as it was listed.
        doomed: Positions of the records that go, given all records of the file.

    Raises:
        RewriteError: The file changed meanwhile, or damage in it ties its records together.
    """
    delivered = lake.filesystem.cat_file(f"{lake.uri}/{file.path}")
    if len(delivered) != file.size:
        raise RewriteError(
            f"{file.path} changed while it was looked at: run this again when no file is arriving"
        )
    try:
        shortened = remove_records(
            _DECOMPRESS[file.compression](delivered),
            source_of(CONTRACTS[f"{source}_landing"]),
            is_csv=file.is_csv,
            doomed=doomed,
        )
    except RemovalError:
        raise RewriteError(
            f"{file.path} is so damaged that taking a record out would change what others are: take the person's "
            "out by hand, then run this again"
        ) from None
    if shortened is not None:
        _replace_file(lake, file.path, _COMPRESS[file.compression](shortened))


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
    """How often files in landing folders still have an e-mail, by path; those that are never read are searched too."""
    found = {}
    for source in SOURCES:
        listing = list_landing(lake, source)
        for path in sorted([*(file.path for file in listing.files), *listing.ignored]):
            with (
                suppress(OSError, EOFError, zlib.error),
                lake.filesystem.open(f"{lake.uri}/{path}", compression="infer") as stream,
            ):
                found[path] = _occurrences(email, stream)
    return {path: count for path, count in found.items() if count}


def _occurrences(email: str, stream: BinaryIO) -> int:
    pattern = re.compile(address_pattern(email).pattern.encode())
    overlap = len(email.encode()) + 2
    count, window, first = 0, b"", 0
    while text := stream.read(_SEARCH_BYTES):
        window += text.lower()
        last = len(window) - overlap
        count += sum(first <= match.start() < last for match in pattern.finditer(window))
        # One byte more, to see what stands before.
        first = 1 if last > 0 else first
        window = window[max(0, last - 1) :]
    return count + sum(first <= match.start() for match in pattern.finditer(window))
