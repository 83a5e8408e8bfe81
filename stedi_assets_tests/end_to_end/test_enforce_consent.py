"""``enforce_consent``: withdrawn people leave every table although no run can make the tables anew."""

from collections import Counter
from pathlib import Path

import boto3
import dagster as dg
import pytest

from stedi_assets import resources
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.definitions import build_definitions
from stedi_assets.lake.lineage import COUNTS, REDUCED, own_properties
from stedi_assets.lake.publication import RUN_ID
from stedi_assets.lake.snapshot import snapshot_of
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, KeptLake, failures
from stedi_assets_tests.builders.rows import ANN, T0, customer
from stedi_assets_tests.builders.small_lake import NEW, deliver_all, e_mail, serial, snapshot
from stedi_assets_tests.builders.three_people import VIC, VIC_SERIAL, deliver_three_people, vic

CUSTOMERS = ("customer_landing", "customer_quarantine")
DERIVED = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)


def enforce(graph: Graph, *, ok: bool = True) -> dg.ExecuteInProcessResult:
    job = build_definitions(graph.settings, graph.engine).resolve_job_def("enforce_consent")
    result = job.execute_in_process(instance=graph.instance, raise_on_error=False)
    assert result.success == ok, failures(result)
    return result


def shown(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, int]]:
    """What each table shows of those who were taken out."""
    observed = [
        event.asset_observation_data.asset_observation
        for event in result.all_events
        if event.event_type_value == "ASSET_OBSERVATION"
    ]
    return {
        item.asset_key.to_user_string(): {name: value.value for name, value in item.metadata.items()}
        for item in observed
    }


def rows_of(graph: Graph, table: str) -> Counter[str]:
    return Counter(repr(sorted(row.items())) for row in graph.table(table))


