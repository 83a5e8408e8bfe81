"""A database of the contracts' shape with a handful of rows, and what it takes to run the queries on it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot

from stedi_assets.contracts.models import CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Iterator

SQL = Path(__file__).parents[2] / "sql"
Row = dict[str, Any]


def statements(file: str) -> dict[str, sqlglot.Expr]:
    """The statements of a file in Athena's dialect, by the names that their first comments give them."""
    parsed = [item for item in sqlglot.parse((SQL / file).read_text(), read="athena") if item is not None]
    return {_name(statement): statement for statement in parsed}


def query(database: duckdb.DuckDBPyConnection, file: str, name: str) -> list[Row]:
    """Run one statement of a file and give its rows, with times as text."""
    transpiled = statements(file)[name].sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
    result = database.sql(transpiled)
    return [
        {
            column: str(value) if isinstance(value, datetime) else value
            for column, value in zip(result.columns, row, strict=True)
        }
        for row in result.fetchall()
    ]


def _name(statement: sqlglot.Expr) -> str:
    comments = (comment for node in statement.walk() for comment in node.comments or ())
    return next(comments).partition(":")[0].strip()


@pytest.fixture
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every table, without rows."""
    with duckdb.connect() as connection:
        # Somewhere far from UTC: no result may depend on it.
        connection.execute("SET TimeZone = 'Pacific/Auckland'")
        for contract in CONTRACTS.values():
            columns = ", ".join(
                f'"{column.name}" {column.type.replace("array<string>", "varchar[]")}'
                for column in contract.columns
            )
            connection.execute(f"CREATE TABLE {contract.name} ({columns})")
        yield connection


@pytest.fixture
def database(empty: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Four people, of whom Ada and Bob consent and have readings, in the tables that these make.

    Ada wears device a; Bob wears b. Cy consents and has no reading; Dee withdrew.
    """
    for table, rows in ROWS.items():
        names = CONTRACTS[table].column_names
        for row in rows:
            assert row.keys() <= set(names)
            empty.execute(
                f"INSERT INTO {table} VALUES ({', '.join('?' for _ in names)})",
                [row.get(name) for name in names],
            )
    return empty


# 2024-03-04 10:00:00 UTC.
TEN = 1_709_546_400_000
HOUR = 3_600_000
AGREED = {"shareWithResearchAsOfDate": 1_700_000_000_000}
ADA = {"email": "ada@example.net", "person": "ada@example.net", "device": "a", **AGREED}
BOB = {"email": "Bob@example.net ", "person": "bob@example.net", "device": "b", **AGREED}
CY = {"email": "cy@example.net", "person": "cy@example.net", "device": "c", **AGREED}
DEE = {"email": "dee@example.net", "person": "dee@example.net", "device": "d", **AGREED}
STEPS = [
    {"device": "a", "sensorReadingTime": TEN, "distanceFromObject": 100},
    {"device": "a", "sensorReadingTime": TEN + 1, "distanceFromObject": 101},
    {"device": "b", "sensorReadingTime": TEN + HOUR, "distanceFromObject": 102},
]
READINGS = [
    # Two different readings of one millisecond are normal.
    {"user": "Ada@example.net", "person": "ada@example.net", "timestamp": TEN, "x": 0.0, "y": 0.0, "z": 1.0},
    {"user": "Ada@example.net", "person": "ada@example.net", "timestamp": TEN, "x": 1.0, "y": 0.0, "z": 0.0},
    {
        "user": "bob@example.net",
        "person": "bob@example.net",
        "timestamp": TEN + HOUR,
        "x": 0.0,
        "y": 1.0,
        "z": 0.0,
    },
    {
        "user": "bob@example.net",
        "person": "bob@example.net",
        "timestamp": TEN + 2 * HOUR + HOUR // 2,
        "x": 0.0,
        "y": 1.0,
        "z": 0.0,
    },
    # The millisecond of a step of Ada's: no pair.
    {
        "user": "bob@example.net",
        "person": "bob@example.net",
        "timestamp": TEN + 1,
        "x": 0.0,
        "y": 1.0,
        "z": 0.0,
    },
]
PAIRS = [
    {
        "customer_key": "key-of-ada",
        "sensorReadingTime": TEN,
        "distanceFromObject": 100,
        "x": 0.0,
        "y": 0.0,
        "z": 1.0,
    },
    {
        "customer_key": "key-of-ada",
        "sensorReadingTime": TEN,
        "distanceFromObject": 100,
        "x": 1.0,
        "y": 0.0,
        "z": 0.0,
    },
    {
        "customer_key": "key-of-bob",
        "sensorReadingTime": TEN + HOUR,
        "distanceFromObject": 102,
        "x": 0.0,
        "y": 1.0,
    },
]
ROWS: dict[str, list[Row]] = {
    "customer_landing": [
        ADA,
        {**ADA, "email": " ADA@example.net"},
        BOB,
        CY,
        DEE,
        {"email": "dee@example.net", "person": "dee@example.net"},
    ],
    "customer_trusted": [ADA, BOB, CY],
    "customer_curated": [ADA, BOB],
    "accelerometer_landing": [*READINGS, READINGS[0]],
    "accelerometer_trusted": READINGS,
    "step_trainer_landing": STEPS,
    "step_trainer_trusted": STEPS,
    "machine_learning_curated": PAIRS,
    "customer_quarantine": [
        {"source_file": "customer/landing/1.json", "reasons": ["truncated"]},
        {"source_file": "customer/landing/2.json", "reasons": ["truncated"]},
        {"source_file": "customer/landing/2.json", "reasons": ["email_missing", "truncated"]},
    ],
    "step_trainer_quarantine": [
        {"source_file": "step_trainer/landing/1.json", "reasons": ["distance_positive"]}
    ],
}
