"""Whether a derived table has exactly the rows that its inputs lead to: silent on right tables, and on no other."""

import pyspark.sql.functions as F
import pytest

from stedi_assets.contracts import consent, reconciliation
from stedi_assets_tests.builders.derived import Derived, derived, stored
from stedi_assets_tests.builders.rows import (
    ANN,
    BOB,
    KEY,
    SERIAL,
    SERIAL_2,
    T0,
    customer,
    frame,
    reading,
    step,
    values,
)
from stedi_assets_tests.shares import on_both_engines

DERIVED = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)
POLICIES = [
    {"consent_from_date": from_date, "on_timestamp_only": on_timestamp_only}
    for from_date in (False, True)
    for on_timestamp_only in (False, True)
]
# Bob's newest snapshot is undecided between two. Ann has a second device, which reads what her first does.
CUSTOMERS = [
    customer(ANN, serial=SERIAL, research=T0),
    customer(ANN, serial=SERIAL_2, research=T0 - 9),
    customer(BOB, serial="third", research=T0),
    customer(BOB, serial="third", research=T0 + 1, phone="another"),
]
READINGS = [
    *(reading(person, at=T0 + at, x=x) for person in (ANN, BOB) for at in range(4) for x in (0.1, 0.2)),
    # One reading, re-delivered and spelled in three ways; of the zeros one stays.
    *(reading(spelling, at=T0 + 9, x=0.0) for spelling in (ANN, ANN.upper(), f" {ANN}", ANN)),
    reading(ANN, at=T0 + 9, x=-0.0),
]
STEPS = [
    *(step(device, at=T0 + at) for device in (SERIAL, SERIAL_2, "third", " THIRD") for at in range(4)),
    step(SERIAL, at=T0 + 9),
]


def reconciled(table, staged, tables, *, consent_from_date=False, on_timestamp_only=False):
    """Staged rows of a table, reconciled with the tables that it is made from."""
    customers = tables["customer_landing"], tables["customer_quarantine"]
    trusted, curated = tables["customer_trusted"], tables["customer_curated"]
    if table == "customer_trusted":
        return reconciliation.customers(staged, *customers)
    if table == "accelerometer_trusted":
        return reconciliation.readings(
            staged, tables["accelerometer_landing"], trusted, consent_from_date=consent_from_date
        )
    if table == "customer_curated":
        return reconciliation.customers_with_readings(staged, trusted, tables["accelerometer_trusted"])
    if table == "step_trainer_trusted":
        owners = trusted.withColumnRenamed("shareWithResearchAsOfDate", "agreed")
        devices = consent.devices_of_consenting(*customers, owners)
        return reconciliation.steps(
            staged, tables["step_trainer_landing"], curated, devices, consent_from_date=consent_from_date
        )
    return reconciliation.pairs(
        staged,
        tables["step_trainer_trusted"],
        tables["accelerometer_trusted"],
        curated,
        key=KEY,
        on_timestamp_only=on_timestamp_only,
    )


@pytest.fixture(scope="module")
def right(engine):
    """The tables of a few people, right and stored."""
    return derived(engine, CUSTOMERS, READINGS, STEPS)


@pytest.mark.parametrize("policies", POLICIES, ids=str)
def test_right_tables_of_thousands_of_random_worlds_are_reconciled(sail_engine, landing, policies):
    sources = {name: frame(sail_engine, name, rows) for name, rows in landing.items()}
    tables = Derived(sources, **policies)
    found = {name: reconciled(name, tables[name], tables, **policies) for name in DERIVED}

    assert {name: result.same for name, result in found.items()} == dict.fromkeys(DERIVED, True)
    assert {name: result.rows_due for name, result in found.items()} == {
        name: tables[name].count() for name in DERIVED
    }


@pytest.mark.parametrize("policies", POLICIES, ids=str)
def test_tables_without_rows_are_reconciled(sail_engine, policies):
    tables = derived(sail_engine, **policies)

    for name in DERIVED:
        result = reconciled(name, tables[name], tables, **policies)
        assert (result.rows, result.rows_due, result.same) == (0, 0, True)


@pytest.mark.parametrize("table", DERIVED)
def test_a_right_table_is_reconciled(right, table):
    result = reconciled(table, right[table], right)

    assert result.same
    assert result.rows == result.rows_due == right[table].count()


@pytest.mark.parametrize("table", DERIVED)
def test_a_table_is_not_reconciled_that_lost_or_doubled_rows(right, table):
    whole = right[table]
    half = stored(whole.where(F.pmod(F.xxhash64(*whole.columns), F.lit(2)) == 0))
    rows = whole.count()
    assert 0 < half.count() < rows

    for staged in (whole.limit(0), half, whole.unionByName(half), whole.unionByName(whole)):
        result = reconciled(table, staged, right)
        assert not result.same
        assert (result.rows, result.rows_due) == (staged.count(), rows)


