"""Since when people have refused whose rows a table still has.

Who consents now belongs in ``consent``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.functions as F

from stedi_assets.transforms.pseudonym import with_customer_key

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def first_refusal(
    rows: DataFrame,
    customer_landing: DataFrame,
    customer_quarantine: DataFrame,
    *,
    since: int,
    key: bytes | None = None,
) -> DataFrame:
    """When the first refusal landed of somebody whose rows these are.

    A quarantined record counts as a refusal of everybody whom the record names.

    Args:
        rows: Rows of people without consent, of a trusted or curated table.
        customer_landing: Every snapshot.
        customer_quarantine: Quarantined customer records.
        since: Earlier refusals do not count, epoch ms.
        key: The key of the rows' pseudonyms, if they have any.

    Returns:
        One row: ``landed_at`` bigint, epoch ms; null without any refusal.
    """
    later = F.col("ingested_at") > since
    landed = customer_landing.where(later)
    quarantined = customer_quarantine.where(later)
    refused = (
        landed.where("coalesce(shareWithResearchAsOfDate, 0) = 0")
        .select("person", "ingested_at")
        .unionByName(quarantined.select(F.explode("persons").alias("person"), "ingested_at"))
        .groupBy("person")
        .agg(F.min("ingested_at").alias("ingested_at"))
    )
    subject = "person"
    if key is not None:
        subject, refused = "customer_key", with_customer_key(refused, key)
    elif "person" not in rows.columns:
        subject = "device"
        owners = customer_landing.select("person", "device").distinct()
        named = quarantined.select(F.explode("devices").alias("device"), "ingested_at")
        refused = refused.join(owners, "person").select("device", "ingested_at").unionByName(named)
    return refused.join(rows.select(subject).distinct(), subject).agg(F.min("ingested_at").alias("landed_at"))
