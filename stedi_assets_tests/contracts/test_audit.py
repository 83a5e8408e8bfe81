"""The audit: structure, failing rows by rule, and the same verdict as pandera's own validation."""

import warnings
from itertools import product
from typing import ClassVar

import pyspark.sql.functions as F
import pytest
from pandera.config import ValidationDepth, config_context
from pandera.pyspark import DataFrameModel
from pyspark.sql import types as T

from stedi_assets.contracts.audit import audit, audit_of_nothing, structure_problems
from stedi_assets.contracts.contract import block, column, contract_of
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.builders.rows import (
    ANN,
    SERIAL,
    SERIAL_2,
    T0,
    customer,
    frame,
    frame_of,
    quarantined,
    reading,
    step,
)
from stedi_assets_tests.shares import share

LEDGER = {
    "source_file": "customer/landing/a.json",
    "source": "customer",
    "identity": "an ETag",
    "bytes": 1,
    "records": 1,
    "landed": 1,
    "quarantined": 0,
    "repaired": "{}",
    "run_id": "a run",
    "missing_since": None,
    "digest": None,
}
PAIR = {"customer_key": "0f" * 32}
# A valid row of every table: of each field, by its name.
GOOD = customer() | reading() | step() | quarantined() | PAIR | LEDGER | {"person": ANN, "device": SERIAL}
# For each check, a value that breaks a rule with these arguments.
BREAKING = {
    "in_range": lambda _, high, *__: high + 1,
    "greater_than": lambda low: low,
    "greater_than_or_equal_to": lambda low: low - 1,
    "str_matches": lambda _: "?",
    "zero_or_in_range": lambda low, _: low - 1,
    "isin": lambda _: "?",
}


def failing(data, contract):
    """Failing rows by rule, of the rules that rows fail."""
    return {verdict.rule: verdict.failing for verdict in audit(data, contract).verdicts if verdict.failing}


