"""What the lake has of a person: rows by table, records by landing file, and files that nobody can tell of.

Nothing is changed here. Erasure belongs in ``erasure``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.landing import ledger
from stedi_assets.landing.files import list_landing
from stedi_assets.privacy.person import identity_columns, rows
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from stedi_assets.lake.lake import Lake
    from stedi_assets.privacy.person import Person


@dataclass
class Findings:
    """What the lake has of a person.

    Attributes:
        rows: Rows by table, of tables that have any.
        records: Records by landing file.
        shared_devices: Number of the person's devices that others own too.
        shared_readings: Step readings of these devices; they stay, since they may be another owner's.
        files_not_read: Landing files that no run has read as they are now: new, changed or unreadable.
    """

    rows: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    shared_devices: int = 0
    shared_readings: int = 0
    files_not_read: list[str] = field(default_factory=list)


def findings_of(lake: Lake, person: Person) -> Findings:
    """Count what the published tables have of a person.

    Raises:
        LakeError: A data file of a table is missing or damaged.
        SchemaError: Another version of this package made a table.
    """
    found = Findings(shared_devices=len(person.shared_devices))
    records: Counter[str] = Counter()
    for name in filter(identity_columns, CONTRACTS):
        for batch in rows(lake, name):
            own = person.rows_of(batch)
            if own.height:
                found.rows[name] = found.rows.get(name, 0) + own.height
            if "source_position" in own.columns:
                records.update(own["source_file"])
            if name == "step_trainer_landing":
                shared = pl.col("device").is_in(list(person.shared_devices))
                found.shared_readings += batch.filter(shared).height
    found.records = dict(sorted(records.items()))
    for source in SOURCES:
        found.files_not_read += landing_files(lake, source)[1]
    return found


def landing_files(lake: Lake, source: str) -> tuple[list[str], list[str]]:
    """Paths of landing files that a run has read as they are now, and of the others."""
    entries = ledger.read_entries(lake, source) if lake.find_table("landing_files") else {}
    read: list[str] = []
    not_read: list[str] = []
    for file in list_landing(lake, source).files:
        is_read = file.path in entries and entries[file.path].has(file)
        (read if is_read else not_read).append(file.path)
    return read, not_read


def nameless_records(lake: Lake) -> dict[str, int]:
    """Count the quarantined customer records that name nobody, by landing file."""
    counts: Counter[str] = Counter()
    for batch in rows(lake, "customer_quarantine"):
        counts.update(batch.filter(pl.col("persons").list.len() == 0)["source_file"])
    return dict(sorted(counts.items()))
