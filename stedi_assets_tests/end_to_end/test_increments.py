"""Tables to which rows are added have the rows that they have when they are made whole."""

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import dagster as dg
import pytest

from stedi_assets.assets import increment
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.definitions import build_definitions
from stedi_assets.exports import made_from
from stedi_assets.lake import packing
from stedi_assets.lake.maintenance import retain
from stedi_assets.lake.packing import pack
from stedi_assets.schedules import daily_refresh
from stedi_assets.transforms import increments, tables
from stedi_assets_tests.builders.derived import DERIVED, Derived
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, comparable, failures, how_made
from stedi_assets_tests.builders.rows import (
    ANN,
    BOB,
    SERIAL,
    T0,
    customer,
    frame,
    reading,
    rows_of,
    step,
)
from stedi_assets_tests.builders.three_people import vic
from stedi_assets_tests.builders.worlds import landing_rows, world_of
from stedi_assets_tests.shares import share

ADDED, KEPT, WHOLE = "new rows added", "kept", "whole"
SOURCES = {
    "customer": "customer_landing",
    "accelerometer": "accelerometer_landing",
    "step_trainer": "step_trainer_landing",
}
DELIVERIES = 3
GROWING = {
    "accelerometer_trusted": increments.OF_READINGS,
    "customer_curated": increments.OF_CUSTOMERS_WITH_READINGS,
    "step_trainer_trusted": increments.OF_STEPS,
    "machine_learning_curated": increments.OF_PAIRS,
}


@pytest.fixture
def much_may_be_new(monkeypatch):
    """Worlds are small: most of each delivery is new."""
    monkeypatch.setattr(increment, "_MOST_NEW", 2.0)


@pytest.mark.usefixtures("much_may_be_new")
@pytest.mark.parametrize(
    ("engine", "from_date"),
    share(
        [("sail", False), ("sail", True), ("spark", False), ("spark", True)],
        ("sail", False),
        ("sail", True),
    ),
    indirect=["engine"],
)
def test_random_worlds_grow_to_what_they_are_when_made_whole(engine, from_date, worlds, tmp_path):
    graph = Graph(str(tmp_path / "lake"), engine, {"consent_from_date": from_date})
    deliveries = _deliveries(worlds)
    growing = _worlds_that_only_grow(engine, deliveries, from_date)
    assert len(growing) > len(worlds) / 10
    for number, rows in enumerate(deliveries):
        for source, table in SOURCES.items():
            deliver(
                tmp_path / "lake",
                source,
                [row for world, row in rows[table] if world in growing],
                f"{number}.json",
            )
        made = how_made(graph.run())
        if number:
            assert {made[table] for table in GROWING} == {ADDED}, made

    as_when_made_whole(graph)


class TestADelivery:
    """A table gets the rows that a delivery leads to, in a file of their own."""

    def test_of_readings_adds_their_pairs_and_leaves_every_file_as_it_was(self, engine, kept_three_people):
        three_people = Graph(kept_three_people.graph().lake_uri, engine)
        before = {name: three_people.lake.snapshot(name) for name in DERIVED}
        deliver_pair(three_people)
        result = three_people.run()
        assert how_made(result) == {
            "customer_trusted": KEPT,
            "accelerometer_trusted": ADDED,
            "customer_curated": KEPT,
            "step_trainer_trusted": ADDED,
            "machine_learning_curated": ADDED,
        }
        for name, was in before.items():
            now = three_people.lake.snapshot(name)
            assert was.files.items() <= now.files.items()
            assert now.rows - was.rows == (0 if name.startswith("customer") else 1)
        said = why(result)
        assert said["customer_trusted"] == "nothing has changed that it is made from"
        assert said["accelerometer_trusted"] == "accelerometer_landing has 1 new row"
        assert said["machine_learning_curated"] == (
            "step_trainer_trusted has 1 new row and accelerometer_trusted has 1 new row"
        )
        as_when_made_whole(three_people)

    def test_that_was_delivered_before_adds_nothing_and_nothing_below_is_stale(self, three_people):
        before = three_people.lake.snapshot("accelerometer_trusted")
        deliver(Path(three_people.lake_uri), "accelerometer", [reading(ANN, T0), reading(ANN, T0)], "2.json")
        three_people.run("accelerometer_landing", "accelerometer_quarantine", "accelerometer_trusted")
        now = three_people.lake.snapshot("accelerometer_trusted")
        assert (now.version, now.rows) == (before.version, before.rows)
        assert now.snapshot_id != before.snapshot_id
        assert how_made(three_people.run())["machine_learning_curated"] == KEPT

    @pytest.mark.usefixtures("much_may_be_new")
    def test_of_a_person_who_is_new_adds_the_readings_that_waited(self, three_people):
        lake = Path(three_people.lake_uri)
        deliver(lake, "accelerometer", [reading("eve@example.org", T0)], "2.json")
        deliver(lake, "step_trainer", [step("eves", T0)], "2.json")
        three_people.run()
        deliver(lake, "customer", [customer("eve@example.org", serial="eves")], "2.json")
        made = how_made(three_people.run())
        assert made.pop("customer_trusted") == WHOLE
        assert set(made.values()) == {ADDED}
        assert three_people.lake.snapshot("machine_learning_curated").rows == 11
        as_when_made_whole(three_people)

    def test_is_reconciled_with_what_it_must_lead_to(self, three_people, monkeypatch):
        deliver_pair(three_people)
        monkeypatch.setattr(increment, "_new_rows", lambda _, __, present: present.limit(0))
        [told] = failures(three_people.run(ok=False))
        assert told.startswith("Bug: accelerometer_trusted: row_count failed: 10 rows, ")
        assert "the tables that it is made from lead to 11 rows" in told

    def test_of_somebody_without_consent_is_blocked(self, three_people, monkeypatch):
        deliver(Path(three_people.lake_uri), "accelerometer", [reading(BOB, T0 + 9)], "2.json")

        def everybody(landing, _, **__):
            return landing.select(*tables.ACCELEROMETER)

        monkeypatch.setattr(tables, "readings_of", everybody)
        [told] = failures(three_people.run(ok=False))
        assert "consent failed: 1 of 11 rows are of people who do not consent" in told