def test_failing_rows_are_counted_by_rule(engine):
    rows = [
        reading(),
        reading(x=1.5),
        reading(x=1001.0),
        reading(x=float("nan")),
        reading(y=float("inf")),
        reading(y=float("-inf")),
        reading(user="nobody", at=T0 // 1000),
        reading() | {"z": None, "user": None},
    ]
    contract = CONTRACTS["accelerometer_trusted"]
    found = audit(frame(engine, "accelerometer_trusted", rows), contract)

    assert found.rows == 8
    assert {verdict.rule: verdict.failing for verdict in found.blocking} == {
        "user_not_null": 1,
        "person_not_null": 1,
        "z_not_null": 1,
        "user_is_e_mail": 1,
        "plausible_timestamp": 1,
        "physical_x": 2,
        "physical_y": 2,
    }
    assert {verdict.rule: verdict.failing for verdict in found.warnings} == {"typical_x": 3, "typical_y": 2}


def test_rows_too_many_of_a_key_are_counted(engine):
    rows = [step(), step(), step(), step(distance=7), step(SERIAL_2)]

    assert failing(frame(engine, "step_trainer_trusted", rows), CONTRACTS["step_trainer_trusted"]) == {
        "unique_key": 2
    }


IN_ORDER = [("a", 0), ("a", 7), ("a", 9), ("b", 0), ("b", 7)]


@pytest.mark.parametrize(
    ("places", "too_many"),
    [
        (IN_ORDER, 0),
        (list(reversed(IN_ORDER)), 0),
        ([("a", 7), ("b", 7), ("a", 0), ("b", 0), ("a", 9)], 0),
        ([*IN_ORDER, ("b", 7)], 1),
        ([*IN_ORDER, ("a", 7)], 1),
        ([*IN_ORDER, *IN_ORDER], 5),
        ([*IN_ORDER, ("a", 8)], 0),
        ([("a", None), *IN_ORDER, ("b", None)], 0),
        ([("a", None), *IN_ORDER, ("a", None)], 1),
        ([("a", -1), ("a", None)], 0),
        ([], 0),
    ],
    ids=str,
)
def test_places_of_records_that_repeat_are_counted_in_whatever_order_the_rows_are(engine, places, too_many):
    rows = [reading() | {"source_file": file, "source_position": position} for file, position in places]

    verdicts = audit(
        frame(engine, "accelerometer_landing", rows), CONTRACTS["accelerometer_landing"]
    ).verdicts

    assert {v.rule: v.failing for v in verdicts}["unique_key"] == too_many


def test_zero_and_minus_zero_are_one_key(engine):
    rows = [reading(x=0.0), reading(x=-0.0)]

    assert failing(frame(engine, "accelerometer_trusted", rows), CONTRACTS["accelerometer_trusted"]) == {
        "unique_key": 1
    }


def test_equal_rows_are_right_where_there_is_no_key(engine):
    class Keyless(DataFrameModel):
        size: T.LongType = column(description="A size.")

        class Config:
            name = "keyless"
            metadata: ClassVar = {"folder": "keyless", "query": "SELECT 1"}

    contract = contract_of(Keyless)

    assert failing(frame_of(engine, contract, [{"size": 1}, {"size": 1}]), contract) == {}


def test_an_empty_table_breaks_no_rule(engine):
    found = audit(frame(engine, "customer_trusted", []), CONTRACTS["customer_trusted"])

    assert (found.rows, found.blocking, found.warnings) == (0, (), ())
    # To know it, no engine has to be asked.
    assert audit_of_nothing(CONTRACTS["customer_trusted"]) == found


def test_bounds_are_excluded_where_the_rule_says_so(engine):
    class Bounded(DataFrameModel):
        size: T.LongType = column(
            block("in_range", "open", "Why.", max_value=3, min_value=1, include_min=False, include_max=False),
            block("in_range", "closed", "Why.", min_value=1, max_value=3),
            block("less_than", "less", "Why.", max_value=3),
            block("less_than_or_equal_to", "at_most", "Why.", max_value=3),
            description="A size.",
        )

        class Config:
            name = "bounded"
            metadata: ClassVar = {"folder": "bounded", "query": "SELECT 1"}

    contract = contract_of(Bounded)
    rows = [{"size": size} for size in (0, 1, 2, 3, 4)]

    assert failing(frame_of(engine, contract, rows), contract) == {
        "open": 4,
        "closed": 2,
        "less": 2,
        "at_most": 1,
    }


@pytest.fixture(scope="module")
def broken_for_pandera(sail_engine):
    """Gives the rules that pandera finds broken in rows of a table; both engines are held to its one answer."""
    answers = {}

    def broken(name, half, rows):
        if (name, half) not in answers:
            answers[name, half] = pandera_verdict(frame(sail_engine, name, rows), CONTRACTS[name])
        return answers[name, half]

    return broken


@pytest.mark.parametrize(
    ("engine", "half", "name"),
    # Every table on Sail; on Apache Spark three that have every kind of rule between them.
    share(
        product(["sail", "spark"], [None, 0, 1], CONTRACTS),
        *product(["sail"], [None, 0, 1], CONTRACTS),
        *product(["spark"], [None, 0, 1], ["customer_landing", "step_trainer_landing", "landing_files"]),
    ),
    indirect=["engine"],
)
def test_the_verdict_is_panderas_rule_by_rule(engine, broken_for_pandera, name, half):
    """On a good frame, and on two in which every other rule is broken, each by a row of its own."""
    contract = CONTRACTS[name]
    to_break = [] if half is None else rules_of(contract)[half::2]
    rows = broken_rows(contract, to_break)
    verdicts = audit(frame(engine, name, rows), contract).verdicts
    found = {verdict.rule for verdict in verdicts if verdict.failing}

    assert found >= set(to_break)
    assert found <= set(to_break) | {rule.replace("physical", "typical") for rule in to_break}
    assert found == broken_for_pandera(name, half, rows) & {verdict.rule for verdict in verdicts}


def rules_of(contract):
    rules = [f"{c.name}_not_null" for c in contract.columns if not c.nullable and c.name not in contract.key]
    rules += [rule.name for rule in contract.rules]
    return rules + ["unique_key"] * bool(contract.key)


def broken_rows(contract, to_break):
    """A good row, and for each rule one that breaks it, with keys of their own unless that is the rule."""
    values = {
        rule.name: (rule.rule.column, BREAKING[rule.rule.check](*rule.rule.arguments))
        for rule in contract.rules
    }
    rows = [dict(GOOD)]
    for number, rule in enumerate(to_break, start=1):
        own_key = {"source_file": f"file {number}", "person": f"{number}@x"}
        own_key |= {"sensorReadingTime": T0 + number}
        column_name, value = values.get(rule, (rule.removesuffix("_not_null"), None))
        rows.append(dict(GOOD) if rule == "unique_key" else GOOD | own_key | {column_name: value})
    return rows


def pandera_verdict(data, contract):
    """Names of the rules that pandera's own validation finds broken; warnings are warned of."""
    with (
        config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        errors = contract.model.validate(data, lazy=True).pandera.errors
    found = {
        (error["column"], error["check"])
        for kinds in errors.values()
        for found in kinds.values()
        for error in found
    }
    names = {
        ("unique_key" if check == "unique" else f"{name}_{check}").replace("nullable", "null")
        for name, check in found
    }
    for name, declared in contract.model.to_schema().columns.items():
        for check in declared.checks:
            message = (
                f"Column(name={name}, type=DataType({declared.dtype.type}))> failed validation {check.error}"
            )
            if (name, check.error) in found or any(message in str(warning.message) for warning in warned):
                names.add(check.title)
    return names


def test_structure_is_right_where_columns_order_and_types_are(engine):
    for name, contract in CONTRACTS.items():
        assert structure_problems(frame(engine, name, [GOOD]), contract) == []


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        (lambda data: data.drop("distanceFromObject"), ["column distanceFromObject is missing"]),
        (lambda data: data.withColumn("more", F.lit(1)), ["column more is not in the contract"]),
        (
            lambda data: data.select("serialNumber", "sensorReadingTime", "distanceFromObject", "device"),
            ["columns are in the order serialNumber, sensorReadingTime, distanceFromObject, device"],
        ),
        (
            lambda data: data.withColumn("distanceFromObject", F.col("distanceFromObject").cast("int")),
            ["column distanceFromObject is int instead of bigint"],
        ),
        (
            lambda data: data.withColumnRenamed("distanceFromObject", "distancefromobject"),
            ["column distanceFromObject is missing", "column distancefromobject is not in the contract"],
        ),
    ],
)
def test_structure_problems_are_named(engine, change, problems):
    data = change(frame(engine, "step_trainer_trusted", [step()]))

    assert structure_problems(data, CONTRACTS["step_trainer_trusted"]) == problems


def test_nothing_of_a_person_is_in_the_verdicts(engine):
    found = audit(
        frame(engine, "customer_trusted", [customer(research=0, phone=None)] * 2),
        CONTRACTS["customer_trusted"],
    )

    assert found.blocking
    assert not [secret for secret in (ANN, "Ann Lee", SERIAL) if secret in str(found)]
