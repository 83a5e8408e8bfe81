"""Packing: many small data files of a table become few larger ones, in one commit that changes no row.

Each delivery adds files to landing tables and to the tables that grow with them, and each file costs later runs
requests. The files that were packed go when ``maintenance`` deletes what no snapshot needs.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.evolution import missing_columns, require_known_columns
from stedi_assets.lake.lineage import ROWS_OF, own_properties, version_of
from stedi_assets.lake.publication import new_folder
from stedi_assets.lake.snapshot import require_files, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.lake.lake import Lake

# A table with fewer small files is left as it is: a commit costs more than these files do.
FEWEST_FILES = 16
# Larger files are not read and written again.
SMALL_BYTES = 32 * 1024**2
_PACKED_BYTES = 128 * 1024**2
# Memory of the rows that are gathered before they are written.
_ROW_GROUP_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Packed:
    """How many data files a table had before, and how many it has now."""

    before: int = 0
    after: int = 0


def pack(lake: Lake, contract: Contract) -> Packed:
    """Write the rows of a table's small data files into few larger files.

    Runs and readers may be at work: readers keep the files that they read, and the commit is refused if another one
    came first. Then the table stays as it was, for the next time to pack. For what is made of the table nothing has
    changed: the new snapshot says whose rows it has.

    Args:
        lake: The lake.
        contract: The table's contract; the table need not exist.

    Raises:
        LakeError: A data file is missing or damaged, or not all rows of the files could be read.
        SchemaError: A newer version of this package has given the table columns that the contract lacks.
    """
    table = lake.find_table(contract.name)
    if table is None or (version := version_of(table.current_snapshot())) is None:
        return Packed()
    require_known_columns(table, contract)
    if missing_columns(table, contract):
        # `stedi upgrade` writes the whole table anew.
        return Packed()
    snapshot = snapshot_of(table)
    groups = _groups([task.file for task in table.scan().plan_files()])
    if sum(map(len, groups)) < FEWEST_FILES:
        return Packed(len(snapshot.files), len(snapshot.files))
    require_files(lake, contract.name, snapshot)
    folder = new_folder(lake, contract)
    new = [_write(lake, table, group, folder) for group in groups]
    lake.sync(new)
    properties = own_properties(table.current_snapshot()) | {ROWS_OF: str(version)}
    if not _commit(table, [file for group in groups for file in group], new, properties):
        lake.filesystem.rm([lake.path(address) for address in new])
        return Packed(len(snapshot.files), len(snapshot.files))
    return Packed(len(snapshot.files), len(snapshot_of(table).files))


def _groups(files: Iterable[DataFile]) -> list[list[DataFile]]:
    """Put small files together, so that the files of a group make one of about ``_PACKED_BYTES``."""
    groups: list[list[DataFile]] = [[]]
    size = 0
    for file in sorted(files, key=lambda each: each.file_path):
        if file.file_size_in_bytes >= SMALL_BYTES:
            continue
        if size + file.file_size_in_bytes > _PACKED_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.file_size_in_bytes
    return [group for group in groups if len(group) > 1]


def _write(lake: Lake, table: Table, group: Sequence[DataFile], folder: str) -> str:
    """Write the rows of files into one new file, and give its address.

    Raises:
        LakeError: Fewer or more rows were read than Iceberg says that the files have.
    """
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    from stedi_assets.records.staging import parquet_options

    schema = schema_to_pyarrow(table.schema())
    address = f"{folder}/{uuid.uuid4().hex}.parquet"
    written = 0
    with (
        lake.filesystem.open(address, "wb") as stream,
        pq.ParquetWriter(stream, schema, **parquet_options(schema)) as writer,
    ):
        for rows in _row_groups(table, group, schema):
            writer.write_table(rows, row_group_size=rows.num_rows)
            written += rows.num_rows
    expected = sum(file.record_count for file in group)
    if written != expected:
        raise LakeError(
            f"{table.name()[-1]}: {written:,} of {expected:,} rows of small files could be read, so that nothing was "
            "packed: restore the data files from a backup (docs/move-a-lake.md)"
        )
    return address


def _row_groups(table: Table, files: Iterable[DataFile], schema: pa.Schema) -> Iterator[pa.Table]:
    """Read files one after the other, and gather their rows."""
    import pyarrow as pa
    from pyiceberg.io.pyarrow import ArrowScan
    from pyiceberg.table import FileScanTask

    scan = table.scan()
    reader = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
    gathered: list[pa.Table] = []
    for file in files:
        for batch in reader.to_record_batches([FileScanTask(file)]):
            gathered.append(pa.Table.from_batches([batch]).cast(schema))
            if sum(rows.nbytes for rows in gathered) > _ROW_GROUP_BYTES:
                yield pa.concat_tables(gathered)
                gathered = []
    if gathered:
        yield pa.concat_tables(gathered)


def _commit(table: Table, old: Iterable[DataFile], new: Sequence[str], properties: dict[str, str]) -> bool:
    """Put new files in the place of old ones, on the table as it was loaded; False if another commit came first."""
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.io.pyarrow import parquet_files_to_data_files

    try:
        with (
            table.transaction() as transaction,
            transaction.update_snapshot(snapshot_properties=properties).overwrite() as overwrite,
        ):
            for file in old:
                overwrite.delete_data_file(file)
            for file in parquet_files_to_data_files(table.io, transaction.table_metadata, iter(new)):
                overwrite.append_data_file(file)
    except CommitFailedException:
        return False
    return True
