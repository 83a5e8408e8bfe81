"""The five tables beyond landing, each as one function of the tables that it is made from.

Columns are those of the tables' contracts. People are joined on ``person`` and devices on ``device``, which the record
reader made; no other column says whose a row is. Whom a quarantined record holds back belongs in ``held_back``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.functions as F
from pyspark.sql import Window

from stedi_assets.transforms.held_back import devices_held_back, people_held_back
from stedi_assets.transforms.pseudonym import with_customer_key

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

CUSTOMER = (
    "customerName",
    "email",
    "phone",
    "birthDay",
    "serialNumber",
    "registrationDate",
    "lastUpdateDate",
    "shareWithResearchAsOfDate",
    "shareWithPublicAsOfDate",
    "shareWithFriendsAsOfDate",
    "person",
    "device",
)
_OTHER_CUSTOMER_FIELDS = tuple(
    name
    for name in CUSTOMER
    if name not in {"person", "device", "lastUpdateDate", "shareWithResearchAsOfDate"}
)
ACCELEROMETER = ("user", "timestamp", "x", "y", "z", "person")
STEP_TRAINER = ("sensorReadingTime", "serialNumber", "distanceFromObject", "device")


def consented() -> Column:
    """Whether a customer snapshot carries consent to research: a date above 0."""
    return F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)) > 0


def trusted_customers(customer_landing: DataFrame, customer_quarantine: DataFrame) -> DataFrame:
    """Newest snapshot of each person and device, of people who consent to research now.

    A person consents now if the newest snapshot over all devices says so, and no quarantined record may be a newer
    one; the newest snapshot of the device must say so too. On a tie of ``lastUpdateDate`` the snapshot without consent
    wins, and of two with consent the later consent.
    """
    snapshots = customer_landing.select(*CUSTOMER, F.when(consented(), 0).otherwise(1).alias("refuses"))
    refusing = (
        snapshots.groupBy("person")
        .agg(F.max(F.struct("lastUpdateDate", "refuses")).alias("newest"))
        .where("newest.refuses = 1")
        .select("person")
    )
    outside = refusing.unionByName(people_held_back(customer_landing, customer_quarantine))
    newest_first = Window.partitionBy("person", "device").orderBy(
        F.col("lastUpdateDate").desc(),
        F.col("refuses").desc(),
        # Of two consents, the later: it lets less through where readings count from consent on.
        F.col("shareWithResearchAsOfDate").desc_nulls_last(),
        # Any fixed order will do among snapshots that differ in neither; nulls are placed, since engines differ.
        *(F.col(name).asc_nulls_last() for name in _OTHER_CUSTOMER_FIELDS),
    )
    return (
        snapshots.withColumn("rank", F.row_number().over(newest_first))
        .where("rank = 1 AND refuses = 0")
        .join(outside, "person", "left_anti")
        .select(*CUSTOMER)
    )


def consent_since(customer_trusted: DataFrame) -> DataFrame:
    """When each trusted person consented: ``person`` string, ``since`` bigint (epoch ms, the latest date)."""
    return customer_trusted.groupBy("person").agg(F.max("shareWithResearchAsOfDate").alias("since"))


def readings_of(
    accelerometer_landing: DataFrame, customer_trusted: DataFrame, *, consent_from_date: bool = False
) -> DataFrame:
    """Distinct accelerometer readings of trusted people; with ``consent_from_date``, from then on only."""
    readings = accelerometer_landing.select(*ACCELEROMETER)
    people = consent_since(customer_trusted)
    if consent_from_date:
        kept = readings.join(people, "person").where(F.col("timestamp") >= F.col("since"))
    else:
        kept = readings.join(people, "person", "left_semi")
    # Of one reading that was delivered under two spellings of the address, the least spelling stays.
    distinct = kept.groupBy("person", "timestamp", "x", "y", "z").agg(F.min("user").alias("user"))
    return distinct.select(*ACCELEROMETER)


def customers_with_readings(customer_trusted: DataFrame, accelerometer_trusted: DataFrame) -> DataFrame:
    """Trusted customers with at least one trusted accelerometer reading."""
    people = accelerometer_trusted.select("person")
    return customer_trusted.join(people, "person", "left_semi").select(*CUSTOMER)


def shared_with_untrusted(
    customer_landing: DataFrame, customer_quarantine: DataFrame, customer_trusted: DataFrame
) -> DataFrame:
    """Devices that have an owner outside ``customer_trusted``, or may have one: ``device`` string, distinct.

    A fault of the web shop gave 30 serial numbers to hundreds of customers; a reading of such a device may
    be of any of its owners.
    """
    owner = ["person", "device"]
    outside = customer_landing.select(*owner).join(customer_trusted.select(*owner), owner, "left_anti")
    return (
        outside.select("device")
        .unionByName(devices_held_back(customer_quarantine, customer_trusted))
        .distinct()
    )


def devices_of(customer_curated: DataFrame, withheld_devices: DataFrame) -> DataFrame:
    """Devices of curated customers that are not withheld, and since when some owner of each has consented.

    Returns:
        ``device`` string, distinct, and ``since`` bigint (epoch ms).
    """
    return (
        customer_curated.join(consent_since(customer_curated), "person")
        .groupBy("device")
        .agg(F.min("since").alias("since"))
        .join(withheld_devices, "device", "left_anti")
    )


def steps_of(
    step_trainer_landing: DataFrame,
    customer_curated: DataFrame,
    withheld_devices: DataFrame,
    *,
    consent_from_date: bool = False,
) -> DataFrame:
    """Distinct readings of curated customers' devices, but of no device in ``withheld_devices``.

    With ``consent_from_date``, only from when some owner of the device had consented.
    """
    steps = step_trainer_landing.select(*STEP_TRAINER)
    devices = devices_of(customer_curated, withheld_devices)
    if consent_from_date:
        kept = steps.join(devices, "device").where(F.col("sensorReadingTime") >= F.col("since"))
    else:
        kept = steps.join(devices, "device", "left_semi")
    distinct = kept.groupBy("sensorReadingTime", "device", "distanceFromObject").agg(
        F.min("serialNumber").alias("serialNumber")
    )
    return distinct.select(*STEP_TRAINER)


def matched_readings(
    step_trainer_trusted: DataFrame,
    accelerometer_trusted: DataFrame,
    customer_curated: DataFrame,
    key: bytes,
    *,
    on_timestamp_only: bool = False,
) -> DataFrame:
    """Pairs of step and accelerometer readings of the same millisecond, under the person's pseudonym.

    No two rows are equal, unless ``on_timestamp_only``: there, two people's devices may have read the same distance.

    Args:
        step_trainer_trusted: Step readings.
        accelerometer_trusted: Accelerometer readings.
        customer_curated: Owners of the devices.
        key: Secret of the pseudonyms.
        on_timestamp_only: Pair readings of different people too, as the published exercise does.
    """
    readings = accelerometer_trusted.withColumnRenamed("timestamp", "sensorReadingTime")
    if on_timestamp_only:
        steps, match = step_trainer_trusted, ["sensorReadingTime"]
    else:
        owners = customer_curated.select("device", "person")
        # A person's two devices may have read the same distance in the same millisecond.
        own = step_trainer_trusted.join(owners, "device").select(
            "person", "sensorReadingTime", "distanceFromObject"
        )
        steps, match = own.distinct(), ["sensorReadingTime", "person"]
    # Not to the pairs: of the two sides of a join Sail holds the left one, which would be all pairs.
    keys = with_customer_key(readings.select("person").distinct(), key)
    return steps.join(keys.join(readings, "person"), match).select(
        "customer_key", "sensorReadingTime", "distanceFromObject", "x", "y", "z"
    )
