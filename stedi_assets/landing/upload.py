"""Files of a user's disk brought to the landing folders: recognised, looked through, and put there whole.

What is said of it on a screen belongs in ``cli``; what the records of a file mean, in ``records``.
"""

from __future__ import annotations

import hashlib
import io
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from fsspec.callbacks import Callback

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.errors import StediError
from stedi_assets.lake.files import StoredFile
from stedi_assets.landing.files import LandingFile, landing_file, landing_folder, list_landing
from stedi_assets.records.content import ContentError, open_text
from stedi_assets.records.read_task import read_all, reader_of
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from stedi_assets.lake.lake import Lake

# So much of a file, uncompressed, shows which source it is of.
_HEAD_BYTES = 256 * 1024
# Name in an object's metadata. Under KMS, and of several parts, an ETag is no digest of the content.
_DIGEST = "sha256"


class UploadError(StediError):
    """A file is refused; the message says why, without its name."""


@dataclass(frozen=True)
class Uploaded:
    """A file that is in the lake.

    Attributes:
        path: Path below the lake; another than the file would get if its content is there under another name.
        is_new: Whether it was put there now; if not, it was there with the same content.
        landed: Records that will land; unknown, and 0, if it was there.
        quarantined: Records that will be quarantined; likewise.
    """

    path: str
    is_new: bool
    landed: int = 0
    quarantined: int = 0


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and those in the folders named that are landing files by name; each once.

    What is below an Iceberg table is none, although its metadata are JSON.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        tables = {metadata.parent.parent for metadata in path.rglob("metadata/*.metadata.json")}
        inside = (
            sorted(file for file in path.rglob("*") if file.is_file() and tables.isdisjoint(file.parents))
            if path.is_dir()
            else [path]
        )
        for file in inside:
            if file == path or _described(file, str(file.relative_to(path))) is not None:
                found.setdefault(file.resolve(), file)
    return list(found.values())


class Uploader:
    """Uploads files to a lake, one by one; what was uploaded before it broke off is not uploaded again.

    Args:
        lake: The lake.
        source: The source of every file; recognised by content if None.
        replace: Whether a file takes the place of one of the same name with other content.
        sent: Called with the number of bytes of the present file that were sent.
    """

    def __init__(self, lake: Lake, source: str | None, *, replace: bool, sent: Callable[[int], None]) -> None:
        self._lake = lake
        self._source = source
        self._replace = replace
        self._sent = sent
        self._files: dict[str, Path] = {}
        self._listed: dict[str, dict[str, int]] = {}

    def upload(self, file: Path) -> Uploaded:
        """Upload a file, unless it is there already with the same content.

        Raises:
            UploadError: Files of this name are ignored; no record can be read; another file has the name; or the
                file cannot be read, or changed meanwhile.
        """
        described = _described(file, file.name)
        if described is None:
            raise UploadError(
                "a landing file's name ends in .json, .jsonl, .ndjson, .csv or .tsv, or has no such end, perhaps with "
                ".gz, .bz2, .xz or .zst behind it, and does not begin with a dot, an underscore or test-"
            )
        try:
            source = self._source or _recognise(file, described)
            digest = _digest(file.open("rb"))
        except ContentError as error:
            raise UploadError(str(error)) from None
        except OSError as error:
            raise UploadError(f"it cannot be read ({type(error).__name__})") from None
        if source is None:
            raise UploadError(f"it looks like none of {', '.join(SOURCES)}: name its source with --source")
        path = landing_folder(source) + file.name
        if (namesake := self._files.setdefault(path, file)) != file:
            raise UploadError(f"{namesake} has the same name: only one of them can be {path}")
        if self._is_there(path, described.size, digest):
            return Uploaded(path, is_new=False)
        if (other := self._same_content(source, described.size, digest)) is not None:
            return Uploaded(other, is_new=False)
        landed, quarantined = _look_through(file, described, source)
        self._put(file, path, digest)
        self._sizes(source)[path] = described.size
        if _described(file, file.name) != described:
            raise UploadError(f"it changed while it was uploaded to {path}: upload it again with --replace")
        return Uploaded(path, is_new=True, landed=landed, quarantined=quarantined)

    def _is_there(self, path: str, size: int, digest: str) -> bool:
        """Whether a file is there with the same content.

        Raises:
            UploadError: One is there with other content, and shall stay.
        """
        filesystem, address = self._lake.filesystem, f"{self._lake.uri}/{path}"
        try:
            size_there = filesystem.info(address)["size"]
        except FileNotFoundError:
            return False
        if size_there == size and self._has_content(path, digest):
            return True
        if not self._replace:
            raise UploadError(f"{path} is there already, with other content; --replace replaces it")
        return False

    def _same_content(self, source: str, size: int, digest: str) -> str | None:
        """Path of a landing file with the same content; its records would land twice."""
        return next(
            (
                path
                for path, there in self._sizes(source).items()
                if there == size and self._has_content(path, digest)
            ),
            None,
        )

    def _sizes(self, source: str) -> dict[str, int]:
        """Size of each landing file of a source, listed once."""
        if source not in self._listed:
            self._listed[source] = {file.path: file.size for file in list_landing(self._lake, source).files}
        return self._listed[source]

    def _has_content(self, path: str, digest: str) -> bool:
        filesystem, address = self._lake.filesystem, f"{self._lake.uri}/{path}"
        kept = filesystem.metadata(address).get(_DIGEST) if self._lake.on_s3 else None
        return (kept or _digest(filesystem.open(address, "rb"))) == digest

    def _put(self, file: Path, path: str, digest: str) -> None:
        filesystem, address = self._lake.filesystem, f"{self._lake.uri}/{path}"
        if self._lake.on_s3:
            # An object is there whole or not at all.
            sent = Callback(hooks={"sent": lambda _, value, **__: self._sent(value)})
            filesystem.put_file(str(file), address, callback=sent, Metadata={_DIGEST: digest})
            return
        folder, _, name = address.rpartition("/")
        # Hidden, so that it is no landing file before it is whole.
        new = f"{folder}/.{name}.new"
        try:
            filesystem.put_file(str(file), new)
            filesystem.mv(new, address)
        except BaseException:
            with suppress(OSError):
                filesystem.rm_file(new)
            raise


