"""Repair: entries of the ledger that do not speak of the rows that a table has, and which rows a run replaces.

Whether every record that a run found is a row belongs in ``conservation``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stedi_assets.landing.ledger import UNKNOWN, Entry

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pyiceberg.expressions import BooleanExpression
    from pyspark.sql import DataFrame

    from stedi_assets.landing.ledger import Kind, Ledger


def entries_corrected(ledger: Ledger, published: Mapping[Kind, PublishedRows]) -> dict[str, Entry]:
    """Correct the ledger entries whose row counts differ from a table, and make the entries that are missing.

    A run published the rows and died before the ledger, or something else wrote to the table. The identity of such a
    file is unknown, so that the file is read again even if it looks as before: a bad delivery may have been taken back
    meanwhile. If the file is gone, its rows stay, and the entry answers for them. A file that was taken back stays so.

    Args:
        ledger: The ledger as it is.
        published: The tables that do not agree with the ledger.

    Returns:
        The entries that differ from the ledger, by path.
    """
    paths = set(ledger.entries).union(*(of_table.rows for of_table in published.values()))
    corrected = {}
    for path in paths:
        entry = ledger.entries.get(path) or _without_rows(path, ledger.source)
        wrong = [kind for kind, of_table in published.items() if not of_table.agrees_with(entry, kind)]
        if wrong or path in ledger.repeated:
            counts = {kind: of_table.count(path) for kind, of_table in published.items()}
            landed, quarantined = (
                counts.get("landing", entry.landed),
                counts.get("quarantine", entry.quarantined),
            )
            corrected[path] = replace(
                entry,
                identity=UNKNOWN if entry.retracted_at is None else entry.identity,
                records=landed + quarantined + (entry.erased or 0),
                landed=landed,
                quarantined=quarantined,
                ingested_at=max(
                    [
                        entry.ingested_at,
                        *(time for of_table in published.values() for time in of_table.rows.get(path, ())),
                    ]
                ),
                run_id=next((published[kind].run_id for kind in wrong), entry.run_id),
            )
    return corrected


def _without_rows(path: str, source: str) -> Entry:
    return Entry(
        source_file=path,
        source=source,
        identity=UNKNOWN,
        bytes=0,
        records=0,
        landed=0,
        quarantined=0,
        repaired="{}",
        ingested_at=0,
        run_id="",
    )


@dataclass(frozen=True)
class PublishedRows:
    """What a landing or quarantine table has of each file.

    Attributes:
        rows: Number of rows by path, and by when they were ingested (epoch ms UTC).
        run_id: The run that published the table.
    """

    rows: Mapping[str, Mapping[int, int]]
    run_id: str

    @classmethod
    def of(cls, frame: DataFrame, run_id: str) -> PublishedRows:
        """Count the rows of a table."""
        rows: dict[str, dict[int, int]] = defaultdict(dict)
        for row in frame.groupBy("source_file", "ingested_at").count().collect():
            rows[row["source_file"]][row["ingested_at"]] = row["count"]
        return cls(dict(rows), run_id)

    def count(self, path: str) -> int:
        """The number of rows of a file."""
        return sum(self.rows.get(path, {}).values())

    def agrees_with(self, entry: Entry, kind: Kind) -> bool:
        """Whether an entry speaks of the rows that the table has of its file.

        Where the identity of the file is unknown, the rows may be of several runs.
        """
        if entry.identity == UNKNOWN:
            return self.count(entry.source_file) == entry.rows(kind)
        expected = {entry.ingested_at: entry.rows(kind)} if entry.rows(kind) else {}
        return self.rows.get(entry.source_file, {}) == expected


def rows_replaced(
    read: Collection[str], entries: Mapping[str, Entry], other_entries: Mapping[str, Entry], *, agrees: bool
) -> BooleanExpression:
    """Which published rows go: the rows of files that were read again.

    Args:
        read: Paths of files that were read, and the former paths of these.
        entries: The ledger as it was.
        other_entries: Entries of all other files that have published rows.
        agrees: Whether table and ledger agree, so that every published row has an entry in ``entries``.
    """
    from pyiceberg.expressions import AlwaysFalse, AlwaysTrue, In, Not

    if not agrees:
        # So that a table that is rebuilt whole drops its data files unread.
        return Not(In(term="source_file", literals=list(other_entries))) if other_entries else AlwaysTrue()
    again = [path for path in read if path in entries]
    return In(term="source_file", literals=again) if again else AlwaysFalse()
