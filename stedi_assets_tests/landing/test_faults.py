"""Faults at any moment: nothing lost, nothing doubled, and never a table that does not add up."""

import bz2
import errno
import gzip
import os
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from stedi_assets.landing import ingest, reader
from stedi_assets.records import staging
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.resources import LakeIOManager
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.readings_lake import (
    LANDING,
    QUARANTINE,
    figure,
    metadata,
    reading,
    row_count,
)
from stedi_assets_tests.shares import share

BROKEN = b'{"user": "ann@example.org", "timest\n'


class KilledError(Exception):
    """Stands for the end of the process."""


def kill_before_publishing(table, monkeypatch):
    publish = LakeIOManager.handle_output

    def handle_output(self, context, obj):
        if obj.contract.name == table:
            raise KilledError
        publish(self, context, obj)

    monkeypatch.setattr(LakeIOManager, "handle_output", handle_output)


def kill_after_publishing(table, monkeypatch):
    publish = LakeIOManager.handle_output

    def handle_output(self, context, obj):
        publish(self, context, obj)
        if obj.contract.name == table:
            raise KilledError

    monkeypatch.setattr(LakeIOManager, "handle_output", handle_output)


def kill_before_the_ledger(_, monkeypatch):
    def enter(*_, **__):
        raise KilledError

    monkeypatch.setattr(ingest.Ingest, "enter", enter)


MOMENTS = {
    "before the landing table": (kill_before_publishing, LANDING),
    "after the landing table": (kill_after_publishing, LANDING),
    "between the tables": (kill_before_publishing, QUARANTINE),
    "after the quarantine table": (kill_after_publishing, QUARANTINE),
    "before the ledger": (kill_before_the_ledger, None),
}


def kill_next_run(lake, moment):
    with pytest.MonkeyPatch.context() as patch:
        kill, table = MOMENTS[moment]
        kill(table, patch)
        assert not lake.land(ok=False).success


@pytest.mark.parametrize("moment", share(MOMENTS, "between the tables", "before the ledger"))
def test_what_a_killed_run_left_is_put_right_by_the_next_one(lake, moment):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    lake.deliver("b.json", lines(reading(2)) + b"junk\n")
    lake.land()
    lake.deliver("b.json", lines(reading(3)) + b'"text"\n')
    lake.deliver("c.json", lines(reading(4)) + b"null\n")
    kill_next_run(lake, moment)
    kill_next_run(lake, moment)
    result = lake.land()
    assert lake.landed() == [("a.json", 1), ("b.json", 3), ("c.json", 4)]
    assert [text for _, text, _ in lake.quarantined()] == [BROKEN.decode().strip(), '"text"', "null"]
    assert {name: entry["run_id"] == result.run_id for name, entry in lake.ledger().items()} == {
        "a.json": False,
        "b.json": True,
        "c.json": True,
    }
    before = lake.state()
    assert figure(row_count(lake.land()), "files_read") == 0
    assert lake.state() == before


@pytest.mark.parametrize("moment", share(MOMENTS, "after the landing table"))
def test_the_first_run_may_be_killed(lake, moment):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    kill_next_run(lake, moment)
    lake.land()
    assert lake.landed() == [("a.json", 1)]
    assert len(lake.quarantined()) == 1


@pytest.mark.parametrize(
    "moment", share(["after the landing table", "before the ledger"], "before the ledger")
)
def test_a_delivery_that_is_taken_back_after_a_killed_run_is_taken_back(lake, moment):
    path = lake.deliver("a.json", lines(reading(1)))
    first = path.stat()
    lake.land()
    lake.deliver("a.json", lines(reading(2)) + BROKEN)
    kill_next_run(lake, moment)
    lake.deliver("a.json", lines(reading(1)))
    os.utime(path, ns=(first.st_mtime_ns, first.st_mtime_ns))
    lake.land()
    assert lake.landed() == [("a.json", 1)]
    assert lake.quarantined() == []


@pytest.mark.parametrize(
    "moment", share(["after the landing table", "before the ledger"], "after the landing table")
)
def test_a_file_that_is_gone_after_a_killed_run_is_in_the_ledger_as_it_is_in_the_tables(lake, moment):
    path = lake.deliver("a.json", lines(reading(1)))
    lake.deliver("b.json", lines(reading(5)))
    lake.land()
    lake.deliver("a.json", lines(reading(2), reading(3)))
    kill_next_run(lake, moment)
    path.unlink()
    check = row_count(lake.land())
    assert not check.passed
    assert lake.landed() == [("a.json", 2), ("a.json", 3), ("b.json", 5)]
    assert lake.ledger()["a.json"]["landed"] == 2
    lake.deliver("c.json", lines(reading(6)))
    assert row_count(lake.land()).passed


