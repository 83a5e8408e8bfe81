"""Raw files rewritten without some of their records, and searched: the only module that changes landing files.

A file is held in memory while it is rewritten. The caller says which records go; how records are taken out of a text
belongs in ``removal``.
"""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.errors import StediError
from stedi_assets.privacy.removal import RemovalError, lines_to_remove, remove_records
from stedi_assets.records.columnar import without_rows
from stedi_assets.records.content import ContentError, open_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.files import LandingFile
    from stedi_assets.records.source import Parsed


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
        RewriteError: The file changed meanwhile, is a link, or is so damaged that its records depend on each other.
    """
    if not lake.on_s3 and Path(lake.uri, file.path).is_symlink():
        raise RewriteError(
            f"{file.path} is a link, and the file that it names would keep the records: put the file itself in its "
            "place, and see to the other one, then run this again"
        )
    delivered = lake.filesystem.cat_file(f"{lake.uri}/{file.path}")
    if len(delivered) != file.size:
        raise RewriteError(
            f"{file.path} changed while it was looked at: run this again when no file is arriving"
        )
    try:
        content, stream = open_text(io.BytesIO(delivered), is_csv=file.is_csv, is_packed=file.is_packed)
        contract = source_of(CONTRACTS[f"{source}_landing"])
        if content.container is not None and content.is_columnar:
            gone = lines_to_remove(text := stream.read(), contract, doomed)
            shortened = _without_rows(delivered, content.container, text, gone) if gone else None
        else:
            left = remove_records(stream.read(), contract, is_csv=content.is_csv, doomed=doomed)
            shortened = None if left is None else content.packed(left)
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


def _without_rows(delivered: bytes, kind: str, text: bytes, gone: set[int]) -> bytes:
    """A Parquet or Avro file without some of its rows; ``text`` is the rows as they are read, a line each.

    Raises:
        RemovalError: Another row would be read in another way.
    """
    shortened = without_rows(delivered, kind, gone)
    kept = [line for number, line in enumerate(text.splitlines(keepends=True)) if number not in gone]
    if open_text(io.BytesIO(shortened), is_csv=None, is_packed=False)[1].read() != b"".join(kept):
        raise RemovalError
    return shortened


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
