"""Listings: every file that is there, or an error that says which folder or link is in the way."""

import os
from pathlib import Path

import boto3
import dagster as dg
import pytest

from stedi_assets.definitions import build_definitions
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.landing.files import list_landing
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.graph import Graph, failures
from stedi_assets_tests.builders.readings_lake import LANDING, QUARANTINE, reading

SOURCE = "accelerometer"


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "lake" / SOURCE / "landing"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def lake(folder) -> Lake:
    return Lake(Settings(lake_uri=str(folder.parents[1])))


def names(lake: Lake, folder: Path) -> list[str]:
    return [Path(file.path).relative_to(folder).as_posix() for file in lake.list_files(f"file://{folder}")]


def refuse_listing(folder: Path, monkeypatch) -> None:
    """Let the operating system refuse to list a folder, as it does to all but root where permissions say so."""
    scandir = os.scandir

    def refuse(path="."):
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_files_of_every_level_are_listed_in_order_with_size_and_time(lake, folder):
    for name, content in {"b.json": b"12", "2024/06/a.json": b"1", "a.json": b""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000.25))
    found = lake.list_files(f"file://{folder}")
    assert [(Path(file.path).name, file.bytes) for file in found] == [
        ("a.json", 1),
        ("a.json", 0),
        ("b.json", 2),
    ]
    assert {file.modified.timestamp() for file in found} == {1_700_000_000.25}


def test_a_folder_that_does_not_exist_has_no_files(lake, folder):
    assert lake.list_files(f"file://{folder}/elsewhere/below") == []


@pytest.mark.parametrize("denied", ["", "2024", "2024/06"])
def test_a_folder_that_cannot_be_listed_is_an_error_that_names_it(lake, folder, monkeypatch, denied):
    (folder / "2024" / "06").mkdir(parents=True)
    refuse_listing(folder / denied, monkeypatch)
    with pytest.raises(LakeError, match=f"{folder / denied} cannot be listed"):
        list_landing(lake, SOURCE)


def test_a_landing_folder_that_cannot_be_listed_fails_the_run_and_changes_no_table(
    sail_engine, folder, monkeypatch
):
    (folder / "a.json").write_bytes(lines(reading(1)))
    graph = Graph(str(folder.parents[1]), sail_engine)
    graph.run(LANDING, QUARANTINE)
    before = graph.snapshots()
    refuse_listing(folder, monkeypatch)
    [told] = failures(graph.run(LANDING, QUARANTINE, ok=False))
    assert f"{folder} cannot be listed" in told
    assert graph.snapshots() == before


def test_a_staged_folder_that_cannot_be_listed_publishes_nothing(sail_engine, folder, monkeypatch):
    """Where a listing is passed over, a table of many rows is published empty."""
    graph = Graph(str(folder.parents[1]), sail_engine)
    scandir = os.scandir

    def refuse(path="."):
        if "/customer/trusted/data/" in f"{path}/":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = graph.run("customer_landing", "customer_quarantine", "customer_trusted", ok=False)
    [told] = failures(result)
    assert "customer/trusted/data" in told
    assert "cannot be listed" in told
    assert graph.lake.snapshot("customer_trusted").snapshot_id is None


def test_a_link_to_a_file_is_the_file(lake, folder, tmp_path):
    target = tmp_path / "delivered.json"
    target.write_bytes(b"12345")
    os.utime(target, (1_700_000_000, 1_700_000_000))
    (folder / "a.json").symlink_to(target)
    [file] = list_landing(lake, SOURCE).files
    changed = target.stat().st_ctime_ns
    assert (file.path, file.size) == (f"{SOURCE}/landing/a.json", 5)
    assert file.identity == f"5-1700000000.000000-{changed}"
    # The same size at another time: the file that the link names was replaced.
    os.utime(target, (1_700_000_001, 1_700_000_001))
    assert list_landing(lake, SOURCE).files[0].identity.startswith("5-1700000001.000000-")


def test_a_link_to_a_folder_is_an_error_that_names_both(lake, folder, tmp_path):
    (tmp_path / "deliveries").mkdir()
    (folder / "june").symlink_to(tmp_path / "deliveries")
    with pytest.raises(
        LakeError, match=f"{folder}/june is a link to {tmp_path}/deliveries, which is no file"
    ):
        list_landing(lake, SOURCE)


