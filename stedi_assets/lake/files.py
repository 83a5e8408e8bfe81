"""The files of a folder or bucket, listed so that no file is missed: a listing that fails is an error.

fsspec's own ``find`` leaves out each folder whose listing fails, and what a link to a folder names.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from stedi_assets.lake.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import fsspec


@dataclass(frozen=True)
class StoredFile:
    """A file of the lake as it was listed.

    Attributes:
        path: Its path as fsspec's file system spells it: without a scheme, in a bucket with the bucket's name.
        bytes: Its size; of a link, the size of the file that the link names.
        modified: When it was written last, UTC; of a link, when the file that the link names was.
        etag: S3's digest of its content; None in a folder.
        changed_ns: In a folder, when content, name or owner changed last, epoch ns. A program that sets the time of
            writing back cannot set this one.
    """

    path: str
    bytes: int
    modified: datetime
    etag: str | None = None
    changed_ns: int | None = None


def is_hidden(path: str) -> bool:
    """Whether a part of a path says that it is no data, such as ``_temporary``, ``_SUCCESS`` or ``.part.crc``."""
    return any(part.startswith((".", "_")) for part in PurePosixPath(path).parts)


def files_in_folder(root: str) -> Iterator[StoredFile]:
    """List a local folder and the folders in it; a folder that does not exist has no files.

    A link to a file counts as the file that it names. Hidden things that are no files, such as an editor's locks, are
    passed over.

    Args:
        root: Its path.

    Raises:
        LakeError: A folder cannot be listed; or something in it is no file, such as a link to a folder or to nothing;
            or a name is not UTF-8, so that no table could name the file.
    """
    if not Path(root).exists():
        _refuse_dangling(Path(root))
    for entry in _entries(root):
        try:
            status = entry.stat()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not os.path.lexists(entry.path):
                continue  # deleted since the folder was listed
            status = None
        if status is not None and stat.S_ISREG(status.st_mode):
            _require_utf8(entry.path)
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            yield StoredFile(entry.path, status.st_size, modified, changed_ns=status.st_ctime_ns)
        elif not is_hidden(entry.path.removeprefix(root)):
            raise LakeError(_oddity(entry, status))


def files_in_bucket(filesystem: fsspec.AbstractFileSystem, root: str) -> Iterator[StoredFile]:
    """List what is below a prefix of a bucket; empty objects that stand for folders are no files.

    Args:
        filesystem: The file system of the bucket, which raises if a request fails.
        root: Bucket and prefix, without a slash at the end.

    Raises:
        LakeError: An object with content has the name of a folder.
    """
    parent, _, name = root.rpartition("/")
    # Asked for with a prefix, a folder that is not there takes one request; s3fs else looks for an object of its name.
    inside = (parent, f"{name}/") if parent else (root, "")
    found: dict[str, dict[str, Any]] = filesystem.find(inside[0], prefix=inside[1], detail=True)
    for path, info in found.items():
        if not path.endswith("/"):
            yield StoredFile(path, int(info["size"]), info["LastModified"], str(info["ETag"]).strip('"'))
        elif info["size"]:
            raise LakeError(
                f"s3://{path} has the name of a folder, and content: rename or delete this object"
            )


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """What is in a folder and the folders in it, but for these folders."""
    try:
        with os.scandir(folder) as listed:
            entries = [(entry, entry.is_dir(follow_symlinks=False)) for entry in listed]
    except FileNotFoundError:
        return  # it is not there, or no longer
    except OSError as error:
        raise LakeError(
            f"the folder {folder} cannot be listed ({error.strerror}): let the user who runs this read it"
        ) from error
    for entry, is_folder in entries:
        if is_folder:
            yield from _entries(entry.path)
        else:
            yield entry


def _require_utf8(path: str) -> None:
    shown = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    if shown != path:
        raise LakeError(f"the name of {shown} is not UTF-8, so that no table can name the file: rename it")


def _refuse_dangling(root: Path) -> None:
    """Tell a folder that is not there from one behind a link that leads nowhere, such as to an unmounted disk.

    Raises:
        LakeError: There is such a link.
    """
    first = next(path for path in (root, *root.parents) if os.path.lexists(path))
    if first.is_symlink() and not first.exists():
        raise LakeError(f"{first} is a link to {first.readlink()}, which is not there: mount or restore it")


def _oddity(entry: os.DirEntry[str], status: os.stat_result | None) -> str:
    if not entry.is_symlink():
        return f"{entry.path} is no file that can be read: move it away"
    target = Path(entry.path).readlink()
    if status is None:
        return f"{entry.path} is a link to {target}, which cannot be reached: restore that file, or remove the link"
    return f"{entry.path} is a link to {target}, which is no file: put the files themselves there, or links to each"
