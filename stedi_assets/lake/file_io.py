"""The files of a lake as PyIceberg reads and writes them: the lake's own and no others.

PyIceberg opens every file of metadata and data through this one layer, whichever catalog names the file.
"""

from __future__ import annotations

import io
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.io.fsspec import FsspecFileIO, FsspecInputFile, FsspecOutputFile

from stedi_assets import aws
from stedi_assets.lake.avro import is_whole
from stedi_assets.lake.durable import DurableFile
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.ownership import LAKE, ElsewhereError, is_below

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pyiceberg.io import InputFile, InputStream, OutputFile, OutputStream

# Metadata is read whole, which on S3 takes one request where a stream takes two or more, and where s3fs asks for the
# size first to read large objects in parts.
_READ_WHOLE = (".avro", ".json")
_IN_ONE_REQUEST = {"s3": {"max_concurrency": 1}}
_LOST = (
    "its table cannot be read: restore the file from a backup, or make the table anew (docs/move-a-lake.md)"
)


class LakeFileIO(FsspecFileIO):
    """PyIceberg's file layer for one lake.

    A file of another lake is not touched. What is written to a folder is on disk before a commit names it.
    """

    def get_fs(self, scheme: str, hostname: str | None = None) -> AbstractFileSystem:
        """The file system of a scheme; it waits and tries as the lake's own, unless PyIceberg is told otherwise."""
        filesystem = super().get_fs(scheme, hostname)
        if "s3" in filesystem.protocol:
            # Heeded at the first request.
            filesystem.config_kwargs = aws.S3_CLIENT | filesystem.config_kwargs
        return filesystem

    def new_input(self, location: str) -> FsspecInputFile:
        """A file to read.

        Raises:
            ElsewhereError: The file belongs to another lake.
        """
        return _Input(location, self._filesystem_of(location))

    def new_output(self, location: str) -> FsspecOutputFile:
        """A file to write.

        Raises:
            ElsewhereError: The file would belong to another lake.
        """
        filesystem = self._filesystem_of(location)
        output = _DurableOutput if "file" in filesystem.protocol else _NewObject
        return output(location, filesystem)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file; a file of another lake stays."""
        address = location if isinstance(location, str) else location.location
        if self._is_own(address):
            super().delete(address)

    def _filesystem_of(self, location: str) -> AbstractFileSystem:
        if not self._is_own(location):
            raise ElsewhereError(location)
        return super().new_input(location)._fs  # noqa: SLF001 - of the base class

    def _is_own(self, address: str) -> bool:
        lake = self.properties.get(LAKE)
        return lake is not None and is_below(address, lake)


class _Input(FsspecInputFile):
    _size: int | None = None

    def __len__(self) -> int:
        """The size of the file: as it was when it was opened, since PyIceberg asks for it then, and S3 need not."""
        return super().__len__() if self._size is None else self._size

    def open(self, seekable: bool = True) -> InputStream:
        """Open the file.

        Raises:
            LakeError: The file is missing, empty, or damaged metadata.
        """
        try:
            stream = self._read() if self.location.endswith(_READ_WHOLE) else super().open(seekable)
        except FileNotFoundError:
            raise LakeError(f"{self.location} is missing, so that {_LOST}") from None
        stream.seek(0, SEEK_END)
        self._size = stream.tell()
        if not self._size:
            raise LakeError(f"{self.location} is empty, so that {_LOST}")
        stream.seek(0)
        return stream

    def _read(self) -> InputStream:
        content = self._fs.cat_file(self.location, **_IN_ONE_REQUEST.get(self._fs.protocol[0], {}))
        if content and self.location.endswith(".avro") and not is_whole(content):
            raise LakeError(f"{self.location} is damaged, so that {_LOST}")
        return io.BytesIO(content)


class _NewObject(FsspecOutputFile):
    """An object that is written once. PyIceberg would ask S3 first whether it is there, and for its size afterwards."""

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: ARG002 - PyIceberg's signature
        """Create the object. Its name holds a UUID, so that no object of this name can be there."""
        self._stream = super().create(overwrite=True)
        return self._stream

    def __len__(self) -> int:
        """The bytes that were written."""
        return self._stream.tell()


class _DurableOutput(FsspecOutputFile):
    def create(self, overwrite: bool = False) -> OutputStream:
        """Create the file, and the folders that it is in.

        Raises:
            FileExistsError: The file is there, and shall not be replaced.
        """
        path = Path(self._fs._strip_protocol(self.location))  # noqa: SLF001 - fsspec's only spelling of it
        # PyIceberg writes data, manifests and their list, then the metadata that names them, and then commits.
        return DurableFile(path, "wb" if overwrite else "xb", is_last=path.name.endswith(".metadata.json"))
