"""The queries give the right answers, on small tables, transpiled from Athena's dialect to DuckDB's."""

import duckdb
import pytest
import sqlglot
import sqlglot.expressions as exp

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.sql.conftest import SQL, query, statements

FILES = ["row_counts.sql", "validate_schema.sql", "summary_queries.sql"]
SUMMARY = "summary_queries.sql"


def test_these_are_all_the_files():
    assert sorted(path.name for path in SQL.glob("*.sql")) == sorted(FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_statement_runs_on_a_lake_without_rows(empty: duckdb.DuckDBPyConnection, file: str):
    for name in statements(file):
        query(empty, file, name)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_the_query_that_each_table_suggests_runs_and_is_of_that_table(empty, contract):
    query = sqlglot.parse_one(contract.query, read="athena")
    assert [table.name for table in query.find_all(exp.Table)] == [contract.name]
    empty.sql(query.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)).fetchall()


@pytest.mark.parametrize("file", FILES)
def test_every_statement_is_a_query_that_the_parser_understands(file: str):
    """What sqlglot does not understand it passes on as a command, unread."""
    for statement in statements(file).values():
        assert isinstance(statement, exp.Query)


def test_row_counts(database: duckdb.DuckDBPyConnection):
    counts = {row["table_name"]: row["row_count"] for row in query(database, "row_counts.sql", "row_counts")}
    assert counts == {
        "landing_files": 0,
        "customer_landing": 6,
        "customer_quarantine": 3,
        "accelerometer_landing": 6,
        "accelerometer_quarantine": 0,
        "step_trainer_landing": 3,
        "step_trainer_quarantine": 1,
        "customer_trusted": 3,
        "accelerometer_trusted": 5,
        "customer_curated": 2,
        "step_trainer_trusted": 3,
        "machine_learning_curated": 3,
    }
    assert counts.keys() == CONTRACTS.keys()


def test_consent_funnel(database: duckdb.DuckDBPyConnection):
    assert query(database, SUMMARY, "consent_funnel") == [
        {"step": "1 registered", "people": 4, "percent_of_registered": 100.0},
        {"step": "2 ever agreed to research", "people": 4, "percent_of_registered": 100.0},
        {"step": "3 agree to research now", "people": 3, "percent_of_registered": 75.0},
        {"step": "4 have accelerometer readings", "people": 2, "percent_of_registered": 50.0},
        {"step": "5 have matched readings", "people": 2, "percent_of_registered": 50.0},
    ]


def test_readings_per_customer(database: duckdb.DuckDBPyConnection):
    assert query(database, SUMMARY, "readings_per_customer") == [
        {
            "customer_key": "key-of-ada",
            "matched_readings": 2,
            "moments": 1,
            "first_reading_utc": "2024-03-04 10:00:00",
            "last_reading_utc": "2024-03-04 10:00:00",
        },
        {
            "customer_key": "key-of-bob",
            "matched_readings": 1,
            "moments": 1,
            "first_reading_utc": "2024-03-04 11:00:00",
            "last_reading_utc": "2024-03-04 11:00:00",
        },
    ]


def test_times_keep_their_milliseconds(database: duckdb.DuckDBPyConnection):
    database.execute("UPDATE machine_learning_curated SET sensorReadingTime = sensorReadingTime + 7")
    first = query(database, SUMMARY, "readings_per_customer")[0]
    assert first["last_reading_utc"] == "2024-03-04 10:00:00.007000"


def test_readings_distribution(database: duckdb.DuckDBPyConnection):
    rows = query(database, SUMMARY, "readings_distribution")
    found = [
        (row["table_name"], row["customers"], row["readings"], row["fewest"], row["most"]) for row in rows
    ]
    assert found == [
        ("accelerometer_trusted", 2, 5, 2, 3),
        ("machine_learning_curated", 2, 3, 1, 2),
        ("step_trainer_trusted", 2, 3, 1, 2),
    ]
    assert all(row["fewest"] <= row["median"] <= row["most"] for row in rows)


def test_coverage_by_hour(database: duckdb.DuckDBPyConnection):
    found = [tuple(row.values()) for row in query(database, SUMMARY, "coverage_by_hour")]
    assert found == [
        # hour, accelerometer, steps, matched
        ("2024-03-04 10:00:00", 3, 2, 2),
        ("2024-03-04 11:00:00", 1, 1, 1),
        ("2024-03-04 12:00:00", 1, 0, 0),
    ]


def test_quarantine_by_reason(database: duckdb.DuckDBPyConnection):
    found = [tuple(row.values()) for row in query(database, SUMMARY, "quarantine_by_reason")]
    assert found == [
        # source, reason, records, files
        ("customer", "truncated", 3, 2),
        ("customer", "email_missing", 1, 1),
        ("step_trainer", "distance_positive", 1, 1),
    ]


QUALITY = {
    "step_readings": 3,
    "step_readings_matched": 2,
    "percent_of_steps": 66.7,
    "accelerometer_readings": 5,
    "accelerometer_readings_matched": 3,
    "percent_of_readings": 60.0,
    "pairs": 3,
    "pairs_missing": 0,
    "pairs_unexplained": 0,
    "shared_devices": 0,
}


def test_join_quality(database: duckdb.DuckDBPyConnection):
    assert query(database, SUMMARY, "join_quality") == [QUALITY]


def test_join_quality_sees_a_lost_pair(database: duckdb.DuckDBPyConnection):
    database.execute("DELETE FROM machine_learning_curated WHERE customer_key = 'key-of-bob'")
    assert query(database, SUMMARY, "join_quality") == [QUALITY | {"pairs": 2, "pairs_missing": 1}]


def test_join_quality_expects_every_step_with_every_reading_of_its_millisecond(
    database: duckdb.DuckDBPyConnection,
):
    database.execute(
        "INSERT INTO step_trainer_trusted SELECT sensorReadingTime, 'a', 105, 'a' FROM step_trainer_trusted LIMIT 1"
    )
    [quality] = query(database, SUMMARY, "join_quality")
    assert (quality["step_readings_matched"], quality["pairs"], quality["pairs_missing"]) == (3, 3, 2)


def test_join_quality_sees_a_pair_of_strangers(database: duckdb.DuckDBPyConnection):
    database.execute("INSERT INTO machine_learning_curated SELECT * FROM machine_learning_curated LIMIT 1")
    assert query(database, SUMMARY, "join_quality") == [QUALITY | {"pairs": 4, "pairs_unexplained": 1}]


def test_join_quality_counts_a_device_of_two(database: duckdb.DuckDBPyConnection):
    database.execute("UPDATE customer_curated SET device = 'a'")
    [quality] = query(database, SUMMARY, "join_quality")
    assert quality["shared_devices"] == 1
    # Of two steps with two owners each, Ada meets one and Bob the other.
    assert (quality["step_readings"], quality["step_readings_matched"]) == (4, 2)
