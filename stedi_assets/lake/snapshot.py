"""Snapshots of tables: which files a reader sees, how a run reads them, and that every file is there.

``publication`` says how a table gets a new snapshot.
"""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lineage import (
    POLICIES,
    REDUCED,
    awaits,
    counts_of,
    erasures_of,
    made_from,
    own_properties,
    version_of,
)
from stedi_assets.lake.ownership import is_below

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import polars as pl
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.engine.session import SparkEngine
    from stedi_assets.lake.lake import Lake

# Footers that are read at once; in a bucket each takes two requests or three.
_THREADS = 16
# A footer of a few row groups takes less.
_FOOTER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Snapshot:
    """A published state of a table.

    Attributes:
        snapshot_id: Iceberg's number of the snapshot; None before the first publication.
        version: The number of the snapshot that first had these rows; another one if its files were packed since.
        committed_at_ms: When it was published, epoch ms UTC.
        rows: Number of rows.
        files: The size in bytes of each data file, by the file's address.
        location: Address of the table's folder.
        made_from: Version of each table that the table was made from; empty where no record says it.
        awaits: Tables that the run was to publish next, with the version that each had before. While a table has that
            version still, a record that moves between the two tables is in neither.
        policies: The policies under which the table was made; None where no record says it.
        erasures: Entries of the register of erasures that were heeded.
        counts: Figures of the table that cost a look at all of its rows; empty where no record says them.
        is_reduced: Whether rows without consent were taken out of it since it was made.
    """

    snapshot_id: int | None
    version: int | None
    committed_at_ms: int | None
    rows: int
    files: Mapping[str, int]
    location: str
    made_from: Mapping[str, int] = field(default_factory=dict)
    awaits: Mapping[str, int | None] = field(default_factory=dict)
    policies: str | None = None
    erasures: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    is_reduced: bool = False

    @property
    def bytes(self) -> int:
        """The size of all data files."""
        return sum(self.files.values())


UNPUBLISHED = Snapshot(None, None, None, 0, {}, "")


def snapshot_of(table: Table) -> Snapshot:
    """Read the current snapshot of a loaded table.

    Raises:
        LakeError: Another program deleted single rows of data files, which plain Parquet readers would bring back; or
            a file of metadata is missing.
    """
    current = table.current_snapshot()
    return UNPUBLISHED if current is None else snapshot_at(table, current)


def snapshot_at(table: Table, current: IcebergSnapshot) -> Snapshot:
    """Read a snapshot of a loaded table.

    Raises:
        LakeError: As ``snapshot_of`` raises.
    """
    tasks = list(table.scan(snapshot_id=current.snapshot_id).plan_files())
    if any(task.delete_files for task in tasks):
        name = table.name()[-1]
        raise LakeError(
            f"another program deleted single rows of {name}, which engines would read: {_remedy(name)}"
        )
    rows = sum(task.file.record_count for task in tasks)
    require_total(table.name()[-1], current, rows)
    return Snapshot(
        snapshot_id=current.snapshot_id,
        version=version_of(current),
        committed_at_ms=current.timestamp_ms,
        rows=rows,
        files=dict(sorted((task.file.file_path, task.file.file_size_in_bytes) for task in tasks)),
        location=table.location(),
        made_from=made_from(current),
        awaits=awaits(current),
        policies=own_properties(current).get(POLICIES),
        erasures=erasures_of(current),
        counts=counts_of(current),
        is_reduced=REDUCED in own_properties(current),
    )


def require_total(table: str, current: IcebergSnapshot, rows: int) -> None:
    """Hold the rows of the files that manifests name against the number in the snapshot's summary, if it has one.

    A list of manifests that is cut off behind its header reads as a list without manifests.

    Raises:
        LakeError: The manifests do not name all files, or too many.
    """
    total = current.summary.additional_properties.get("total-records") if current.summary else None
    if total is not None and int(total) != rows:
        raise LakeError(
            f"{table}: the snapshot has {total} rows, and its manifests name files of {rows}: restore "
            f"{current.manifest_list} and the manifests from a backup, or make the table anew (docs/move-a-lake.md)"
        )


