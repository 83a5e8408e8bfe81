"""Registers the tables of a folder that was moved or copied, since Iceberg names files by their whole addresses.

Each table keeps its current snapshot with its number, time and summary, so that no table that was made from it becomes
stale. Only the metadata that names data files is written anew. Everything is looked at before anything is written, and
the catalog changes in one transaction: after a fault at any point the command is run again.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.catalog.sql import IcebergTables
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.iceberg import CATALOG, catalog_file, has_own_catalog
from stedi_assets.lake.moved_table import MovedFiles, MovedTable, read_moved, write_moved
from stedi_assets.lake.ownership import is_below, lake_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stedi_assets.lake.lake import Lake


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
            _register(session, table, write_moved(table))
        session.commit()
    return [
        Relocated(
            table.name,
            table.files.before.removeprefix("file://"),
            table.rows,
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


def _moved_tables(lake: Lake, session: Session) -> list[MovedTable]:
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
            tables.append(read_moved(namespace, name, entry, MovedFiles(before, here)))
    return tables


def _require_files(lake: Lake, tables: Sequence[MovedTable]) -> None:
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
        needed = {lake.path(address): size for address, size in table.data_files.items()}
        lost += [path for path, size in needed.items() if found.get(path) != size]
    if lost:
        raise LakeError(
            f"{lake.uri} lacks {len(lost)} data files or has them in part, such as {lost[0]}: copy the whole lake "
            "again, while no run is in progress; nothing was changed"
        )


def _register(session: Session, table: MovedTable, address: str) -> None:
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
