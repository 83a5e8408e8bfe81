"""Upgrade of a lake that an earlier version made: landing and quarantine tables get the columns that they lack.

The values of new columns are computed from the published rows by the functions of the record reader, since the raw file
of a row may be gone. All other tables get their new columns when they are refreshed. Which columns a table lacks
belongs in ``lake.evolution``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.errors import StediError
from stedi_assets.lake.evolution import add_columns, missing_columns, require_known_columns
from stedi_assets.lake.lineage import own_properties
from stedi_assets.lake.publication import Staged, compare_and_set, new_folder, publish
from stedi_assets.lake.snapshot import read_batches, require_files, snapshot_of
from stedi_assets.landing import ledger
from stedi_assets.records.identity import with_identities
from stedi_assets.records.mentions import with_mentions
from stedi_assets.records.read_task import SIZES
from stedi_assets.records.staging import Staging
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyiceberg.table import Table

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.lake.lake import Lake

_ADDITIONS = {"landing": with_identities, "quarantine": with_mentions}


class UpgradeError(StediError):
    """A table cannot be upgraded; the message names the table and the remedy, and the table is as it was."""


def upgrade(lake: Lake) -> dict[str, int]:
    """Give the landing and quarantine tables of a lake the columns that they lack; each table changes in one commit.

    The next run reads every raw file again, since this version may judge a record otherwise than the earlier one. May
    be called again after any fault, and does nothing where nothing is lacking.

    Returns:
        The number of rows of each table that was upgraded.

    Raises:
        SchemaError: A newer version has upgraded a table already.
        PublishConflictError: A run published a table meanwhile; the upgrade is to be repeated.
        LakeError: A data file of a table is missing or damaged.
        UpgradeError: The rows that were read are not all rows of the table.
    """
    tables = [CONTRACTS[f"{source}_{kind}"] for source in SOURCES for kind in _ADDITIONS]
    outdated = [contract.name for contract in tables if _is_outdated(lake, contract)]
    # First, so that a repetition after a fault finds the same tables lacking columns, and does it again.
    _have_files_read_again(lake, {name.rpartition("_")[0] for name in outdated})
    return {name: _upgrade_table(lake, CONTRACTS[name]) for name in outdated}


def _is_outdated(lake: Lake, contract: Contract) -> bool:
    """Whether a table lacks columns, or has rows without values in them: an earlier version wrote to it again."""
    table = lake.find_table(contract.name)
    if table is None:
        return False
    require_known_columns(table, contract)
    if missing_columns(table, contract):
        return True
    required = [column.name for column in contract.columns if not column.nullable]
    return any(rows.null_count().sum_horizontal().item() for rows in read_batches(table, required))


def _have_files_read_again(lake: Lake, sources: Iterable[str]) -> None:
    """Enter landing files in the ledger as changed; rows of files that are gone stay."""
    for source in sources:
        ledger.amend(
            lake, [replace(entry, identity="") for entry in ledger.read_entries(lake, source).values()]
        )


def _upgrade_table(lake: Lake, contract: Contract) -> int:
    table = lake.ensure_table(contract)
    before = snapshot_of(table)
    if before.snapshot_id is None:
        # A table that was never published stays so.
        compare_and_set(lake, contract, lambda unpublished: _add_columns(unpublished, contract), first=table)
        return 0
    require_files(lake, contract.name, before)
    folder = new_folder(lake, contract)
    rows, files = _stage(lake, table, contract, folder)
    if rows != before.rows:
        raise UpgradeError(
            f"{contract.name}: {rows:,} of {before.rows:,} rows could be read, so the table was not upgraded; restore "
            "its data files, then run `stedi upgrade` again"
        )
    # By the run that the properties name, the ledger knows that it agrees with the table.
    publish(lake, Staged(contract, table, folder, files), own_properties(table.current_snapshot()))
    return rows


def _stage(lake: Lake, table: Table, contract: Contract, folder: str) -> tuple[int, tuple[str, ...]]:
    """Write the rows of a table with all columns of its contract into a folder, and give their number and the files."""
    staging, written = Staging(lake.filesystem, folder, SIZES.gathered_bytes), 0
    add = _ADDITIONS["landing" if contract.name.endswith("_landing") else "quarantine"]
    present = set(table.schema().column_names)
    names = [column.name for column in contract.columns]
    for rows in read_batches(table, [name for name in names if name in present]):
        staging.add(add(rows).select(names))
        written += rows.height
    return written, staging.finish()


def _add_columns(table: Table, contract: Contract) -> None:
    with table.transaction() as transaction:
        add_columns(transaction, contract)
