"""Registers the tables of a folder that was moved or copied, since Iceberg names files by their whole addresses.

Each table keeps its current snapshot with its number, time and summary, so that no table that was made from it becomes
stale. Only the metadata that names data files is written anew. Everything is looked at before anything is written, and
the catalog changes in one transaction: after a fault at any point the command is run again.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pyiceberg.catalog.sql import IcebergTables
from pyiceberg.manifest import ManifestContent, write_manifest, write_manifest_list
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table.refs import MAIN_BRANCH
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.file_io import LakeFileIO
from stedi_assets.lake.iceberg import CATALOG, catalog_file, has_own_catalog
from stedi_assets.lake.ownership import LAKE, is_below, lake_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.io.fsspec import FsspecInputFile
    from pyiceberg.manifest import ManifestEntry, ManifestFile
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

    from stedi_assets.lake.lake import Lake

# What PyIceberg writes by itself, as far as this module has to choose it.
_FORMAT: Literal[2] = 2
_COMPRESSION: Literal["deflate"] = "deflate"
# Place of a data file's address among its fields, in every version of the format that PyIceberg reads.
_FILE_PATH = 1


@dataclass(frozen=True)
class Relocated:
    """A table that was registered at its new address.

    Attributes:
        name: Its name.
        lake: Path of the lake in which it was registered before.
        rows: Rows of its current snapshot.
    """

    name: str
    lake: str
    rows: int


class _MovedFiles(LakeFileIO):
    """Reads files of a lake where they are now, by the addresses that they had.

    Args:
        before: Address of the lake before it was moved.
        now: Address of the lake.
    """

    def __init__(self, before: str, now: str) -> None:
        super().__init__({LAKE: now})
        self.before, self._now = before, now

    def new_input(self, location: str) -> FsspecInputFile:
        return super().new_input(self.moved(location))

    def moved(self, address: str) -> str:
        """The address that a file has now; an address in another lake stays."""
        inside = address.startswith(f"{self.before}/")
        return self._now + address.removeprefix(self.before) if inside else address


@dataclass(frozen=True)
class _Table:
    """A table of a lake that was moved.

    Attributes:
        namespace: Its database.
        name: Its name.
        entry: Address of its metadata in the catalog.
        files: Its files, where they are now.
        metadata: Its metadata, with the addresses from before.
        manifests: The manifests of its current snapshot, each with the data files that it names.
    """

    namespace: str
    name: str
    entry: str
    files: _MovedFiles
    metadata: TableMetadata
    manifests: Sequence[tuple[ManifestFile, Sequence[ManifestEntry]]]

    @property
    def location(self) -> str:
        """Address of the table's folder now."""
        return self.files.moved(self.metadata.location)

    def data_files(self) -> dict[str, int]:
        """The size in bytes of each data file, by its address now."""
        return {
            self.files.moved(entry.data_file.file_path): entry.data_file.file_size_in_bytes
            for _, entries in self.manifests
            for entry in entries
        }


def relocate(lake: Lake) -> list[Relocated]:
    """Register the tables of a moved or copied folder at the addresses where their files are now.

    Only the current snapshot of each table is kept; the files of older ones go with the next retention.

    Raises:
        LakeError: The lake is no folder with a catalog, was not moved, cannot be written to, or lacks files. Then
            nothing was changed.
    """
    _require_folder(lake)
    with Session(lake.catalog.engine) as session:  # type: ignore[attr-defined] # the catalog of a folder is SQLite
        tables = _moved_tables(lake, session)
        if not tables:
            raise LakeError(
                f"{lake.uri} was not moved: its tables are registered there, so that nothing is to be done"
            )
        _require_files(lake, tables)
        for table in tables:
            _register(session, table, _write(table))
        session.commit()
    return [
        Relocated(
            table.name,
            table.files.before.removeprefix("file://"),
            sum(entry.data_file.record_count for _, entries in table.manifests for entry in entries),
        )
        for table in tables
    ]