@pytest.mark.parametrize("full_refresh", [False, True])
def test_rows_of_a_killed_run_whose_file_is_gone_stay_and_get_an_entry(lake, full_refresh):
    lake.deliver("a.json", lines(reading(1)))
    lake.land()
    path = lake.deliver("b.json", lines(reading(2)) + BROKEN)
    kill_next_run(lake, "before the ledger")
    path.unlink()
    lake.land(full_refresh=full_refresh)
    assert lake.landed() == [("a.json", 1), ("b.json", 2)]
    assert [name for name, *_ in lake.quarantined()] == ["b.json"]
    entry = lake.ledger()["b.json"]
    assert (entry["records"], entry["landed"], entry["quarantined"]) == (2, 1, 1)
    assert entry["missing_since"] is not None
    assert row_count(lake.land()).passed


class ForgetfulReader(JsonReader):
    def close(self, text=b""):
        parsed = super().close(text)
        parsed.landed = parsed.landed[1:]
        return parsed


class ForgetfulStaging(staging.Staging):
    def take(self, part):
        part._frames = [rows[1:] for rows in part._frames]
        super().take(part)


class RepeatingReader(JsonReader):
    def close(self, text=b""):
        parsed = super().close(text)
        parsed.landed = parsed.landed.vstack(parsed.landed[:1])
        return parsed


@pytest.mark.parametrize(
    ("where", "broken", "rows"),
    [
        ("stedi_assets.records.read_task.JsonReader", ForgetfulReader, 2),
        ("stedi_assets.records.read_task.JsonReader", RepeatingReader, 4),
        ("stedi_assets.records.read_task.Staging", ForgetfulStaging, 2),
    ],
)
def test_a_reader_that_loses_or_doubles_a_record_publishes_nothing(lake, monkeypatch, where, broken, rows):
    lake.deliver("a.json", lines(reading(1)) + b"junk\n")
    lake.land()
    before = lake.state()
    lake.deliver("b.json", lines(reading(2), reading(3), reading(4)))
    with monkeypatch.context() as patch:
        patch.setattr(where, broken)
        result = lake.land(ok=False)
    check = row_count(result)
    assert not result.success
    assert not check.passed
    assert check.severity.value == "ERROR"
    assert figure(check, "files_unaccounted_for") == 1
    assert figure(check, "records_found") == 3
    assert figure(check, "rows") == rows
    assert "accelerometer/landing/b.json" in check.description
    assert result.get_asset_materialization_events() == []
    assert lake.state() == before
    lake.land()
    assert lake.landed() == [("a.json", 1), ("b.json", 2), ("b.json", 3), ("b.json", 4)]


def unreadable(lake, name, content):
    """Land a good file beside one that cannot be read, which is tried again as soon as it can."""
    lake.deliver("a.json", lines(reading(1)))
    lake.deliver(name, content)
    result = lake.land()
    check = row_count(result)
    assert lake.landed() == [("a.json", 1)]
    assert set(lake.ledger()) == {"a.json"}
    assert not check.passed
    assert check.severity.value == "WARN"
    assert figure(check, "files_unreadable") == 1
    (problem,) = [record.data["problem"] for record in metadata(result, LANDING)["files"][:1]]
    return problem


DAMAGED = [
    ("b.json.gz", b"\x1f\x8b\x08 not compressed\n"),
    ("b.json.gz", b"\x00 neither compressed nor text\n"),
    ("b.json.gz", gzip.compress(lines(reading(2)) * 500)[:-20]),
    ("b.json.bz2", b"BZh9 not compressed\n"),
    ("b.json.bz2", bz2.compress(lines(reading(2)) * 500)[:-20]),
    ("b.csv.gz", gzip.compress(b"user,timestamp,x,y,z\n" * 500)[:-4] + b"\0\0\0\0"),
]


@pytest.mark.parametrize(
    ("name", "content"),
    DAMAGED,
    # Compressed text holds the time, and all processes of the suite must know a test by the same name.
    ids=["gzip broken", "no gzip", "gzip cut", "bzip2 broken", "bzip2 cut", "gzip of another length"],
)
def test_a_damaged_archive_is_reported_and_read_once_it_is_whole(lake, name, content):
    problem = unreadable(lake, name, content)
    assert "is damaged or breaks off: deliver the file again" in problem or "it is not compressed" in problem
    compress = {".gz": gzip.compress, "bz2": bz2.compress}[name[-3:]]
    header = b"user,timestamp,x,y,z\n" if ".csv" in name else b""
    row = b"ann@example.org,1704067200002,0,0,0\n" if header else lines(reading(2))
    lake.deliver(name, compress(header + row))
    result = lake.land()
    assert lake.landed() == [("a.json", 1), (name, 2)]
    assert row_count(result).passed


