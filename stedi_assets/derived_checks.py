"""The checks of trusted and curated tables: consent, the rows that are due, and pairs of one person.

What consent means is computed in ``contracts.consent``, and which rows a table must have in
``contracts.reconciliation``. This module gives both the tables of the run, and says what blocks and what warns.
Figures that no check needs belong in ``derived_figures``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from stedi_assets.checks import CODE_IS_AT_FAULT, Candidate, CheckOutcome, TableCheck
from stedi_assets.contracts import consent, reconciliation
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.lineage import DECIDE_CONSENT
from stedi_assets.privacy.pseudonym import pseudonym_key
from stedi_assets.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from stedi_assets.contracts.reconciliation import Reconciliation
    from stedi_assets.lake.pinned import PinnedSnapshots
    from stedi_assets.lake.snapshot import Snapshot
    from stedi_assets.settings import Settings

_TO_SETTLE = (
    "Customer records in quarantine may be withdrawals. To settle them, look at them with: stedi quarantine "
    "--source customer --records 100; and replace their files by repaired ones."
)


_WITHOUT_CONSENT: dict[str, Callable[..., DataFrame]] = {
    "customer_trusted": consent.customers_without_consent,
    "customer_curated": consent.customers_without_consent,
    "accelerometer_trusted": consent.readings_without_consent,
    "step_trainer_trusted": consent.steps_without_consent,
    "machine_learning_curated": consent.pairs_without_consent,
}


# Whose a reading is, and of when. The earliest one of each owner answers for all.
_EARLIEST = {
    "accelerometer_trusted": ("person", "timestamp"),
    "step_trainer_trusted": ("device", "sensorReadingTime"),
    "machine_learning_curated": ("customer_key", "sensorReadingTime"),
}


def without_consent(table: str, rows: DataFrame, snapshots: PinnedSnapshots, settings: Settings) -> DataFrame:
    """Rows of a trusted or curated table that are of people who do not consent now.

    Args:
        table: Name of the table.
        rows: Its rows.
        snapshots: The tables of the run.
        settings: The policies in force.
    """
    customers = snapshots.read("customer_landing"), snapshots.read("customer_quarantine")
    key = {"key": pseudonym_key(settings)} if CONTRACTS[table].has_pseudonyms else {}
    return _WITHOUT_CONSENT[table](rows, *customers, from_date=settings.consent_from_date, **key)


def is_of_current_consent(published: Snapshot, snapshots: PinnedSnapshots) -> bool:
    """Whether a published table was made from the consent that counts now."""
    now = {name: snapshots.snapshot(name).version for name in DECIDE_CONSENT}
    return (
        now == {name: published.made_from.get(name) for name in DECIDE_CONSENT}
        and published.erasures == snapshots.register.version
    )


def earliest_of_owners(table: str, rows: DataFrame) -> DataFrame:
    """The earliest row of each owner in a trusted or curated table, for ``without_consent``.

    Returns:
        The columns that say whose the row is and of when, and ``rows`` bigint: how many rows the owner has.
    """
    import pyspark.sql.functions as F

    if table not in _EARLIEST:
        return rows.withColumn("rows", F.lit(1))
    owner, time = _EARLIEST[table]
    return rows.groupBy(owner).agg(F.min(time).alias(time), F.count(F.lit(1)).alias("rows"))


def _rows_without_consent(table: str, rows: DataFrame, candidate: Candidate) -> int:
    """How many rows are of people who do not consent now.

    Rows are joined with people only if somebody's earliest row is one of these, so that memory is that of the people.
    """
    of = candidate.snapshots, candidate.settings
    if not without_consent(table, earliest_of_owners(table, rows), *of).count():
        return 0
    return without_consent(table, rows, *of).count()


def _consent(table: str, candidate: Candidate) -> CheckOutcome:
    from_date = candidate.settings.consent_from_date
    failing = 0
    # Published rows were held against the consent that they were made from.
    if candidate.added is None or not is_of_current_consent(candidate.published, candidate.snapshots):
        failing = _rows_without_consent(table, candidate.frame, candidate)
    elif candidate.added.rows:
        failing = _rows_without_consent(table, candidate.added.staged, candidate)
    rows = counted(candidate.rows, "row")
    return CheckOutcome(
        passed=failing == 0,
        sentence=f"{failing:,} of {rows} are of people who do not consent to research now"
        if failing
        else f"{rows}, and none of somebody who does not consent to research now",
        to_do=CODE_IS_AT_FAULT if failing else "",
        metadata={"rows": candidate.rows, "rows_without_consent": failing, "consent_from_date": from_date},
    )


def consent_of_trusted_customers(candidate: Candidate) -> CheckOutcome:
    """No customer is here who does not consent now; a warning if a quarantined record may be a withdrawal."""
    outcome = _consent("customer_trusted", candidate)
    # Whoever was erased is no record that somebody could settle.
    quarantined = candidate.read("customer_quarantine").where("source_file IS NOT NULL")
    figures: dict[str, Any] = (
        consent.held_back(candidate.read("customer_landing"), quarantined, candidate.frame)
        .collect()[0]
        .asDict()
    )
    outcome = replace(outcome, metadata={**outcome.metadata, **figures})
    if not outcome.passed or not any(figures.values()):
        return outcome
    return replace(
        outcome,
        passed=False,
        sentence=(
            f"{outcome.sentence}; held back until records in quarantine are settled: "
            f"{counted(figures['people_held_back'], 'person', 'people')} and "
            f"{counted(figures['devices_withheld'], 'device')}; "
            f"records that name nobody: {figures['records_naming_nobody']:,}"
        ),
        severity=dg.AssetCheckSeverity.WARN,
        to_do=_TO_SETTLE,
    )


def reconcile_trusted_customers(candidate: Candidate) -> Reconciliation:
    """Hold ``customer_trusted`` against its inputs."""
    return reconciliation.customers(
        candidate.frame, candidate.read("customer_landing"), candidate.read("customer_quarantine")
    )


def reconcile_curated_customers(candidate: Candidate) -> Reconciliation:
    """Hold ``customer_curated`` against its inputs."""
    return reconciliation.customers_with_readings(
        candidate.frame, candidate.read("customer_trusted"), candidate.read("accelerometer_trusted")
    )


def reconcile_readings(candidate: Candidate) -> Reconciliation:
    """Hold ``accelerometer_trusted`` against its inputs."""
    return reconciliation.readings(
        candidate.frame,
        candidate.read("accelerometer_landing"),
        candidate.read("customer_trusted"),
        consent_from_date=candidate.settings.consent_from_date,
    )


def reconcile_steps(candidate: Candidate) -> Reconciliation:
    """Hold ``step_trainer_trusted`` against its inputs."""
    devices = consent.devices_of_consenting(
        candidate.read("customer_landing"),
        candidate.read("customer_quarantine"),
        candidate.read("customer_trusted").withColumnRenamed("shareWithResearchAsOfDate", "agreed"),
    )
    return reconciliation.steps(
        candidate.frame,
        candidate.read("step_trainer_landing"),
        candidate.read("customer_curated"),
        devices,
        consent_from_date=candidate.settings.consent_from_date,
    )


def reconcile_pairs(candidate: Candidate) -> Reconciliation:
    """Hold ``machine_learning_curated`` against its inputs."""
    return reconciliation.pairs(
        candidate.frame,
        candidate.read("step_trainer_trusted"),
        candidate.read("accelerometer_trusted"),
        candidate.read("customer_curated"),
        key=pseudonym_key(candidate.settings),
        on_timestamp_only=candidate.settings.ml_match == "timestamp",
    )


def same_person(candidate: Candidate) -> CheckOutcome:
    """No step reading is paired with a stranger's accelerometer reading.

    Pairs that are reconciled with each person's own readings need no second look. Other pairs are looked up half by
    half, so that the pairs of strangers can be counted. Under ``STEDI_ML_MATCH=timestamp`` such pairs are what was
    asked for: the check warns of them.
    """
    asked_for = candidate.settings.ml_match == "timestamp"
    strangers = 0
    if asked_for or candidate.reconciliation is None or not candidate.reconciliation.same:
        own = reconciliation.pairs_of_one_person(
            candidate.frame,
            candidate.read("step_trainer_trusted"),
            candidate.read("accelerometer_trusted"),
            candidate.read("customer_curated"),
            key=pseudonym_key(candidate.settings),
        )
        strangers = candidate.rows - own.count()
    pairs = counted(candidate.rows, "pair")
    return CheckOutcome(
        passed=strangers == 0,
        sentence=f"{pairs}, {strangers:,} of two different people"
        if strangers
        else f"{pairs}, each of one person",
        to_do=""
        if not strangers
        else "STEDI_ML_MATCH=timestamp asks for such pairs: unset it, and there are none."
        if asked_for
        else CODE_IS_AT_FAULT,
        metadata={"rows": candidate.rows, "pairs_of_strangers": strangers},
        severity=dg.AssetCheckSeverity.WARN if asked_for else dg.AssetCheckSeverity.ERROR,
    )


(
    CONSENT_OF_TRUSTED_CUSTOMERS,
    CONSENT_OF_CUSTOMERS,
    CONSENT_OF_READINGS,
    CONSENT_OF_STEPS,
    CONSENT_OF_PAIRS,
) = (
    TableCheck(
        evaluate,
        "Nobody is in here who does not consent to research now.",
        reads=("customer_landing", "customer_quarantine"),
    )
    for evaluate in (
        consent_of_trusted_customers,
        partial(_consent, "customer_curated"),
        partial(_consent, "accelerometer_trusted"),
        partial(_consent, "step_trainer_trusted"),
        partial(_consent, "machine_learning_curated"),
    )
)
SAME_PERSON = TableCheck(
    same_person,
    "Every pair of readings is of one person.",
    reads=("step_trainer_trusted", "accelerometer_trusted", "customer_curated"),
)
