"""``validate_schema.sql`` finds nothing in what the contracts make, and whatever differs from it."""

import duckdb

from stedi_assets_tests.sql.conftest import query

FILE = "validate_schema.sql"


def test_tables_of_the_contracts_pass(empty: duckdb.DuckDBPyConnection):
    assert query(empty, FILE, "missing_tables") == []
    assert query(empty, FILE, "wrong_columns") == []


def test_names_in_small_letters_pass(empty: duckdb.DuckDBPyConnection):
    """Glue spells every name in small letters."""
    empty.execute("ALTER TABLE step_trainer_trusted RENAME serialNumber TO serialnumber")
    assert query(empty, FILE, "wrong_columns") == []


def test_missing_table_is_named_once(empty: duckdb.DuckDBPyConnection):
    empty.execute("DROP TABLE customer_trusted")
    assert query(empty, FILE, "missing_tables") == [{"table_name": "customer_trusted"}]
    assert query(empty, FILE, "wrong_columns") == []


def test_table_of_another_database_does_not_count(empty: duckdb.DuckDBPyConnection):
    empty.execute("CREATE SCHEMA other; CREATE TABLE other.customer_trusted (email bigint)")
    assert query(empty, FILE, "wrong_columns") == []
    empty.execute("DROP TABLE customer_trusted")
    assert query(empty, FILE, "missing_tables") == [{"table_name": "customer_trusted"}]


def test_wrong_columns_are_named(empty: duckdb.DuckDBPyConnection):
    empty.execute("ALTER TABLE customer_trusted DROP COLUMN phone")
    empty.execute("ALTER TABLE accelerometer_trusted ALTER x TYPE varchar")
    empty.execute("ALTER TABLE customer_quarantine ALTER reasons TYPE varchar")
    empty.execute("ALTER TABLE machine_learning_curated ADD COLUMN email varchar")
    assert [tuple(row.values()) for row in query(empty, FILE, "wrong_columns")] == [
        ("accelerometer_trusted", "x", "is varchar instead of double"),
        ("customer_quarantine", "reasons", "is varchar instead of array(varchar)"),
        ("customer_trusted", "phone", "missing"),
        ("machine_learning_curated", "email", "not in the contract"),
    ]


def test_tables_of_others_are_left_alone(empty: duckdb.DuckDBPyConnection):
    empty.execute("CREATE TABLE scratch (anything varchar)")
    assert query(empty, FILE, "wrong_columns") == []
