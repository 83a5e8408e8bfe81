"""Conservation: what was found in each landing file against what a landing or quarantine table has of the file.

Here: which entries of the ledger are wrong, which published rows go, and whether the figures add up. Not here: reading
files.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyiceberg.expressions import BooleanExpression
    from pyspark.sql import DataFrame

    from stedi_assets.landing.ledger import Entry
    from stedi_assets.landing.reader import FileReport, ReadResult

Kind: TypeAlias = Literal["landing", "quarantine"]


def entries_corrected(kind: Kind, published: DataFrame, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Correct the ledger entries whose row counts differ from the table.

    A run published the rows and died before the ledger, or something else wrote to the table. The identity of such a
    file is left empty, so that the file is read again even if it looks as before: a bad delivery may have been taken
    back meanwhile.
    """
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for row in published.groupBy("source_file", "ingested_at").count().collect():
        found[row["source_file"]][row["ingested_at"]] = row["count"]
    corrected = {}
    for path, entry in entries.items():
        rows_entered = entry.rows(kind)
        if found[path] != ({entry.ingested_at: rows_entered} if rows_entered else {}):
            rows_found = sum(found[path].values())
            corrected[path] = (
                replace(entry, identity="", landed=rows_found)
                if kind == "landing"
                else replace(entry, identity="", quarantined=rows_found)
            )
    return corrected


def rows_replaced(
    read: Sequence[FileReport], entries: Mapping[str, Entry], unread: Mapping[str, Entry], *, agrees: bool
) -> BooleanExpression:
    """Which published rows go: rows of files that were read again, and rows that no entry answers for.

    Args:
        read: Files that were read.
        entries: The ledger as it was.
        unread: Entries of files that were not read.
        agrees: Whether table and ledger agree, so that every published row has an entry.
    """
    from pyiceberg.expressions import AlwaysFalse, AlwaysTrue, In, Not

    if not agrees:
        return Not(In(term="source_file", literals=list(unread))) if unread else AlwaysTrue()
    again = [item.file.path for item in read if item.file.path in entries]
    return In(term="source_file", literals=again) if again else AlwaysFalse()


@dataclass(frozen=True)
class Accounts:
    """Whether every record found is a staged row.

    Attributes:
        figures: Files and records, by what became of them.
        wrong: What does not add up, in words; empty if all does.
    """

    figures: dict[str, int]
    wrong: tuple[str, ...]


def account(  # noqa: PLR0913 - the two sides of an account
    kind: Kind,
    result: ReadResult,
    staged: DataFrame,
    *,
    rows_published: int,
    entries: Mapping[str, Entry],
    unread: Mapping[str, Entry],
    agrees: bool,
) -> Accounts:
    """Hold what was found in each file against what was staged of it.

    Args:
        kind: Which of the two tables.
        result: What was found in the files that were read.
        staged: The staged rows of the table.
        rows_published: Rows of the table as it is published.
        entries: The ledger as it was.
        unread: Entries of files that were not read, whose rows stay.
        agrees: Whether table and ledger agree.
    """
    rows = {row["source_file"]: row["count"] for row in staged.groupBy("source_file").count().collect()}
    read = [item for item in result.files if item.failure is None]
    in_other_table = {
        item.file.path: item.counts.quarantined if kind == "landing" else item.counts.landed for item in read
    }
    unaccounted = [
        item.file.path
        for item in read
        if item.counts.records != rows.get(item.file.path, 0) + in_other_table[item.file.path]
    ]
    wrong = []
    if unaccounted:
        wrong.append(f"records found are not rows landed and quarantined in {', '.join(unaccounted[:10])}")
    answered_for = sum(entry.rows(kind) for entry in entries.values())
    if agrees and answered_for != rows_published:
        wrong.append(
            f"the table has {rows_published} rows where its ledger has {answered_for}: something else wrote to it; "
            "rebuild it with full_refresh"
        )
    figures = {
        "files_read": len(read),
        "records_found": sum(item.counts.records for item in read),
        "rows_of_other_files": sum(entry.rows(kind) for entry in unread.values()),
        "files_unaccounted_for": len(unaccounted),
        "files_unreadable": len(result.files) - len(read),
        "files_otherwise_in_ledger": sum(entries[path] != entry for path, entry in unread.items()),
    }
    return Accounts(figures, tuple(wrong))
