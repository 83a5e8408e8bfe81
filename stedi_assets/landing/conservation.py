"""Conservation: every record that was found in a landing file is a row of the landing or of the quarantine table.

Records of people who were erased are in neither, and counted.

How entries of the ledger are corrected belongs in ``repair``. Nothing here reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stedi_assets.lake.lineage import DECIDE_CONSENT
from stedi_assets.lake.snapshot import snapshot_of
from stedi_assets.landing.ledger import ERASED
from stedi_assets.landing.reader import CHANGED
from stedi_assets.records.read_task import VANISHED
from stedi_assets.text import counted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from stedi_assets.landing.ingest import Ingest
    from stedi_assets.landing.ledger import Kind

# A sentence with thousands of paths is no help to anybody.
_PATHS_NAMED = 10


@dataclass(frozen=True)
class Accounts:
    """Whether every record found is a staged row.

    Attributes:
        figures: Files and records, by what became of them.
        wrong: What does not add up, in words; empty if all does.
    """

    figures: dict[str, int]
    wrong: tuple[str, ...]


def account(found: Ingest, kind: Kind, staged: DataFrame) -> Accounts:
    """Hold what was found in each file against what was staged of it.

    Args:
        found: What was found in the files that were read.
        kind: Which of the two tables.
        staged: The staged rows of the table.
    """
    unaccounted = _unaccounted(found, kind, staged)
    wrong = _unknown_withdrawals(found) if kind == "landing" else []
    if unaccounted:
        wrong.append(
            f"records found are not rows landed and quarantined in {', '.join(unaccounted[:_PATHS_NAMED])}"
        )
    rows_published = snapshot_of(found.staged[kind].base).rows
    answered_for = sum(entry.rows(kind) for entry in found.ledger.entries.values())
    if found.agrees[kind] and answered_for != rows_published:
        wrong.append(
            f"the table has {rows_published} rows where its ledger has {answered_for}: something else wrote to it; "
            "rebuild it with full_refresh"
        )
    others = found.other_entries
    figures = {
        "files_read": len(found.read),
        "records_found": sum(report.counts.records for report in found.read),
        "records_of_erased_people": sum(report.counts.erased for report in found.read),
        "rows_of_other_files": sum(entry.rows(kind) for entry in others.values()),
        "files_unaccounted_for": len(unaccounted),
        "files_unreadable": len(found.records.reports) - len(found.read),
        "files_otherwise_in_ledger": sum(
            found.ledger.entries.get(path) != entry for path, entry in others.items()
        ),
    }
    return Accounts(figures, tuple(wrong))


def _unaccounted(found: Ingest, kind: Kind, staged: DataFrame) -> list[str]:
    """Paths of files of which a record is in neither table and of nobody who was erased, or in both tables."""
    rows = (
        {row["source_file"]: row["count"] for row in staged.groupBy("source_file").count().collect()}
        if found.staged[kind].files
        else {}
    )
    wrong = []
    for report in found.read:
        counts, path = report.counts, report.file.path
        in_other_table = counts.quarantined if kind == "landing" else counts.landed
        if counts.records != rows.get(path, 0) + in_other_table + counts.erased:
            wrong.append(path)
    return wrong


def _unknown_withdrawals(found: Ingest) -> list[str]:
    """Say which files may withdraw consent unread; one that is gone is nobody's delivery any more."""
    if f"{found.source}_landing" not in DECIDE_CONSENT:
        return []
    unread = [
        f"whom {report.file.path} withdraws is unknown, since {report.failure}"
        + (
            ""
            if report.failure == CHANGED
            else ": replace it by a readable file, or take it out of the landing folder"
        )
        for report in found.records.reports
        if report.failure not in {None, VANISHED}
    ]
    emptied = [
        f"{report.file.path} had {counted(records, 'record')} and has none any more, so that a withdrawal in it "
        "would be undone: put the whole file back, or take the file out of the landing folder, and its records stay"
        for report in found.read
        if not report.counts.records and (records := _records_before(found, report.file.path))
    ]
    lost = [
        f"{path} had {counted(before.records, 'record')}, of which {before.records - entry.records:,} is in no table "
        "any more and may have been a withdrawal: a run died while it replaced them, and the file is gone; deliver the "
        "file again"
        for path, entry in found.other_entries.items()
        if (before := found.ledger.entries.get(path))
        and before.records > entry.records
        and before.retracted_at is None
    ]
    ignored = [
        f"whom {path} withdraws is unknown, since no file of such a name is read: name it .json or .csv, or begin its "
        "name with an underscore if it is no delivery"
        for path in found.listing.unknown
    ]
    return [sentence for kind in (unread, emptied, lost, ignored) for sentence in kind[:_PATHS_NAMED]]


def _records_before(found: Ingest, path: str) -> int:
    """How many records of a file the tables have, unless erasure took them out of the file."""
    entry = found.before(path)
    return 0 if entry is None or entry.identity == ERASED else entry.records