def _described(file: Path, name: str) -> LandingFile | None:
    status = file.stat()
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return landing_file(name, StoredFile(str(file), status.st_size, modified))


def _digest(stream: io.BufferedReader) -> str:
    with stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _look_through(file: Path, described: LandingFile, source: str) -> tuple[int, int]:
    """How many records of a file land, and how many do not.

    Raises:
        UploadError: None lands, or the file cannot be read, or it holds no text.
    """
    try:
        with file.open("rb") as stream:
            content, text = open_text(stream, is_csv=described.is_csv, is_packed=described.is_packed)
            landed, quarantined = _counts(text, source, is_csv=content.is_csv)
        if landed:
            return landed, quarantined
        other = _recognise(file, described)
    except ContentError as error:
        raise UploadError(str(error)) from None
    except OSError as error:
        raise UploadError(f"it cannot be read ({type(error).__name__})") from None
    looks = f"like {other}" if other else f"like none of {', '.join(SOURCES)}"
    found = (
        f"none of its {quarantined:,} records can be read as {source}" if quarantined else "it has no records"
    )
    raise UploadError(f"{found}; it looks {looks}")


def _recognise(file: Path, described: LandingFile) -> str | None:
    """The source of which most records at the beginning of a file can be read; None if there is no such one."""
    with file.open("rb") as stream:
        content, text = open_text(stream, is_csv=described.is_csv, is_packed=described.is_packed)
        head = text.read(_HEAD_BYTES)
    landed = {source: _counts(io.BytesIO(head), source, is_csv=content.is_csv)[0] for source in SOURCES}
    best = max(landed.values())
    likely = [source for source, records in landed.items() if records == best]
    return likely[0] if best and len(likely) == 1 else None


def _counts(text: BinaryIO, source: str, *, is_csv: bool) -> tuple[int, int]:
    landed = quarantined = 0
    of_now = source_of(CONTRACTS[f"{source}_landing"], read_at=time.time_ns() // 1_000_000)
    for part in read_all(text, reader_of(of_now, is_csv=is_csv)):
        landed += part.landed.height
        quarantined += part.quarantined.height
    return landed, quarantined
