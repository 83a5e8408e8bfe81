"""Publication: a frame is staged beside its table, and what was staged becomes the table's content in one commit.

Contracts are audited between ``stage`` and ``publish`` by the caller. What readers see belongs in ``snapshot``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from stedi_assets.errors import StediError
from stedi_assets.lake.evolution import add_columns
from stedi_assets.lake.snapshot import Snapshot, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.engine.session import SparkEngine
    from stedi_assets.lake.lake import Lake

    Result = TypeVar("Result")

# Key of a snapshot's summary that names the Dagster run which published it.
RUN_ID = "stedi.run-id"
# Commits of others to the same table that a change of ours may lose against before it gives up.
_ATTEMPTS = 10


class PublishConflictError(StediError):
    """Another run published the table since this run began with it; nothing was published by this one."""


@dataclass(frozen=True)
class Staged:
    """A result beside its table, written and not yet published.

    Attributes:
        contract: The table's contract.
        base: The table as it was before the result was computed; publishing succeeds only on it.
        folder: Address of the staged folder.
        files: Addresses of the Parquet files in it; none when the result is empty.
        replaces: Which published rows go when it is published; all of them if None.
    """

    contract: Contract
    base: Table
    folder: str
    files: tuple[str, ...]
    replaces: BooleanExpression | None = None


def new_folder(lake: Lake, contract: Contract) -> str:
    """The address of a new folder for staged files; never one in use, since leftovers could be read."""
    return f"{lake.address(contract.folder)}/data/{uuid.uuid4().hex}"


def stage(lake: Lake, contract: Contract, frame: DataFrame, engine: SparkEngine, base: Table) -> Staged:
    """Write a frame once, into a new folder beside its table.

    Args:
        lake: The lake.
        contract: The table's contract.
        frame: Its new content.
        engine: The engine of the frame.
        base: The table, loaded before the frame's inputs were.
    """
    folder = new_folder(lake, contract)
    frame.write.parquet(engine.path(folder))
    return Staged(contract, base, folder, lake.parquet_files(folder))


def publish(lake: Lake, staged: Staged, properties: Mapping[str, str]) -> Snapshot:
    """Make what was staged the content of its table, in one commit.

    Args:
        lake: The lake.
        staged: What to publish.
        properties: Written into the snapshot's summary.

    Raises:
        PublishConflictError: The table is no longer the one that ``staged`` was computed for.
    """

    def change(table: Table) -> Snapshot:
        # Not compared whole: where retention expired snapshots meanwhile, the rows are what they were.
        if table.metadata.current_snapshot_id != staged.base.metadata.current_snapshot_id:
            raise PublishConflictError(
                f"{staged.contract.name}: another run published this table meanwhile, so this run published "
                "nothing; run it again"
            )
        _commit(table, staged, dict(properties))
        return snapshot_of(table)  # which the commit brought up to date

    lake.sync(staged.files)
    return compare_and_set(lake, staged.contract, change, first=staged.base)


def compare_and_set(
    lake: Lake, contract: Contract, change: Callable[[Table], Result], *, first: Table | None = None
) -> Result:
    """Change a table in one commit on its present state; begin again on the new state where another commit was first.

    Args:
        lake: The lake.
        contract: The table's contract.
        change: Commits to the table that it is given, at most once.
        first: The state to begin with; the present one if there is none.

    Raises:
        CommitFailedException: Others committed to the table first, time after time.
    """
    from pyiceberg.exceptions import CommitFailedException

    table = first or lake.ensure_table(contract)
    for _ in range(1, _ATTEMPTS):
        try:
            return change(table)
        except CommitFailedException:
            table = lake.ensure_table(contract)
    return change(table)


def _commit(table: Table, staged: Staged, summary: dict[str, str]) -> None:
    """Put staged files in the place of the rows that they replace, in one commit on the table as it was loaded."""
    from pyiceberg.expressions import AlwaysFalse, AlwaysTrue

    is_new = table.current_snapshot() is None
    replaces = AlwaysTrue() if staged.replaces is None else staged.replaces
    with table.transaction() as transaction:
        add_columns(transaction, staged.contract)
        if not is_new and replaces != AlwaysFalse():
            transaction.delete(replaces, snapshot_properties=summary)
        if staged.files:
            transaction.add_files(
                list(staged.files), snapshot_properties=summary, check_duplicate_files=False
            )
        elif is_new:
            # A table that was published empty differs from one that never was: it has a snapshot.
            with transaction.update_snapshot(snapshot_properties=summary).fast_append():
                pass