@pytest.mark.parametrize(
    ("error", "problem"),
    [(PermissionError(), "not permitted"), (OSError(errno.EIO, "ann@example.org"), "OSError")],
)
def test_a_file_that_the_file_system_refuses_is_reported(lake, monkeypatch, error, problem):
    open_file = LocalFileSystem._open

    def refuse(self, path, *arguments, **options):
        if path.endswith("landing/b.json"):
            raise error
        return open_file(self, path, *arguments, **options)

    monkeypatch.setattr(LocalFileSystem, "_open", refuse)
    reported = unreadable(lake, "b.json", lines(reading(2)))
    assert problem in reported
    assert "ann@" not in reported
    monkeypatch.undo()
    lake.land()
    assert lake.landed() == [("a.json", 1), ("b.json", 2)]


def test_an_older_reading_of_a_file_stays_while_the_new_one_cannot_be_read(lake):
    lake.deliver("b.json.gz", gzip.compress(lines(reading(2))))
    lake.land()
    assert "damaged" in unreadable_after(lake)
    assert lake.landed() == [("b.json.gz", 2)]


def unreadable_after(lake):
    lake.deliver("b.json.gz", gzip.compress(b"damaged")[:-1])
    return metadata(lake.land(), LANDING)["files"][0].data["problem"]


def after_listing(monkeypatch, act):
    """Act between the listing of the files and their reading."""
    read = ingest.read_landing_files

    def read_later(*arguments, **options):
        act()
        return read(*arguments, **options)

    monkeypatch.setattr(ingest, "read_landing_files", read_later)


def test_a_file_that_vanishes_between_listing_and_reading_is_reported(lake, monkeypatch):
    after_listing(monkeypatch, (lake.folder / "b.json").unlink)
    assert "vanished" in unreadable(lake, "b.json", lines(reading(2)))


@pytest.mark.parametrize("numbers", [(2,), (2, 3, 4, 5), ()])
def test_a_file_that_changes_between_listing_and_reading_waits_for_the_next_run(lake, monkeypatch, numbers):
    content = lines(*map(reading, numbers))
    after_listing(monkeypatch, lambda: lake.deliver("b.json", content))
    assert "changed while it was read" in unreadable(lake, "b.json", lines(reading(2), reading(3)))
    monkeypatch.undo()
    lake.land()
    assert lake.landed() == [("a.json", 1), *(("b.json", number) for number in numbers)]


def test_a_file_that_changes_while_it_is_read_waits_for_the_next_run(lake, monkeypatch):
    run = reader._run

    def run_and_change(*arguments):
        found = run(*arguments)
        lake.deliver("b.json", lines(reading(9)))
        monkeypatch.undo()
        return found

    monkeypatch.setattr(reader, "_run", run_and_change)
    assert "changed while it was read" in unreadable(lake, "b.json", lines(reading(2), reading(3)))


def test_a_bug_of_the_reader_fails_the_run_and_shows_no_record(lake, monkeypatch):
    def fail(_, text):
        raise ValueError(text.decode())

    lake.deliver("a.json", lines(reading(1)))
    monkeypatch.setattr(JsonReader, "close", fail)
    result = lake.land(ok=False)
    assert not result.success
    assert "ann@example.org" not in repr([event.event_specific_data for event in result.all_events])
    assert set(lake.ledger()) == set()


def test_bytes_that_cannot_be_decoded_cost_their_record_alone(lake):
    bad = lines(reading(2)).replace(b"ann@", b"\xff\xfe@")
    lake.deliver("a.json", lines(reading(1)) + bad + lines(reading(3)) + b"\xe9t\xe9\n")
    lake.land()
    assert lake.landed() == [("a.json", 1), ("a.json", 3)]
    (_, reading_text, why), (_, junk_text, why_too) = lake.quarantined()
    assert reading_text.startswith('{"user": "\\xff\\xfe@example.org", ')
    assert junk_text == "\\xe9t\\xe9"
    assert why == why_too == ["bad_encoding"]


def test_a_landing_folder_that_is_a_file_is_an_error_and_not_an_empty_source(lake):
    lake.deliver("a.json", lines(reading(1)))
    lake.land()
    Path(lake.folder / "a.json").rename(lake.folder.with_name("elsewhere"))
    lake.folder.rmdir()
    lake.folder.write_bytes(b"")
    lake.land(ok=False)
    assert lake.landed() == [("a.json", 1)]
