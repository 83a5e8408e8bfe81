"""``contract``: a transform gives rows or columns that the table's contract forbids."""

import dagster as dg
import pyspark.sql.functions as F
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.transforms import tables
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.small_lake import READINGS, deliver_all
from stedi_assets_tests.checks.blocking import (
    assert_blocked,
    assert_publishes,
    below,
    checks_in_log,
    figures_of,
)


def changed(real, change):
    return lambda *frames, **policies: change(real(*frames, **policies))


# The function at fault, its table, what it does to the rows, and the rules that find it with their failing rows.
FAULTS = {
    "a value is absent": (
        "trusted_customers",
        "customer_trusted",
        lambda rows: rows.withColumn(
            "serialNumber", F.when(F.col("email") != "ann@example.org", F.col("serialNumber"))
        ),
        {"serialNumber_not_null": 1},
    ),
    "rows twice": (
        "readings_of",
        "accelerometer_trusted",
        lambda rows: rows.unionByName(rows.where("x = 0.0")),
        {"unique_key": 4},
    ),
    "no consent date": (
        "customers_with_readings",
        "customer_curated",
        lambda rows: rows.withColumn("shareWithResearchAsOfDate", F.lit(0).cast("bigint")),
        {"research_consent_given": 8},
    ),
    "microseconds for milliseconds, and no distance": (
        "steps_of",
        "step_trainer_trusted",
        lambda rows: rows.withColumns(
            {
                "sensorReadingTime": F.col("sensorReadingTime") * 1000,
                "distanceFromObject": F.when(F.col("distanceFromObject") > 100, F.col("distanceFromObject"))
                .otherwise(0)
                .cast("bigint"),
            }
        ),
        {"plausible_sensorReadingTime": 21, "distance_positive": 3},
    ),
    "an e-mail for a key": (
        "matched_readings",
        "machine_learning_curated",
        lambda rows: rows.withColumn("customer_key", F.lit("ann@example.org")),
        {"key_is_sha256": 21},
    ),
}


def failing_rules(figures: dict) -> dict[str, int]:
    return {rule["rule"]: rule["failing_rows"] for rule in figures["rules"] if rule["failing_rows"]}


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_that_break_a_rule_block_a_table(graph, monkeypatch, fault):
    function, table, change, rules = FAULTS[fault]
    with monkeypatch.context() as patch:
        patch.setattr(tables, function, changed(getattr(tables, function), change))
        figures = assert_blocked(
            graph, table, "contract", broken_rules=len(rules), failing_rows=sum(rules.values())
        )
    assert failing_rules(figures) == rules
    assert CONTRACTS[table].folder in figures["staged"]
    assert_publishes(graph, table)


STRUCTURES = {
    "missing": (lambda rows: rows.drop("x"), ["column x is missing"]),
    "extra": (
        lambda rows: rows.withColumn("user_name", F.col("user")),
        ["column user_name is not in the contract"],
    ),
    "type": (
        lambda rows: rows.withColumn("timestamp", F.col("timestamp").cast("string")),
        ["column timestamp is string instead of bigint"],
    ),
    "order": (
        lambda rows: rows.select("timestamp", "user", "x", "y", "z", "person"),
        ["columns are in the order timestamp, user, x, y, z, person"],
    ),
}


@pytest.mark.parametrize("fault", STRUCTURES)
def test_wrong_columns_block_a_table_before_it_is_staged(graph, monkeypatch, fault):
    change, problems = STRUCTURES[fault]
    table = CONTRACTS["accelerometer_trusted"]
    folder = f"{graph.lake.uri}/{table.folder}/data"
    staged = set(graph.lake.filesystem.ls(folder, detail=False))
    with monkeypatch.context() as patch:
        patch.setattr(tables, "readings_of", changed(tables.readings_of, change))
        figures = assert_blocked(graph, table.name, "contract", structure=problems)
    assert set(figures) == {"structure", "says"}
    assert problems[0] in figures["says"]
    assert set(graph.lake.filesystem.ls(folder, detail=False)) == staged
    assert_publishes(graph, table.name)


def test_what_is_not_typical_is_a_warning_and_is_published(sail_engine, tmp_path):
    lake = deliver_all(tmp_path)
    # Two readings beyond 1 g, by one of the people who are trusted.
    deliver(lake, "accelerometer", [*READINGS, *(row | {"x": 1.5} for row in READINGS[:2])])
    graph = Graph(str(lake), sail_engine)
    result = graph.run()
    found = checks_in_log(graph, result)
    for table in ("accelerometer_landing", "accelerometer_trusted"):
        check = found[table, "contract"]
        assert not check.passed
        assert check.severity == dg.AssetCheckSeverity.WARN
        assert failing_rules(figures_of(check)) == {"typical_x": 2}
    published = graph.snapshots()
    assert [table for table in below("accelerometer_trusted") if published[table] is None] == []


def test_a_passing_contract_lists_its_rules_and_reasons(graph, good_run):
    found = checks_in_log(graph, good_run)
    for name, contract in CONTRACTS.items():
        if name == "landing_files":
            continue
        figures = figures_of(found[name, "contract"])
        assert (figures["broken_rules"], figures["failing_rows"]) == (0, 0)
        listed = {rule["rule"]: rule["reason"] for rule in figures["rules"]}
        assert {rule.name: rule.reason for rule in contract.rules}.items() <= listed.items()
        assert all(listed.values())
