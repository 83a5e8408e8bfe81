"""Published data files as DuckDB may see them: to be read, and nothing beside them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import fsspec

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEME = "published://"


class PublishedFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system of published data files, which cannot write.

    DuckDB's own access to files cannot be limited to reading: since DuckDB 2.0 even a SELECT may hold a COPY, which
    replaced a published file.

    Args:
        filesystem: The file system of the lake.
    """

    protocol = "published"
    cachable = False

    def __init__(self, filesystem: fsspec.AbstractFileSystem) -> None:
        super().__init__()
        self._filesystem = filesystem
        self._files: set[str] = set()

    def add(self, files: Iterable[str]) -> list[str]:
        """Let published files be read; gives the paths under which they are."""
        self._files.update(files)
        return [SCHEME + file for file in files]

    def info(self, path: str, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - fsspec's signature
        """Describe a published file.

        Raises:
            FileNotFoundError: The path is no published file's, or the file is gone.
        """
        return {**self._filesystem.info(self._address(path)), "name": path}

    def glob(self, path: str, **_: Any) -> list[str]:  # noqa: ANN401 - fsspec's signature
        """Find a published file by its path, as DuckDB asks before it opens the file.

        Raises:
            FileNotFoundError: The path is no published file's: a query cannot look for files.
        """
        self._address(path)
        return [path]

    def open(self, path: str, mode: str = "rb", **_: Any) -> BinaryIO:  # noqa: ANN401 - fsspec's signature
        """Open a published file for reading.

        Raises:
            PermissionError: The file is to be written.
            FileNotFoundError: The path is no published file's, or the file is gone.
        """
        if mode != "rb":
            raise PermissionError("a query reads published tables and nothing else")
        stream: BinaryIO = self._filesystem.open(self._address(path), "rb")
        return stream

    def modified(self, path: str) -> datetime:  # noqa: ARG002 - fsspec's signature
        """Say that a file never changes, as is true of published files."""
        return datetime.fromtimestamp(0, UTC)

    def _address(self, path: str) -> str:
        address = path.removeprefix(SCHEME)
        if address not in self._files:
            raise FileNotFoundError("a query reads published tables and nothing else")
        return address
