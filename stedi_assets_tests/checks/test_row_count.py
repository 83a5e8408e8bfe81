"""``row_count``: a table has more or fewer rows than it can have, or than is stated."""

from pathlib import Path

import dagster as dg
import pyspark.sql.functions as F
import pytest

from stedi_assets.checks import EXPECTATIONS_FILE, expected_rows
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.settings import Settings
from stedi_assets.transforms import tables
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import step
from stedi_assets_tests.builders.small_lake import CUSTOMERS, MOMENTS, deliver_all, serial, snapshot
from stedi_assets_tests.checks.blocking import assert_blocked, assert_publishes, checks_in_log, figures_of
from stedi_assets_tests.shares import share

# As by a join that finds rows more than once: function, table, its parent, and a column that tells copies apart,
# so that nothing is wrong but their number.
FAN_OUTS = {
    "trusted_customers": (
        "customer_trusted",
        "customer_landing",
        lambda copy: {"device": F.concat(F.repeat(F.lit(" "), copy), "device")},
    ),
    "readings_of": (
        "accelerometer_trusted",
        "accelerometer_landing",
        lambda copy: {"z": F.col("z") - 0.1 * copy},
    ),
    "customers_with_readings": (
        "customer_curated",
        "customer_trusted",
        lambda copy: {"device": F.concat(F.repeat(F.lit(" "), copy), "device")},
    ),
    "steps_of": (
        "step_trainer_trusted",
        "step_trainer_landing",
        lambda copy: {"distanceFromObject": F.col("distanceFromObject") + 1000 * copy},
    ),
}
COPIES = 4


@pytest.mark.parametrize("function", share(FAN_OUTS, "trusted_customers", "steps_of"))
def test_more_rows_than_there_are_to_select_from_block_a_table(graph, monkeypatch, function):
    table, parent, change = FAN_OUTS[function]
    real = getattr(tables, function)

    def fanned_out(*frames, **policies):
        rows = copies = real(*frames, **policies)
        for copy in range(1, COPIES):
            copies = copies.unionByName(rows.withColumns(change(copy)))
        return copies

    before = graph.rows()
    with monkeypatch.context() as patch:
        patch.setattr(tables, function, fanned_out)
        figures = assert_blocked(
            graph,
            table,
            "row_count",
            rows=before[table] * COPIES,
            rows_before=before[table],
            **{f"rows_of_{parent}": before[parent]},
        )
    assert parent in figures["says"]
    assert_publishes(graph, table)


# The function that computes each table.
FUNCTIONS = {
    "customer_trusted": "trusted_customers",
    "accelerometer_trusted": "readings_of",
    "customer_curated": "customers_with_readings",
    "step_trainer_trusted": "steps_of",
    "machine_learning_curated": "matched_readings",
}


@pytest.mark.parametrize("table", share(FUNCTIONS, "customer_trusted", "machine_learning_curated"))
def test_a_table_that_lost_rows_is_blocked(graph, monkeypatch, table):
    real, rows = getattr(tables, FUNCTIONS[table]), graph.rows()[table]

    def without_one(*frames, **policies):
        found = real(*frames, **policies)
        return found.limit(rows - 1)

    with monkeypatch.context() as patch:
        patch.setattr(tables, FUNCTIONS[table], without_one)
        figures = assert_blocked(graph, table, "row_count", rows=rows - 1, rows_due=rows)
    assert f"lead to {rows} rows" in figures["says"]
    assert_publishes(graph, table)


def test_a_table_that_has_each_row_twice_is_blocked(graph, monkeypatch):
    table, rows = "machine_learning_curated", 21
    with monkeypatch.context() as patch:
        patch.setattr(tables, "matched_readings", twice(tables.matched_readings))
        figures = assert_blocked(graph, table, "contract", rows=2 * rows)
    assert {rule["rule"]: rule["failing_rows"] for rule in figures["rules"] if rule["failing_rows"]} == {
        "unique_key": rows
    }
    assert_publishes(graph, table)


def twice(real):
    def doubled(*frames, **policies):
        found = real(*frames, **policies)
        return found.unionByName(found)

    return doubled


def test_a_table_with_as_many_but_other_rows_is_blocked(graph, monkeypatch):
    table, real = "machine_learning_curated", tables.matched_readings

    def mixed(*frames, **policies):
        return real(*frames, **policies).withColumn("x", F.col("x") + 0.001)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "matched_readings", mixed)
        figures = assert_blocked(graph, table, "row_count", rows=21, rows_due=21)
    assert "lead to other rows" in figures["says"]
    assert_publishes(graph, table)