VALUES = [
    ("customer_trusted", "person"),
    ("customer_trusted", "device"),
    ("customer_trusted", "lastUpdateDate"),
    ("customer_trusted", "shareWithResearchAsOfDate"),
    *(("customer_curated", name) for name in ("email", "phone", "person", "device")),
    *(("accelerometer_trusted", name) for name in ("user", "timestamp", "x", "y", "z", "person")),
    *(
        ("step_trainer_trusted", name)
        for name in ("sensorReadingTime", "serialNumber", "distanceFromObject", "device")
    ),
    *(
        ("machine_learning_curated", name)
        for name in ("customer_key", "sensorReadingTime", "distanceFromObject", "x", "y", "z")
    ),
]


@pytest.mark.parametrize(
    ("engine", "value"),
    on_both_engines(
        VALUES,
        ("customer_trusted", "shareWithResearchAsOfDate"),
        ("accelerometer_trusted", "x"),
        ("step_trainer_trusted", "device"),
        ("machine_learning_curated", "customer_key"),
    ),
    indirect=["engine"],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_table_is_not_reconciled_of_which_one_value_is_another(right, value):
    """As many rows, of which one differs in one value."""
    table, column = value
    first, *others = stored(right[table]).collect()
    old = first[column]
    changed = {**first.asDict(), column: f"{old}?" if isinstance(old, str) else old + 1}
    session, schema = right[table].sparkSession, right[table].schema
    rows = [tuple(row[name] for name in schema.names) for row in (changed, *others)]
    result = reconciled(table, session.createDataFrame(rows, schema), right)

    assert result.rows == result.rows_due
    assert not result.same


def test_pairs_whose_halves_were_exchanged_are_not_reconciled(engine):
    """As many rows, each step reading and each accelerometer reading as often as it should be."""
    customers = [customer(ANN, serial=SERIAL), customer(BOB, serial=SERIAL_2)]
    readings, steps = [reading(ANN, x=0.1), reading(BOB, x=0.2)], [step(SERIAL, distance=1), step(SERIAL_2)]
    tables = derived(engine, customers, readings, steps)
    pairs = tables["machine_learning_curated"]
    exchanged = pairs.withColumn("x", F.when(F.col("x") == 0.1, 0.2).otherwise(0.1))

    assert reconciled("machine_learning_curated", pairs, tables).same
    assert not reconciled("machine_learning_curated", exchanged, tables).same


def test_pairs_of_strangers_are_reconciled_only_if_they_were_asked_for(engine):
    customers = [customer(ANN, serial=SERIAL), customer(BOB, serial=SERIAL_2)]
    readings, steps = [reading(ANN), reading(BOB)], [step(SERIAL), step(SERIAL_2)]
    tables = derived(engine, customers, readings, steps, on_timestamp_only=True)
    pairs = tables["machine_learning_curated"]
    asked_for = reconciled("machine_learning_curated", pairs, tables, on_timestamp_only=True)
    not_asked_for = reconciled("machine_learning_curated", pairs, tables)

    assert (asked_for.rows_due, asked_for.same) == (4, True)
    assert (not_asked_for.rows_due, not_asked_for.same) == (2, False)


def test_pairs_under_another_key_are_not_reconciled(right):
    pairs, inputs = right["machine_learning_curated"], ("step_trainer_trusted", "accelerometer_trusted")
    found = reconciliation.pairs(
        pairs,
        *(right[name] for name in inputs),
        right["customer_curated"],
        key=b"another key",
        on_timestamp_only=False,
    )

    assert not found.same


def test_pairs_of_strangers_are_not_of_one_person(engine):
    customers = [customer(ANN, serial=SERIAL), customer(BOB, serial=SERIAL_2)]
    readings = [reading(ANN, at=T0), reading(BOB, at=T0 + 1), reading(ANN, at=T0 + 1)]
    built = derived(
        engine, customers, readings, [step(SERIAL, at=T0), step(SERIAL_2, at=T0 + 1)], on_timestamp_only=True
    )
    pairs = built["machine_learning_curated"]
    own = reconciliation.pairs_of_one_person(
        pairs,
        built["step_trainer_trusted"],
        built["accelerometer_trusted"],
        built["customer_curated"],
        key=KEY,
    )

    assert len(values(pairs, "sensorReadingTime")) == 3
    assert values(own, "sensorReadingTime") == [T0, T0 + 1]