def read_snapshot(lake: Lake, contract: Contract, snapshot: Snapshot, engine: SparkEngine) -> DataFrame:
    """Make a frame of a snapshot, with the schema of the table's contract.

    Sail looks for the files in each query anew, and takes a missing or empty file for one without rows. So whoever
    computes from the frame calls ``require_files`` again before the result is used: a file that is there by then was
    there all the time, since no name is used twice.

    Raises:
        LakeError: A data file is missing or damaged.
    """
    require_files(lake, contract.name, snapshot)
    return read_files(contract, snapshot.files, engine)


def require_files(lake: Lake, table: str, snapshot: Snapshot) -> None:
    """Hold the data files that are there against the files that Iceberg names.

    Raises:
        LakeError: A data file is missing, has another size than Iceberg recorded, or lies outside the table's folder.
    """
    if not snapshot.files:
        return
    if elsewhere := [address for address in snapshot.files if not is_below(address, snapshot.location)]:
        raise LakeError(
            f"{table} has data files outside its folder, such as {elsewhere[0]}: {_remedy(table)}"
        )
    expected = {lake.path(address): size for address, size in snapshot.files.items()}
    # One folder for a table that was made whole; in a bucket, one request for a thousand files.
    folder = os.path.commonpath([PurePosixPath(path).parent for path in expected])
    found = {file.path: file.bytes for file in lake.list_files(folder)}
    if lost := [path for path, size in expected.items() if found.get(path) != size]:
        raise LakeError(
            f"{table}: {len(lost)} of {len(expected)} data files are missing or damaged, such as {lost[0]}: restore "
            f"them from a backup, or {_remedy(table)}"
        )


def require_rows(lake: Lake, table: str, files: Collection[str], rows: int) -> None:
    """Hold the rows that an engine read from staged files against what the files themselves say.

    Args:
        lake: The lake.
        table: Name of the table.
        files: Addresses of the Parquet files.
        rows: Number of rows that the engine read.

    Raises:
        LakeError: The engine read another number of rows than the files have, or a file is gone.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        written = sum(threads.map(partial(_rows_in, lake, table), files))
    if rows != written:
        raise LakeError(f"{table}: the engine read {rows} rows where {written} were staged: run it again")


def _rows_in(lake: Lake, table: str, file: str) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # The footer is at the end. In most cases one request gives it; a stream takes two.
        end = lake.filesystem.cat_file(file, start=-_FOOTER_BYTES)
        with suppress(pa.ArrowInvalid):
            return int(pq.read_metadata(BytesIO(end)).num_rows)
        with lake.filesystem.open(file) as stream:
            return int(pq.read_metadata(stream).num_rows)
    except (FileNotFoundError, pa.ArrowInvalid):
        raise LakeError(f"{table}: the staged file {file} is missing or damaged: run it again") from None


def _remedy(table: str) -> str:
    if table.endswith(("_trusted", "_curated")):
        return f"materialize {table} again"
    return "read every raw file of the source again, with full_refresh (docs/move-a-lake.md)"


def read_files(contract: Contract, files: Collection[str], engine: SparkEngine) -> DataFrame:
    """Make a frame of Parquet files, with the schema of a contract; without files the frame is empty."""
    if not files:
        return engine.session.createDataFrame([], contract.spark_schema)
    paths = [engine.path(file) for file in files]
    frame = engine.session.read.schema(contract.spark_schema).parquet(*paths)
    # A Connect server resolves a frame's files again for each query of it, but a view's only once. Measured with
    # Sail 0.7: three requests to S3 for each file and use of it, or one.
    view = f"{contract.name}_{uuid.uuid4().hex}"
    frame.createTempView(view)
    return engine.session.table(view)


def read_batches(table: Table, columns: Collection[str]) -> Iterator[pl.DataFrame]:
    """Read columns of a table's current snapshot without an engine, a data file at a time.

    PyIceberg's own reader of batches holds as many data files in memory as it has read ahead.
    """
    import polars as pl
    from pyiceberg.io.pyarrow import ArrowScan

    scan = table.scan(selected_fields=tuple(columns))
    reader = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
    for task in scan.plan_files():
        for batch in reader.to_record_batches([task]):
            yield pl.DataFrame(pl.from_arrow(batch))
