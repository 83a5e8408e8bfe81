"""Lakes that were moved or copied: registered anew, they are what they were, and their originals stay alone."""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.types import LongType
from sqlalchemy.orm import Session

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.file_io import LakeFileIO
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.maintenance import retain
from stedi_assets.lake.relocate import relocate
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, comparable
from stedi_assets_tests.builders.one_table import CONTRACT, generations, publish
from stedi_assets_tests.builders.rows import T0
from stedi_assets_tests.builders.three_people import VIC, vic

NOW = timedelta(0)


def lake_at(folder: Path | str) -> Lake:
    return Lake(Settings(lake_uri=str(folder)))


def contents(folder: Path | str) -> dict[str, bytes]:
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def copied(lake: Lake, to: Path) -> Lake:
    """A copy with the times of its files, as by ``cp -a``."""
    shutil.copytree(lake.uri, to, symlinks=True)
    return lake_at(to)


@pytest.fixture
def original(tmp_path) -> Lake:
    """A lake with a table of several snapshots, data files and manifests, with rows deleted out of a file."""
    lake = lake_at(tmp_path / "original")
    publish(lake, 1)
    row = {"user": "ann@example.org", "timestamp": 7, "x": 0.0, "y": 0.0, "z": 0.0}
    table = lake.ensure_table(CONTRACT)
    table.append(pa.Table.from_pylist([row, row | {"timestamp": 8}], schema=CONTRACT.arrow_schema))
    table.delete("timestamp = 7", snapshot_properties={"stedi.made-from": '{"customer_landing": 5}'})
    return lake