def test_a_table_is_made_whole_that_was_rolled_back_to_half_of_a_publication(three_people):
    """To take the place of rows takes two snapshots, of which the first has none."""
    before = comparable(three_people)
    three_people.run(whole=True)
    table = three_people.lake.find_table("accelerometer_trusted")
    half = table.snapshots()[-2].snapshot_id
    with table.manage_snapshots() as manage:
        manage.set_current_snapshot(half)
    assert not three_people.lake.snapshot("accelerometer_trusted").rows
    assert how_made(three_people.run())["accelerometer_trusted"] == WHOLE
    assert comparable(three_people) == before


def test_rows_are_compared_as_except_all_compares_them(engine):
    """A null is a null, zero is minus zero, and a row may be there several times."""
    columns = "name string, x double, devices array<string>"
    once = [("a", 1.0, ["1"]), (None, float("nan"), None), ("b", -0.0, []), ("c", None, ["1", None])]
    now = engine.session.createDataFrame([*once, *once[:1], *once[:1], ("d", 2.0, None)], columns)
    before = engine.session.createDataFrame([*once[:2], ("b", 0.0, []), once[3]], columns)
    grown, shrunk = increment.balance_of(now, before), increment.balance_of(before, now)
    assert not increment.lacks_some(grown)
    assert increment.lacks_some(shrunk)
    expected = [tuple(row) for row in now.exceptAll(before).collect()]
    assert sorted(map(tuple, increment.surplus(grown).collect())) == sorted(expected)
    assert sorted(expected) == [("a", 1.0, ["1"]), ("a", 1.0, ["1"]), ("d", 2.0, None)]
    assert increment.surplus(shrunk).collect() == []


def test_each_input_says_how_a_table_depends_on_it():
    """What is in neither could change, and a table be kept all the same."""
    for table, growth in GROWING.items():
        assert set(made_from()[table]) == {*growth.readings, *growth.owners_in}, table


def test_tables_are_made_whole_on_sundays():
    sunday = datetime(2026, 11, 29, 2, 15, tzinfo=UTC)
    asked = [
        dg.build_schedule_context(scheduled_execution_time=sunday + timedelta(days=day)) for day in range(7)
    ]
    config = [daily_refresh.evaluate_tick(each).run_requests[0].run_config for each in asked]
    assert [set(each.get("ops", {})) for each in config] == [set(DERIVED), *[set()] * 6]
    assert config[0]["ops"]["customer_curated"] == {"config": {"full_refresh": True}}