def test_a_link_to_nothing_is_an_error_that_names_both(lake, folder):
    (folder / "a.json").symlink_to("/archive/a.json")
    with pytest.raises(LakeError, match=f"{folder}/a.json is a link to /archive/a.json, which cannot be"):
        list_landing(lake, SOURCE)


def test_what_can_never_be_read_is_an_error(lake, folder):
    os.mkfifo(folder / "a.json")
    with pytest.raises(LakeError, match=r"a\.json is no file"):
        list_landing(lake, SOURCE)


def test_an_editors_lock_stops_nothing(lake, folder):
    (folder / ".#a.json").symlink_to("ann@laptop.1234")
    assert list_landing(lake, SOURCE).files == ()


def test_a_landing_folder_may_be_a_link(lake, folder, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.json").write_bytes(b"{}")
    folder.rmdir()
    folder.symlink_to(tmp_path / "disk")
    assert [file.path for file in list_landing(lake, SOURCE).files] == [f"{SOURCE}/landing/a.json"]


@pytest.mark.parametrize("link", [f"{SOURCE}/landing", SOURCE])
def test_a_landing_folder_behind_a_link_to_nothing_is_not_an_empty_one(lake, folder, link):
    folder.rmdir()
    folder.parent.rmdir()
    path = Path(lake.uri, link)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("/mnt/unmounted")
    with pytest.raises(LakeError, match=f"{link} is a link to /mnt/unmounted, which is not there"):
        list_landing(lake, SOURCE)


def test_what_an_engine_left_unfinished_is_no_data(lake, folder):
    staged = folder.parent / "trusted" / "data" / "0123"
    for name in ("part-0.parquet", "_temporary/0/part-1.parquet", ".part-2.parquet", "_metadata.parquet"):
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / name).write_bytes(b"")
    assert lake.parquet_files(f"file://{staged}") == (f"file://{staged}/part-0.parquet",)
    # The folder's own name decides nothing.
    assert len(lake.parquet_files(f"file://{staged}/_temporary")) == 1


class TestOnS3:
    """Objects that stand for folders, which consoles and other tools make."""

    @pytest.fixture
    def uri(self, new_lake, tmp_path) -> str:
        folder = tmp_path / SOURCE / "landing"
        folder.mkdir(parents=True)
        (folder / "a.json").write_bytes(lines(reading(1)))
        return new_lake(tmp_path)

    def put(self, uri: str, key: str, body: bytes = b"") -> None:
        _, _, bucket, prefix = uri.split("/", 3)
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=body)

    def test_markers_of_folders_are_no_files(self, sail_engine, uri):
        for source in ("customer", SOURCE, "step_trainer"):
            self.put(uri, f"{source}/landing/")
        self.put(uri, f"{SOURCE}/landing/2024/")
        graph = Graph(uri, sail_engine)
        listing = list_landing(graph.lake, SOURCE)
        assert [file.path for file in listing.files] == [f"{SOURCE}/landing/a.json"]
        assert listing.ignored == ()
        assert list_landing(graph.lake, "customer").files == ()
        graph.run()
        assert graph.rows()["accelerometer_landing"] == 1

    def test_the_sensor_passes_over_them(self, sail_engine, uri):
        self.put(uri, f"{SOURCE}/landing/")
        repository = build_definitions(Graph(uri, sail_engine).settings, sail_engine).get_repository_def()
        resources = repository.get_top_level_resources()
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance, repository_def=repository, resources=resources) as context,
        ):
            asked = repository.get_sensor_def("landing_files_sensor").evaluate_tick(context)
        assert len(asked.run_requests) == 1

    def test_a_marker_that_has_content_is_an_error(self, sail_engine, uri):
        self.put(uri, f"{SOURCE}/landing/2024/", lines(reading(2)))
        with pytest.raises(LakeError, match="landing/2024/ has the name of a folder, and content"):
            list_landing(Graph(uri, sail_engine).lake, SOURCE)

    def test_the_etag_is_kept(self, uri):
        [file] = Lake(Settings(lake_uri=uri)).list_files(f"{uri}/{SOURCE}/landing/")
        assert file.etag is not None
        assert len(file.etag) == 32


def test_a_name_that_is_not_utf_8_is_named(lake, folder):
    (folder / os.fsdecode(b"caf\xe9.json")).write_bytes(b"{}")
    with pytest.raises(LakeError, match=r"caf\\xe9\.json is not UTF-8.*rename it"):
        list_landing(lake, SOURCE)