def _require_folder(lake: Lake) -> None:
    """Refuse a lake whose catalog is not a file of its own that can be written.

    Raises:
        LakeError: The catalog is elsewhere, not there, shared with another folder, or cannot be written.
    """
    if not has_own_catalog(lake.uri):
        raise LakeError(
            f"the catalog of {lake.uri} is no file in it, and cannot be moved with it: docs/move-a-lake.md says how "
            "to move a lake on S3"
        )
    file = catalog_file(lake.uri)
    if not file.exists():
        raise LakeError(
            f"there is no catalog {file}: move or copy the whole folder, with this file, then run this again"
        )
    if not os.access(lake.uri, os.W_OK) or not os.access(file, os.W_OK):
        raise LakeError(
            f"{lake.uri} or its catalog cannot be written: copy the lake to a place where they can"
        )
    if file.is_symlink():
        raise LakeError(
            f"{file} is a link, so that another lake may use it: put a copy of the file in its place"
        )
    if file.stat().st_nlink > 1:
        # As a copy by hard links has it: a change would show in the original.
        own = file.with_suffix(".new")
        shutil.copy2(file, own)
        own.replace(file)


def _moved_tables(lake: Lake, session: Session) -> list[_Table]:
    """Read the tables that the catalog has at addresses of another lake."""
    here = lake.address("").rstrip("/")
    rows = session.scalars(select(IcebergTables).where(IcebergTables.catalog_name == CATALOG)).all()
    entries = {(row.table_namespace, row.table_name): row.metadata_location or "" for row in rows}
    lakes = {found for (_, name), entry in entries.items() if (found := lake_of(name, entry))}
    tables = []
    for (namespace, name), entry in entries.items():
        # A table that this package does not know is in the lake of the tables that it knows.
        before = lake_of(name, entry) or max(
            (one for one in lakes if is_below(entry, one)), key=len, default=None
        )
        if before is None:
            raise LakeError(
                f"{name} is at {entry}, in no lake of the other tables: take it out of the catalog first"
            )
        if before != here:
            tables.append(_read(namespace, name, entry, _MovedFiles(before, here)))
    return tables


def _read(namespace: str, name: str, entry: str, files: _MovedFiles) -> _Table:
    metadata = FromInputFile.table_metadata(files.new_input(entry))
    current = metadata.current_snapshot()
    manifests = current.manifests(files) if current else []
    if metadata.format_version != _FORMAT or any(item.content != ManifestContent.DATA for item in manifests):
        raise LakeError(
            f"another program has rewritten {name}: make the table anew (docs/move-a-lake.md), then move"
        )
    named = [(manifest, manifest.fetch_manifest_entry(files)) for manifest in manifests]
    # A manifest may name nothing but deleted files, and PyIceberg writes none that is empty.
    return _Table(
        namespace, name, entry, files, metadata, [(manifest, live) for manifest, live in named if live]
    )


def _require_files(lake: Lake, tables: Sequence[_Table]) -> None:
    """Hold the files in the folder against the files that the tables need.

    Raises:
        LakeError: Files are missing or incomplete, are in another lake, or cannot be written beside.
    """
    lost: list[str] = []
    for table in tables:
        folder = Path(lake.path(table.location))
        if not folder.resolve().is_relative_to(Path(lake.uri).resolve()):
            raise LakeError(
                f"{folder} is a link to a folder outside {lake.uri}: put a copy of the files in its place"
            )
        if not os.access(folder / "metadata", os.W_OK):
            raise LakeError(f"{folder}/metadata cannot be written: copy the lake to a place where it can")
        found = {file.path: file.bytes for file in lake.list_files(table.location)}
        needed = {lake.path(address): size for address, size in table.data_files().items()}
        lost += [path for path, size in needed.items() if found.get(path) != size]
    if lost:
        raise LakeError(
            f"{lake.uri} lacks {len(lost)} data files or has them in part, such as {lost[0]}: copy the whole lake "
            "again, while no run is in progress; nothing was changed"
        )


def _write(table: _Table) -> str:
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


def _write_snapshot(table: _Table, snapshot: Snapshot) -> Snapshot:
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


def _register(session: Session, table: _Table, address: str) -> None:
    """Put a table's new metadata in the place of the old one, within a transaction.

    Raises:
        LakeError: The catalog is not as it was read.
    """
    done = session.connection().execute(
        update(IcebergTables)
        .where(
            IcebergTables.catalog_name == CATALOG,
            IcebergTables.table_namespace == table.namespace,
            IcebergTables.table_name == table.name,
            IcebergTables.metadata_location == table.entry,
        )
        .values(metadata_location=address, previous_metadata_location=None)
    )
    if done.rowcount != 1:
        raise LakeError(
            f"another program changed the catalog meanwhile: let it end, then run this again ({table.name})"
        )
