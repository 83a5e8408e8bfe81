"""The ledger ``landing_files``: which files were ingested, as what, with what result.

It is committed after the tables that it speaks of. A run that dies in between leaves rows that no entry answers
for; ``agrees_with`` tells, and the next run replaces them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.publication import RUN_ID, compare_and_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pyiceberg.table import Table

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.files import Listing
    from stedi_assets.landing.reader import FileReport

_CONTRACT = CONTRACTS["landing_files"]


@dataclass(frozen=True)
class Entry:
    """A row of the ledger; see the contract of ``landing_files``."""

    source_file: str
    source: str
    identity: str
    bytes: int
    records: int
    landed: int
    quarantined: int
    repaired: str
    ingested_at: int
    run_id: str
    missing_since: int | None = None

    def rows(self, kind: Literal["landing", "quarantine"]) -> int:
        """Rows of the file in the landing or in the quarantine table."""
        return self.landed if kind == "landing" else self.quarantined


def entry_of(report: FileReport, source: str, ingested_at: int, run_id: str) -> Entry:
    """The entry of a file that was read."""
    return Entry(
        source_file=report.file.path,
        source=source,
        identity=report.file.identity,
        bytes=report.file.size,
        records=report.counts.records,
        landed=report.counts.landed,
        quarantined=report.counts.quarantined,
        repaired=json.dumps(report.counts.repaired, sort_keys=True),
        ingested_at=ingested_at,
        run_id=run_id,
    )


def read_entries(lake: Lake, source: str) -> dict[str, Entry]:
    """The entries of a source, by path."""
    from pyiceberg.expressions import In

    rows: list[dict[str, Any]] = (
        lake.ensure_table(_CONTRACT)
        .scan(row_filter=In(term="source", literals=[source]))
        .to_arrow()
        .to_pylist()
    )
    return {row["source_file"]: Entry(**row) for row in rows}


def record(  # noqa: PLR0913 - what a run knows of its files
    lake: Lake,
    source: str,
    listing: Listing,
    read: Iterable[FileReport],
    entries: Mapping[str, Entry],
    *,
    unread: Mapping[str, Entry],
    run_id: str,
    now: int,
) -> None:
    """Enter the files that a run read; mark files that disappeared, and those that came back.

    Args:
        lake: The lake.
        source: The source.
        listing: Its files now.
        read: Files that the run read.
        entries: The ledger as it was.
        unread: Entries of files that the run did not read, as they should be.
        run_id: The run.
        now: When it began, epoch ms UTC.
    """
    present = {file.path for file in listing.files}
    changed = {item.file.path: entry_of(item, source, now, run_id) for item in read}
    for path, entry in unread.items():
        missing_since = None if path in present else entry.missing_since or now
        if (marked := replace(entry, missing_since=missing_since)) != entries[path]:
            changed[path] = marked
    if changed:
        _write(lake, list(changed.values()), superseded=[path for path in changed if path in entries])


def _write(lake: Lake, changed: Sequence[Entry], superseded: Sequence[str]) -> None:
    """Put entries in the place of those that they supersede, in one commit.

    Raises:
        CommitFailedException: Other runs committed to the ledger first, time after time; the next run
            repairs what this one left.
    """
    from pyiceberg.expressions import In

    rows = pa.Table.from_pylist([asdict(entry) for entry in changed], schema=_CONTRACT.arrow_schema)

    def change(table: Table) -> None:
        with table.transaction() as transaction:
            if superseded:
                transaction.delete(In(term="source_file", literals=superseded))
            transaction.append(rows)

    # Runs of different sources commit to the one ledger; their rows are different, so that the loser may try again.
    compare_and_set(lake, _CONTRACT, change)


def amend(lake: Lake, entries: Sequence[Entry]) -> None:
    """Put other entries in the place of those of the same files; see ``_write`` for what it raises."""
    if entries:
        _write(lake, entries, superseded=[entry.source_file for entry in entries])


def publisher(table: Table) -> str | None:
    """The run that last published a landing or quarantine table; None if none did."""
    current = table.current_snapshot()
    if current is None or current.summary is None:
        return None
    return current.summary.additional_properties.get(RUN_ID)


def agrees_with(table: Table, entries: Iterable[Entry]) -> bool:
    """Whether the run that last published a landing or quarantine table also came to the ledger."""
    return table.current_snapshot() is None or publisher(table) in {entry.run_id for entry in entries}
