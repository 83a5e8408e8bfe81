"""What a machine does to a lake in a folder: no room, no permission, a locked catalog, a clock that is set back.

Each run says in a sentence what is wrong, no table is spoiled, and the next run does what was left.
"""

import sqlite3
import time
from pathlib import Path

import pytest

from stedi_assets import resources
from stedi_assets.verification.verify import verify
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, comparable, failures
from stedi_assets_tests.builders.rows import ANN, T0, reading
from stedi_assets_tests.builders.three_people import vic
from stedi_assets_tests.builders.writes import Fault, Writes


@pytest.fixture(scope="module")
def writes(kept_three_people) -> Writes:
    return Writes(kept_three_people.graph().lake_uri)


@pytest.fixture
def delivered(three_people, monkeypatch) -> Graph:
    """Somebody withdraws, and somebody has a reading more."""
    monkeypatch.setattr(resources, "RETRY_AFTER_SECONDS", 0)
    folder = Path(three_people.lake_uri)
    deliver(folder, "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    deliver(folder, "accelerometer", [reading(ANN, T0 + 9)], "2.json")
    return three_people


def assert_resumed(graph: Graph) -> None:
    """The next run does all."""
    graph.run()
    assert [found for found in verify(graph.lake, graph.settings) if found.state != "holds"] == []
    assert {row["person"] for row in graph.table("customer_trusted")} == {ANN}
    assert len(graph.table("accelerometer_trusted")) == 6


@pytest.mark.parametrize("at", [0, 40])
@pytest.mark.parametrize(
    ("fault", "says"), [("full", "No space left on device: make room"), ("read-only", "make it writable")]
)
def test_a_disk_that_takes_nothing_is_told_and_the_next_run_does_the_rest(
    delivered, writes, fault: Fault, says, at
):
    before = comparable(delivered)
    with writes.failing(at, fault):
        told = failures(delivered.run(ok=False))
    assert writes.failed
    assert told
    # The reader of landing files does not say why it cannot write.
    says = ("look whether the disk is full or read-only", says)
    assert all(text.startswith("The lake cannot be used as it is: ") for text in told), told
    assert all(any(part in text for part in says) for text in told), told
    if not at:
        assert comparable(delivered) == before
    assert_resumed(delivered)


def test_a_locked_catalog_is_told_and_the_next_run_does_the_rest(delivered, monkeypatch):
    before = comparable(delivered)
    catalog = sqlite3.connect(Path(delivered.lake_uri) / "catalog.db", isolation_level=None)
    catalog.execute("BEGIN IMMEDIATE")
    told = failures(delivered.run(ok=False))
    catalog.execute("ROLLBACK")
    assert told
    assert all(
        text.startswith("Storage did not answer: tried 3 times: another program has locked the catalog ")
        for text in told
    ), told
    assert comparable(delivered) == before
    assert_resumed(delivered)


def test_a_clock_that_is_set_back_harms_nothing(delivered, monkeypatch):
    """By an hour, within what sources' clocks may differ by."""
    with monkeypatch.context() as patched:
        now, now_ns = time.time, time.time_ns
        patched.setattr(time, "time", lambda: now() - 3600)
        patched.setattr(time, "time_ns", lambda: now_ns() - 3600 * 10**9)
        delivered.run()
        assert {row["person"] for row in delivered.table("customer_trusted")} == {ANN}
    assert_resumed(delivered)
