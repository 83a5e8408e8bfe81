"""Promise 1, computed again from the customer records by another route than the transforms take.

The transforms rank snapshots and set aside the people held back. This module joins snapshots to each person's latest
date, and counts a quarantined record as one more snapshot, without consent. It shares only the pseudonym with the
transforms, so that each route shows a fault of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.functions as F

from stedi_assets.transforms.pseudonym import with_customer_key

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# The time of a quarantined record whose own time is in doubt: later than any snapshot.
_NEVER_OUTDATED = 2**63 - 1


def consenting_owners(customer_landing: DataFrame, customer_quarantine: DataFrame) -> DataFrame:
    """People and devices with consent now.

    Returns:
        ``person``, ``device`` string, ``lastUpdateDate`` bigint of the newest snapshot, ``agreed`` bigint, its consent
        date (both epoch ms); one row for each person and device.
    """
    landed = _landed(customer_landing)
    everything = landed.drop("device").unionByName(_quarantined(customer_quarantine))
    people = _answers(everything, "person").where("agreed > 0").select("person")
    return _answers(landed, "person", "device").where("agreed > 0").join(people, "person")


def consenting_people(customer_landing: DataFrame, customer_quarantine: DataFrame) -> DataFrame:
    """People with consent now: ``person`` string, ``agreed`` bigint (epoch ms, the latest of their devices)."""
    return _people(consenting_owners(customer_landing, customer_quarantine))


def devices_of_consenting(
    customer_landing: DataFrame, customer_quarantine: DataFrame, owners: DataFrame
) -> DataFrame:
    """Devices all of whose owners consent, owners whom a quarantined record may name included.

    Args:
        customer_landing: Every snapshot, which says who owns which device.
        customer_quarantine: Records that may name more owners.
        owners: ``person``, ``device`` string, ``agreed`` bigint: the owners who consent.

    Returns:
        ``device`` string, ``agreed`` bigint: the earliest consent of an owner (epoch ms).
    """
    people = _people(owners).withColumnRenamed("agreed", "person_agreed")
    landed = (
        customer_landing.select("person", "device")
        .distinct()
        .join(owners.select("person", "device", "agreed"), ["person", "device"], "left")
        .join(people, "person", "left")
        .select("device", F.col("agreed").isNotNull().alias("consents"), "person_agreed")
    )
    named = _devices_named(customer_quarantine, people).withColumn(
        "person_agreed", F.lit(None).cast("bigint")
    )
    return (
        landed.unionByName(named)
        .groupBy("device")
        .agg(
            F.min(F.col("consents").cast("int")).alias("all_consent"), F.min("person_agreed").alias("agreed")
        )
        .where("all_consent = 1 AND agreed IS NOT NULL")
        .select("device", "agreed")
    )


def customers_without_consent(
    customers: DataFrame, customer_landing: DataFrame, customer_quarantine: DataFrame, *, from_date: bool
) -> DataFrame:
    """Rows of a customer table whose person or device has no consent now."""
    del from_date  # a customer row is of no time
    owners = consenting_owners(customer_landing, customer_quarantine)
    return customers.join(owners, ["person", "device"], "left_anti")


def readings_without_consent(
    readings: DataFrame, customer_landing: DataFrame, customer_quarantine: DataFrame, *, from_date: bool
) -> DataFrame:
    """Accelerometer readings of people without consent now or, with ``from_date``, at the time of reading."""
    people = consenting_people(customer_landing, customer_quarantine)
    return readings.join(people, "person", "left").where(_unagreed("timestamp", from_date=from_date))


def steps_without_consent(
    steps: DataFrame, customer_landing: DataFrame, customer_quarantine: DataFrame, *, from_date: bool
) -> DataFrame:
    """Step readings of devices that nobody with consent owns, or that somebody without consent may own too."""
    owners = consenting_owners(customer_landing, customer_quarantine)
    devices = devices_of_consenting(customer_landing, customer_quarantine, owners)
    return steps.join(devices, "device", "left").where(_unagreed("sensorReadingTime", from_date=from_date))


def pairs_without_consent(
    pairs: DataFrame,
    customer_landing: DataFrame,
    customer_quarantine: DataFrame,
    *,
    from_date: bool,
    key: bytes,
) -> DataFrame:
    """Rows of ``machine_learning_curated`` whose ``customer_key`` is of nobody with consent, ``key`` being its key."""
    people = with_customer_key(consenting_people(customer_landing, customer_quarantine), key)
    return pairs.join(people, "customer_key", "left").where(
        _unagreed("sensorReadingTime", from_date=from_date)
    )


def held_back(
    customer_landing: DataFrame, customer_quarantine: DataFrame, customer_trusted: DataFrame
) -> DataFrame:
    """How much waits for quarantined customer records to be settled.

    Returns:
        One row: ``people_held_back`` (people whose newest record may be quarantined), ``records_naming_nobody``
        (quarantined customer records) and ``devices_withheld`` (devices that a quarantined record names together with
        somebody outside ``customer_trusted``, or alone), bigint each.
    """
    newer = customer_landing.select("person", F.col("lastUpdateDate").alias("landed_at"))
    unsettled = _quarantined(customer_quarantine)
    outdated = (unsettled["person"] == newer["person"]) & (newer["landed_at"] > unsettled["lastUpdateDate"])
    people = unsettled.join(newer, outdated, "left_anti")
    trusted = customer_trusted.select("person").distinct().withColumn("person_agreed", F.lit(1))
    devices = _devices_named(customer_quarantine, trusted).where("NOT consents")
    return (
        people.agg(F.count_distinct("person").alias("people_held_back"))
        .crossJoin(
            customer_quarantine.agg(F.count_if(F.size("persons") == 0).alias("records_naming_nobody")),
        )
        .crossJoin(devices.agg(F.count_distinct("device").alias("devices_withheld")))
    )


def _landed(customer_landing: DataFrame) -> DataFrame:
    """Snapshots: ``person``, ``device`` string, ``lastUpdateDate``, ``agreed`` bigint, 0 without consent."""
    agreed = F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)).alias("agreed")
    return customer_landing.select("person", "device", "lastUpdateDate", agreed)


def _quarantined(customer_quarantine: DataFrame) -> DataFrame:
    """Quarantined records as snapshots without consent: ``person`` string, ``lastUpdateDate``, ``agreed`` bigint."""
    return customer_quarantine.select(
        F.explode("persons").alias("person"),
        F.coalesce(F.col("snapshot_at"), F.lit(_NEVER_OUTDATED)).alias("lastUpdateDate"),
        F.lit(0).cast("bigint").alias("agreed"),
    )


def _answers(asked: DataFrame, *subject: str) -> DataFrame:
    """The subject's answer now: ``lastUpdateDate`` and ``agreed`` bigint, the consent date of its latest snapshots.

    ``agreed`` is null if one of these snapshots has no date, and the latest date where they differ.
    """
    latest = asked.groupBy(*subject).agg(F.max("lastUpdateDate").alias("lastUpdateDate"))
    return (
        asked.join(latest, [*subject, "lastUpdateDate"])
        .groupBy(*subject, "lastUpdateDate")
        .agg(F.when(F.min("agreed") > 0, F.max("agreed")).alias("agreed"))
    )


def _people(owners: DataFrame) -> DataFrame:
    return owners.groupBy("person").agg(F.max("agreed").alias("agreed"))


def _devices_named(customer_quarantine: DataFrame, people: DataFrame) -> DataFrame:
    """Devices of quarantined records, and whether each person whom the record names is one of ``people``.

    Args:
        customer_quarantine: The records.
        people: ``person`` string, distinct, ``person_agreed`` of any type, never null.

    Returns:
        ``device`` string, ``consents`` boolean: false if the record names nobody.
    """
    # What a record names tells it from others; its people and devices are never paired, since they may be many.
    what = F.md5(F.concat_ws("\n", F.concat_ws(" ", "persons"), F.concat_ws(" ", "devices")))
    records = customer_quarantine.select("persons", "devices", what.alias("record"))
    consents = (
        records.select("record", F.explode_outer("persons").alias("person"))
        .join(people, "person", "left")
        .groupBy("record")
        .agg((F.count(F.lit(1)) == F.count("person_agreed")).alias("consents"))
    )
    devices = records.select("record", F.explode("devices").alias("device"))
    return devices.join(consents, "record").select("device", "consents")


def _unagreed(time: str, *, from_date: bool) -> Column:
    missing = F.col("agreed").isNull()
    return missing | (F.col(time) < F.col("agreed")) if from_date else missing