class TestALakeOfTheGraph:
    @pytest.fixture
    def before(self, three_people) -> Graph:
        deliver(Path(three_people.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
        three_people.run()
        return three_people

    def test_a_moved_lake_is_what_it_was(self, before, tmp_path):
        rows, snapshots = comparable(before), before.snapshots()
        records = {name: before.lake.find_table(name).current_snapshot().summary for name in CONTRACTS}
        shutil.move(before.lake_uri, tmp_path / "moved")
        moved = Graph(str(tmp_path / "moved"), before.engine)
        assert {item.name for item in relocate(moved.lake)} == set(CONTRACTS)
        assert comparable(moved) == rows
        # The same numbers and records, so that no table is stale.
        assert moved.snapshots() == snapshots
        for name in CONTRACTS:
            table = moved.lake.find_table(name)
            assert table.current_snapshot().summary == records[name]
            assert all(
                file.startswith(f"file://{tmp_path}/moved/") for file in moved.lake.snapshot(name).files
            )
        # A run finds no file to read again, and rows of all files.
        moved.run()
        assert comparable(moved) == rows
        assert moved.snapshots()["customer_landing"] == snapshots["customer_landing"]
        assert not Path(before.lake_uri).exists()

    def test_a_copy_and_its_original_go_their_own_ways(self, before, tmp_path):
        copy = Graph(copied(before.lake, tmp_path / "copy").uri, before.engine)
        files = contents(before.lake_uri)
        relocate(copy.lake)
        deliver(Path(copy.lake_uri), "customer", [vic(updated=T0 + 2)], "3.json")
        copy.run()
        for name in CONTRACTS:
            retain(copy.lake, name, keep=NOW, grace=NOW)
        assert VIC in {row["email"] for row in copy.table("customer_trusted")}
        assert contents(before.lake_uri) == files
        assert VIC not in {row["email"] for row in before.table("customer_trusted")}


def test_rows_properties_and_columns_are_what_they_were(original, tmp_path):
    table = original.find_table(CONTRACT.name)
    with table.update_schema() as update:
        update.add_column("later", LongType(), doc="A column that another version added.")
        update.delete_column("z")
    shutil.move(original.uri, tmp_path / "moved")
    lake = lake_at(tmp_path / "moved")
    [done] = relocate(lake)
    assert (done.name, done.lake, done.rows) == (CONTRACT.name, original.uri, 4)
    moved = lake.find_table(CONTRACT.name)
    assert (moved.schema(), moved.properties) == (table.schema(), table.properties)
    assert moved.current_snapshot().timestamp_ms == table.current_snapshot().timestamp_ms
    assert sorted(moved.scan().to_arrow()["timestamp"].to_pylist()) == [1, 1, 1, 8]


def test_a_moved_lake_can_be_written_to(original, tmp_path):
    shutil.move(original.uri, tmp_path / "moved")
    lake = lake_at(tmp_path / "moved")
    relocate(lake)
    publish_again(lake)
    assert generations(lake) == [4, 4, 4]


def publish_again(lake: Lake) -> None:
    for generation in (3, 4):
        publish(lake, generation)


def test_retention_removes_what_stayed_behind(original, tmp_path):
    shutil.move(original.uri, tmp_path / "moved")
    lake = lake_at(tmp_path / "moved")
    relocate(lake)
    retain(lake, CONTRACT.name, keep=NOW, grace=NOW)
    assert sorted(generations(lake)) == [1, 1, 1, 8]
    kept = {name for name in contents(lake.uri) if not name.endswith(".db")}
    assert {Path(name).suffix for name in kept} == {".parquet", ".avro", ".json"}
    assert len([name for name in kept if name.endswith(".parquet")]) == 2
    assert len([name for name in kept if name.endswith(".json")]) == 1


def test_a_table_that_was_never_published_moves_as_well(tmp_path):
    lake_at(tmp_path / "original").ensure_table(CONTRACT)
    shutil.move(tmp_path / "original", tmp_path / "moved")
    lake = lake_at(tmp_path / "moved")
    assert [item.rows for item in relocate(lake)] == [0]
    publish_again(lake)
    assert generations(lake) == [4, 4, 4]


def test_a_table_of_somebody_else_in_the_lake_moves_as_well(original, tmp_path):
    table = original.catalog.create_table(
        (original.database, "notes"), CONTRACT.arrow_schema, f"file://{original.uri}/some/notes"
    )
    row = {"user": "ann@example.org", "timestamp": 7, "x": 0.0, "y": 0.0, "z": 0.0}
    table.append(pa.Table.from_pylist([row], schema=CONTRACT.arrow_schema))
    shutil.move(original.uri, tmp_path / "moved")
    lake = lake_at(tmp_path / "moved")
    relocate(lake)
    assert lake.find_table("notes").scan().to_arrow().num_rows == 1


@pytest.mark.parametrize(
    ("before", "after"), [("a", "a/b"), ("a/b", "a"), ("customer/trusted", "a"), ("a", "a2")]
)
def test_a_lake_may_move_up_and_down(tmp_path, before, after):
    publish(lake_at(tmp_path / before), 1)
    shutil.move(tmp_path / before, tmp_path / "between")
    (tmp_path / after).parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(tmp_path / after, ignore_errors=True)
    shutil.move(tmp_path / "between", tmp_path / after)
    lake = lake_at(tmp_path / after)
    relocate(lake)
    assert generations(lake) == [1, 1, 1]


class KilledError(Exception):
    """Stands for the end of the process."""


def writes(original: Lake, tmp_path: Path) -> int:
    made = []

    def count(files: LakeFileIO, location: str):
        made.append(location)
        return new_output(files, location)

    new_output = LakeFileIO.new_output
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LakeFileIO, "new_output", count)
        relocate(copied(original, tmp_path / "counted"))
    return len(made)


def test_a_command_that_was_killed_is_run_again(original, tmp_path):
    points = writes(original, tmp_path)
    assert points == 4  # two manifests, their list, the metadata
    for point in range(points + 1):
        lake = copied(original, tmp_path / f"copy{point}")
        kill_at(point, points, lake)
        with pytest.raises(LakeError, match="run `stedi relocate`"):
            lake_at(lake.uri).find_table(CONTRACT.name)
        relocate(lake_at(lake.uri))
        assert sorted(generations(lake_at(lake.uri))) == [1, 1, 1, 8]
    assert sorted(generations(original)) == [1, 1, 1, 8]


def kill_at(point: int, points: int, lake: Lake) -> None:
    new_output, made = LakeFileIO.new_output, []

    def write(files: LakeFileIO, location: str):
        if len(made) == point:
            raise KilledError
        made.append(location)
        return new_output(files, location)

    def commit(_session: Session) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LakeFileIO, "new_output", write)
        if point == points:
            patch.setattr(Session, "commit", commit)
        with pytest.raises(KilledError):
            relocate(lake)


