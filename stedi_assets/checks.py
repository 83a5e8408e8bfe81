"""The checks of a staged table: each is a function from what was staged to an outcome with figures.

See https://docs.dagster.io/guides/test/asset-checks. Figures are counts, names of tables and names of rules,
never values of a row. What consent means is computed in ``contracts.consent``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml

from stedi_assets.contracts import consent
from stedi_assets.landing.files import landing_sizes
from stedi_assets.privacy.pseudonym import pseudonym_key
from stedi_assets.transforms import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame

    from stedi_assets.contracts.audit import Audit
    from stedi_assets.lake.lake import Lake
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
    """

    frame: DataFrame
    rows: int
    published: Snapshot
    settings: Settings
    snapshots: PinnedSnapshots


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
_CONSENT_DESCRIPTION = "Nobody is in here who does not consent to research now."


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


def expected_rows(lake: Lake, settings: Settings, table: str) -> int | None:
    """Rows that the lake's ``expected_row_counts.yaml`` states for a table under the policies in force.

    A file that names the delivery it describes is heeded only while that delivery is what the lake holds: the
    sample data's counts say nothing of a lake to which somebody has added a file.
    """
    path = f"{lake.uri}/{EXPECTATIONS_FILE}"
    if not lake.filesystem.exists(path):
        return None
    stated = yaml.safe_load(lake.filesystem.cat_file(path))
    delivery = stated.get("landing_files")
    if delivery is not None and delivery != landing_sizes(lake):
        return None
    in_force = {
        "consent_from_date": settings.consent_from_date,
        "match_timestamp": settings.ml_match == "timestamp",
    }
    policies = "_".join(name for name, is_on in in_force.items() if is_on) or "default"
    rows: int | None = stated["row_counts"].get(policies, {}).get(table)
    return rows


def row_count(table: str, subset_of: str | None, candidate: Candidate) -> CheckOutcome:
    """The outcome of ``row_count``: rows against what is expected, what they come from, and what was before.

    Args:
        table: Name of the table.
        subset_of: The table whose rows these are a part of.
        candidate: What was staged.
    """
    figures: dict[str, Any] = {"rows": candidate.rows, "rows_before": candidate.published.rows}
    wrong = []
    expected = expected_rows(candidate.snapshots.lake, candidate.settings, table)
    if expected is not None:
        figures["rows_expected"] = expected
        if candidate.rows != expected:
            wrong.append(f"{EXPECTATIONS_FILE} expects {expected} rows")
    if subset_of is not None:
        available = candidate.snapshots.snapshot(subset_of).rows
        figures[f"rows_of_{subset_of}"] = available
        if candidate.rows > available:
            wrong.append(f"there are more rows than in {subset_of}, from which they come")
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
    expected = expected_rows(candidate.snapshots.lake, candidate.settings, table)
    if expected is not None:
        figures["rows_expected"] = expected
        if candidate.rows + accounts.figures["rows_of_other_files"] != expected:
            wrong.append(f"{EXPECTATIONS_FILE} expects {expected} rows in all")
    if wrong:
        return CheckOutcome(passed=False, metadata={**figures, "wrong": "; ".join(wrong)})
    is_well = not (figures["files_unreadable"] or figures["files_otherwise_in_ledger"])
    return CheckOutcome(passed=is_well, metadata=figures, severity=dg.AssetCheckSeverity.WARN)


def _consent(candidate: Candidate, without_consent: Callable[..., DataFrame], **more: object) -> CheckOutcome:
    from_date = candidate.settings.consent_from_date
    violations = without_consent(
        candidate.frame, candidate.snapshots.read("customer_landing"), from_date=from_date, **more
    )
    failing = violations.count()
    return CheckOutcome(
        passed=failing == 0,
        metadata={"rows": candidate.rows, "rows_without_consent": failing, "consent_from_date": from_date},
    )


def consent_of_customers(candidate: Candidate) -> CheckOutcome:
    """No customer is here who does not consent now."""
    return _consent(candidate, consent.customers_without_consent)


def consent_of_readings(candidate: Candidate) -> CheckOutcome:
    """No accelerometer reading is here of a person who does not consent now."""
    return _consent(candidate, consent.readings_without_consent)


def consent_of_steps(candidate: Candidate) -> CheckOutcome:
    """No step reading is here that may be of a person who does not consent now."""
    return _consent(candidate, consent.steps_without_consent)


def consent_of_pairs(candidate: Candidate) -> CheckOutcome:
    """No pair of readings is here of a person who does not consent now."""
    return _consent(candidate, consent.pairs_without_consent, key=pseudonym_key(candidate.settings))


def same_person(candidate: Candidate) -> CheckOutcome:
    """No step reading is paired with a stranger's accelerometer reading.

    Under ``STEDI_ML_MATCH=timestamp`` pairs of strangers are what was asked for: they are counted and warned of.
    """
    own = consent.pairs_of_one_person(
        candidate.frame,
        candidate.snapshots.read("step_trainer_trusted"),
        candidate.snapshots.read("accelerometer_trusted"),
        candidate.snapshots.read("customer_curated"),
        key=pseudonym_key(candidate.settings),
    ).count()
    asked_for = candidate.settings.ml_match == "timestamp"
    return CheckOutcome(
        passed=own == candidate.rows,
        metadata={"rows": candidate.rows, "pairs_of_strangers": candidate.rows - own},
        severity=dg.AssetCheckSeverity.WARN if asked_for else dg.AssetCheckSeverity.ERROR,
    )


def withheld_steps(candidate: Candidate) -> dict[str, int]:
    """Step readings of curated customers' devices that are withheld, since somebody untrusted owns them too."""
    curated, landing = (
        candidate.snapshots.read("customer_curated"),
        candidate.snapshots.read("customer_landing"),
    )
    shared = tables.shared_with_untrusted(landing, candidate.snapshots.read("customer_trusted"))
    steps = candidate.snapshots.read("step_trainer_landing").select(*tables.STEP_TRAINER).distinct()
    withheld = steps.join(curated, "device", "left_semi").join(shared, "device", "left_semi")
    return {"withheld_readings": withheld.count()}


CONSENT_OF_CUSTOMERS, CONSENT_OF_READINGS, CONSENT_OF_STEPS, CONSENT_OF_PAIRS = (
    TableCheck(evaluate, _CONSENT_DESCRIPTION, reads=("customer_landing",))
    for evaluate in (consent_of_customers, consent_of_readings, consent_of_steps, consent_of_pairs)
)
SAME_PERSON = TableCheck(
    same_person,
    "Every pair of readings is of one person.",
    reads=("step_trainer_trusted", "accelerometer_trusted", "customer_curated"),
)
