"""Withdrawn people in published tables: how long they have stayed, and how they are taken out without a whole run.

Who consents is asked by the queries of the checks ``consent``; see ``derived_checks``. Which job takes people out, and
when, belongs in ``jobs``, ``schedules`` and ``sensors``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stedi_assets.contracts.refusals import first_refusal
from stedi_assets.derived_checks import earliest_of_owners, is_of_current_consent, without_consent
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.evolution import require_columns
from stedi_assets.lake.lineage import COUNTS, REDUCED, own_properties
from stedi_assets.lake.publication import RUN_ID, Staged, publish, stage
from stedi_assets.lake.snapshot import (
    Snapshot,
    read_files,
    read_snapshot,
    require_files,
    require_rows,
    snapshot_of,
)
from stedi_assets.privacy.pseudonym import pseudonym_key, require_published_key

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.lake.pinned import PinnedSnapshots
    from stedi_assets.settings import Settings

# What a table shows of the people whom a publication took out for want of consent.
ROWS_WITHDRAWN, SECONDS_STAYED = "rows_withdrawn", "seconds_withdrawn_stayed"


def withdrawn(
    contract: Contract, published: Snapshot, snapshots: PinnedSnapshots, settings: Settings
) -> dict[str, int]:
    """Figures of the people who are in a published table and do not consent now.

    Where data files of the published table are lost, the table is being made anew, and nothing is said of it.

    Args:
        contract: The table's contract.
        published: The table as it is published.
        snapshots: The tables of the run, with the consent that counts.
        settings: The policies in force.
    """
    if is_of_current_consent(published, snapshots) or not published.rows:
        return {ROWS_WITHDRAWN: 0, SECONDS_STAYED: 0}
    try:
        rows = read_snapshot(snapshots.lake, contract, published, snapshots.engine)
    except LakeError:
        return {}
    return _figures(contract, published, rows, snapshots, settings)


def take_out(
    contract: Contract, snapshots: PinnedSnapshots, settings: Settings, run_id: str
) -> dict[str, int]:
    """Publish a table without the rows of people who do not consent now; no row is added or changed.

    The table keeps the record of what it was made from. So it is as stale as before, and is made anew as soon as a run
    can. The table is loaded before what decides consent is: nobody is taken out who gave consent in between.

    Args:
        contract: The contract of a trusted or curated table.
        snapshots: The tables of the run; they are read as they are now.
        settings: The policies in force.
        run_id: The run.

    Returns:
        Figures; none if the table was never published.

    Raises:
        LakeError: A table cannot be read, or the engine removed other rows than it should.
        SettingsError: The settings have another pseudonym key than the table.
        PublishConflictError: Another run published the table meanwhile; or customer records are published half, so
            that nobody can know who consents.
    """
    snapshots.release()
    base = snapshots.lake.find_table(contract.name)
    if base is None or base.current_snapshot() is None:
        return {}
    require_columns(base, contract)
    snapshots.made_from(())
    if contract.has_pseudonyms:
        require_published_key(base, settings)
    published = snapshot_of(base)
    rows = read_snapshot(snapshots.lake, contract, published, snapshots.engine)
    figures = _figures(contract, published, rows, snapshots, settings)
    if not figures[ROWS_WITHDRAWN]:
        require_files(snapshots.lake, contract.name, published)
        snapshots.require_files()
        return figures
    failing = without_consent(contract.name, rows, snapshots, settings).select(*rows.columns)
    left = rows.exceptAll(failing)
    staged = stage(snapshots.lake, contract, left, snapshots.engine, base, made_from={}, erasures=None)
    _require_the_rest(staged, published.rows - figures[ROWS_WITHDRAWN], snapshots, settings)
    require_files(snapshots.lake, contract.name, published)
    snapshots.require_files()
    said = own_properties(base.current_snapshot())
    said.pop(COUNTS, None)  # Figures of the rows as they were.
    properties = said | {RUN_ID: run_id, REDUCED: "true"}
    publish(snapshots.lake, staged, properties)
    return figures


def _figures(
    contract: Contract, published: Snapshot, rows: DataFrame, snapshots: PinnedSnapshots, settings: Settings
) -> dict[str, int]:
    import pyspark.sql.functions as F

    # A person withdraws all rows but, under this policy, those from another consent on.
    each = rows.withColumn("rows", F.lit(1))
    asked = each if settings.consent_from_date else earliest_of_owners(contract.name, rows)
    failing = without_consent(contract.name, asked, snapshots, settings)
    count = failing.agg(F.sum("rows")).collect()[0][0]
    if not count:
        return {ROWS_WITHDRAWN: 0, SECONDS_STAYED: 0}
    since = published.committed_at_ms or 0
    refused = first_refusal(
        failing,
        snapshots.read("customer_landing"),
        snapshots.read("customer_quarantine"),
        since=since,
        key=pseudonym_key(settings) if contract.has_pseudonyms else None,
    ).collect()[0]["landed_at"]
    # No refusal has landed since, where a policy has changed, or where a run overtook another one.
    stayed = time.time_ns() // 1_000_000 - (refused or since)
    return {ROWS_WITHDRAWN: count, SECONDS_STAYED: max(0, round(stayed / 1000))}


def _require_the_rest(staged: Staged, rows: int, snapshots: PinnedSnapshots, settings: Settings) -> None:
    """Hold what was staged against what should be left.

    Raises:
        LakeError: Other rows are left, or rows without consent.
    """
    name = staged.contract.name
    left = read_files(staged.contract, staged.files, snapshots.engine)
    count, failing = left.count(), without_consent(name, left, snapshots, settings).count()
    require_rows(snapshots.lake, name, staged.files, count)
    if count != rows or failing:
        raise LakeError(
            f"{name}: {rows:,} rows should be left and {count:,} are, {failing:,} of them without consent, so that "
            "nothing was published: run it again, and report it if it happens again"
        )
