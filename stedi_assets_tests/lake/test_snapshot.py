"""What is read of a snapshot: every row, or an error that names table, file and remedy."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyiceberg.table import DataScan, FileScanTask

from stedi_assets.assets import increment
from stedi_assets.contracts.folders import FOLDERS
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake import publication
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.snapshot import require_files, require_rows, snapshot_of
from stedi_assets.privacy import erasure
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph, failures
from stedi_assets_tests.builders.one_table import CONTRACT, publish, stage
from stedi_assets_tests.builders.readings_lake import LANDING, QUARANTINE, ReadingsLake, reading
from stedi_assets_tests.builders.rows import T0
from stedi_assets_tests.builders.three_people import VIC, vic
from stedi_assets_tests.shares import on_both_engines, share


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [Path.unlink, empty, truncate, lengthen]
IDS = ["missing", "emptied", "truncated", "lengthened"]


def name_of(value: Any) -> str:
    return IDS[DAMAGES.index(value)] if value in DAMAGES else str(value)


def data_files(lake: Lake, name: str) -> list[Path]:
    return [Path(lake.path(address)) for address in lake.snapshot(name).files]


def test_the_folders_are_those_of_the_contracts():
    assert {name: contract.folder for name, contract in CONTRACTS.items()} == FOLDERS


@pytest.mark.parametrize(
    ("engine", "damage"), on_both_engines(DAMAGES, empty), indirect=["engine"], ids=name_of
)
def test_a_withdrawal_in_a_damaged_file_is_not_undone(engine, kept_three_people, damage: Callable):
    """An engine that takes the file for an empty one would publish the person again."""
    graph = Graph(kept_three_people.graph().lake_uri, engine)
    first = set(data_files(graph.lake, "customer_landing"))
    deliver(Path(graph.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    graph.run()
    assert VIC not in {row["email"] for row in graph.table("customer_trusted")}
    [withdrawal] = set(data_files(graph.lake, "customer_landing")) - first
    damage(withdrawal)
    before = graph.snapshots()
    [told] = failures(graph.run("customer_trusted", ok=False))
    assert told == (
        "The lake cannot be used as it is: customer_landing: 1 of 2 data files are missing or damaged, such as "
        f"{withdrawal}: restore them from a backup, or read every raw file of the source again, with full_refresh "
        "(docs/move-a-lake.md)"
    )
    assert graph.snapshots() == before


@pytest.mark.parametrize(
    ("engine", "damage"), on_both_engines(DAMAGES[:2], Path.unlink), indirect=["engine"], ids=name_of
)
def test_a_file_that_disappears_while_the_engine_computes_stops_the_run(
    engine, kept_three_people, monkeypatch, damage: Callable
):
    """The engine takes the file for an empty one although it was there when the run looked."""
    graph = Graph(kept_three_people.graph().lake_uri, engine)
    first = set(data_files(graph.lake, "customer_landing"))
    deliver(Path(graph.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    graph.run()
    [withdrawal] = set(data_files(graph.lake, "customer_landing")) - first
    before = graph.snapshots()

    def lose_and_stage(*arguments, **options):
        damage(withdrawal)
        return publication.stage(*arguments, **options)

    monkeypatch.setattr(increment, "stage", lose_and_stage)
    result = graph.run("customer_trusted", whole=True, ok=False)
    assert not result.success
    if engine.spark == "sail":
        [told] = failures(result)
        assert f"customer_landing: 1 of 2 data files are missing or damaged, such as {withdrawal}" in told
    assert graph.snapshots() == before


def test_a_restored_file_is_all_that_is_needed(three_people):
    [file] = data_files(three_people.lake, "customer_landing")
    shutil.move(file, file.with_suffix(".away"))
    assert failures(three_people.run("customer_trusted", ok=False))
    shutil.move(file.with_suffix(".away"), file)
    three_people.run("customer_trusted")


@pytest.mark.parametrize("damage", share(DAMAGES, Path.unlink, truncate), ids=IDS)
def test_a_derived_table_whose_files_are_lost_is_made_anew_by_the_next_run(three_people, damage: Callable):
    before = three_people.table("customer_trusted")
    [file] = data_files(three_people.lake, "customer_trusted")
    damage(file)
    [told] = failures(three_people.run("customer_curated", ok=False))
    assert f"such as {file}: restore them from a backup, or materialize customer_trusted again" in told
    three_people.run("customer_trusted", "customer_curated")
    assert three_people.table("customer_trusted") == before


@pytest.mark.parametrize("damage", share(DAMAGES, empty, lengthen), ids=IDS)
def test_a_person_is_not_looked_for_in_what_is_left_of_a_table(three_people, damage: Callable):
    [file] = data_files(three_people.lake, "accelerometer_landing")
    damage(file)
    with pytest.raises(LakeError, match=f"accelerometer_landing: 1 of 1 data files are .*{file}"):
        erasure.survey(three_people.lake, three_people.settings, [VIC])


class TestALandingTableMadeAnew:
    @pytest.fixture
    def lake(self, sail_engine, tmp_path) -> ReadingsLake:
        lake = ReadingsLake(Graph(str(tmp_path / "lake"), sail_engine))
        lake.deliver("a.json", lines(reading(1)) + b"junk\n")
        lake.deliver("b.json", lines(reading(2)))
        lake.land()
        return lake

    @pytest.mark.parametrize("table", [LANDING, QUARANTINE])
    def test_a_full_refresh_reads_the_raw_files_again(self, lake, table):
        landed, quarantined = lake.landed(), lake.quarantined()
        for file in data_files(lake.graph.lake, table):
            file.unlink()
        lake.land(full_refresh=True)
        assert (lake.landed(), lake.quarantined()) == (landed, quarantined)
        lake.land()

    def test_rows_of_a_raw_file_that_is_gone_are_not_given_up(self, lake):
        raw = lake.folder / "a.json"
        shutil.move(raw, raw.with_name("_a.json"))
        files = data_files(lake.graph.lake, LANDING)
        for file in files:
            file.unlink()
        before = lake.graph.snapshots()
        [told] = failures(lake.land(full_refresh=True, ok=False))
        assert str(files[0]) in told
        assert lake.graph.snapshots() == before
        shutil.move(raw.with_name("_a.json"), raw)
        lake.land(full_refresh=True)
        assert lake.landed() == [("a.json", 1), ("b.json", 2)]

    def test_rows_of_a_raw_file_that_is_damaged_since_are_not_given_up(self, lake):
        lake.deliver("c.json.gz", gzip.compress(b"cut")[:-1])
        lake.land(full_refresh=True)
        assert lake.landed() == [("a.json", 1), ("b.json", 2)]
        (lake.folder / "a.json").unlink()
        lake.land(full_refresh=True)
        assert lake.landed() == [("a.json", 1), ("b.json", 2)]

    @pytest.mark.parametrize(("damage", "words"), [(Path.unlink, "missing"), (empty, "empty")])
    def test_a_lost_file_of_the_ledger_is_named(self, lake, damage: Callable, words):
        [file] = data_files(lake.graph.lake, "landing_files")
        damage(file)
        [told] = failures(lake.land(ok=False))
        assert f"file://{file} is {words}, so that its table cannot be read: restore the file" in told


class TestMetadata:
    """Files that say which data files there are."""

    @pytest.fixture
    def lake(self, tmp_path) -> Lake:
        lake = Lake(Settings(lake_uri=str(tmp_path)))
        publish(lake, 1)
        publish(lake, 2)
        return lake

    def of_kind(self, lake: Lake, kind: str) -> Path:
        table = lake.find_table(CONTRACT.name)
        current = table.current_snapshot()
        [manifest] = (found.manifest_path for found in current.manifests(table.io) if found.added_rows_count)
        address = {
            "metadata": table.metadata_location,
            "list": current.manifest_list,
            "manifest": manifest,
        }[kind]
        return Path(lake.path(address))

    @pytest.mark.parametrize("kind", ["metadata", "list", "manifest"])
    @pytest.mark.parametrize(("damage", "words"), [(Path.unlink, "missing"), (empty, "empty")])
    def test_a_lost_file_is_named(self, lake, kind, damage: Callable, words):
        file = self.of_kind(lake, kind)
        damage(file)
        with pytest.raises(LakeError, match=f"file://{file} is {words}, so that its table cannot be read"):
            # A lake of its own, since PyIceberg remembers the manifests that it has read.
            Lake(Settings(lake_uri=lake.uri)).snapshot(CONTRACT.name)

    @pytest.mark.parametrize("content", [b"{", b"{}", b"\xff\xff", b"[]"])
    def test_metadata_that_is_none_is_told(self, lake, content):
        self.of_kind(lake, "metadata").write_bytes(content)
        with pytest.raises(LakeError, match="the metadata of accelerometer_trusted cannot be read"):
            lake.find_table(CONTRACT.name)


def test_rows_that_another_program_deleted_singly_are_not_brought_back(tmp_path, monkeypatch):
    lake = Lake(Settings(lake_uri=str(tmp_path)))
    publish(lake, 1)
    plan_files = DataScan.plan_files

    def with_deletes(scan: DataScan):
        return [FileScanTask(task.file, delete_files={task.file}) for task in plan_files(scan)]

    monkeypatch.setattr(DataScan, "plan_files", with_deletes)
    with pytest.raises(LakeError, match=r"deleted single rows of accelerometer_trusted.*: materialize"):
        lake.snapshot(CONTRACT.name)


class TestRequireFiles:
    @pytest.fixture
    def lake(self, tmp_path) -> Lake:
        return Lake(Settings(lake_uri=str(tmp_path / "lake")))

    def test_all_is_well_beside_leftovers_and_older_files(self, lake):
        publish(lake, 1)
        publish(lake, 2)
        stage(lake, 3)
        require_files(lake, CONTRACT.name, lake.snapshot(CONTRACT.name))

    def test_a_table_that_was_never_published_needs_no_files(self, lake):
        require_files(lake, CONTRACT.name, lake.snapshot(CONTRACT.name))
        require_files(lake, CONTRACT.name, snapshot_of(lake.ensure_table(CONTRACT)))

    def test_a_file_of_another_table_is_refused(self, lake):
        staged = stage(lake, 1)
        elsewhere = f"{lake.address('elsewhere')}/part.parquet"
        lake.filesystem.makedirs(lake.address("elsewhere"))
        lake.filesystem.cp_file(staged.files[0], elsewhere)
        lake.ensure_table(CONTRACT).add_files([elsewhere])
        with pytest.raises(LakeError, match="accelerometer_trusted has data files outside its folder"):
            require_files(lake, CONTRACT.name, lake.snapshot(CONTRACT.name))

    def test_a_lost_object_of_a_bucket_is_named(self, new_lake, tmp_path):
        lake = Lake(Settings(lake_uri=new_lake(tmp_path), pseudonym_key="0123456789abcdef"))
        publish(lake, 1)
        snapshot = lake.snapshot(CONTRACT.name)
        require_files(lake, CONTRACT.name, snapshot)
        [address] = snapshot.files
        _, _, bucket, key = address.split("/", 3)
        boto3.client("s3").delete_object(Bucket=bucket, Key=key)
        with pytest.raises(LakeError, match=f"such as {bucket}/{key}: restore them from a backup"):
            require_files(lake, CONTRACT.name, snapshot)


class TestStagedRows:
    """What the audit has seen is what is published, or nothing is."""

    @pytest.mark.parametrize(
        ("engine", "damage"), on_both_engines(DAMAGES[:2], empty), indirect=["engine"], ids=name_of
    )
    def test_a_staged_file_that_the_engine_takes_for_empty_publishes_nothing(
        self, engine, three_people, monkeypatch, damage: Callable
    ):
        def stage_and_lose(*arguments, **options):
            staged = publication.stage(*arguments, **options)
            damage(Path(staged.files[0].removeprefix("file://")))
            return staged

        graph = Graph(three_people.lake_uri, engine)
        before = graph.snapshots()
        monkeypatch.setattr(increment, "stage", stage_and_lose)
        result = graph.run("customer_trusted", whole=True, ok=False)
        assert len(failures(result)) == 1
        assert graph.snapshots() == before

    def test_the_rows_that_were_read_must_be_the_rows_of_the_files(self, tmp_path):
        lake = Lake(Settings(lake_uri=str(tmp_path / "lake")))
        files = (*stage(lake, 1).files, *stage(lake, 2, rows=5).files)
        require_rows(lake, CONTRACT.name, files, 8)
        require_rows(lake, CONTRACT.name, (), 0)
        with pytest.raises(LakeError, match="the engine read 5 rows where 8 were staged: run it again"):
            require_rows(lake, CONTRACT.name, files, 5)
        Path(lake.path(files[0])).unlink()
        with pytest.raises(LakeError, match=f"the staged file {files[0]} is missing or damaged"):
            require_rows(lake, CONTRACT.name, files, 8)


@pytest.mark.parametrize("damage", share(DAMAGES, Path.unlink, truncate), ids=IDS)
def test_a_query_of_a_damaged_table_names_the_file(stedi, three_people, damage: Callable):
    [file] = data_files(three_people.lake, "customer_trusted")
    damage(file)
    code, out, err = stedi("sql", "SELECT count(*) FROM customer_trusted", lake=three_people.lake_uri)
    assert (code, out) == (1, "")
    assert f"customer_trusted: 1 of 1 data files are missing or damaged, such as {file}" in err
    assert len(err.splitlines()) == 1
    # And is no obstacle to another table.
    assert stedi("sql", "SELECT count(*) FROM customer_landing", lake=three_people.lake_uri)[0] == 0
