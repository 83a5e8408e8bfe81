"""The five tables beyond landing, computed once more from landing and quarantine tables, in DuckDB's SQL.

The tables computed here have the names of the published ones with ``due_`` before. What they mean is said in
``transforms``; the words here are others, so that a mistake there shows as a difference.
"""

from __future__ import annotations

import hmac
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stedi_assets.contracts.models import CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

# What decides about a customer snapshot; the other columns only tell equal snapshots apart.
_DECIDES = {"person", "device", "lastUpdateDate", "shareWithResearchAsOfDate"}
# Records that hold back: those that nobody can read, and whoever was erased, as of just before the erasure. A device
# of somebody who was erased may be anybody's, until this person is registered with it anew.
_UNSETTLED = """
CREATE TABLE due_unsettled AS
WITH owner AS (
    SELECT salt, person, device, sha256(salt || person) AS of_person, sha256(salt || device) AS of_device
    FROM (SELECT DISTINCT person, device FROM customer_landing) CROSS JOIN (SELECT DISTINCT salt FROM erasures)
)
SELECT persons, devices, snapshot_at FROM customer_quarantine
UNION ALL
SELECT [owner.person], [], erased.erased_at - 1
FROM owner INNER JOIN erasures AS erased ON erased.salt = owner.salt AND erased.person = owner.of_person
UNION ALL
SELECT if(again.person IS NULL, [], [again.person]), [owner.device], erased.erased_at - 1
FROM owner
INNER JOIN erasures AS erased ON erased.salt = owner.salt AND erased.device = owner.of_device
LEFT JOIN owner AS again
    ON again.salt = owner.salt AND again.of_device = owner.of_device AND again.of_person = erased.person
"""
# Whoever has refused in a newest snapshot, or may have in a record that nobody can read.
_OUTSIDE = """
CREATE TABLE due_outside AS
WITH newest AS (SELECT person, max("lastUpdateDate") AS at FROM customer_landing GROUP BY person),
named AS (SELECT unnest(persons) AS person, snapshot_at FROM due_unsettled)
SELECT snapshot.person
FROM customer_landing AS snapshot
INNER JOIN newest ON newest.person = snapshot.person AND newest.at = snapshot."lastUpdateDate"
WHERE NOT coalesce(snapshot."shareWithResearchAsOfDate" > 0, false)
UNION
SELECT named.person
FROM named LEFT JOIN newest ON newest.person = named.person
WHERE NOT coalesce(named.snapshot_at < newest.at, false)
"""
# Ties of everything that counts are told apart by the other fields: nulls last, as the transform does.
_TRUSTED = """
CREATE TABLE due_customer_trusted AS
SELECT {customer}
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY person, device
        ORDER BY
            "lastUpdateDate" DESC,
            coalesce("shareWithResearchAsOfDate" > 0, false),
            "shareWithResearchAsOfDate" DESC NULLS LAST,
            {other_fields}
    ) AS place
    FROM customer_landing
)
WHERE place = 1
    AND coalesce("shareWithResearchAsOfDate" > 0, false)
    AND person NOT IN (SELECT person FROM due_outside)
"""
_SINCE = """
CREATE TABLE due_since AS
SELECT person, max("shareWithResearchAsOfDate") AS since FROM due_customer_trusted GROUP BY person
"""
_READINGS = """
CREATE TABLE due_accelerometer_trusted AS
SELECT min("user") AS "user", "timestamp", x, y, z, person
FROM accelerometer_landing INNER JOIN due_since USING (person)
WHERE NOT {consent_from_date} OR "timestamp" >= since
GROUP BY person, "timestamp", x, y, z
"""
_CURATED = """
CREATE TABLE due_customer_curated AS
SELECT {customer} FROM due_customer_trusted
WHERE person IN (SELECT person FROM due_accelerometer_trusted)
"""
# A device that somebody outside has, or may have by a record that nobody can read.
_WITHHELD = """
CREATE TABLE due_withheld AS
WITH record AS (SELECT row_number() OVER () AS number, persons, devices FROM due_unsettled),
named AS (SELECT number, unnest(persons) AS person FROM record),
in_doubt AS (
    SELECT number FROM record WHERE len(persons) = 0
    UNION
    SELECT number FROM named WHERE person NOT IN (SELECT person FROM due_customer_trusted)
)
SELECT owner.device
FROM customer_landing AS owner
WHERE NOT EXISTS (
    FROM due_customer_trusted AS trusted WHERE trusted.person = owner.person AND trusted.device = owner.device
)
UNION
SELECT unnest(record.devices) FROM record INNER JOIN in_doubt USING (number)
"""
_STEPS = """
CREATE TABLE due_step_trainer_trusted AS
SELECT reading."sensorReadingTime", min(reading."serialNumber") AS "serialNumber", reading."distanceFromObject",
    reading.device
FROM step_trainer_landing AS reading
INNER JOIN (
    SELECT device, min(since) AS since
    FROM due_customer_curated INNER JOIN due_since USING (person)
    GROUP BY device
) AS owner ON owner.device = reading.device
WHERE NOT EXISTS (FROM due_withheld WHERE due_withheld.device = reading.device)
    AND (NOT {consent_from_date} OR reading."sensorReadingTime" >= owner.since)
GROUP BY reading."sensorReadingTime", reading.device, reading."distanceFromObject"
"""
_MATCHED = """
CREATE TABLE due_machine_learning_curated AS
WITH own AS (
    SELECT DISTINCT owner.person, step."sensorReadingTime", step."distanceFromObject"
    FROM due_step_trainer_trusted AS step INNER JOIN due_customer_curated AS owner ON owner.device = step.device
)
SELECT key.customer_key, own."sensorReadingTime", own."distanceFromObject", reading.x, reading.y, reading.z
FROM own
INNER JOIN due_accelerometer_trusted AS reading
    ON reading.person = own.person AND reading."timestamp" = own."sensorReadingTime"
INNER JOIN due_key AS key ON key.person = own.person
"""
_MATCHED_ON_TIMESTAMP = """
CREATE TABLE due_machine_learning_curated AS
SELECT key.customer_key, step."sensorReadingTime", step."distanceFromObject", reading.x, reading.y, reading.z
FROM due_step_trainer_trusted AS step
INNER JOIN due_accelerometer_trusted AS reading ON reading."timestamp" = step."sensorReadingTime"
INNER JOIN due_key AS key ON key.person = reading.person
"""
DERIVED = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)