def withdraw_vic(graph: Graph) -> None:
    """Vic withdraws, and the run that reads it comes no further than the landing tables."""
    deliver(Path(graph.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    graph.run(*CUSTOMERS)


@pytest.fixture(scope="module")
def kept_on(engine, tmp_path_factory) -> KeptLake:
    """The lake of three people, run once on each engine."""
    lake = tmp_path_factory.mktemp("three") / "lake"
    deliver_three_people(lake)
    graph = Graph(str(lake), engine)
    graph.run()
    return KeptLake(graph)


def test_whoever_withdrew_leaves_every_table_and_nobody_else_does(kept_on):
    graph = kept_on.graph()
    before = {name: rows_of(graph, name) for name in DERIVED}
    withdraw_vic(graph)
    result = enforce(graph)
    for name in DERIVED:
        after = rows_of(graph, name)
        assert VIC not in repr(after).lower()
        assert VIC_SERIAL not in repr(after)
        # Half of the rows are Ann's, and they are what they were.
        assert after < before[name]
        assert after.total() * 2 == before[name].total()
    figures = shown(result)
    assert {name: found["rows_withdrawn"] for name, found in figures.items()} == {
        name: before[name].total() / 2 for name in DERIVED
    }
    assert all(0 <= found["seconds_withdrawn_stayed"] < 600 for found in figures.values())


def test_a_run_makes_the_same_tables_of_it_as_of_a_lake_that_was_left_alone(three_people):
    withdraw_vic(three_people)
    enforce(three_people)
    enforced = {name: rows_of(three_people, name) for name in DERIVED}
    three_people.run()
    assert {name: rows_of(three_people, name) for name in DERIVED} == enforced


def test_a_table_no_longer_says_figures_of_the_rows_that_it_had(three_people):
    withdraw_vic(three_people)
    enforce(three_people)
    assert [snapshot_of(three_people.lake.find_table(name)).counts for name in DERIVED] == [{}] * len(DERIVED)


def test_a_run_shows_how_long_the_people_stayed_whom_it_takes_out(three_people):
    withdraw_vic(three_people)
    result = three_people.run()
    for name in DERIVED:
        (made,) = [
            event.materialization
            for event in result.get_asset_materialization_events()
            if event.asset_key.to_user_string() == name
        ]
        assert made.metadata["rows_withdrawn"].value > 0, name
        assert 0 <= made.metadata["seconds_withdrawn_stayed"].value < 600


def test_the_stay_is_counted_from_the_landing_of_the_withdrawal(three_people, monkeypatch):
    withdraw_vic(three_people)
    landed = max(row["ingested_at"] for row in three_people.table("customer_landing"))
    monkeypatch.setattr(
        "stedi_assets.withdrawal.time.time_ns", lambda: (landed + 7_200_000) * 1_000_000, raising=True
    )
    figures = shown(enforce(three_people))
    assert {name: found["seconds_withdrawn_stayed"] for name, found in figures.items()} == dict.fromkeys(
        DERIVED, 7200
    )


def test_where_nobody_withdrew_nothing_is_published(three_people):
    before = three_people.snapshots()
    figures = shown(enforce(three_people))
    assert three_people.snapshots() == before
    assert figures == {name: {"rows_withdrawn": 0, "seconds_withdrawn_stayed": 0} for name in DERIVED}


def test_a_lake_without_tables_has_nothing_to_enforce(sail_engine, tmp_path):
    assert shown(enforce(Graph(str(tmp_path / "lake"), sail_engine))) == {}
    assert not list(tmp_path.rglob("*.json"))


def test_a_table_keeps_the_record_of_what_it_was_made_from_and_is_stale(three_people):
    def records() -> dict[str, dict[str, str]]:
        lake = three_people.lake
        found = {name: own_properties(lake.find_table(name).current_snapshot()) for name in DERIVED}
        return {
            name: {key: of[key] for key in of if key not in {RUN_ID, COUNTS}} for name, of in found.items()
        }

    before = records()
    withdraw_vic(three_people)
    enforce(three_people)
    # And that rows were taken out: the next run adds none, and makes the table whole.
    assert records() == {name: of | {REDUCED: "true"} for name, of in before.items()}


def test_whoever_consented_since_is_neither_added_nor_lost(three_people):
    deliver(Path(three_people.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    three_people.run()
    deliver(Path(three_people.lake_uri), "customer", [vic(updated=T0 + 2)], "3.json")
    three_people.run(*CUSTOMERS)
    before = three_people.snapshots()
    enforce(three_people)
    assert three_people.snapshots() == before
    three_people.run()
    assert {row["email"] for row in three_people.table("customer_trusted")} == {ANN, VIC}


def test_whom_a_quarantined_record_may_name_is_taken_out(three_people):
    broken = vic(updated=T0 + 9, research=None) | {"phone": {}}
    deliver(Path(three_people.lake_uri), "customer", [broken], "2.json")
    three_people.run(*CUSTOMERS)
    assert len(three_people.table("customer_quarantine")) == 1
    enforce(three_people)
    for name in DERIVED:
        assert VIC not in repr(three_people.table(name)).lower()
    assert three_people.rows()["machine_learning_curated"] == 5


def test_a_policy_that_asks_for_consent_at_the_time_of_reading_counts(three_people):
    strict = Graph(three_people.lake_uri, three_people.engine, {"consent_from_date": True})
    deliver(Path(strict.lake_uri), "customer", [vic(updated=T0 + 1, research=T0 + 3)], "2.json")
    strict.run(*CUSTOMERS)
    enforce(strict)
    kept = sorted(row["timestamp"] for row in strict.table("accelerometer_trusted") if row["person"] == VIC)
    assert kept == [T0 + 3, T0 + 4]


def test_rows_that_repeat_stay_as_often_as_they_were(sail_engine, tmp_path):
    """Two people's devices read the same distance at a moment, and each pairs with the same reading."""
    graph = Graph(str(deliver_all(tmp_path / "lake")), sail_engine, {"ml_match": "timestamp"})
    graph.run()
    before = rows_of(graph, "machine_learning_curated")
    deliver(Path(graph.lake_uri), "customer", [snapshot("ann", "a", NEW, None)], "2.json")
    graph.run(*CUSTOMERS)
    removed = shown(enforce(graph))["machine_learning_curated"]["rows_withdrawn"]
    after = rows_of(graph, "machine_learning_curated")
    assert after < before
    assert before.total() - after.total() == removed > 0


def test_a_shared_device_is_withheld_as_soon_as_one_owner_withdraws(sail_engine, tmp_path):
    graph = Graph(str(deliver_all(tmp_path / "lake")), sail_engine)
    deliver(tmp_path / "lake", "customer", [snapshot("fay", "a", NEW, NEW)], "2.json")
    graph.run()
    assert serial("a") in repr(graph.table("step_trainer_trusted"))
    deliver(tmp_path / "lake", "customer", [snapshot("fay", "f", NEW + 1, None)], "3.json")
    graph.run(*CUSTOMERS)
    stayed = shown(enforce(graph))["step_trainer_trusted"]["seconds_withdrawn_stayed"]
    assert serial("a") not in repr(graph.table("step_trainer_trusted"))
    assert e_mail("ann") in repr(graph.table("customer_trusted"))
    assert stayed < 600


def test_customer_records_that_are_published_half_stop_it(three_people, monkeypatch):
    monkeypatch.setattr(resources, "ATTEMPTS_AGAIN", 0)
    publish = resources.LakeIOManager.handle_output

    def handle_output(self, context, obj):
        if obj.contract.name == "customer_quarantine":
            raise dg.Failure("killed", allow_retries=False)
        publish(self, context, obj)

    broken = vic(updated=T0 + 9, research=None) | {"phone": {}}
    deliver(Path(three_people.lake_uri), "customer", [customer(ANN, updated=T0 + 9), broken], "2.json")
    with monkeypatch.context() as patch:
        patch.setattr(resources.LakeIOManager, "handle_output", handle_output)
        three_people.run(*CUSTOMERS, ok=False)
    before = three_people.snapshots()
    told = failures(enforce(three_people, ok=False))
    assert len(told) == len(DERIVED)
    assert all("has not come to customer_quarantine yet" in sentence for sentence in told)
    assert three_people.snapshots() == before


def test_a_file_that_is_missing_stops_its_table_alone(three_people):
    withdraw_vic(three_people)
    lost = next(iter(snapshot_of(three_people.lake.find_table("customer_curated")).files))
    Path(lost.removeprefix("file://")).unlink()
    (told,) = failures(enforce(three_people, ok=False))
    assert "customer_curated: 1 of 1 data files are missing or damaged" in told
    assert three_people.rows()["customer_trusted"] == 1
    assert three_people.rows()["machine_learning_curated"] == 5


def test_customer_records_whose_file_is_missing_stop_it(three_people):
    withdraw_vic(three_people)
    for lost in snapshot_of(three_people.lake.find_table("customer_landing")).files:
        Path(lost.removeprefix("file://")).unlink()
    before = three_people.snapshots()
    told = failures(enforce(three_people, ok=False))
    assert len(told) == len(DERIVED)
    assert all("customer_landing" in sentence and "missing or damaged" in sentence for sentence in told)
    assert three_people.snapshots() == before


def test_another_pseudonym_key_takes_nobody_out(three_people):
    withdraw_vic(three_people)
    other = Graph(three_people.lake_uri, three_people.engine, {"pseudonym_key": "another key of 16 and more"})
    (told,) = failures(enforce(other, ok=False))
    assert "were made with another key" in told
    assert other.rows()["machine_learning_curated"] == 10


def test_it_writes_each_table_under_the_tables_own_pool(sail_engine, three_people):
    job = build_definitions(three_people.settings, sail_engine).resolve_job_def("enforce_consent")
    assert {pool for node in job.nodes for pool in node.definition.pools} == set(DERIVED)
    assert set(DERIVED) < set(CONTRACTS)


@pytest.mark.prove
def test_on_s3(sail_engine, new_lake, tmp_path):
    deliver_three_people(tmp_path / "delivered")
    graph = Graph(new_lake(tmp_path / "delivered"), sail_engine)
    graph.run()
    _, _, bucket, prefix = graph.lake_uri.split("/", 3)
    file = deliver(tmp_path / "more", "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    boto3.client("s3").upload_file(str(file), bucket, f"{prefix}/customer/landing/2.json")
    graph.run(*CUSTOMERS)
    enforce(graph)
    assert list(graph.rows().values())[3:] == [1, 5, 1, 5, 5]
    for name in DERIVED:
        assert VIC not in repr(graph.table(name)).lower()
