"""Promise 1, computed again from ``customer_landing`` by another route than the transforms take.

The transforms rank snapshots; this joins them to the latest date of each person. Only the pseudonym is
shared with them, so that a fault in the one is caught by the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.functions as F

from stedi_assets.transforms.pseudonym import with_customer_key

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def _answers(customer_landing: DataFrame, *subject: str) -> DataFrame:
    """The subject's answer now: ``agreed`` bigint, the consent date of its latest snapshots.

    Null if one of them has none; the latest date where they differ.
    """
    asked = customer_landing.select(
        F.col("person").alias("who"),
        "device",
        "lastUpdateDate",
        F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)).alias("agreed"),
    )
    latest = asked.groupBy(*subject).agg(F.max("lastUpdateDate").alias("lastUpdateDate"))
    return (
        asked.join(latest, [*subject, "lastUpdateDate"])
        .groupBy(*subject)
        .agg(F.when(F.min("agreed") > 0, F.max("agreed")).alias("agreed"))
    )


def consenting_owners(customer_landing: DataFrame) -> DataFrame:
    """People and devices with consent now: ``who``, ``device`` string, ``agreed`` bigint (epoch ms)."""
    people = _answers(customer_landing, "who").where("agreed > 0").select("who")
    return _answers(customer_landing, "who", "device").where("agreed > 0").join(people, "who")


def consenting_people(customer_landing: DataFrame) -> DataFrame:
    """People with consent now: ``who`` string, ``agreed`` bigint (epoch ms, the latest of their devices)."""
    return consenting_owners(customer_landing).groupBy("who").agg(F.max("agreed").alias("agreed"))


def customers_without_consent(
    customers: DataFrame, customer_landing: DataFrame, *, from_date: bool
) -> DataFrame:
    """Rows of a customer table whose person or device has no consent now."""
    del from_date  # a customer row is of no time
    owners = consenting_owners(customer_landing)
    return customers.withColumn("who", F.col("person")).join(owners, ["who", "device"], "left_anti")


def readings_without_consent(
    readings: DataFrame, customer_landing: DataFrame, *, from_date: bool
) -> DataFrame:
    """Accelerometer readings of people without consent now or, with ``from_date``, at the time of reading."""
    people = consenting_people(customer_landing)
    joined = readings.withColumn("who", F.col("person")).join(people, "who", "left")
    return joined.where(_unagreed("timestamp", from_date=from_date))


def steps_without_consent(steps: DataFrame, customer_landing: DataFrame, *, from_date: bool) -> DataFrame:
    """Step readings of devices that nobody with consent owns, or that somebody without consent owns too."""
    owners = customer_landing.select(F.col("person").alias("who"), "device").distinct()
    people = consenting_people(customer_landing).select("who", F.col("agreed").alias("person_agreed"))
    devices = (
        owners.join(consenting_owners(customer_landing), ["who", "device"], "left")
        .join(people, "who", "left")
        .groupBy("device")
        .agg(
            F.when(F.count(F.lit(1)) == F.count("agreed"), F.min("person_agreed")).alias("agreed"),
        )
    )
    return steps.join(devices, "device", "left").where(_unagreed("sensorReadingTime", from_date=from_date))


def pairs_without_consent(
    pairs: DataFrame, customer_landing: DataFrame, *, from_date: bool, key: bytes
) -> DataFrame:
    """Rows of ``machine_learning_curated`` whose ``customer_key`` is of nobody with consent, ``key`` being its key."""
    people = with_customer_key(consenting_people(customer_landing).withColumnRenamed("who", "person"), key)
    return pairs.join(people, "customer_key", "left").where(
        _unagreed("sensorReadingTime", from_date=from_date)
    )


def pairs_of_one_person(
    pairs: DataFrame, steps: DataFrame, readings: DataFrame, customers: DataFrame, *, key: bytes
) -> DataFrame:
    """Rows of ``machine_learning_curated`` in which both readings are really that person's.

    Each half of a row is looked up on its own: the step reading among those of the person's devices, the
    accelerometer reading among the person's.
    """
    owners = customers.select("device", "person").distinct()
    keys = with_customer_key(owners.select("person").distinct(), key)
    own_steps = (
        steps.join(owners, "device")
        .join(keys, "person")
        .select("customer_key", "sensorReadingTime", "distanceFromObject")
    )
    own_readings = readings.join(keys, "person").select(
        "customer_key", F.col("timestamp").alias("sensorReadingTime"), "x", "y", "z"
    )
    return pairs.join(own_steps, own_steps.columns, "left_semi").join(
        own_readings, own_readings.columns, "left_semi"
    )


def _unagreed(time: str, *, from_date: bool) -> Column:
    missing = F.col("agreed").isNull()
    return missing | (F.col(time) < F.col("agreed")) if from_date else missing
