"""The checks of a staged table, each a function from what was staged to an outcome with figures.

Figures are counts, names of tables and names of rules, never values of a row. What consent means is computed in
``contracts.consent``; how a check reaches Dagster belongs in ``lake_table``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg
import yaml

from stedi_assets.contracts import consent
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.landing.files import landing_sizes
from stedi_assets.pseudonym import pseudonym_key
from stedi_assets.transforms import tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.audit import Audit
    from stedi_assets.engine import SparkEngine
    from stedi_assets.lake.lake import Lake, Snapshot
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
        before: The table as it is published now.
        lake: Where other tables are.
        engine: The engine of the run.
        settings: The policies in force.
        read: Reads another published table by name.
    """

    frame: DataFrame
    rows: int
    before: Snapshot
    lake: Lake
    engine: SparkEngine
    settings: Settings
    read: Callable[[str], DataFrame]


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        passed: Whether all is well.
        metadata: Figures.
        severity: Whether a failure blocks publication.
        figures: Metadata of the table itself that the check came across.
    """

    passed: bool
    metadata: Mapping[str, Any]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Whether the table must not be published."""
        return not self.passed and self.severity == dg.AssetCheckSeverity.ERROR


TableCheck: TypeAlias = Callable[[Candidate], Outcome]


def structure_outcome(problems: list[str]) -> Outcome:
    """The outcome of ``contract`` for a frame whose columns are wrong, so that it is not even staged."""
    return Outcome(passed=False, metadata={"structure": dg.MetadataValue.json(problems)})


def contract_outcome(audit: Audit) -> Outcome:
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
    return Outcome(
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


def row_count(table: str, rows_of: str | None, candidate: Candidate) -> Outcome:
    """The outcome of ``row_count``: rows against what is expected, what they come from, and what was before.

    Args:
        table: Name of the table.
        rows_of: The table whose rows these are a part of.
        candidate: What was staged.
    """
    figures: dict[str, Any] = {"rows": candidate.rows, "rows_before": candidate.before.rows}
    wrong = []
    expected = expected_rows(candidate.lake, candidate.settings, table)
    if expected is not None:
        figures["rows_expected"] = expected
        if candidate.rows != expected:
            wrong.append(f"{EXPECTATIONS_FILE} expects {expected} rows")
    if rows_of is not None:
        available = candidate.lake.snapshot(CONTRACTS[rows_of]).rows
        figures[f"rows_of_{rows_of}"] = available
        if candidate.rows > available:
            wrong.append(f"there are more rows than in {rows_of}, from which they come")
    if wrong:
        return Outcome(passed=False, metadata={**figures, "wrong": "; ".join(wrong)})
    if candidate.rows < candidate.before.rows * UNUSUAL_SHRINKAGE:
        figures["unusual"] = "more than half of the rows went; look whether that was meant"
        return Outcome(passed=False, metadata=figures, severity=dg.AssetCheckSeverity.WARN)
    return Outcome(passed=True, metadata=figures)


def _consent(candidate: Candidate, without_consent: Callable[..., DataFrame], **more: object) -> Outcome:
    from_date = candidate.settings.consent_from_date
    violations = without_consent(
        candidate.frame, candidate.read("customer_landing"), from_date=from_date, **more
    )
    failing = violations.count()
    return Outcome(
        passed=failing == 0,
        metadata={"rows": candidate.rows, "rows_without_consent": failing, "consent_from_date": from_date},
    )


def consent_of_customers(candidate: Candidate) -> Outcome:
    """No customer is here who does not consent now."""
    return _consent(candidate, consent.customers_without_consent)


def consent_of_readings(candidate: Candidate) -> Outcome:
    """No accelerometer reading is here of a person who does not consent now."""
    return _consent(candidate, consent.readings_without_consent)


def consent_of_steps(candidate: Candidate) -> Outcome:
    """No step reading is here that may be of a person who does not consent now."""
    return _consent(candidate, consent.steps_without_consent)


def consent_of_pairs(candidate: Candidate) -> Outcome:
    """No pair of readings is here of a person who does not consent now."""
    return _consent(candidate, consent.pairs_without_consent, key=pseudonym_key(candidate.settings))


def same_person(candidate: Candidate) -> Outcome:
    """No step reading is paired with a stranger's accelerometer reading.

    Under ``STEDI_ML_MATCH=timestamp`` pairs of strangers are what was asked for: they are counted and warned of.
    """
    own = consent.pairs_of_one_person(
        candidate.frame,
        candidate.read("step_trainer_trusted"),
        candidate.read("accelerometer_trusted"),
        candidate.read("customer_curated"),
        key=pseudonym_key(candidate.settings),
    ).count()
    asked_for = candidate.settings.ml_match == "timestamp"
    return Outcome(
        passed=own == candidate.rows,
        metadata={"rows": candidate.rows, "pairs_of_strangers": candidate.rows - own},
        severity=dg.AssetCheckSeverity.WARN if asked_for else dg.AssetCheckSeverity.ERROR,
    )


def withheld_steps(candidate: Candidate) -> dict[str, int]:
    """Step readings of curated customers' devices that are withheld, since somebody untrusted owns them too."""
    curated, landing = candidate.read("customer_curated"), candidate.read("customer_landing")
    shared = tables.shared_with_untrusted(landing, candidate.read("customer_trusted"))
    steps = candidate.read("step_trainer_landing").select(*tables.STEP_TRAINER).distinct()
    withheld = steps.join(curated, "serialNumber", "left_semi").join(shared, "serialNumber", "left_semi")
    return {"withheld_readings": withheld.count()}
