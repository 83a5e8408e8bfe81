"""The sensor on landing files, asked as Dagster's daemon asks it: again and again, with the last cursor."""

import os
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from stedi_assets import sensors
from stedi_assets.lake.lineage import CODE_VERSION, POLICIES, ROWS_OF, own_properties, version_of
from stedi_assets.sensors import landing_files_sensor
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.daemon import Daemon
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, KeptLake
from stedi_assets_tests.builders.small_lake import (
    CUSTOMERS,
    NEW,
    READINGS,
    STEPS,
    deliver_all,
    e_mail,
    snapshot,
)

BELOW_STEPS = {
    "step_trainer_landing",
    "step_trainer_quarantine",
    "step_trainer_trusted",
    "machine_learning_curated",
}
BELOW_READINGS = {
    "accelerometer_landing",
    "accelerometer_quarantine",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
}
BELOW_CUSTOMERS = {
    "customer_landing",
    "customer_quarantine",
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
}


@pytest.fixture(scope="module")
def kept(sail_engine, tmp_path_factory) -> KeptLake:
    graph = Graph(str(deliver_all(tmp_path_factory.mktemp("kept") / "lake")), sail_engine)
    graph.run()
    return KeptLake(graph)


@pytest.fixture
def graph(kept) -> Graph:
    """The small lake after a run."""
    return kept.graph()


@pytest.fixture
def lake(graph) -> Path:
    return Path(graph.lake_uri)


@pytest.fixture
def daemon(lake, sail_engine) -> Daemon:
    """A daemon that finds nothing to do."""
    daemon = Daemon(Settings(lake_uri=str(lake)), sail_engine)
    assert daemon.skips()
    return daemon


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> SimpleNamespace:
    """The sensor's clock, by which every file was written a minute ago; it stands still where a test sets ``at``."""
    clock = SimpleNamespace(ahead=60.0, at=None)
    monkeypatch.setattr(sensors, "time", SimpleNamespace(time=lambda: clock.at or time.time() + clock.ahead))
    return clock


def test_the_first_files_request_one_run_of_everything(tmp_path, sail_engine):
    deliver_all(tmp_path)
    assert (
        Daemon(Settings(lake_uri=str(tmp_path)), sail_engine).requested()
        == BELOW_CUSTOMERS | BELOW_READINGS | BELOW_STEPS
    )


def test_a_daemon_that_has_forgotten_all_requests_nothing_for_a_lake_that_is_up_to_date(lake, sail_engine):
    assert Daemon(Settings(lake_uri=str(lake)), sail_engine).skips()


def test_a_cursor_of_an_earlier_version_is_read(daemon):
    daemon.cursor = '{"requests": 7, "files": {"customer": "0123456789abcdef"}}'
    assert daemon.skips()


def test_a_file_that_was_written_a_moment_ago_waits_and_the_tick_says_so(daemon, lake, graph, clock):
    written = deliver(lake, "step_trainer", STEPS[:3], "2.json").stat().st_mtime
    clock.at = written + 1
    deliver(lake, "customer", CUSTOMERS, "2.json")
    os.utime(lake / "customer/landing/2.json", (1_700_000_000, 1_700_000_000))
    # The one file does not wait for the other.
    requested = daemon.requested()
    assert requested == BELOW_CUSTOMERS
    graph.run(*requested)
    assert "step_trainer/landing/2.json may be unfinished" in daemon.tick().skip_message
    clock.at = written + sensors.SETTLED_AFTER_SECONDS + 1
    assert daemon.requested() >= BELOW_STEPS


def test_a_file_whose_time_is_to_come_does_not_wait_for_it(daemon, lake, clock):
    """A clock was set back, or the file comes from a machine whose clock is ahead."""
    clock.ahead = 0.0
    deliver(lake, "step_trainer", STEPS[:3], "2.json")
    os.utime(lake / "step_trainer/landing/2.json", (4_000_000_000, 4_000_000_000))
    assert daemon.requested() == BELOW_STEPS


def test_nothing_new_is_skipped_and_said(daemon):
    result = daemon.tick()
    assert not result.run_requests
    assert result.skip_message == (
        "No landing file is new, changed or gone, and no table is stale. "
        "Landing files: 1 of customer, 1 of accelerometer, 1 of step_trainer."
    )


@pytest.mark.parametrize(
    ("source", "records", "tables"),
    [
        ("customer", CUSTOMERS, BELOW_CUSTOMERS),
        ("accelerometer", READINGS, BELOW_READINGS),
        ("step_trainer", STEPS, BELOW_STEPS),
    ],
)
def test_a_new_file_requests_its_tables_and_what_is_below(daemon, graph, source, records, tables):
    deliver(Path(graph.lake_uri), source, records, "2.json")
    assert daemon.requested() == tables
    graph.run(*tables)
    assert daemon.skips()


