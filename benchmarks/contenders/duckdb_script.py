"""The five tables by DuckDB. Run: `python -m benchmarks.contenders.duckdb_script LAKE OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.contenders import FIELDS, pseudonyms

CUSTOMER_TRUSTED = """
WITH snapshots AS (SELECT *, coalesce(shareWithResearchAsOfDate, 0) <= 0 AS refuses FROM customer),
refusing AS (
    SELECT person FROM snapshots GROUP BY person
    HAVING max({'updated': lastUpdateDate, 'refuses': refuses}).refuses
)
SELECT * EXCLUDE (refuses) FROM snapshots ANTI JOIN refusing USING (person)
QUALIFY NOT refuses AND row_number() OVER (
    PARTITION BY person, device
    ORDER BY lastUpdateDate DESC, refuses DESC, shareWithResearchAsOfDate DESC NULLS LAST
) = 1
"""
ACCELEROMETER_TRUSTED = """
SELECT min("user") AS "user", "timestamp", x, y, z, person
FROM accelerometer SEMI JOIN customer_trusted USING (person)
GROUP BY person, "timestamp", x, y, z
"""
CUSTOMER_CURATED = "SELECT * FROM customer_trusted SEMI JOIN accelerometer_trusted USING (person)"
STEP_TRAINER_TRUSTED = """
SELECT sensorReadingTime, min(serialNumber) AS serialNumber, distanceFromObject, device
FROM step_trainer SEMI JOIN customer_curated USING (device)
ANTI JOIN (SELECT device FROM customer ANTI JOIN customer_trusted USING (person, device)) USING (device)
GROUP BY sensorReadingTime, device, distanceFromObject
"""
MACHINE_LEARNING_CURATED = """
WITH steps AS (
    SELECT DISTINCT person, sensorReadingTime, distanceFromObject
    FROM step_trainer_trusted JOIN customer_curated USING (device)
)
SELECT customer_key, sensorReadingTime, distanceFromObject, x, y, z
FROM steps JOIN accelerometer_trusted r ON r.person = steps.person AND r."timestamp" = sensorReadingTime
JOIN keys ON keys.person = steps.person
"""


def main(lake: str, output: str) -> None:
    """Compute and write the tables."""
    con = duckdb.connect()
    # Rows need not keep the order of the files, which costs memory.
    con.sql("SET preserve_insertion_order = false")

    def land(source: str, **names: str) -> None:
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in FIELDS[source].items())
        made = "".join(f', lower(trim("{field}")) AS {name}' for name, field in names.items())
        con.sql(
            f"CREATE VIEW {source} AS SELECT *{made} FROM read_json("
            f"'{lake}/{source}/landing/*.json', format = 'newline_delimited', columns = {{{columns}}})"
        )

    def make(table: str, query: str) -> None:
        folder = Path(output, table)
        folder.mkdir(parents=True)
        con.sql(f"CREATE TABLE {table} AS {query}")
        con.sql(f"COPY {table} TO '{folder}/part.parquet'")

    land("customer", person="email", device="serialNumber")
    land("accelerometer", person="user")
    land("step_trainer", device="serialNumber")
    make("customer_trusted", CUSTOMER_TRUSTED)
    make("accelerometer_trusted", ACCELEROMETER_TRUSTED)
    make("customer_curated", CUSTOMER_CURATED)
    make("step_trainer_trusted", STEP_TRAINER_TRUSTED)
    people = [person for (person,) in con.sql("SELECT DISTINCT person FROM customer_curated").fetchall()]
    con.register("keys", pa.table({"person": people, "customer_key": pseudonyms(people)}))
    make("machine_learning_curated", MACHINE_LEARNING_CURATED)


if __name__ == "__main__":
    main(*sys.argv[1:])