class TestRefused:
    """And nothing is changed."""

    def refused(self, lake: Lake, *words: str) -> None:
        before = contents(lake.uri)
        with pytest.raises(LakeError) as raised:
            relocate(lake)
        for word in words:
            assert word in str(raised.value)
        assert contents(lake.uri) == before

    def test_a_lake_that_was_not_moved(self, original):
        self.refused(original, "was not moved")

    def test_a_lake_that_was_registered_already(self, original, tmp_path):
        copy = copied(original, tmp_path / "copy")
        relocate(copy)
        self.refused(lake_at(copy.uri), "was not moved")

    def test_a_folder_that_is_no_lake(self, tmp_path):
        (tmp_path / "lake").mkdir()
        self.refused(lake_at(tmp_path / "lake"), "there is no catalog")

    def test_a_folder_that_does_not_exist(self, tmp_path):
        self.refused(lake_at(tmp_path / "lake"), "there is no catalog")
        assert not (tmp_path / "lake").exists()

    def test_a_lake_on_s3(self):
        with pytest.raises(LakeError, match=r"docs/move-a-lake\.md says how"):
            relocate(Lake(Settings(lake_uri="s3://bucket/lake", pseudonym_key="0123456789abcdef")))

    @pytest.mark.parametrize("pattern", ["data/**/*.parquet", "metadata/*.avro", "metadata/*.json"])
    @pytest.mark.parametrize(
        "damage",
        [
            Path.unlink,
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(path.read_bytes()[:-9]),
        ],
        ids=["gone", "empty", "cut off"],
    )
    def test_a_lake_that_was_copied_in_part(self, original, tmp_path, pattern, damage: Callable):
        copy = copied(original, tmp_path / "copy")
        for path in Path(copy.uri, CONTRACT.folder).glob(pattern):
            damage(path)
        self.refused(copy, f"{copy.uri}")

    def test_a_lake_that_cannot_be_written(self, original, tmp_path, monkeypatch):
        copy = copied(original, tmp_path / "copy")
        for denied in (
            Path(copy.uri),
            Path(copy.uri, "catalog.db"),
            Path(copy.uri, CONTRACT.folder, "metadata"),
        ):
            monkeypatch.setattr(os, "access", lambda path, _mode, denied=denied: Path(path) != denied)
            self.refused(lake_at(copy.uri), "cannot be written")

    def test_links_to_the_original(self, original, tmp_path):
        copy = copied(original, tmp_path / "copy")
        Path(copy.uri, "catalog.db").unlink()
        Path(copy.uri, "catalog.db").symlink_to(Path(original.uri, "catalog.db"))
        self.refused(copy, "catalog.db is a link")
        copy = copied(original, tmp_path / "other")
        shutil.rmtree(Path(copy.uri, CONTRACT.folder))
        Path(copy.uri, CONTRACT.folder).symlink_to(Path(original.uri, CONTRACT.folder))
        self.refused(copy, "is a link to a folder outside")

    def test_a_table_with_files_in_a_third_lake(self, original, tmp_path):
        elsewhere = tmp_path / "third" / "part.parquet"
        elsewhere.parent.mkdir()
        shutil.copy(next(Path(original.uri).rglob("*.parquet")), elsewhere)
        table = original.find_table(CONTRACT.name)
        table.io.properties["stedi.lake"] = str(tmp_path)
        table.add_files([f"file://{elsewhere}"])
        self.refused(copied(original, tmp_path / "copy"), "third/part.parquet")


def test_a_copy_by_hard_links_is_no_copy_of_the_catalog(original, tmp_path):
    shutil.copytree(original.uri, tmp_path / "copy", copy_function=os.link)
    before = contents(original.uri)
    copy = lake_at(tmp_path / "copy")
    relocate(copy)
    publish_again(copy)
    assert generations(copy) == [4, 4, 4]
    assert contents(original.uri) == before
    assert sorted(generations(original)) == [1, 1, 1, 8]
