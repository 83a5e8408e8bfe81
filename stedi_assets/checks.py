"""The checks of a staged table: each is a function from what was staged to an outcome with figures.

See https://docs.dagster.io/guides/test/asset-checks. Figures are counts, names of tables and names of rules,
never values of a row. The checks that only trusted and curated tables have are in ``derived_checks``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml

from stedi_assets.lake.errors import LakeError
from stedi_assets.landing.files import landing_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame

    from stedi_assets.contracts.audit import Audit
    from stedi_assets.contracts.reconciliation import Reconciliation
    from stedi_assets.lake.pinned import PinnedSnapshots
    from stedi_assets.lake.snapshot import Snapshot
    from stedi_assets.landing.conservation import Accounts
    from stedi_assets.settings import Settings

EXPECTATIONS_FILE = "expected_row_counts.yaml"
# A table that loses more than this share of its rows in one run is worth a look; withdrawals alone are few.
UNUSUAL_SHRINKAGE = 0.5


@dataclass(frozen=True)
class Candidate:
    """A staged table, and what its checks may look at.

    Attributes:
        frame: The staged rows.
        rows: Their number.
        published: The table as it is published now.
        settings: The policies in force.
        snapshots: The tables of the run.
        reconciliation: The staged rows against the rows that the table's inputs lead to; None for a table that is made
            of files.
    """

    frame: DataFrame
    rows: int
    published: Snapshot
    settings: Settings
    snapshots: PinnedSnapshots
    reconciliation: Reconciliation | None = None

    def read(self, table: str) -> DataFrame:
        """A table of the run as a frame."""
        return self.snapshots.read(table)


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found.

    Attributes:
        passed: Whether all is well.
        metadata: Figures.
        severity: Whether a failure blocks publication.
    """

    passed: bool
    metadata: Mapping[str, Any]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    @property
    def blocks(self) -> bool:
        """Whether the table must not be published."""
        return not self.passed and self.severity == dg.AssetCheckSeverity.ERROR


@dataclass(frozen=True)
class TableCheck:
    """A check of a table, as it is declared.

    Attributes:
        evaluate: Computes the outcome.
        description: What holds when the check passes.
        reads: Tables that the check reads beside the staged one.
    """

    evaluate: Callable[[Candidate], CheckOutcome]
    description: str
    reads: tuple[str, ...] = ()

    def spec(self, table: str, name: str) -> dg.AssetCheckSpec:
        """The declaration for Dagster; the check blocks what is downstream."""
        return dg.AssetCheckSpec(
            name, asset=table, blocking=True, description=self.description, additional_deps=self.reads
        )


CONTRACT_DESCRIPTION = "Columns, types and value rules of the table's contract hold for every row."
ROW_COUNT_DESCRIPTION = (
    "Rows agree with what is expected, with what they come from, and with what was there before."
)


def structure_outcome(problems: list[str]) -> CheckOutcome:
    """The outcome of ``contract`` for a frame whose columns are wrong, so that it is not even staged."""
    return CheckOutcome(passed=False, metadata={"structure": dg.MetadataValue.json(problems)})


def contract_outcome(audit: Audit) -> CheckOutcome:
    """The outcome of ``contract`` for audited rows."""
    records = [
        dg.TableRecord(
            {
                "rule": verdict.rule,
                "columns": ", ".join(verdict.columns),
                "severity": verdict.severity,
                "failing_rows": verdict.failing,
                "reason": verdict.reason,
            }
        )
        for verdict in sorted(audit.verdicts, key=lambda verdict: -verdict.failing)
    ]
    broken = [*audit.blocking, *audit.warnings]
    return CheckOutcome(
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR if audit.blocking else dg.AssetCheckSeverity.WARN,
        metadata={
            "rows": audit.rows,
            "broken_rules": len(broken),
            "failing_rows": sum(verdict.failing for verdict in broken),
            "rules": dg.MetadataValue.table(records),
        },
    )


