"""``same_person``: readings of strangers are paired."""

import dagster as dg
import pyspark.sql.functions as F

from stedi_assets.transforms import tables
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.small_lake import deliver_all
from stedi_assets_tests.checks.blocking import assert_blocked, assert_publishes, checks_in_log, figures_of

TABLE = "machine_learning_curated"
# Seven trusted devices, each read at three moments, at which seven people have a reading each. A device is one
# person's; Kim has two of them, and Gus none, since his is not his alone.
PAIRS = 7 * 3 * 7
OWN = 7 * 3


def test_pairs_of_strangers_block_the_table(graph, monkeypatch):
    real = tables.matched_readings

    def on_time_alone(*frames, on_timestamp_only):
        assert not on_timestamp_only
        return real(*frames, on_timestamp_only=True)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "matched_readings", on_time_alone)
        assert_blocked(graph, TABLE, "same_person", rows=PAIRS, pairs_of_strangers=PAIRS - OWN)
    assert_publishes(graph, TABLE)


def test_half_a_pair_of_a_stranger_blocks_the_table(graph, monkeypatch):
    real = tables.matched_readings

    def with_foreign_halves(*frames, **policies):
        rows = real(*frames, **policies)
        # Ann's step readings have a distance of 100, her accelerometer readings an x of 0.
        foreign_step = rows.where("distanceFromObject = 100").withColumn(
            "distanceFromObject", F.lit(101).cast("bigint")
        )
        foreign_reading = rows.where("distanceFromObject = 100").withColumn("x", F.lit(0.01))
        return rows.unionByName(foreign_step).unionByName(foreign_reading)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "matched_readings", with_foreign_halves)
        assert_blocked(graph, TABLE, "same_person", rows=OWN + 6, pairs_of_strangers=6)
    assert_publishes(graph, TABLE)


def test_pairs_of_strangers_that_were_asked_for_are_a_warning(sail_engine, tmp_path):
    graph = Graph(str(deliver_all(tmp_path)), sail_engine, {"ml_match": "timestamp"})
    check = checks_in_log(graph, graph.run())[TABLE, "same_person"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert figures_of(check) == {"rows": PAIRS, "pairs_of_strangers": PAIRS - OWN}
    assert graph.rows()[TABLE] == PAIRS