def test_new_files_of_two_sources_request_one_run(daemon, lake):
    deliver(lake, "accelerometer", READINGS, "2.json")
    deliver(lake, "step_trainer", STEPS, "2.json")
    assert daemon.requested() == BELOW_READINGS | BELOW_STEPS


def test_a_changed_file_requests_a_run(daemon, lake):
    deliver(lake, "step_trainer", STEPS[:3])
    assert daemon.requested() == BELOW_STEPS


def test_a_file_changed_without_a_change_of_size_requests_a_run(daemon, lake):
    file = lake / "step_trainer/landing/1.json"
    was = file.stat()
    file.write_text(file.read_text().replace("100", "200"))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns + 1_000_000))
    assert file.stat().st_size == was.st_size
    assert daemon.requested() == BELOW_STEPS


def test_a_file_that_is_gone_requests_a_run_and_so_does_its_return(daemon, lake, graph):
    file, aside = lake / "step_trainer/landing/1.json", lake / "aside"
    file.rename(aside)
    requested = daemon.requested()
    assert requested == BELOW_STEPS
    graph.run(*requested)
    assert daemon.skips()
    aside.rename(file)
    # The folder looks as it did at first, and Dagster remembers run keys for ever.
    assert daemon.requested() == BELOW_STEPS


def test_a_file_that_is_gone_and_back_before_a_run_came_requests_nothing_more(daemon, lake):
    file, aside = lake / "step_trainer/landing/1.json", lake / "aside"
    file.rename(aside)
    daemon.requested()
    aside.rename(file)
    assert daemon.skips()
    assert daemon.skips()


def test_files_that_are_not_data_request_nothing(daemon, lake):
    for name in ("_SUCCESS", ".hidden.json", "notes.txt", "test-1.json", "2.json.part"):
        (lake / "customer/landing" / name).write_text("{}")
    assert daemon.skips()


def test_an_empty_lake_requests_nothing(tmp_path, sail_engine):
    assert Daemon(Settings(lake_uri=str(tmp_path / "nothing")), sail_engine).skips()
    assert not (tmp_path / "nothing").exists()


def test_a_request_names_its_sources(daemon, lake):
    deliver(lake, "accelerometer", READINGS, "2.json")
    (request,) = daemon.tick().run_requests
    assert request.tags["stedi/sources"] == "accelerometer"


def test_a_tick_that_sees_other_files_observes_the_folder_and_names_them(daemon, lake, capfd):
    deliver(lake, "accelerometer", READINGS, "2.json")
    (lake / "accelerometer/landing/notes.txt").write_text("none of ours")
    os.utime(lake / "accelerometer/landing/1.json", (1_700_000_000, 1_700_000_000))
    os.utime(lake / "accelerometer/landing/2.json", (1_700_000_060, 1_700_000_060))
    (observed,) = daemon.tick().asset_events
    assert observed.asset_key.to_user_string() == "accelerometer_files"
    shown = {name: value.value for name, value in observed.metadata.items()}
    sizes = [(lake / f"accelerometer/landing/{name}.json").stat().st_size for name in (1, 2)]
    assert shown == {
        "files": 2,
        "files_ignored": 1,
        "size_mb": round(sum(sizes) / 1_000_000, 3),
        "newest_delivery": 1_700_000_060,
    }
    assert (
        "accelerometer: 2 landing files, accelerometer/landing/2.json, accelerometer/landing/1.json"
        in capfd.readouterr().err
    )
    # A tick that sees the same leaves no event.
    assert daemon.tick().asset_events == []


def test_the_run_that_is_requested_brings_its_tables_up_to_date(daemon, lake, graph):
    before = graph.snapshots()
    deliver(lake, "accelerometer", [READINGS[0] | {"x": 0.9}], "2.json")
    graph.run(*daemon.requested())
    changed = {table for table, snapshot in graph.snapshots().items() if snapshot != before[table]}
    # No record of the new file went to quarantine, and it led to no new customer, so that no new step is due.
    assert changed - {"landing_files"} == BELOW_READINGS - {
        "accelerometer_quarantine",
        "step_trainer_trusted",
    }


def withdraw_and_stop(graph: Graph, lake: Path) -> None:
    """Somebody withdraws, and the run that reads it comes no further than the landing tables."""
    deliver(lake, "customer", [snapshot("ann", "a", NEW, None)], "2.json")
    graph.run("customer_landing", "customer_quarantine")


def test_tables_that_a_run_has_left_are_asked_for_until_they_are_made(daemon, lake, graph):
    withdraw_and_stop(graph, lake)
    assert daemon.skips()
    assert daemon.requested() == BELOW_CUSTOMERS - {"customer_landing", "customer_quarantine"}
    assert daemon.skips()
    graph.run(*sorted(BELOW_CUSTOMERS - {"customer_landing", "customer_quarantine"}))
    assert daemon.skips()
    assert daemon.skips()
    assert not [row for row in graph.table("customer_trusted") if row["person"] == e_mail("ann")]