def test_pairs_may_repeat_where_strangers_are_paired_and_none_may_be_doubled(
    sail_engine, tmp_path, monkeypatch
):
    lake = deliver_all(tmp_path)
    # Two people's devices read the same distance in the same millisecond.
    deliver(lake, "step_trainer", [step(serial(name), MOMENTS[0], 7) for name in ("a", "f")], "2.json")
    graph, table = Graph(str(lake), sail_engine, {"ml_match": "timestamp"}), "machine_learning_curated"
    graph.run()
    pairs = [tuple(row.values()) for row in graph.table(table)]
    # Each of seven people's readings of that millisecond, with both.
    assert len(pairs) - len(set(pairs)) == 7
    with monkeypatch.context() as patch:
        patch.setattr(tables, "matched_readings", twice(tables.matched_readings))
        assert_blocked(graph, table, "row_count", rows=2 * len(pairs), rows_due=len(pairs))
    assert_publishes(graph, table)


def test_other_rows_than_stated_block_a_table(own_graph):
    stated = Path(own_graph.lake_uri) / EXPECTATIONS_FILE
    stated.write_text("row_counts: {default: {customer_curated: 9}}")
    figures = assert_blocked(own_graph, "customer_curated", "row_count", rows=8, rows_expected=9)
    assert figures["says"] == (
        f"8 rows, 9 expected by {stated}; the new rows were not published, the table is as it was. "
        f"If the table is right, correct {stated} or remove it; else look at what was delivered since."
    )
    stated.write_text("row_counts: {default: {customer_curated: 8}}")
    assert_publishes(own_graph, "customer_curated")


def test_what_is_stated_of_another_delivery_or_policy_is_not_heeded(sail_engine, tmp_path):
    lake = deliver_all(tmp_path)
    stated = tmp_path / EXPECTATIONS_FILE
    graph = Graph(str(lake), sail_engine)
    stated.write_text("row_counts: {match_timestamp: {customer_curated: 9}}")
    assert graph.run().success
    stated.write_text("{row_counts: {default: {customer_curated: 9}}, landing_files: {other.json: 1}}")
    assert graph.run().success


def test_a_table_that_shrinks_by_more_than_half_is_a_warning_and_is_published(own_graph):
    # All but Ann withdraw.
    late = max(row["lastUpdateDate"] for row in CUSTOMERS) + 1
    withdrawn = [
        row | {"lastUpdateDate": late, "shareWithResearchAsOfDate": None}
        for row in CUSTOMERS
        if row["email"] != "ann@example.org"
    ]
    deliver(Path(own_graph.lake_uri), "customer", withdrawn, "2.json")
    result = own_graph.run()
    check = checks_in_log(own_graph, result)["customer_trusted", "row_count"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert {name: figures_of(check)[name] for name in ("rows", "rows_before")} == {
        "rows": 1,
        "rows_before": 9,
    }
    assert check.description.startswith("1 row, 9 before: more than half of the rows went.")
    assert [row["email"] for row in own_graph.table("customer_trusted")] == ["ann@example.org"]


def test_a_single_withdrawal_is_not_unusual(own_graph):
    late = max(row["lastUpdateDate"] for row in CUSTOMERS) + 1
    deliver(Path(own_graph.lake_uri), "customer", [snapshot("ann", "a", late, None)], "2.json")
    check = checks_in_log(own_graph, own_graph.run())["customer_trusted", "row_count"]
    assert check.passed
    assert {name: figures_of(check)[name] for name in ("rows", "rows_before")} == {
        "rows": 8,
        "rows_before": 9,
    }


@pytest.mark.parametrize("content", ["", "- 1", "{", "rows: 1", "row_counts:", "row_counts: {default: 3}"])
def test_a_file_that_states_no_row_counts_is_named(tmp_path, content):
    (tmp_path / EXPECTATIONS_FILE).write_text(content)
    settings = Settings(lake_uri=str(tmp_path))
    with pytest.raises(LakeError, match=rf"{EXPECTATIONS_FILE} does not state row counts.*correct the file"):
        expected_rows(PinnedSnapshots(Lake(settings), engine=None), settings, "customer_landing")
