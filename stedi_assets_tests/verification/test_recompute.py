"""DuckDB's route to the five tables against the transforms, on random small worlds."""

import duckdb
import pyarrow as pa
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.verification.recompute import DERIVED, compute_due, difference
from stedi_assets_tests.builders.derived import Derived
from stedi_assets_tests.builders.rows import KEY, frame


@pytest.mark.parametrize("consent_from_date", [False, True])
@pytest.mark.parametrize("ml_match", ["person", "timestamp"])
def test_both_routes_lead_to_the_same_rows(sail_engine, landing, consent_from_date, ml_match):
    frames = {name: frame(sail_engine, name, rows) for name, rows in landing.items()}
    derived = Derived(frames, consent_from_date=consent_from_date, on_timestamp_only=ml_match == "timestamp")
    with duckdb.connect() as connection:
        for name in (*frames, *DERIVED):
            connection.register("arrow", derived[name].toArrow())
            connection.execute(f"CREATE TABLE {name} AS FROM arrow")
        compute_due(connection, {"consent_from_date": consent_from_date, "ml_match": ml_match}, KEY)
        for name in DERIVED:
            assert connection.execute(f"SELECT count(*) > 100 FROM {name}").fetchall() == [(True,)]
            columns = [column.name for column in CONTRACTS[name].columns]
            assert difference(connection, name, columns) == (0, 0), name


def test_a_row_too_few_and_a_row_too_many_are_counted():
    with duckdb.connect() as connection:
        connection.register("arrow", pa.table({"person": ["a", "a", "b"]}))
        connection.execute("CREATE TABLE due_t AS FROM arrow")
        connection.register("arrow", pa.table({"person": ["a", "c", "b", "b"]}))
        connection.execute("CREATE TABLE t AS FROM arrow")
        assert difference(connection, "t", ["person"]) == (1, 2)