def expected_rows(snapshots: PinnedSnapshots, settings: Settings, table: str) -> int | None:
    """Rows that the lake's ``expected_row_counts.yaml`` states for a table under the policies in force.

    A file that names the delivery it describes is heeded only while that delivery is what the lake holds: the
    sample data's counts say nothing of a lake to which somebody has added a file.
    """
    content = snapshots.file(EXPECTATIONS_FILE)
    if content is None:
        return None
    stated = _stated_counts(content, f"{snapshots.lake.uri}/{EXPECTATIONS_FILE}")
    delivery = stated.get("landing_files")
    if delivery is not None and delivery != landing_sizes(snapshots.lake):
        return None
    in_force = {
        "consent_from_date": settings.consent_from_date,
        "match_timestamp": settings.ml_match == "timestamp",
    }
    policies = "_".join(name for name, is_on in in_force.items() if is_on) or "default"
    rows: int | None = (stated["row_counts"].get(policies) or {}).get(table)
    return rows


def _stated_counts(content: bytes, path: str) -> dict[str, Any]:
    """The content of an ``expected_row_counts.yaml``.

    Raises:
        LakeError: The file is not of the form that ``stedi sample-data`` writes.
    """
    with suppress(yaml.YAMLError):
        stated = yaml.safe_load(content)
        if isinstance(stated, dict) and isinstance(stated.get("row_counts"), dict):
            counts = stated["row_counts"].values()
            if all(of_policy is None or isinstance(of_policy, dict) for of_policy in counts):
                return stated
    raise LakeError(
        f"{path} does not state row counts: it needs a mapping row_counts, and in it default with the rows of each "
        "table; correct the file or remove it"
    )


def row_count(table: str, subset_of: str | None, candidate: Candidate) -> CheckOutcome:
    """The outcome of ``row_count``: rows against what is expected, what they come from, and what was before.

    Args:
        table: Name of the table.
        subset_of: The table whose rows these are a part of.
        candidate: What was staged.
    """
    figures: dict[str, Any] = {"rows": candidate.rows, "rows_before": candidate.published.rows}
    wrong = []
    expected = expected_rows(candidate.snapshots, candidate.settings, table)
    if expected is not None:
        figures["rows_expected"] = expected
        if candidate.rows != expected:
            wrong.append(f"{EXPECTATIONS_FILE} expects {expected} rows")
    if subset_of is not None:
        available = candidate.snapshots.snapshot(subset_of).rows
        figures[f"rows_of_{subset_of}"] = available
        if candidate.rows > available:
            wrong.append(f"there are more rows than in {subset_of}, from which they come")
    if (due := candidate.reconciliation) is not None:
        figures["rows_due"] = due.rows_due
        if due.rows != due.rows_due:
            wrong.append(f"the tables that it is made from lead to {due.rows_due} rows")
        elif not due.same:
            wrong.append("the tables that it is made from lead to other rows")
    if wrong:
        return CheckOutcome(passed=False, metadata={**figures, "wrong": "; ".join(wrong)})
    if candidate.rows < candidate.published.rows * UNUSUAL_SHRINKAGE:
        figures["unusual"] = "more than half of the rows went; look whether that was meant"
        return CheckOutcome(passed=False, metadata=figures, severity=dg.AssetCheckSeverity.WARN)
    return CheckOutcome(passed=True, metadata=figures)


def conservation(table: str, accounts: Accounts, candidate: Candidate) -> CheckOutcome:
    """The outcome of ``row_count`` for a landing or quarantine table: each record found is a row of one of the two.

    Args:
        table: Name of the table.
        accounts: What was found and staged of each file.
        candidate: What was staged.
    """
    figures = {**accounts.figures, "rows": candidate.rows}
    wrong = list(accounts.wrong)
    expected = expected_rows(candidate.snapshots, candidate.settings, table)
    if expected is not None:
        figures["rows_expected"] = expected
        if candidate.rows + accounts.figures["rows_of_other_files"] != expected:
            wrong.append(f"{EXPECTATIONS_FILE} expects {expected} rows in all")
    if wrong:
        return CheckOutcome(passed=False, metadata={**figures, "wrong": "; ".join(wrong)})
    is_well = not (figures["files_unreadable"] or figures["files_otherwise_in_ledger"])
    return CheckOutcome(passed=is_well, metadata=figures, severity=dg.AssetCheckSeverity.WARN)
