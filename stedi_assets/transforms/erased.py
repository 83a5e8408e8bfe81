"""People who were erased: whoever asks about consent takes them for people who have refused.

The register of erasures has marks alone; see ``records.erased``. A name in a table is known again by its mark. Each
erasure counts as a customer record in quarantine, from just before the erasure, so that the rules of ``held_back`` say
whom it holds back, and whose devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# The columns of a frame of erasures: ``person`` and ``device`` are marks, and ``device`` may be null.
ERASURES = "salt string, person string, device string, erased_at bigint"


def refusals(customer_landing: DataFrame, erasures: DataFrame) -> DataFrame:
    """What was erased, as records that hold back.

    A person is in the tables still where an erasure was cut off, or where tables were restored from a backup. A device
    is there still if it was shared. Its record names nobody, so that it may be anybody's, until the person who was
    erased is registered with it anew.

    Args:
        customer_landing: Every snapshot, which says what the marks mean.
        erasures: ``ERASURES``.

    Returns:
        ``persons``, ``devices`` array, ``snapshot_at``, ``ingested_at`` bigint, as ``customer_quarantine`` has them.
    """
    salts = erasures.select("salt").distinct()
    owners = (
        customer_landing.select("person", "device")
        .distinct()
        .crossJoin(salts)
        .select(
            "salt", "person", "device", _mark("person").alias("of_person"), _mark("device").alias("of_device")
        )
    )
    erased = erasures.toDF("salt", "of_person", "of_device", "erased_at")
    # Lists of columns with other names: a join of a frame with itself is ambiguous to Apache Spark.
    devices = owners.select("salt", "of_device", F.col("device").alias("known_device")).distinct()
    people = erased.join(owners, ["salt", "of_person"]).select(
        F.array("person").alias("persons"), F.array().cast("array<string>").alias("devices"), "erased_at"
    )
    named = F.when(F.col("person").isNull(), F.array().cast("array<string>")).otherwise(F.array("person"))
    things = (
        erased.join(devices, ["salt", "of_device"])
        .join(owners.drop("device"), ["salt", "of_person", "of_device"], "left")
        .select(named.alias("persons"), F.array("known_device").alias("devices"), "erased_at")
    )
    return (
        people.unionByName(things)
        .distinct()
        .select(
            "persons",
            "devices",
            (F.col("erased_at") - 1).alias("snapshot_at"),
            F.col("erased_at").alias("ingested_at"),
        )
    )


def _mark(name: str) -> Column:
    return F.sha2(F.concat("salt", name), 256)
