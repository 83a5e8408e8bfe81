"""DuckDB's route to the five tables against the transforms, on random small worlds."""

import duckdb
import pyarrow as pa
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.records.erased import mark
from stedi_assets.records.identity import device_of, person_of
from stedi_assets.transforms.erased import ERASURES, refusals
from stedi_assets.verification.recompute import DERIVED, compute_due, difference
from stedi_assets_tests.builders.derived import Derived
from stedi_assets_tests.builders.rows import KEY, frame


def erased_in(landing):
    """Erasures of every seventh customer: some of them are registered later, some devices are others', too."""
    erased = []
    for number, row in enumerate(landing["customer_landing"][::7]):
        salt, who, which = "ab"[number % 2], person_of(row["email"]), device_of(row["serialNumber"])
        erased.append(
            (
                salt,
                mark(salt, who),
                mark(salt, which) if number % 3 else None,
                row["lastUpdateDate"] + number % 2,
            )
        )
        if number % 5 == 0:  # an owner whom no table has
            erased.append((salt, mark(salt, "gone@x"), mark(salt, which), row["lastUpdateDate"]))
    return erased


@pytest.mark.parametrize("consent_from_date", [False, True])
@pytest.mark.parametrize("ml_match", ["person", "timestamp"])
def test_both_routes_lead_to_the_same_rows(sail_engine, landing, consent_from_date, ml_match):
    frames = {name: frame(sail_engine, name, rows) for name, rows in landing.items()}
    erasures = erased_in(landing)
    quarantined, landed = frames["customer_quarantine"], frames["customer_landing"]
    refused = refusals(landed, sail_engine.session.createDataFrame(erasures, ERASURES))
    held = {**frames, "customer_quarantine": quarantined.unionByName(refused, allowMissingColumns=True)}
    derived = Derived(held, consent_from_date=consent_from_date, on_timestamp_only=ml_match == "timestamp")
    with duckdb.connect() as connection:
        for name in (*frames, *DERIVED):
            connection.register("arrow", (frames.get(name) or derived[name]).toArrow())
            connection.execute(f"CREATE TABLE {name} AS FROM arrow")
        compute_due(connection, {"consent_from_date": consent_from_date, "ml_match": ml_match}, KEY, erasures)
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