def test_what_is_left_is_asked_for_with_growing_pauses(daemon, lake, graph, clock):
    withdraw_and_stop(graph, lake)
    assert daemon.skips()
    asked_at = []
    for _ in range(40):
        clock.ahead += sensors.INTERVAL_SECONDS
        if not daemon.skips():
            asked_at.append(round(clock.ahead))
    pauses = [after - before for before, after in pairwise(asked_at)]
    assert pauses == [60, 120, 240, 480]


def test_a_file_that_no_run_came_to_is_asked_for_again(daemon, lake):
    deliver(lake, "step_trainer", STEPS[:3], "2.json")
    daemon.requested()
    assert daemon.requested() == {"step_trainer_landing", "step_trainer_quarantine"}


def test_nothing_is_asked_for_again_while_a_run_is_in_progress(daemon, lake):
    deliver(lake, "step_trainer", STEPS[:3], "2.json")
    daemon.requested()
    run = dg.DagsterRun(job_name="refresh", status=dg.DagsterRunStatus.STARTED)
    daemon.instance.add_run(run)
    # Not for what comes meanwhile, either: the next evaluation after the run asks for it.
    deliver(lake, "accelerometer", READINGS, "2.json")
    assert daemon.tick().skip_message.startswith("A run is queued or in progress.")
    assert daemon.skips()
    daemon.instance.report_run_failed(run)
    assert daemon.requested() >= BELOW_READINGS


def test_tables_without_a_record_of_what_they_were_made_from_are_stale(daemon, graph):
    for table in ("customer_trusted", "customer_curated"):
        loaded = graph.lake.find_table(table)
        with loaded.transaction() as transaction, transaction.update_snapshot().fast_append():
            pass
    daemon.tick()
    assert {"customer_trusted", "customer_curated"} <= daemon.requested()


def test_a_changed_policy_makes_every_table_stale_until_it_is_made_under_it(lake, graph, sail_engine):
    derived = BELOW_CUSTOMERS - {"customer_landing", "customer_quarantine"}
    daemon = Daemon(Settings(lake_uri=str(lake), consent_from_date=True), sail_engine)
    assert daemon.skips()
    assert daemon.requested() == derived
    graph.policies = {"consent_from_date": True}
    graph.run(*derived)
    assert daemon.skips()
    assert daemon.skips()


@pytest.mark.parametrize(
    "record", [{CODE_VERSION: "of another release"}, {CODE_VERSION: None}, {POLICIES: None}]
)
def test_a_table_that_other_code_made_is_stale_and_so_is_one_that_does_not_say_what_made_it(
    daemon, graph, record
):
    record_otherwise(graph, "customer_curated", record)
    daemon.tick()
    requested = daemon.requested()
    assert requested == {"customer_curated", "step_trainer_trusted", "machine_learning_curated"}
    graph.run(*requested)
    assert daemon.skips()
    assert daemon.skips()


def record_otherwise(graph: Graph, name: str, record: dict[str, str | None]) -> None:
    """Make a snapshot of the same rows whose summary says something else, or nothing, of how they were made."""
    table = graph.lake.find_table(name)
    current = table.current_snapshot()
    summary = own_properties(current) | {ROWS_OF: str(version_of(current))} | record
    said = {key: value for key, value in summary.items() if value is not None}
    with table.transaction() as transaction, transaction.update_snapshot(said).fast_append():
        pass


def test_the_sensor_runs_by_itself():
    assert landing_files_sensor.default_status == dg.DefaultSensorStatus.RUNNING


def after_failure_of(job_name: str) -> list[dg.RunRequest]:
    """What is requested when a run of a job has failed."""
    run = dg.DagsterRun(job_name=job_name)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_run(run)
        event = instance.report_run_failed(run)
        context = dg.build_run_status_sensor_context("consent_sensor", event, instance, run)
        result = sensors.consent_sensor(context.for_run_failure())
    return [result] if isinstance(result, dg.RunRequest) else []


@pytest.mark.parametrize("job", ["refresh", "ingest", "__ASSET_JOB"])
def test_a_run_that_failed_requests_that_consent_be_enforced(job):
    (request,) = after_failure_of(job)
    assert request.run_key


@pytest.mark.parametrize("job", ["enforce_consent", "retention"])
def test_the_failure_of_a_job_that_makes_no_table_requests_nothing(job):
    assert after_failure_of(job) == []


def test_consent_is_enforced_by_itself(daemon):
    repository = daemon.definitions.get_repository_def()
    sensor = repository.get_sensor_def("consent_sensor")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert [target.job_name for target in sensor.targets] == ["enforce_consent"]
    schedule = repository.get_schedule_def("enforce_consent_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "enforce_consent"
