"""The history that stays open during a run is the one that Dagster's own storage reads and writes."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, Pool

from stedi_assets.cli.instance import instance_with_pools, use_history
from stedi_assets.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake's folder for its history, as ``stedi run`` prepares it."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return use_history(Settings(lake_uri=str(tmp_path / "lake")))


def job_of(step: Callable[[], None]) -> dg.Definitions:
    @dg.asset(pool="readings")
    def readings() -> dg.MaterializeResult:
        step()
        return dg.MaterializeResult(metadata={"rows": 3})

    return dg.Definitions([readings], jobs=[dg.define_asset_job("refresh")])


def execute(instance: dg.DagsterInstance, definitions: dg.Definitions) -> str:
    return definitions.resolve_job_def("refresh").execute_in_process(instance=instance).run_id


def events_of(instance: dg.DagsterInstance, run_id: str) -> list[str | None]:
    return [entry.dagster_event_type for entry in instance.all_logs(run_id) if entry.is_dagster_event]


@contextmanager
def listening(to: type, name: str, handler: Callable[..., None]) -> Iterator[None]:
    """Calls a function at each event of SQLAlchemy's."""
    event.listen(to, name, handler)
    try:
        yield
    finally:
        event.remove(to, name, handler)


@contextmanager
def counted_connections() -> Iterator[Counter[str]]:
    """Counts connections to a database by the name of its file."""
    made: Counter[str] = Counter()

    def count(connection: object, _: object) -> None:
        (_, _, file), *_ = connection.execute("PRAGMA database_list").fetchall()
        made[Path(file).name] += 1

    with listening(Pool, "connect", count):
        yield made


def test_another_process_reads_and_writes_the_history_while_a_run_is_at_work(home):
    def look() -> None:
        with dg.DagsterInstance.from_config(str(home)) as other:
            (run,) = other.get_runs()
            seen.append(events_of(other, run.run_id)[-1])
            other.add_run_tags(run.run_id, {"seen": "yes"})
            other.report_engine_event("seen", run)

    seen: list[str | None] = []
    definitions = job_of(look)
    with instance_with_pools(definitions) as instance:
        run_id = execute(instance, definitions)
        assert instance.get_run_by_id(run_id).tags["seen"] == "yes"
        assert "ENGINE_EVENT" in events_of(instance, run_id)
    assert seen == ["STEP_START"]


def test_afterwards_dagsters_own_storage_has_what_it_would_have_written(home, tmp_path):
    definitions = job_of(lambda: None)
    with instance_with_pools(definitions) as instance:
        run_id = execute(instance, definitions)
    own = tmp_path / "own"
    own.mkdir()
    with dg.DagsterInstance.local_temp(str(own)) as instance:
        expected = events_of(instance, execute(instance, definitions))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert events_of(instance, run_id) == expected
        assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.SUCCESS
        latest = instance.get_latest_materialization_event(dg.AssetKey("readings"))
        assert latest.asset_materialization.metadata["rows"].value == 3
        assert instance.event_log_storage.get_pool_limits()[0].name == "readings"


def test_a_run_does_not_connect_for_each_event_and_leaves_no_connection_open(home):
    definitions = job_of(lambda: None)
    with instance_with_pools(definitions) as instance:
        execute(instance, definitions)
        with counted_connections() as made:
            run_id = execute(instance, definitions)
        # Dagster makes the run's database by connections of its own, and looks for a table by another one.
        assert set(made) == {f"{run_id}.db", "index.db"}
        assert made.total() < len(events_of(instance, run_id))
    # The log of SQLite is in the database when its last connection is closed.
    assert not list(home.rglob("*.db-wal"))


@contextmanager
def counted_writes() -> Iterator[Counter[str]]:
    """Counts transactions that wrote, by the name of the database's file; those of Dagster's own connections apart."""
    made: Counter[str] = Counter()

    def count(connection: Connection) -> None:
        wrote = connection.connection.dbapi_connection.in_transaction
        if wrote and not isinstance(connection.engine.pool, NullPool):
            made[Path(connection.engine.url.database).name] += 1

    with listening(Engine, "commit", count):
        yield made


def test_the_disk_is_waited_for_once_an_event_and_once_for_all_that_a_run_plans(home):
    checks = [dg.AssetCheckSpec(name, asset="readings") for name in ("first", "second")]

    @dg.asset(check_specs=checks)
    def readings() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(passed=True, check_name=spec.name) for spec in checks]
        )

    definitions = dg.Definitions([readings], jobs=[dg.define_asset_job("refresh")])
    with instance_with_pools(definitions) as instance, counted_writes() as made:
        run_id = execute(instance, definitions)
        events = Counter(events_of(instance, run_id))
        entries = len(instance.all_logs(run_id))
        checked = instance.event_log_storage.get_asset_check_execution_history(checks[0].key, limit=9)
    assert (events["ASSET_MATERIALIZATION_PLANNED"], events["ASSET_CHECK_EVALUATION_PLANNED"]) == (1, 2)
    assert made[f"{run_id}.db"] == entries - 3 + 1
    # What is planned; two checks, a materialization, and the begin and end of the run.
    assert made["index.db"] == 1 + 2 + 1 + 2
    assert [record.status.value for record in checked] == ["SUCCEEDED"]
    # `stedi dev` would hand it on to Dagster's own storage.
    assert "DAGSTER_EVENT_BATCH_SIZE" not in os.environ


def test_of_an_event_that_cannot_be_written_whole_nothing_is_written(home, monkeypatch):
    definitions = job_of(lambda: None)
    with instance_with_pools(definitions) as instance:
        run = instance.get_run_by_id(execute(instance, definitions))
        storage = instance.event_log_storage
        before = events_of(instance, run.run_id)
        (entry,) = [
            entry
            for entry in instance.all_logs(run.run_id)
            if entry.dagster_event_type == "ASSET_MATERIALIZATION"
        ]

        def fail(*_: object) -> None:
            raise OSError("no space")

        with monkeypatch.context() as patched:
            patched.setattr(storage, "_store_asset_event", fail)
            with pytest.raises(OSError, match="no space"):
                storage.store_event(entry)
        assert events_of(instance, run.run_id) == before
        storage.store_event(entry)
        assert len(events_of(instance, run.run_id)) == len(before) + 1


def test_pools_that_are_registered_are_not_written_again(home):
    definitions = job_of(lambda: None)
    with instance_with_pools(definitions):
        pass
    with counted_writes() as made, instance_with_pools(definitions):
        pass
    assert not made


def test_a_home_that_is_configured_otherwise_is_heeded(home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (home / "dagster.yaml").write_text(f"storage: {{sqlite: {{base_dir: '{elsewhere}'}}}}")
    definitions = job_of(lambda: None)
    with instance_with_pools(definitions) as instance:
        run_id = execute(instance, definitions)
    assert (elsewhere / "history" / "runs" / f"{run_id}.db").exists()
    assert not (home / "history").exists()


def test_events_behind_a_history_that_somebody_wiped_are_not_lost_in_silence(home):
    definitions = job_of(lambda: None)
    with instance_with_pools(definitions) as instance:
        run = instance.get_run_by_id(execute(instance, definitions))
        with dg.DagsterInstance.from_config(str(home)) as other:
            other.event_log_storage.wipe()
        with pytest.raises(OperationalError, match="no such table"):
            instance.report_engine_event("lost", run)
