"""A table of a lake that was moved: its metadata, read where it lies now and written anew for the new addresses.

What is registered, and when, belongs in ``relocate``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pyiceberg.exceptions import ValidationError
from pyiceberg.manifest import ManifestContent, write_manifest, write_manifest_list
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table.refs import MAIN_BRANCH

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.file_io import LakeFileIO
from stedi_assets.lake.ownership import LAKE
from stedi_assets.lake.snapshot import require_total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.io.fsspec import FsspecInputFile
    from pyiceberg.manifest import ManifestEntry, ManifestFile
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

# What PyIceberg writes by itself, as far as this module has to choose it.
_FORMAT: Literal[2] = 2
_COMPRESSION: Literal["deflate"] = "deflate"
# Place of a data file's address among its fields, in every version of the format that PyIceberg reads.
_FILE_PATH = 1


class MovedFiles(LakeFileIO):
    """Reads files of a lake where they are now, by the addresses that they had.

    Args:
        before: Address of the lake before it was moved.
        now: Address of the lake.
    """

    def __init__(self, before: str, now: str) -> None:
        super().__init__({LAKE: now})
        self.before, self._now = before, now

    def new_input(self, location: str) -> FsspecInputFile:
        """A file to read, by the address that it had."""
        return super().new_input(self.moved(location))

    def moved(self, address: str) -> str:
        """The address that a file has now; an address in another lake stays."""
        inside = address.startswith(f"{self.before}/")
        return self._now + address.removeprefix(self.before) if inside else address


@dataclass(frozen=True)
class MovedTable:
    """A table of a lake that was moved.

    Attributes:
        namespace: Its database.
        name: Its name.
        entry: Address of its metadata in the catalog.
        files: Its files, where they are now.
        metadata: Its metadata, with the addresses from before.
        manifests: The manifests of its current snapshot, each with the data files that it names.
        data_files: The size in bytes of each data file, by its address now.
        rows: Rows of its current snapshot.
    """

    namespace: str
    name: str
    entry: str
    files: MovedFiles
    metadata: TableMetadata
    manifests: Sequence[tuple[ManifestFile, Sequence[ManifestEntry]]]
    data_files: dict[str, int]
    rows: int

    @property
    def location(self) -> str:
        """Address of the table's folder now."""
        return self.files.moved(self.metadata.location)


def read_moved(namespace: str, name: str, entry: str, files: MovedFiles) -> MovedTable:
    """Read a table of a lake that was moved.

    Args:
        namespace: Its database.
        name: Its name.
        entry: Address of its metadata in the catalog.
        files: Its files, where they are now.

    Raises:
        LakeError: Metadata is missing or damaged, or another program has written it in a form that is not read here.
    """
    try:
        metadata = FromInputFile.table_metadata(files.new_input(entry))
    except (ValidationError, UnicodeDecodeError):
        raise LakeError(
            f"{files.moved(entry)} is damaged: copy the whole lake again; nothing was changed"
        ) from None
    current = metadata.current_snapshot()
    found = current.manifests(files) if current else []
    if metadata.format_version != _FORMAT or any(item.content != ManifestContent.DATA for item in found):
        raise LakeError(
            f"another program has rewritten {name}: make the table anew (docs/move-a-lake.md), then move"
        )
    named = [(manifest, manifest.fetch_manifest_entry(files)) for manifest in found]
    data_files = [live.data_file for _, entries in named for live in entries]
    rows = sum(file.record_count for file in data_files)
    if current:
        require_total(name, current, rows)
    return MovedTable(
        namespace,
        name,
        entry,
        files,
        metadata,
        # A manifest may name nothing but deleted files, and PyIceberg writes none that is empty.
        [(manifest, live) for manifest, live in named if live],
        {files.moved(file.file_path): file.file_size_in_bytes for file in data_files},
        rows,
    )


def write_moved(table: MovedTable) -> str:
    """Write a table's metadata for its new address, beside the old metadata, and give its address."""
    current = table.metadata.current_snapshot()
    main = table.metadata.refs.get(MAIN_BRANCH)
    metadata = table.metadata.model_copy(
        update={
            "location": table.location,
            "snapshots": [_write_snapshot(table, current)] if current else [],
            "snapshot_log": [
                entry
                for entry in table.metadata.snapshot_log
                if current and entry.snapshot_id == current.snapshot_id
            ],
            "refs": {MAIN_BRANCH: main} if main else {},
            # These name files of snapshots that stay behind.
            "metadata_log": [],
            "statistics": [],
            "partition_statistics": [],
        }
    )
    address = f"{table.location}/metadata/00001-{uuid.uuid4()}.metadata.json"
    ToOutputFile.table_metadata(metadata, table.files.new_output(address))
    return address


def _write_snapshot(table: MovedTable, snapshot: Snapshot) -> Snapshot:
    """Write the manifests of a snapshot and their list."""
    number, manifests = uuid.uuid4(), []
    for position, (manifest, entries) in enumerate(table.manifests):
        output = table.files.new_output(f"{table.location}/metadata/{number}-m{position}.avro")
        spec = table.metadata.specs()[manifest.partition_spec_id]
        with write_manifest(
            _FORMAT, spec, table.metadata.schema(), output, snapshot.snapshot_id, _COMPRESSION
        ) as writer:
            for entry in entries:
                entry.data_file[_FILE_PATH] = table.files.moved(entry.data_file.file_path)
                writer.existing(entry)
        manifests.append(writer.to_manifest_file())
    address = f"{table.location}/metadata/snap-{snapshot.snapshot_id}-0-{number}.avro"
    with write_manifest_list(
        _FORMAT,
        table.files.new_output(address),
        snapshot.snapshot_id,
        snapshot.parent_snapshot_id,
        snapshot.sequence_number,
        _COMPRESSION,
    ) as writer_of_list:
        writer_of_list.add_manifests(manifests)
    return snapshot.model_copy(update={"manifest_list": address})
