"""Conservation: what was found in each landing file against what a landing or quarantine table has of it.

Here: which published rows a reading replaces, and whether the figures add up. Not here: reading files.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from pyiceberg.expressions import AlwaysFalse, AlwaysTrue, BooleanExpression, In, Not

from stedi_assets.assets.checks import EXPECTATIONS_FILE, Candidate, Outcome, expected_rows
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.lake import read_files, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyiceberg.table import Table

    from stedi_assets.engine import SparkEngine
    from stedi_assets.landing.ledger import Entry
    from stedi_assets.landing.reader import FileReport, Reading


def entries_corrected(
    kind: str, table: Table, entries: Mapping[str, Entry], engine: SparkEngine
) -> dict[str, Entry]:
    """Entries of files whose rows are not those that the ledger speaks of, with what the table has of them.

    A run published the rows and died before the ledger, or something else wrote to the table. Such files are read
    again even if they look as they did then, since a bad delivery may have been taken back meanwhile: their identity
    is unknown.
    """
    rows = read_files(CONTRACTS[table.name()[-1]], snapshot_of(table).files, engine)
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for row in rows.groupBy("source_file", "ingested_at").count().collect():
        found[row["source_file"]][row["ingested_at"]] = row["count"]
    corrected = {}
    for path, entry in entries.items():
        rows_entered = _rows(kind, entry)
        if found[path] != ({entry.ingested_at: rows_entered} if rows_entered else {}):
            rows_found = sum(found[path].values())
            corrected[path] = (
                replace(entry, identity="", landed=rows_found)
                if kind == "landing"
                else replace(entry, identity="", quarantined=rows_found)
            )
    return corrected


def rows_replaced(
    read: Sequence[FileReport], entries: Mapping[str, Entry], kept: Mapping[str, Entry], *, in_step: bool
) -> BooleanExpression:
    """Which published rows go: those of files that were read again, and those that no entry answers for."""
    if not in_step:
        return Not(In(term="source_file", literals=list(kept))) if kept else AlwaysTrue()
    again = [item.file.path for item in read if item.file.path in entries]
    return In(term="source_file", literals=again) if again else AlwaysFalse()


@dataclass(frozen=True)
class Accounts:
    """Conservation: what was found in each file against what was staged of it.

    Attributes:
        kind: ``landing`` or ``quarantine``.
        reading: What was found and staged.
        kept: Entries whose rows stay.
        entries: The ledger as it was.
        in_step: Whether the table should agree with it.
    """

    kind: str
    reading: Reading
    kept: Mapping[str, Entry]
    entries: Mapping[str, Entry]
    in_step: bool

    def outcome(self, table: str, candidate: Candidate) -> Outcome:
        """The outcome of ``row_count``."""
        staged = {
            row["source_file"]: row["count"]
            for row in candidate.frame.groupBy("source_file").count().collect()
        }
        read = [item for item in self.reading.files if item.failure is None]
        other = {item.file.path: item.quarantined if self.kind == "landing" else item.landed for item in read}
        unaccounted = [
            item.file.path
            for item in read
            if item.records != staged.get(item.file.path, 0) + other[item.file.path]
        ]
        rows_kept = sum(_rows(self.kind, entry) for entry in self.kept.values())
        expected = expected_rows(candidate.lake, candidate.settings, table)
        figures: dict[str, Any] = {
            "files_read": len(read),
            "records_found": sum(item.records for item in read),
            "rows": candidate.rows,
            "rows_of_other_files": rows_kept,
            "files_unaccounted_for": len(unaccounted),
            "files_unreadable": len(self.reading.files) - len(read),
            "files_otherwise_in_ledger": sum(
                self.entries[path] != entry for path, entry in self.kept.items()
            ),
        }
        wrong = []
        if unaccounted:
            wrong.append(
                f"records found are not rows landed and quarantined in {', '.join(unaccounted[:10])}"
            )
        if self.in_step:
            answered_for = sum(_rows(self.kind, entry) for entry in self.entries.values())
            if answered_for != candidate.before.rows:
                wrong.append(
                    f"the table has {candidate.before.rows} rows where its ledger has {answered_for}: something else "
                    "wrote to it; rebuild it with full_refresh"
                )
        if expected is not None:
            figures["rows_expected"] = expected
            if candidate.rows + rows_kept != expected:
                wrong.append(f"{EXPECTATIONS_FILE} expects {expected} rows in all")
        if wrong:
            return Outcome(passed=False, metadata={**figures, "wrong": "; ".join(wrong)})
        severity = dg.AssetCheckSeverity.WARN
        is_well = not (figures["files_unreadable"] or figures["files_otherwise_in_ledger"])
        return Outcome(passed=is_well, metadata=figures, severity=severity)


def _rows(kind: str, entry: Entry) -> int:
    return entry.landed if kind == "landing" else entry.quarantined
