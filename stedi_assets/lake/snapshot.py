"""Published states of tables: which rows and files a reader sees, and how a run reads them.

How a table gets a new state belongs in ``publication``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stedi_assets.errors import StediError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.table import Table
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.engine.session import SparkEngine


class ForeignDeletesError(StediError):
    """A foreign writer left row-level deletes in a table; the message says what to do about it."""


@dataclass(frozen=True)
class Snapshot:
    """A published state of a table.

    Attributes:
        snapshot_id: Iceberg's number of it; None before the first publication.
        committed_at_ms: When it was published, epoch ms UTC.
        rows: Number of rows.
        files: Addresses of its data files.
        bytes: Size of its data files.
    """

    snapshot_id: int | None
    committed_at_ms: int | None
    rows: int
    files: tuple[str, ...]
    bytes: int


UNPUBLISHED = Snapshot(None, None, 0, (), 0)


def snapshot_of(table: Table) -> Snapshot:
    """The current snapshot of a loaded table.

    Raises:
        ForeignDeletesError: Another writer left row-level deletes in the table, which plain Parquet readers
            would bring back.
    """
    current = table.current_snapshot()
    if current is None:
        return UNPUBLISHED
    tasks = list(table.scan(snapshot_id=current.snapshot_id).plan_files())
    if any(task.delete_files for task in tasks):
        raise ForeignDeletesError(
            f"{table.name()[-1]}: a foreign writer left row-level deletes; rewrite the table without them"
        )
    return Snapshot(
        snapshot_id=current.snapshot_id,
        committed_at_ms=current.timestamp_ms,
        rows=sum(task.file.record_count for task in tasks),
        files=tuple(sorted(task.file.file_path for task in tasks)),
        bytes=sum(task.file.file_size_in_bytes for task in tasks),
    )


def read_files(contract: Contract, files: Sequence[str], engine: SparkEngine) -> DataFrame:
    """Parquet files of a table as a frame with its contract's schema; no files make an empty frame."""
    if not files:
        return engine.session.createDataFrame([], contract.spark_schema)
    paths = [engine.path(file) for file in files]
    frame = engine.session.read.schema(contract.spark_schema).parquet(*paths)
    # A Connect server resolves a frame's files again for each query of it, but a view's only once. Measured with
    # Sail 0.7: three requests to S3 for each file and use of it, or one.
    view = f"{contract.name}_{uuid.uuid4().hex}"
    frame.createTempView(view)
    return engine.session.table(view)
