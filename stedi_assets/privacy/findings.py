"""What the lake has of people: rows by table, records by landing file, and files that nobody can tell of.

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
    from stedi_assets.privacy.person import People


@dataclass
class Findings:
    """What the lake has of one person or several.

    Attributes:
        rows: Rows by table, of tables that have any.
        records: Records by landing file.
        shared_devices: Number of the people's devices that others own too.
        shared_readings: Step readings of these devices; they stay, since they may be another owner's.
        again: Records of people who were erased before, of whomever, by landing file that was delivered since.
        files_not_read: Landing files that no run has read as they are now: new, changed or unreadable.
    """

    rows: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    shared_devices: int = 0
    shared_readings: int = 0
    again: dict[str, int] = field(default_factory=dict)
    files_not_read: list[str] = field(default_factory=list)

    @property
    def is_work(self) -> bool:
        """Whether there is something to erase, or a file that may have something."""
        return bool(self.rows or self.again or self.files_not_read)


def findings_of(lake: Lake, *asked: People) -> list[Findings]:
    """Count what the published tables have of people; each table is read once.

    Args:
        lake: The lake.
        asked: Of whom; there are findings for each of them.

    Raises:
        LakeError: A data file of a table is missing or damaged.
        SchemaError: Another version of this package made a table.
    """
    not_read = [path for source in SOURCES for path in landing_files(lake, source)[1]]
    again = delivered_again(lake)
    found = [
        Findings(shared_devices=len(people.shared_devices), again=again, files_not_read=not_read)
        for people in asked
    ]
    for name in filter(identity_columns, CONTRACTS):
        for batch in rows(lake, name):
            for people, of_people in zip(asked, found, strict=True):
                _count(of_people, people, name, batch)
    return found


def _count(found: Findings, people: People, table: str, batch: pl.DataFrame) -> None:
    own = people.rows_of(batch)
    if own.height:
        found.rows[table] = found.rows.get(table, 0) + own.height
    if "source_position" in own.columns:
        found.records = dict(sorted((Counter(found.records) + Counter(own["source_file"])).items()))
    if table == "step_trainer_landing":
        found.shared_readings += batch.filter(pl.col("device").is_in(list(people.shared_devices))).height


def delivered_again(lake: Lake) -> dict[str, int]:
    """Count the records of people who were erased before, by landing file that is there."""
    entries = {path: entry for source in SOURCES for path, entry in ledger.read_entries(lake, source).items()}
    return {
        path: entry.erased
        for path, entry in sorted(entries.items())
        if entry.erased and entry.missing_since is None and entry.retracted_at is None
    }


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
