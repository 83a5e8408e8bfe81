"""Files taken back: their rows go, no run reads them, a withdrawal stays, and all of it can be undone."""

from pathlib import Path

import pytest

from stedi_assets.landing import retract
from stedi_assets.landing.ledger import read_ledger
from stedi_assets.landing.retract import RetractionError
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph, checks_of
from stedi_assets_tests.builders.readings_lake import reading
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL_2, T0, customer
from stedi_assets_tests.builders.small_lake import DAY

BAD = "accelerometer/landing/b.json"
CUSTOMERS = "customer/landing/2.json"
CUSTOMER_TABLES = ("customer_landing", "customer_quarantine", "customer_trusted")


def take_back(graph: Graph, *paths: str) -> list[retract.Retraction]:
    planned = retract.plan(graph.lake, paths)
    retract.retract(graph.lake, planned, "officer", "delivered by mistake")
    return planned


def test_rows_of_a_file_go_and_no_run_reads_it_again_until_it_changes(lake):
    lake.deliver("a.json", lines(reading(1)))
    lake.deliver("b.json", lines(reading(2), b"broken"))
    lake.land()
    [planned] = take_back(lake.graph, BAD)

    assert (planned.entry.landed, planned.entry.quarantined) == (1, 1)
    assert (lake.landed(), lake.quarantined()) == ([("a.json", 1)], [])
    entry = lake.ledger()["b.json"]
    assert (entry["records"], entry["landed"], entry["quarantined"]) == (0, 0, 0)
    assert (entry["retracted_by"], entry["retracted_because"]) == ("officer", "delivered by mistake")
    assert entry["retracted_at"] >= entry["ingested_at"]
    for full_refresh in (False, True, False):
        lake.land(full_refresh=full_refresh)
        assert lake.landed() == [("a.json", 1)]
    assert (lake.folder / "b.json").exists()

    lake.deliver("b.json", lines(reading(3)))
    lake.land()
    assert lake.landed() == [("a.json", 1), ("b.json", 3)]
    assert lake.ledger()["b.json"]["retracted_at"] is None


def test_a_file_that_was_taken_back_is_given_back(lake):
    lake.deliver("b.json", lines(reading(2), b"broken"))
    lake.land()
    before = (lake.landed(), lake.quarantined())
    take_back(lake.graph, BAD)
    lake.land()
    retract.undo(lake.graph.lake, [BAD])
    lake.land()
    assert (lake.landed(), lake.quarantined()) == before
    with pytest.raises(RetractionError, match="was not taken back"):
        retract.undo(lake.graph.lake, [BAD])
    take_back(lake.graph, BAD)
    (lake.folder / "b.json").unlink()
    with pytest.raises(RetractionError, match="deliver it again"):
        retract.undo(lake.graph.lake, [BAD])


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_fault_between_two_commits_leaves_the_file_taken_back_and_is_put_right(lake, monkeypatch, commits):
    lake.deliver("a.json", lines(reading(1)))
    lake.deliver("b.json", lines(reading(2), b"broken"))
    lake.land()
    left = iter(range(commits))

    def dying(step):
        def run(*arguments, **options):
            if next(left, None) is None:
                raise InterruptedError
            return step(*arguments, **options)

        return run

    planned = retract.plan(lake.graph.lake, [BAD])
    with monkeypatch.context() as patch:
        patch.setattr(retract, "publish", dying(retract.publish))
        patch.setattr(retract, "amend", dying(retract.amend))
        with pytest.raises(InterruptedError):
            retract.retract(lake.graph.lake, planned, "officer", "why")
    lake.land()
    assert ("a.json", 1) in lake.landed()
    take_back(lake.graph, BAD)
    assert checks_of(lake.land(), "accelerometer_landing")["row_count"].passed
    assert (lake.landed(), lake.quarantined()) == ([("a.json", 1)], [])


def test_a_file_that_no_run_has_read_is_named_with_what_may_be_meant(lake):
    lake.deliver("b.json", lines(reading(2)))
    lake.land()
    with pytest.raises(RetractionError, match=f"did you mean {BAD}"):
        retract.plan(lake.graph.lake, ["accelerometer/landing/c.json"])
    for path in ("elsewhere/b.json", "b.json"):
        with pytest.raises(RetractionError, match="no run has read"):
            retract.plan(lake.graph.lake, [path])


@pytest.fixture
def customers(sail_engine, tmp_path) -> Graph:
    deliver(tmp_path, "customer", [customer(), customer(BOB, serial=SERIAL_2)])
    deliver(tmp_path, "accelerometer", [])
    deliver(tmp_path, "step_trainer", [])
    return Graph(str(tmp_path), sail_engine)


def trusted(graph: Graph) -> list[str]:
    return sorted(row["person"] for row in graph.table("customer_trusted"))


def test_a_withdrawal_of_a_file_that_was_taken_back_stays_until_a_newer_snapshot_lands(customers):
    folder = Path(customers.lake_uri)
    withdrawal = customer(updated=T0 + DAY, research=None)
    deliver(folder, "customer", [withdrawal, customer(BOB, serial=SERIAL_2, updated=T0 + DAY)], "2.json")
    customers.run(*CUSTOMER_TABLES)
    assert trusted(customers) == [BOB]
    [planned] = take_back(customers, CUSTOMERS)

    assert (len(planned.kept), planned.people_kept) == (1, 1)
    assert customers.rows()["customer_landing"] == 3
    for full_refresh in (False, True):
        result = customers.run(*CUSTOMER_TABLES, full_refresh=full_refresh)
        assert checks_of(result, "customer_landing")["row_count"].passed
        assert trusted(customers) == [BOB]
    deliver(folder, "customer", [customer(updated=T0 + 2 * DAY)], "3.json")
    customers.run(*CUSTOMER_TABLES)
    assert trusted(customers) == [ANN, BOB]
    assert read_ledger(customers.lake, "customer").entries[CUSTOMERS].retracted_at


def test_a_withdrawal_that_a_newer_snapshot_supersedes_goes(customers):
    folder = Path(customers.lake_uri)
    deliver(folder, "customer", [customer(updated=T0 - DAY, research=0)], "2.json")
    customers.run(*CUSTOMER_TABLES)
    [planned] = take_back(customers, CUSTOMERS)
    assert (planned.kept, planned.people_kept) == ((), 0)
    assert customers.rows()["customer_landing"] == 2


def test_consent_of_a_file_that_was_taken_back_goes(customers):
    folder = Path(customers.lake_uri)
    deliver(folder, "customer", [customer("cat@example.org", serial="c")], "2.json")
    customers.run(*CUSTOMER_TABLES)
    assert trusted(customers) == [ANN, BOB, "cat@example.org"]
    take_back(customers, CUSTOMERS)
    customers.run(*CUSTOMER_TABLES)
    assert trusted(customers) == [ANN, BOB]


def test_people_whom_quarantined_records_of_the_file_hold_back_are_counted(customers):
    folder = Path(customers.lake_uri)
    readings = [reading(1), {"user": BOB, "timestamp": 1}]
    deliver(folder, "customer", lines(*readings, b"noise"), "2.json")
    customers.run(*CUSTOMER_TABLES)
    assert trusted(customers) == []
    [planned] = take_back(customers, CUSTOMERS)
    assert (planned.people_released, planned.nameless) == (2, 1)
    customers.run(*CUSTOMER_TABLES)
    assert trusted(customers) == [ANN, BOB]