class TestMadeWhole:
    """At any doubt a table is made whole, and says why."""

    def test_where_somebody_withdraws(self, three_people):
        deliver(Path(three_people.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
        said = why(three_people.run())
        assert said["accelerometer_trusted"] == (
            "people or devices have gone, or their consent is of another date"
        )
        assert said["machine_learning_curated"].startswith("rows of ")
        as_when_made_whole(three_people)

    def test_where_people_were_taken_out_who_have_come_back_since(self, three_people):
        """The table has the readings of nobody who was taken out, whatever it says that it was made from."""
        lake = Path(three_people.lake_uri)
        deliver(lake, "customer", [vic(updated=T0 + 1, research=None)], "2.json")
        three_people.run("customer_landing", "customer_quarantine")
        job = build_definitions(three_people.settings, three_people.engine).resolve_job_def("enforce_consent")
        assert job.execute_in_process().success
        deliver(lake, "customer", [vic(updated=T0 + 2)], "3.json")
        said = why(three_people.run())
        assert said["accelerometer_trusted"] == "rows without consent were taken out of it"
        as_when_made_whole(three_people)

    def test_where_somebody_who_does_not_consent_shares_a_device(self, three_people):
        shared = customer(BOB, serial=SERIAL, updated=T0 + 1, research=None)
        deliver(Path(three_people.lake_uri), "customer", [shared], "2.json")
        said = why(three_people.run())
        assert said["step_trainer_trusted"].startswith("people or devices have gone")
        as_when_made_whole(three_people)

    def test_where_a_file_of_an_input_changed(self, three_people):
        deliver(Path(three_people.lake_uri), "accelerometer", [reading(ANN, T0)])
        assert why(three_people.run())["accelerometer_trusted"] == (
            "rows of accelerometer_landing may have gone or changed"
        )
        as_when_made_whole(three_people)

    def test_where_a_reading_comes_again_under_a_lesser_spelling(self, three_people):
        deliver(Path(three_people.lake_uri), "accelerometer", [reading(ANN.upper(), T0)], "2.json")
        assert why(three_people.run())["accelerometer_trusted"] == "a row that it has would be another now"
        as_when_made_whole(three_people)

    def test_where_what_it_was_made_from_is_no_longer_there(self, three_people):
        deliver_pair(three_people)
        three_people.run("accelerometer_landing", "accelerometer_quarantine")
        retain(three_people.lake, "accelerometer_landing", keep=timedelta(0), grace=timedelta(0))
        assert why(three_people.run())["accelerometer_trusted"] == (
            "rows of accelerometer_landing may have gone or changed"
        )
        as_when_made_whole(three_people)

    def test_where_policy_or_code_is_another(self, three_people):
        three_people.policies = {"consent_from_date": True}
        assert set(why(three_people.run()).values()) == {"it was made by other code or under other policies"}

    def test_where_much_is_new(self, three_people):
        lake = Path(three_people.lake_uri)
        deliver(lake, "accelerometer", [reading(ANN, at) for at in range(T0 + 10, T0 + 20)], "2.json")
        assert (
            why(three_people.run())["accelerometer_trusted"]
            == "10 of 25 rows of accelerometer_landing are new"
        )


def test_packing_alone_changes_nothing(three_people, monkeypatch):
    monkeypatch.setattr(packing, "FEWEST_FILES", 2)
    deliver_pair(three_people)
    three_people.run()
    for name in CONTRACTS:
        pack(three_people.lake, CONTRACTS[name])
    assert len(three_people.lake.snapshot("machine_learning_curated").files) == 1
    assert set(how_made(three_people.run()).values()) == {KEPT}
    deliver_pair(three_people, T0 + 8)
    assert how_made(three_people.run())["machine_learning_curated"] == ADDED
    as_when_made_whole(three_people)


def deliver_pair(graph, at=T0 + 7):
    """One accelerometer reading and one step of Ann, of a moment that no other reading is of."""
    deliver(Path(graph.lake_uri), "accelerometer", [reading(ANN, at)], f"{at}.json")
    deliver(Path(graph.lake_uri), "step_trainer", [step(SERIAL, at)], f"{at}.json")


def as_when_made_whole(graph):
    """Every table has the rows that it has when it is made whole."""
    grown = comparable(graph)
    result = graph.run(whole=True)
    assert {how_made(result)[table] for table in DERIVED} == {WHOLE}
    assert set(why(result).values()) == {"full_refresh asks for it"}
    assert grown == comparable(graph)


def why(result):
    """Why each derived table was made as it was."""
    return {
        event.asset_key.to_user_string(): event.materialization.metadata["made_so_because"].value
        for event in result.all_events
        if event.is_step_materialization and "made_so_because" in event.materialization.metadata
    }


def _deliveries(worlds):
    """The rows of worlds with the worlds' numbers, each row in one of some deliveries."""
    random = Random(0)
    deliveries = [{table: [] for table in SOURCES.values()} for _ in range(DELIVERIES)]
    for table, rows in landing_rows(worlds).items():
        for row in rows if table in SOURCES.values() else ():
            if table == "customer_landing":
                row |= {"lastUpdateDate": T0 + row["lastUpdateDate"]}
            random.choice(deliveries)[table].append((_number(row), row))
    return deliveries


def _number(row):
    return int(re.search(r"\d+", row.get("email") or row.get("user") or row["serialNumber"]).group())


def _worlds_that_only_grow(engine, deliveries, from_date):
    """Numbers of worlds in which no row, nobody and no device goes from one delivery to the next."""
    had, going = defaultdict(set), set()
    landed = defaultdict(list)
    for delivery in deliveries:
        for table, rows in delivery.items():
            landed[table] += [row for _, row in rows]
        sources = {table: frame(engine, table, landed[table]) for table in SOURCES.values()}
        sources["customer_quarantine"] = frame(engine, "customer_quarantine", [])
        tables = Derived(sources, consent_from_date=from_date)
        for table, growth in GROWING.items():
            has = set(rows_of(tables[table]))
            going |= {world_of(row) for row in had[table] - has}
            had[table] = has
            owners = set(rows_of(growth.owners({name: tables[name] for name in growth.owners_in}, from_date)))
            going |= {
                int(re.search(r"\d+", "".join(map(str, row)))[0]) for row in had[table, "owners"] - owners
            }
            had[table, "owners"] = owners
    return {world for delivery in deliveries for rows in delivery.values() for world, _ in rows} - going
