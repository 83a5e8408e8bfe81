"""Conservation: every record that was found in a landing file is a row of the landing or of the quarantine table.

How entries of the ledger are corrected belongs in ``repair``. Nothing here reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stedi_assets.lake.lineage import DECIDE_CONSENT
from stedi_assets.lake.snapshot import snapshot_of
from stedi_assets.landing.reader import CHANGED
from stedi_assets.records.read_task import VANISHED

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
    wrong = [*_unread_files_that_decide_consent(found)] if kind == "landing" else []
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
        "rows_of_other_files": sum(entry.rows(kind) for entry in others.values()),
        "files_unaccounted_for": len(unaccounted),
        "files_unreadable": len(found.records.reports) - len(found.read),
        "files_otherwise_in_ledger": sum(
            found.ledger.entries.get(path) != entry for path, entry in others.items()
        ),
    }
    return Accounts(figures, tuple(wrong))


def _unaccounted(found: Ingest, kind: Kind, staged: DataFrame) -> list[str]:
    """Paths of files of which a record is in neither table, or in both."""
    rows = {row["source_file"]: row["count"] for row in staged.groupBy("source_file").count().collect()}
    wrong = []
    for report in found.read:
        counts, path = report.counts, report.file.path
        in_other_table = counts.quarantined if kind == "landing" else counts.landed
        if counts.records != rows.get(path, 0) + in_other_table:
            wrong.append(path)
    return wrong


def _unread_files_that_decide_consent(found: Ingest) -> list[str]:
    """Say which files may withdraw consent unread; one that is gone is nobody's delivery any more."""
    if f"{found.source}_landing" not in DECIDE_CONSENT:
        return []
    failures = [
        (report.file.path, report.failure)
        for report in found.records.reports
        if report.failure is not None and report.failure != VANISHED
    ]
    return [
        f"whom {path} withdraws is unknown, since {failure}"
        + (
            ""
            if failure == CHANGED
            else ": replace it by a readable file, or take it out of the landing folder"
        )
        for path, failure in failures[:_PATHS_NAMED]
    ]
