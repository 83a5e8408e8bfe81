"""Retention: what expires, which files go, and what stays beside runs and readers."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.update.snapshot import ExpireSnapshots

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.definitions import build_definitions
from stedi_assets.engine.session import SparkEngine
from stedi_assets.lake import maintenance, publication
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.maintenance import GRACE, Removed, erase_history, retain, unreferenced
from stedi_assets.lake.publication import RUN_ID, PublishConflictError
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.one_table import CONTRACT, generations, publish, stage

NOW = timedelta(0)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(Settings(lake_uri=str(tmp_path)))


def files(lake: Lake, suffix: str = "") -> set[Path]:
    return {path for path in Path(lake.uri, CONTRACT.folder).rglob(f"*{suffix}") if path.is_file()}


def age(lake: Lake, by: timedelta) -> None:
    """Make every file of the table look older than it is."""
    then = (datetime.now(UTC) - by).timestamp()
    for path in files(lake):
        os.utime(path, (then, then))


def test_only_the_current_snapshot_and_its_files_stay(lake):
    for generation in range(4):
        publish(lake, generation)
    data = files(lake, ".parquet")
    assert len(data) == 4
    removed = retain(lake, CONTRACT.name, keep=NOW, grace=NOW)
    assert generations(lake) == [3, 3, 3]
    assert len(lake.ensure_table(CONTRACT).snapshots()) == 1
    assert len(files(lake, ".parquet")) == 1
    # Three of each publication but the first, which has no rows to replace: one manifest list less.
    assert removed.snapshots == 6
    assert removed.bytes > sum(path.stat().st_size for path in files(lake, ".parquet"))
    # What is left is what the table needs: a data file, a manifest, its list, and metadata files.
    assert {path.suffix for path in files(lake)} == {".parquet", ".avro", ".json"}
    assert len(files(lake, ".avro")) == 2
    assert unreferenced(lake, CONTRACT.name) == []


def test_no_empty_folders_are_left(lake):
    for generation in range(3):
        publish(lake, generation)
    retain(lake, CONTRACT.name, keep=NOW, grace=NOW)
    assert all(any(path.iterdir()) for path in Path(lake.uri, CONTRACT.folder).rglob("*") if path.is_dir())


def test_the_run_that_published_is_still_named(lake):
    publish(lake, 1)
    publish(lake, 2)
    retain(lake, CONTRACT.name, keep=NOW, grace=NOW)
    current = lake.ensure_table(CONTRACT).current_snapshot()
    assert current.summary.additional_properties[RUN_ID] == "run 2"


def test_snapshots_stay_for_as_long_as_they_were_superseded_for_less(lake):
    publish(lake, 1)
    publish(lake, 2)
    assert retain(lake, CONTRACT.name, keep=timedelta(days=7), grace=NOW) == Removed()
    assert len(files(lake, ".parquet")) == 2


def test_a_snapshot_superseded_a_moment_ago_stays_for_its_readers(lake):
    publish(lake, 1)
    reader = lake.ensure_table(CONTRACT)
    age(lake, GRACE * 30)
    publish(lake, 2)
    # No days are to be kept and its files are old; but it was current until now.
    assert retain(lake, CONTRACT.name, keep=NOW).snapshots == 0
    assert reader.scan().to_arrow()["timestamp"].to_pylist() == [1, 1, 1]


def test_a_snapshots_age_is_that_of_the_one_that_took_its_place(lake, monkeypatch):
    publish(lake, 1)
    published = datetime.fromtimestamp(
        lake.ensure_table(CONTRACT).current_snapshot().timestamp_ms / 1000, UTC
    )
    reader = lake.ensure_table(CONTRACT)
    publish(lake, 2)

    class DayAfter(datetime):
        """A day after the first publication, and a moment less after the second."""

        @classmethod
        def now(cls, _tz: object = None) -> datetime:
            return published + GRACE

    monkeypatch.setattr(maintenance, "datetime", DayAfter)
    assert retain(lake, CONTRACT.name, keep=NOW).snapshots == 0
    assert reader.scan().to_arrow()["timestamp"].to_pylist() == [1, 1, 1]


def test_work_of_a_run_in_progress_stays(lake):
    publish(lake, 1)
    staged = stage(lake, 2)
    retain(lake, CONTRACT.name, keep=NOW)
    publication.publish(lake, staged, {RUN_ID: "run 2"})
    assert generations(lake) == [2, 2, 2]


def test_old_leftovers_go(lake):
    publish(lake, 1)
    current = files(lake)
    stage(lake, 2)
    Path(lake.uri, CONTRACT.folder, "data", "_temporary").write_text("left by an engine")
    age(lake, GRACE * 2)
    removed = retain(lake, CONTRACT.name, keep=timedelta(days=7))
    assert (removed.snapshots, removed.files) == (0, 2)
    assert files(lake) == current


def test_retention_of_a_table_that_is_not_there_makes_nothing(lake):
    assert retain(lake, CONTRACT.name, keep=NOW, grace=NOW) == Removed()
    assert erase_history(lake, CONTRACT.name) == Removed()
    assert list(Path(lake.uri).iterdir()) == []


def test_files_elsewhere_are_a_reason_to_delete_nothing(lake, tmp_path):
    publish(lake, 1)
    elsewhere = tmp_path / "elsewhere.parquet"
    pq.write_table(pa.Table.from_pylist([], schema=CONTRACT.arrow_schema), elsewhere)
    lake.ensure_table(CONTRACT).add_files([f"file://{elsewhere}"])
    stage(lake, 2)
    before = files(lake)
    with pytest.raises(LakeError, match="accelerometer_trusted has files outside its folder"):
        retain(lake, CONTRACT.name, keep=NOW, grace=NOW)
    assert before <= files(lake)


def test_a_listing_that_lacks_a_file_in_use_is_a_reason_to_delete_nothing(lake):
    publish(lake, 1)
    stage(lake, 2)
    publish(lake, 3)
    [current] = (task.file.file_path for task in lake.ensure_table(CONTRACT).scan().plan_files())
    Path(lake.path(current)).unlink()
    before = files(lake, ".parquet")
    with pytest.raises(LakeError, match=f"missing, such as {lake.path(current)}"):
        retain(lake, CONTRACT.name, keep=NOW, grace=NOW)
    assert files(lake, ".parquet") == before


def test_a_publication_in_the_same_moment_wins_and_expiry_tries_again(lake, monkeypatch):
    for generation in range(3):
        publish(lake, generation)
    commit, attempts = ExpireSnapshots.commit, []

    def beaten_once(self: ExpireSnapshots) -> None:
        attempts.append(self)
        if len(attempts) == 1:
            publish(lake, 3)
            raise CommitFailedException
        commit(self)

    monkeypatch.setattr(ExpireSnapshots, "commit", beaten_once)
    retain(lake, CONTRACT.name, keep=NOW, grace=NOW)
    assert len(attempts) == 2
    assert generations(lake) == [3, 3, 3]
    # What was superseded when retention began is gone; what was current then stays.
    assert len(lake.ensure_table(CONTRACT).snapshots()) == 3


def test_a_run_publishes_although_retention_commits_in_the_same_moment(lake, monkeypatch):
    publish(lake, 1)
    publish(lake, 2)
    staged = stage(lake, 3)
    commit, attempts = lake.catalog.commit_table, []

    def beaten_once(*arguments, **more):
        attempts.append(arguments)
        if len(attempts) == 1:
            retain(Lake(Settings(lake_uri=lake.uri)), CONTRACT.name, keep=NOW, grace=GRACE)
            Lake(Settings(lake_uri=lake.uri)).ensure_table(CONTRACT).maintenance.expire_snapshots().by_id(
                lake.ensure_table(CONTRACT).snapshots()[0].snapshot_id
            ).commit()
            raise CommitFailedException
        return commit(*arguments, **more)

    monkeypatch.setattr(lake.catalog, "commit_table", beaten_once)
    publication.publish(lake, staged, {RUN_ID: "run 3"})
    assert generations(lake) == [3, 3, 3]


def test_a_run_that_another_run_beat_does_not_publish(lake):
    publish(lake, 1)
    staged = stage(lake, 2)
    publish(lake, 3)
    with pytest.raises(PublishConflictError):
        publication.publish(lake, staged, {RUN_ID: "run 2"})
    assert generations(lake) == [3, 3, 3]


def test_history_goes_at_once_and_work_in_progress_stays(lake):
    for generation in range(3):
        publish(lake, generation)
    staged = stage(lake, 3)
    removed = erase_history(lake, CONTRACT.name)
    assert (removed.snapshots, len(files(lake, ".avro"))) == (4, 2)
    assert len(files(lake, ".parquet")) == 2
    publication.publish(lake, staged, {RUN_ID: "run 3"})
    assert generations(lake) == [3, 3, 3]


def _lose_connection(expiry: ExpireSnapshots) -> None:
    raise ConnectionError


def make_refs(lake: Lake) -> None:
    """A tag and a branch that name an old snapshot, and a snapshot that only the branch has."""
    table = lake.ensure_table(CONTRACT)
    old = table.current_snapshot().snapshot_id
    table.manage_snapshots().create_tag(old, "report").create_branch(old, "trial").commit()
    table.append(table.scan().to_arrow(), branch="trial")
    table.manage_snapshots().create_tag(table.refresh().refs()["trial"].snapshot_id, "of-trial").commit()


@pytest.mark.parametrize("remove", [erase_history, lambda *asked: retain(*asked, keep=NOW, grace=NOW)])
def test_branches_and_tags_keep_nobody(lake, remove):
    publish(lake, 1)
    make_refs(lake)
    publish(lake, 2)
    lake.ensure_table(CONTRACT).manage_snapshots().create_tag(
        lake.snapshot(CONTRACT.name).snapshot_id, "now"
    ).commit()
    remove(lake, CONTRACT.name)
    table = lake.ensure_table(CONTRACT)
    assert set(table.refs()) == {"main", "now"}
    assert len(table.snapshots()) == 1
    assert generations(lake) == [2, 2, 2]
    assert len(files(lake, ".parquet")) == 1


def test_branches_and_tags_stay_as_long_as_their_snapshots(lake):
    publish(lake, 1)
    make_refs(lake)
    publish(lake, 2)
    assert retain(lake, CONTRACT.name, keep=timedelta(days=7)) == Removed()
    assert set(lake.ensure_table(CONTRACT).refs()) == {"main", "report", "trial", "of-trial"}


def test_history_is_erased_by_the_next_call_if_one_fails(lake, monkeypatch):
    for generation in range(3):
        publish(lake, generation)
    with monkeypatch.context() as failing:
        failing.setattr(ExpireSnapshots, "commit", _lose_connection)
        with pytest.raises(ConnectionError):
            erase_history(lake, CONTRACT.name)
    # No row of the past is left, although the snapshots are.
    assert len(files(lake, ".parquet")) == 1
    assert erase_history(lake, CONTRACT.name).snapshots == 4
    assert len(files(lake, ".avro")) == 2
    assert generations(lake) == [2, 2, 2]


def test_the_job_reports_what_went_from_each_table(lake):
    publish(lake, 1)
    stage(lake, 2)
    age(lake, GRACE * 2)
    publish(lake, 3)
    definitions = build_definitions(Settings(lake_uri=lake.uri, retention_days=0), SparkEngine(spark="sail"))
    result = definitions.resolve_job_def("retention").execute_in_process()
    output = next(event for event in result.all_events if event.is_successful_output)
    reported = output.event_specific_data.metadata
    assert reported["files_deleted"].value == 1
    assert reported["bytes_deleted"].value > 0
    by_table = {record.data["table"]: record.data for record in reported["tables"].records}
    assert set(by_table) == set(CONTRACTS)
    assert by_table[CONTRACT.name]["files_deleted"] == 1
    assert by_table["customer_trusted"]["files_deleted"] == 0


def test_the_job_runs_every_night():
    definitions = build_definitions(Settings(), SparkEngine(spark="sail"))
    schedule = definitions.resolve_schedule_def("retention_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "15 3 * * *"
    assert schedule.job_name == "retention"
