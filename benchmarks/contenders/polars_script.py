"""The five tables by Polars. Run: `python -m benchmarks.contenders.polars_script LAKE OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from benchmarks.contenders import FIELDS, pseudonyms

TYPES = {"string": pl.String, "bigint": pl.Int64, "double": pl.Float64}


def main(lake: str, output: str) -> None:
    """Compute and write the tables."""

    def landed(source: str, **names: str) -> pl.LazyFrame:
        schema = {name: TYPES[kind] for name, kind in FIELDS[source].items()}
        made = {name: pl.col(field).str.strip_chars().str.to_lowercase() for name, field in names.items()}
        return pl.scan_ndjson(f"{lake}/{source}/landing/*.json", schema=schema).with_columns(**made)

    def keep(table: str, frame: pl.LazyFrame) -> pl.LazyFrame:
        file = Path(output, table, "part.parquet")
        frame.sink_parquet(file, mkdir=True)
        return pl.scan_parquet(file)

    refuses = pl.col("shareWithResearchAsOfDate").fill_null(0) <= 0
    customers = landed("customer", person="email", device="serialNumber").with_columns(refuses=refuses)
    newest_first = ["lastUpdateDate", "refuses", "shareWithResearchAsOfDate"]
    by_newest = customers.sort(newest_first, descending=True, nulls_last=True)
    refusing = by_newest.group_by("person").first().filter("refuses")
    trusted = keep(
        "customer_trusted",
        by_newest.group_by("person", "device")
        .first()
        .filter(~pl.col("refuses"))
        .join(refusing, on="person", how="anti")
        .drop("refuses"),
    )
    readings = keep(
        "accelerometer_trusted",
        landed("accelerometer", person="user")
        .join(trusted, on="person", how="semi")
        .group_by("person", "timestamp", "x", "y", "z")
        .agg(pl.min("user")),
    )
    curated = keep("customer_curated", trusted.join(readings, on="person", how="semi"))
    shared = customers.join(trusted, on=["person", "device"], how="anti")
    steps = keep(
        "step_trainer_trusted",
        landed("step_trainer", device="serialNumber")
        .join(curated, on="device", how="semi")
        .join(shared, on="device", how="anti")
        .group_by("sensorReadingTime", "device", "distanceFromObject")
        .agg(pl.min("serialNumber")),
    )
    people = curated.select("person").unique().collect()
    keys = people.with_columns(customer_key=pl.Series(pseudonyms(people["person"]), dtype=pl.String))
    own = steps.join(curated.select("device", "person"), on="device")
    keep(
        "machine_learning_curated",
        own.select("person", "sensorReadingTime", "distanceFromObject")
        .unique()
        .join(readings, left_on=["person", "sensorReadingTime"], right_on=["person", "timestamp"])
        .join(keys.lazy(), on="person")
        .select("customer_key", "sensorReadingTime", "distanceFromObject", "x", "y", "z"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
