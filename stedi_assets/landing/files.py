"""Landing files: which there are, which are ignored, and how each is told from what it was before.

What is in a file belongs in ``records``; which files were read already, in ``ledger``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from datetime import datetime

    from stedi_assets.lake.files import StoredFile
    from stedi_assets.lake.lake import Lake

_JSON, _CSV = {".json", ".jsonl", ".ndjson"}, {".csv", ".tsv"}
# Who reads one of these has looked at what is in it.
_COLUMNAR = {".parquet", ".avro"}
# As programs that copy files name a file until it is whole.
_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~")
_PACKED = {".gz", ".bz2", ".xz", ".zst"}
# What stands behind the last full stop of a part of Glue, of Firehose or of an UNLOAD is none.
_EXTENSION = re.compile(r"\.[a-z][a-z0-9]{0,9}")


@dataclass(frozen=True)
class LandingFile:
    """A file as it was listed.

    Attributes:
        path: Path below the lake.
        size: Bytes, as delivered.
        identity: Changes when the content does: the ETag on S3; in a folder, the size, when it was written and when it
            was changed. The number of its inode is left out, since some network file systems give others each time.
        modified: When it was written last, UTC.
        is_csv: Whether it is CSV by its name, or JSON; None if only what is in the file says so.
        is_packed: Whether it is compressed by its name. How, and whether it is, its first bytes say.
        local: Its path on this machine; None on S3.
    """

    path: str
    size: int
    identity: str
    modified: datetime
    is_csv: bool | None
    is_packed: bool
    local: str | None = None

    @cached_property
    def digest(self) -> str | None:
        """What is the same for the same content: the ETag on S3; a file in a folder is read for it, once.

        None if the file cannot be read.
        """
        if self.local is None:
            return self.identity
        try:
            with Path(self.local).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return None


@dataclass(frozen=True)
class Listing:
    """What lies in a landing folder.

    Attributes:
        files: Files to read, in order of name.
        ignored: Paths of the files that are ignored.
        unknown: Those of them that are ignored since nobody knows how to read a file of such a name. The name of every
            other one says that the file is no delivery.
    """

    files: tuple[LandingFile, ...]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def newest_first(self) -> list[LandingFile]:
        """The files to read, the one that was written last first."""
        return sorted(self.files, key=lambda file: file.modified, reverse=True)


def landing_folder(source: str) -> str:
    """Where a source's files land, below the lake; with the slash, since a prefix without it names others too."""
    return f"{source}/landing/"


def list_landing(lake: Lake, source: str) -> Listing:
    """List a source's landing files; a folder that is not there is empty.

    Raises:
        LakeError: The folder, or one in it, cannot be listed; or something in it is no file.
    """
    prefix = lake.path(lake.uri) + "/"
    files, ignored = [], []
    for stored in lake.list_files(f"{lake.uri}/{landing_folder(source)}"):
        path = stored.path.removeprefix(prefix)
        file = landing_file(path, stored, below=landing_folder(source))
        if file is None:
            ignored.append(path)
        else:
            files.append(file)
    unknown = [path for path in ignored if not _is_set_aside(path.removeprefix(landing_folder(source)))]
    return Listing(tuple(files), tuple(ignored), tuple(unknown))


def landing_sizes(lake: Lake) -> dict[str, int]:
    """Size of every landing file of the lake, by path."""
    return {file.path: file.size for source in SOURCES for file in list_landing(lake, source).files}


def _is_set_aside(path: str) -> bool:
    """Hidden files and folders, markers such as ``_SUCCESS``, unfinished copies, and a tester's leftovers.

    A leftover was delivered once.
    """
    parts = PurePosixPath(path).parts
    is_marked = any(part.startswith((".", "_")) for part in parts) or parts[-1].startswith("test-")
    return is_marked or path.lower().endswith(_UNFINISHED)


def landing_file(path: str, stored: StoredFile, below: str = "") -> LandingFile | None:
    """A file as what it is by its name; None if such files are ignored.

    Args:
        path: Path below the lake.
        stored: The file as it was listed.
        below: The part of the path that does not count.
    """
    if _is_set_aside(path.removeprefix(below)):
        return None
    name = PurePosixPath(path.lower())
    is_packed = name.suffix in _PACKED
    extension = name.with_suffix("").suffix if is_packed else name.suffix
    has_extension = _EXTENSION.fullmatch(extension) is not None and extension not in _COLUMNAR
    if has_extension and extension not in _JSON | _CSV:
        return None
    return LandingFile(
        path=path,
        size=stored.bytes,
        identity=stored.etag or f"{stored.bytes}-{stored.modified.timestamp():.6f}-{stored.changed_ns}",
        modified=stored.modified,
        is_csv=extension in _CSV if has_extension else None,
        is_packed=is_packed,
        local=None if stored.etag else stored.path,
    )
