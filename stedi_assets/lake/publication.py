"""Publication: a frame is staged beside its table, and what was staged becomes the table's content in one commit.

Contracts are audited between ``stage`` and ``publish`` by the caller. What readers see belongs in ``snapshot``.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from stedi_assets.errors import StediError
from stedi_assets.lake.erasures import entries_of, require_entries
from stedi_assets.lake.evolution import add_columns
from stedi_assets.lake.lineage import (
    AWAITS,
    COUNTS,
    DECIDE_CONSENT,
    ERASURES,
    MADE_FROM,
    ROWS_OF,
    erasures_of,
    made_from,
    version_of,
)
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
    """A result was not made from what is published now, so that it is not published; computed again, it may be."""


@dataclass(frozen=True)
class Staged:
    """A result beside its table, written and not yet published.

    Attributes:
        contract: The table's contract.
        base: The table as it was before the result was computed; publishing succeeds only on it.
        folder: Address of the staged folder.
        files: Addresses of the Parquet files in it; none when the result is empty.
        replaces: Which published rows go when it is published; all of them if None.
        made_from: Version of each table that the result was made from; empty for what is made from files.
        awaits: Tables that are to be published next, with the version that each has; see ``Snapshot``.
        erasures: Entries of the register of erasures that were heeded; None where rows only go, or stay as they were.
        counts: Figures of the table for whoever adds rows to it later; see ``Snapshot``.
    """

    contract: Contract
    base: Table
    folder: str
    files: tuple[str, ...]
    replaces: BooleanExpression | None = None
    made_from: Mapping[str, int] = field(default_factory=dict)
    awaits: Mapping[str, int | None] = field(default_factory=dict)
    erasures: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_change(self) -> bool:
        """Whether publishing gives the table a new snapshot."""
        current = self.base.current_snapshot()
        is_remade = bool(self.made_from) and dict(self.made_from) != made_from(current)
        return not self.keeps_rows or current is None or is_remade

    @property
    def keeps_rows(self) -> bool:
        """Whether the table has the same rows afterwards."""
        from pyiceberg.expressions import AlwaysFalse

        return not self.files and self.replaces == AlwaysFalse()


def new_folder(lake: Lake, contract: Contract) -> str:
    """The address of a new folder for staged files; never one in use, since leftovers could be read."""
    return f"{lake.address(contract.folder)}/data/{uuid.uuid4().hex}"


def stage(  # noqa: PLR0913, PLR0917 - each part of what is staged
    lake: Lake,
    contract: Contract,
    frame: DataFrame,
    engine: SparkEngine,
    base: Table,
    made_from: Mapping[str, int],
    erasures: int | None,
) -> Staged:
    """Write a frame once, into a new folder beside its table.

    Args:
        lake: The lake.
        contract: The table's contract.
        frame: Its new content.
        engine: The engine of the frame.
        base: The table, loaded before the frame's inputs were.
        made_from: Version of each table that the frame is made from.
        erasures: Entries of the register of erasures that were heeded; see ``Staged``.
    """
    folder = new_folder(lake, contract)
    frame.write.parquet(engine.path(folder))
    return Staged(contract, base, folder, lake.parquet_files(folder), made_from=made_from, erasures=erasures)


def publish(lake: Lake, staged: Staged, properties: Mapping[str, str]) -> Snapshot:
    """Make what was staged the content of its table, in one commit.

    Nobody who has withdrawn stays published, although the look at what decides consent and the commit are two moments.
    Say that a run made table T from an old ``customer_landing``, and that another run published a newer one and then T
    made from it.

    - If the old T is committed first, the other run's T takes its place.
    - If the new T is committed first, the old one is refused. It must not be committed on a base from before the new
      T, since a commit is a compare-and-set on its base. And if its base is the new T, or a later one, then the base
      was loaded after the newer ``customer_landing`` was published. The look comes after the base, and sees it.

    So the snapshots of a table follow the order of the snapshots of ``customer_landing`` that they were made from.
    If the other run dies before it publishes T, the old T may be committed after the look and stay. Its record names
    the old ``customer_landing``: T is stale, and the sensor asks for it until it is made from the newer one.

    The register of erasures is looked at in the same way, for landing and quarantine tables, too.

    Args:
        lake: The lake.
        staged: What to publish.
        properties: Written into the snapshot's summary.

    Raises:
        PublishConflictError: The table, a table that decides consent, or the register of erasures is no longer the one
            that ``staged`` was computed for.
        LakeError: Entries of the register of erasures are gone.
    """
    summary = dict(properties)
    if staged.made_from:
        summary[MADE_FROM] = json.dumps(staged.made_from, sort_keys=True)
    if staged.awaits:
        summary[AWAITS] = json.dumps(staged.awaits, sort_keys=True)
    heeded = erasures_of(staged.base.current_snapshot()) if staged.erasures is None else staged.erasures
    if heeded:
        summary[ERASURES] = str(heeded)
    if staged.counts:
        summary[COUNTS] = json.dumps(staged.counts, sort_keys=True)
    if staged.keeps_rows and (version := version_of(staged.base.current_snapshot())) is not None:
        # For whatever is made from the table, nothing has changed.
        summary[ROWS_OF] = str(version)

    def change(table: Table) -> Snapshot:
        # Not compared whole: where retention expired snapshots meanwhile, the rows are what they were.
        if table.metadata.current_snapshot_id != staged.base.metadata.current_snapshot_id:
            raise PublishConflictError(
                f"{staged.contract.name}: another run published this table meanwhile, so this run published "
                "nothing; run it again"
            )
        _require_current_consent(lake, staged)
        _require_current_register(lake, staged)
        _commit(table, staged, summary)
        return snapshot_of(table)  # which the commit brought up to date

    lake.sync(staged.files)
    return compare_and_set(lake, staged.contract, change, first=staged.base)


def _require_current_consent(lake: Lake, staged: Staged) -> None:
    """Refuse a result that was made from what decided consent before; see ``publish``.

    Raises:
        PublishConflictError: A table that decides consent was published since.
    """
    for name in DECIDE_CONSENT:
        if name not in staged.made_from:
            continue
        table = lake.find_table(name)
        if table is None or version_of(table.current_snapshot()) != staged.made_from[name]:
            raise PublishConflictError(
                f"{staged.contract.name}: another run published {name} meanwhile, and whoever withdrew in it would "
                f"come back, so this run published nothing; run it again"
            )


def _require_current_register(lake: Lake, staged: Staged) -> None:
    """Refuse a result that may have records of somebody who was erased meanwhile.

    Raises:
        PublishConflictError: The register has other entries.
        LakeError: Entries that it had are gone.
    """
    if staged.erasures is None:
        return
    entries = len(entries_of(lake))
    require_entries(entries, erasures_of(staged.base.current_snapshot()), staged.contract.name)
    if entries != staged.erasures:
        raise PublishConflictError(
            f"{staged.contract.name}: somebody was erased meanwhile, so this run published nothing; run it again"
        )


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

    before = table.metadata.current_snapshot_id
    replaces = AlwaysTrue() if staged.replaces is None else staged.replaces
    with table.transaction() as transaction:
        add_columns(transaction, staged.contract)
        if before is not None and replaces != AlwaysFalse():
            # Of two snapshots, the first is no table: whoever rolls back to it must not have it taken for one.
            half = {key: value for key, value in summary.items() if key != MADE_FROM}
            transaction.delete(replaces, snapshot_properties=half if staged.files else summary)
        if staged.files:
            transaction.add_files(
                list(staged.files), snapshot_properties=summary, check_duplicate_files=False
            )
        elif staged.is_change and before == transaction.table_metadata.current_snapshot_id:
            # A table that was published empty differs from one that never was: it has a snapshot. An empty table that
            # is refreshed gets a new one, which says what it was made from. So does a table of which nothing had to
            # go after all: another table may await it.
            with transaction.update_snapshot(snapshot_properties=summary).fast_append():
                pass