def compute_due(
    connection: duckdb.DuckDBPyConnection,
    policies: Mapping[str, Any],
    key: bytes | None,
    erasures: Sequence[tuple[str, str, str | None, int]],
) -> None:
    """Compute what each derived table is due to have.

    Args:
        connection: Has the landing and quarantine tables.
        policies: The policies under which the published tables were made.
        key: The key of pseudonyms; without it people have their addresses in the place of pseudonyms, in memory.
        erasures: Salt, mark of a person, mark of a device and time, as ``Register.erasures`` has them.
    """
    columns = zip(*erasures, strict=True) if erasures else ((), (), (), ())
    types = {"salt": pa.string(), "person": pa.string(), "device": pa.string(), "erased_at": pa.int64()}
    arrays = {name: pa.array(column, types[name]) for name, column in zip(types, columns, strict=True)}
    connection.register("erasures", pa.table(arrays))
    customer = CONTRACTS["customer_trusted"].column_names
    words = {
        "{consent_from_date}": "true" if policies.get("consent_from_date") else "false",
        "{customer}": ", ".join(f'"{name}"' for name in customer),
        "{other_fields}": ", ".join(f'"{name}" ASC NULLS LAST' for name in customer if name not in _DECIDES),
    }
    for statement in (_UNSETTLED, _OUTSIDE, _TRUSTED, _SINCE, _READINGS, _CURATED, _WITHHELD, _STEPS):
        connection.execute(reduce(lambda text, word: text.replace(*word), words.items(), statement))
    _make_keys(connection, key)
    connection.execute(_MATCHED_ON_TIMESTAMP if policies.get("ml_match") == "timestamp" else _MATCHED)


def _make_keys(connection: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """Give everybody the pseudonym: the HMAC-SHA-256 of the address under the key."""
    people = [row[0] for row in connection.execute("SELECT DISTINCT person FROM customer_landing").fetchall()]
    keys = people if key is None else [hmac.digest(key, who.encode(), "sha256").hex() for who in people]
    connection.register("keys_of_people", pa.table({"person": people, "customer_key": keys}))
    connection.execute("CREATE TABLE due_key AS FROM keys_of_people")


def difference(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> tuple[int, int]:
    """Number of rows that a published table lacks, and of rows that it should not have."""
    listed = ", ".join(f'"{name}"' for name in columns)
    return (
        _minus(connection, listed, f"due_{table}", table),
        _minus(connection, listed, table, f"due_{table}"),
    )


def _minus(connection: duckdb.DuckDBPyConnection, columns: str, this: str, other: str) -> int:
    query = f"SELECT count(*) FROM (SELECT {columns} FROM {this} EXCEPT ALL SELECT {columns} FROM {other})"  # noqa: S608 - names of ours
    return int(connection.execute(query).fetchall()[0][0])
