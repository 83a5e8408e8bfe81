"""Whether a derived table has exactly the rows that its inputs lead to, computed by another route than the transforms.

Two sets of rows are compared by their number and by their weight: the sum, over the rows, of a number that is made of
the row's values. A row lost, doubled or changed changes the number or the weight; two sets that differ share both once
in 2,000 million. So no table is joined with another copy of itself: at a hundred times the reference, this takes a
sixth of the time of looking up each half of each row of ``machine_learning_curated``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyspark.sql.functions as F

from stedi_assets.contracts.consent import consenting_owners
from stedi_assets.transforms.pseudonym import with_customer_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

# Weights are remainders of this prime, so that a product of two, or a sum of 4,000 million, is a bigint.
_PRIME = 2**31 - 1


@dataclass(frozen=True)
class Reconciliation:
    """A staged table against the rows that its inputs lead to.

    Attributes:
        rows: Staged rows.
        rows_due: Rows that the inputs lead to.
        same: Whether the staged rows are the rows due, by number and by weight.
        counts: Figures of the rows due that were found on the way, by name.
    """

    rows: int
    rows_due: int
    same: bool
    counts: Mapping[str, int] = field(default_factory=dict)


def customers(
    staged: DataFrame, customer_landing: DataFrame, customer_quarantine: DataFrame
) -> Reconciliation:
    """Hold ``customer_trusted`` against the newest snapshots of people and devices with consent.

    The fields that decide are compared. Any of several newest snapshots may stand for a person and device, so the other
    fields are not.
    """
    due = consenting_owners(customer_landing, customer_quarantine)
    return _reconciled(
        _each_row(staged, _weight("person", "device", "lastUpdateDate", "shareWithResearchAsOfDate")),
        _each_row(due, _weight("person", "device", "lastUpdateDate", "agreed")),
    )


def customers_with_readings(
    staged: DataFrame, customer_trusted: DataFrame, accelerometer_trusted: DataFrame
) -> Reconciliation:
    """Hold ``customer_curated`` against the trusted customers who have readings."""
    due = customer_trusted.join(accelerometer_trusted.select("person").distinct(), "person")
    columns = staged.columns
    return _reconciled(_each_row(staged, _weight(*columns)), _each_row(due, _weight(*columns)))


def readings(
    staged: DataFrame,
    accelerometer_landing: DataFrame,
    customer_trusted: DataFrame,
    *,
    consent_from_date: bool,
) -> Reconciliation:
    """Hold ``accelerometer_trusted`` against the distinct landed readings of trusted people."""
    since = customer_trusted.groupBy("person").agg(F.max("shareWithResearchAsOfDate").alias("since"))
    due = accelerometer_landing.join(since, "person")
    if consent_from_date:
        due = due.where("timestamp >= since")
    return _distinct_by(staged, due, F.xxhash64("person", "timestamp", *_axes()), spelling="user")


def steps(
    staged: DataFrame,
    step_trainer_landing: DataFrame,
    customer_curated: DataFrame,
    devices: DataFrame,
    *,
    consent_from_date: bool,
) -> Reconciliation:
    """Hold ``step_trainer_trusted`` against the distinct landed readings of curated customers' devices.

    Args:
        staged: The staged rows.
        step_trainer_landing: Every reading.
        customer_curated: Owners who consent and have readings.
        devices: ``device`` string, distinct: the devices that nobody without consent owns, too.
        consent_from_date: Whether only readings since the first owner's consent are due.
    """
    owners = customer_curated.select("device", "person", "shareWithResearchAsOfDate")
    latest = owners.groupBy("person").agg(F.max("shareWithResearchAsOfDate").alias("latest"))
    since = owners.join(latest, "person").groupBy("device").agg(F.min("latest").alias("since"))
    due = step_trainer_landing.join(devices.select("device"), "device").join(since, "device")
    if consent_from_date:
        due = due.where("sensorReadingTime >= since")
    step = F.xxhash64("sensorReadingTime", "device", "distanceFromObject")
    return _distinct_by(staged, due, step, spelling="serialNumber")


def pairs(  # noqa: PLR0913 - what makes a pair, and the staged pairs
    staged: DataFrame,
    step_trainer_trusted: DataFrame,
    accelerometer_trusted: DataFrame,
    customer_curated: DataFrame,
    *,
    key: bytes,
    on_timestamp_only: bool,
) -> Reconciliation:
    """Hold ``machine_learning_curated`` against all pairs of readings that there should be, without forming a pair.

    The weight of a row is the product of the weights of its step reading, its accelerometer reading and its pseudonym.
    So the pairs of some steps with some readings weigh the sum of the ones times the sum of the others.

    Returns:
        With ``people`` and ``readings_matched`` as counts: people who have a pair, and accelerometer readings in one.
    """
    found = staged.select(
        _step_weight().alias("step"),
        _weight(*_axes()).alias("reading"),
        _weight("customer_key").alias("pseudonym"),
    )
    if on_timestamp_only:
        steps, together = step_trainer_trusted, []
    else:
        steps = step_trainer_trusted.join(customer_curated.select("device", "person"), "device")
        together = ["person"]
    moment = F.xxhash64("sensorReadingTime", *together).alias("moment")
    steps = steps.select(moment, "sensorReadingTime", "distanceFromObject")
    steps_at = (
        # A person's two devices may have read the same distance, which makes one row; two people's make two.
        (steps if on_timestamp_only else steps.distinct())
        .groupBy("moment")
        .agg(_sum(_step_weight()).alias("step"), F.count(F.lit(1)).alias("steps"))
    )
    due = (
        accelerometer_trusted.withColumnRenamed("timestamp", "sensorReadingTime")
        .select(moment, "person", _weight(*_axes()).alias("reading"))
        .join(steps_at, "moment")
        .groupBy("person")
        .agg(
            F.sum("steps").alias("rows"),
            F.count(F.lit(1)).alias("readings"),
            _sum(_product("step", "reading")).alias("pairs"),
        )
    )
    weighed = with_customer_key(due, key).withColumn("pseudonym", _weight("customer_key"))
    return _reconciled(
        _each_row(found.withColumn("pairs", _product("step", "reading")), _product("pairs", "pseudonym")),
        weighed.agg(
            F.coalesce(F.sum("rows"), F.lit(0)).alias("rows"),
            _sum(_product("pairs", "pseudonym")).alias("weight"),
            F.count(F.lit(1)).alias("people"),
            F.coalesce(F.sum("readings"), F.lit(0)).alias("readings_matched"),
        ),
        "people",
        "readings_matched",
    )


def pairs_of_one_person(
    staged: DataFrame,
    step_trainer_trusted: DataFrame,
    accelerometer_trusted: DataFrame,
    customer_curated: DataFrame,
    *,
    key: bytes,
) -> DataFrame:
    """Rows of ``machine_learning_curated`` in which both readings are really that person's.

    Each half of a row is looked up on its own: the step reading among those of the person's devices, the accelerometer
    reading among the person's. That takes long, so it is for counting what ``pairs`` has noticed.
    """
    owners = customer_curated.select("device", "person").distinct()
    keys = with_customer_key(owners.select("person").distinct(), key)
    own_steps = (
        step_trainer_trusted.join(owners, "device")
        .join(keys, "person")
        .select("customer_key", "sensorReadingTime", "distanceFromObject")
    )
    own_readings = accelerometer_trusted.join(keys, "person").select(
        "customer_key", F.col("timestamp").alias("sensorReadingTime"), "x", "y", "z"
    )
    return staged.join(own_steps, own_steps.columns, "left_semi").join(
        own_readings, own_readings.columns, "left_semi"
    )


def _distinct_by(staged: DataFrame, due: DataFrame, reading: Column, *, spelling: str) -> Reconciliation:
    """Compare readings with the rows due, of which there may be several copies.

    The least spelling of a reading's copies is due. It is looked for only if copies differ in their spelling: to find
    it doubles the time. Two rows of one reading break the contract, and are not looked for.
    """
    staged, due = (rows.select(reading.alias("reading"), spelling) for rows in (staged, due))
    weight = _weight("reading", spelling)
    spelled_alike = due.select(F.xxhash64("reading", spelling).alias("row")).distinct()
    quick = _reconciled(_each_row(staged, weight), _each_row(spelled_alike, F.pmod("row", F.lit(_PRIME))))
    if quick.same:
        return quick
    least = due.groupBy("reading").agg(F.min(spelling).alias(spelling))
    return _reconciled(_each_row(staged, weight), _each_row(least, weight))


def _reconciled(staged: DataFrame, due: DataFrame, *counts: str) -> Reconciliation:
    both = staged.crossJoin(due.withColumnsRenamed({"rows": "rows_due", "weight": "weight_due"}))
    found = both.collect()[0]
    same = found["rows"] == found["rows_due"] and found["weight"] == found["weight_due"]
    return Reconciliation(found["rows"], found["rows_due"], same, {name: found[name] for name in counts})


def _each_row(frame: DataFrame, weight: Column) -> DataFrame:
    return frame.agg(F.count(F.lit(1)).alias("rows"), _sum(weight).alias("weight"))


def _weight(*columns: str | Column) -> Column:
    return F.pmod(F.xxhash64(*columns), F.lit(_PRIME))


def _product(one: str, other: str) -> Column:
    return F.col(one) * F.col(other) % _PRIME


def _sum(weight: Column) -> Column:
    return F.coalesce(F.sum(weight), F.lit(0)) % _PRIME


def _step_weight() -> Column:
    return _weight("sensorReadingTime", "distanceFromObject")


def _axes() -> tuple[Column, ...]:
    # Zero and minus zero are one reading, and have two hashes.
    return tuple(F.col(axis) + 0.0 for axis in ("x", "y", "z"))
