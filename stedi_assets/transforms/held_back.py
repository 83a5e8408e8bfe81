"""Held back: whoever a quarantined customer record may name, and every device that may be theirs.

Nobody can read such a record's answer on consent, so it counts as a refusal until its file is replaced by a repaired
one. The record reader finds whom and what a record names; see ``records.mentions``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def people_held_back(customer_landing: DataFrame, customer_quarantine: DataFrame) -> DataFrame:
    """People whose newest customer record may be in quarantine.

    A quarantined record holds nobody back if it is surely older than the person's newest landed snapshot.

    Returns:
        ``person`` string, distinct.
    """
    newest = customer_landing.groupBy("person").agg(F.max("lastUpdateDate").alias("newest"))
    named = customer_quarantine.select(F.explode("persons").alias("person"), "snapshot_at")
    surely_older = F.coalesce(F.col("snapshot_at") < F.col("newest"), F.lit(False))
    return named.join(newest, "person", "left").where(~surely_older).select("person").distinct()


def devices_held_back(customer_quarantine: DataFrame, customer_trusted: DataFrame) -> DataFrame:
    """Devices that a quarantined customer record names, unless everybody whom the record names is trusted.

    A record that names a device and nobody may be anybody's.

    Returns:
        ``device`` string, distinct.
    """
    # The people and the devices of a record are listed apart: a record that wraps a whole delivery names 100,000 of
    # each, and has ten thousand million pairs of them.
    records = customer_quarantine.select("persons", "devices", same_devices().alias("record"))
    named = records.select("record", F.explode_outer("persons").alias("person"))
    in_doubt = (
        named.join(customer_trusted.select("person"), "person", "left_anti").select("record").distinct()
    )
    devices = records.join(in_doubt, "record", "left_semi").select(F.explode("devices").alias("device"))
    return devices.distinct()


def same_devices() -> Column:
    """A number that quarantined records share if they name the same devices."""
    return F.xxhash64(F.concat_ws("\n", "devices"))
