"""The checks of a staged table: each is a function from what was staged to an outcome with figures.

See https://docs.dagster.io/guides/test/asset-checks. Figures are counts, names of tables and names of rules,
never values of a row. Checks that only trusted and curated tables have are in ``derived_checks``, and checks that only
landing and quarantine tables have in ``landing_checks``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml

from stedi_assets.lake.errors import LakeError
from stedi_assets.landing.files import landing_sizes
from stedi_assets.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame

    from stedi_assets.contracts.audit import Audit
    from stedi_assets.contracts.reconciliation import Reconciliation
    from stedi_assets.lake.pinned import PinnedSnapshots
    from stedi_assets.lake.snapshot import Snapshot
    from stedi_assets.settings import Settings

EXPECTATIONS_FILE = "expected_row_counts.yaml"
# A table that loses more than this share of its rows in one run is worth a look; withdrawals alone are few.
UNUSUAL_SHRINKAGE = 0.5
# What to do about rows that no delivery can lead to.
CODE_IS_AT_FAULT = (
    "No delivery causes this: the code that computes the table is at fault, so look at its last change."
)
# A sentence has no room for more.
_RULES_NAMED = 3


@dataclass(frozen=True)
class Added:
    """Staged rows that are added to the published rows.

    Attributes:
        staged: The staged rows.
        rows: Their number.
        published: The published rows.
        present: Those of the moments and owners that have something new.
        inputs: The inputs within these moments and owners, by name.
    """

    staged: DataFrame
    rows: int
    published: DataFrame
    present: DataFrame
    inputs: Mapping[str, DataFrame]

    @property
    def frame(self) -> DataFrame:
        """All rows of these moments and owners."""
        return self.present.unionByName(self.staged)


@dataclass(frozen=True)
class Candidate:
    """A staged table, and what its checks may look at.

    Attributes:
        frame: The rows that the table will have; of a table that is made of files, the staged rows.
        rows: Their number.
        published: The table as it is published now.
        settings: The policies in force.
        snapshots: The tables of the run.
        reconciliation: The staged rows against the rows that the table's inputs lead to; None for a table that is made
            of files.
        added: What is added to the published rows; None if the staged rows take their place.
        inputs: Inputs of which the checks are to see a part alone, by name.
    """

    frame: DataFrame
    rows: int
    published: Snapshot
    settings: Settings
    snapshots: PinnedSnapshots
    reconciliation: Reconciliation | None = None
    added: Added | None = None
    inputs: Mapping[str, DataFrame] = field(default_factory=dict)

    @property
    def part(self) -> Candidate:
        """The candidate itself or, where rows are added, the part of it that may have changed, with its inputs."""
        if self.added is None:
            return self
        return replace(self, frame=self.added.frame, inputs=self.added.inputs)

    def read(self, table: str) -> DataFrame:
        """A table of the run as a frame."""
        return self.inputs[table] if table in self.inputs else self.snapshots.read(table)


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found.

    Attributes:
        passed: Whether all is well.
        sentence: What was found, without a full stop.
        metadata: Figures.
        severity: Whether a failure blocks publication.
        to_do: What to do about it, in whole sentences.
    """

    passed: bool
    sentence: str
    metadata: Mapping[str, Any]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    to_do: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the table must not be published."""
        return not self.passed and self.severity == dg.AssetCheckSeverity.ERROR

    @property
    def description(self) -> str:
        """What people read: what was found, what became of the table, and what to do."""
        fate = "; the new rows were not published, the table is as it was" if self.blocks else ""
        return f"{self.sentence}{fate}. {self.to_do}".strip()


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
    return CheckOutcome(
        passed=False,
        sentence=f"The columns are not those of the contract: {'; '.join(problems)}",
        metadata={"structure": dg.MetadataValue.json(problems)},
        to_do=CODE_IS_AT_FAULT,
    )


def contract_outcome(audit: Audit, row: str = "row") -> CheckOutcome:
    """The outcome of ``contract`` for audited rows, each of which is called ``row``."""
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
    rows = counted(audit.rows, row)
    named = ", ".join(
        f"{verdict.rule} ({counted(verdict.failing, 'row')})" for verdict in broken[:_RULES_NAMED]
    )
    more = f" and {len(broken) - _RULES_NAMED} more" if len(broken) > _RULES_NAMED else ""
    only = "" if audit.blocking else ", which only say what is typical"
    return CheckOutcome(
        passed=not broken,
        sentence=f"{rows}, which break rules of the contract{only}: {named}{more}"
        if broken
        else f"{rows}, which keep all {counted(len(records), 'rule')} of the contract",
        to_do="The table of rules says what each rule is for." if broken else "",
        severity=dg.AssetCheckSeverity.ERROR if audit.blocking else dg.AssetCheckSeverity.WARN,
        metadata={
            "rows": audit.rows,
            "broken_rules": len(broken),
            "failing_rows": sum(verdict.failing for verdict in broken),
            "rules": dg.MetadataValue.table(records),
        },
    )


@dataclass(frozen=True)
class Expectation:
    """Rows that a file of the lake states for a table."""

    rows: int
    file: str

    @property
    def to_do(self) -> str:
        """What to do where the table has another number of rows."""
        return (
            f"If the table is right, correct {self.file} or remove it; else look at what was delivered since."
        )


def expectation(candidate: Candidate, table: str) -> Expectation | None:
    """What the lake states of a table under the policies in force; None if it states nothing."""
    rows = expected_rows(candidate.snapshots, candidate.settings, table)
    return None if rows is None else Expectation(rows, f"{candidate.snapshots.lake.uri}/{EXPECTATIONS_FILE}")


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
    rows, before = counted(candidate.rows, "row"), f"{candidate.published.rows:,} before"
    wrong, to_do = [], []
    if (expected := expectation(candidate, table)) is not None:
        figures["rows_expected"] = expected.rows
        if candidate.rows != expected.rows:
            wrong.append(f"{expected.rows:,} expected by {expected.file}")
            to_do.append(expected.to_do)
    if not_due := _not_due(subset_of, candidate, figures):
        wrong += not_due
        to_do.append(CODE_IS_AT_FAULT)
    if wrong:
        sentence = "; ".join([f"{rows}, {wrong[0]}", *wrong[1:]])
        return CheckOutcome(passed=False, sentence=sentence, metadata=figures, to_do=" ".join(to_do))
    what = "" if candidate.added is None else "what is new is "
    if candidate.rows < candidate.published.rows * UNUSUAL_SHRINKAGE:
        return CheckOutcome(
            passed=False,
            sentence=f"{rows}, {before}: more than half of the rows went",
            metadata=figures,
            severity=dg.AssetCheckSeverity.WARN,
            to_do="Look whether that was meant: at what was delivered, and at the warnings of the tables before.",
        )
    return CheckOutcome(
        passed=True,
        sentence=f"{rows}, {before}: {what}exactly what the tables that it is made from lead to",
        metadata=figures,
    )


def _not_due(subset_of: str | None, candidate: Candidate, figures: dict[str, Any]) -> list[str]:
    """Say in which way the rows are not those that the table's inputs lead to; the figures are added to ``figures``."""
    wrong = []
    if subset_of is not None:
        available = candidate.snapshots.snapshot(subset_of).rows
        figures[f"rows_of_{subset_of}"] = available
        if candidate.rows > available:
            wrong.append(f"more than the {available:,} of {subset_of}, from which they come")
    if (due := candidate.reconciliation) is not None:
        figures["rows_due"] = candidate.rows - due.rows + due.rows_due
        if due.rows != due.rows_due:
            wrong.append(f"the tables that it is made from lead to {counted(figures['rows_due'], 'row')}")
        elif not due.same:
            wrong.append("the tables that it is made from lead to other rows")
    return wrong
