"""What is on disk when a commit names it."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table import Table
from sqlalchemy import event, text

from stedi_assets.lake.lake import Lake
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.one_table import CONTRACT, publish


class Disk:
    """Records what was synced before the catalog committed last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: set[Path] = set()
        self.when_committed: set[Path] = set()
        fsync = os.fsync

        def record(handle: int) -> None:
            fsync(handle)
            self.synced.add(Path(f"/proc/self/fd/{handle}").readlink())

        monkeypatch.setattr(os, "fsync", record)

    def watch(self, lake: Lake) -> None:
        @event.listens_for(lake.catalog.engine, "commit")
        def committing(_connection: object) -> None:
            self.when_committed = set(self.synced)


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def lake(tmp_path, disk) -> Lake:
    lake = Lake(Settings(lake_uri=str(tmp_path / "lake")))
    disk.watch(lake)
    return lake


def named(table: Table) -> set[Path]:
    """The files that the current snapshot names, with the metadata, and the folders that lead to them."""
    snapshot = table.current_snapshot()
    addresses = {table.metadata_location, snapshot.manifest_list}
    for manifest in snapshot.manifests(table.io):
        addresses.add(manifest.manifest_path)
        addresses |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    files = {Path(address.removeprefix("file://")) for address in addresses}
    return files | {file.parent for file in files}


def test_what_an_engine_staged_is_on_disk_when_it_is_published(lake, disk):
    publish(lake, 1)
    table = lake.find_table(CONTRACT.name)
    assert len(named(table)) >= 6  # metadata, list, manifest and data, in two folders at least
    assert named(table) <= disk.when_committed
    # With the folders that the first run made.
    made = {Path(lake.uri), Path(lake.uri, "accelerometer"), Path(lake.uri, CONTRACT.folder)}
    assert made <= disk.when_committed


def test_what_pyiceberg_writes_is_on_disk_when_it_is_committed(lake, disk):
    """As rows of the ledger, and rows that are left of a file when others of it are deleted."""
    row = {"user": "ann@example.org", "timestamp": 1, "x": 0.0, "y": 0.0, "z": 0.0}
    table = lake.ensure_table(CONTRACT)
    table.append(pa.Table.from_pylist([row, row | {"timestamp": 2}], schema=CONTRACT.arrow_schema))
    assert named(table) <= disk.when_committed
    table.delete("timestamp = 1")
    assert named(table) <= disk.when_committed
    assert table.scan().to_arrow()["timestamp"].to_pylist() == [2]


def test_sqlite_syncs_in_full(lake):
    with lake.catalog.engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_a_file_that_a_failed_commit_left_does_not_stop_the_next(lake):
    table = lake.ensure_table(CONTRACT)
    left = f"{table.location()}/metadata/left.avro"
    with table.io.new_output(left).create() as stream:
        stream.write(b"left")
    Path(lake.path(left)).unlink()
    publish(lake, 1)
    assert lake.snapshot(CONTRACT.name).rows == 3


def test_a_folder_that_cannot_be_synced_is_left_to_its_file_system(lake, monkeypatch):
    """As on some network file systems."""
    fsync = os.fsync

    def refuse_folders(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            raise OSError(22, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    publish(lake, 1)
    assert lake.snapshot(CONTRACT.name).rows == 3


def test_a_file_that_cannot_be_synced_is_not_named(lake, monkeypatch):
    def fail(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    publish(lake, 1)
    before = lake.snapshot(CONTRACT.name)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        publish(lake, 2)
    assert lake.snapshot(CONTRACT.name) == before
