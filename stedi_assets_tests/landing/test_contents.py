"""Files under other names and at other times: what is in a file tells whether it was read, and no row is doubled."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from stedi_assets.landing import ledger, retract
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.graph import Graph, checks_of
from stedi_assets_tests.builders.readings_lake import (
    LANDING,
    QUARANTINE,
    figure,
    metadata,
    reading,
    row_count,
)
from stedi_assets_tests.landing.test_faults import BROKEN, MOMENTS, kill_next_run
from stedi_assets_tests.shares import share


def move(path: Path, name: str) -> None:
    path.parent.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
    path.rename(path.parent / name)


def test_a_file_that_is_moved_or_renamed_has_its_rows_once_under_its_new_name(lake):
    path = lake.deliver("a.json", lines(reading(1)) + BROKEN)
    lake.deliver("b.json", lines(reading(2)))
    lake.land()
    for name in ("2024/06/c.json", "d.json"):
        move(path, name)
        path = path.parent / name
        result = lake.land()
        assert lake.landed() == sorted([("b.json", 2), (path.name, 1)])
        assert [(name, text) for name, text, _ in lake.quarantined()] == [
            (path.name, BROKEN.decode().strip())
        ]
        assert set(lake.ledger()) == {"b.json", path.name}
        assert row_count(result).passed
        (told,) = metadata(result, LANDING)["moved"]
        assert told.endswith(f"is accelerometer/landing/{path.relative_to(lake.folder)} now")
        assert metadata(result, LANDING)["rows_replaced"] == 1
        path = lake.folder / path.relative_to(lake.folder)


def test_a_file_that_was_gone_for_a_while_and_is_back_under_another_name_has_its_rows_once(lake):
    path = lake.deliver("a.json", lines(reading(1)))
    lake.land()
    aside = lake.folder.parent / "aside"
    path.rename(aside)
    lake.land()
    aside.rename(lake.folder / "b.json")
    lake.land()
    assert lake.landed() == [("b.json", 1)]


def test_files_whose_names_go_round_keep_their_rows(lake):
    names = ["a.json", "b.json", "c.json"]
    for number, name in enumerate(names):
        lake.deliver(name, lines(reading(number)))
    lake.land()
    move(lake.folder / "c.json", "d.json")
    move(lake.folder / "b.json", "c.json")
    move(lake.folder / "a.json", "b.json")
    lake.land()
    assert lake.landed() == [("b.json", 0), ("c.json", 1), ("d.json", 2)]


@pytest.mark.parametrize("moment", share(MOMENTS, "between the tables", "before the ledger"))
def test_a_run_that_is_killed_over_a_moved_file_doubles_and_loses_nothing(lake, moment):
    path = lake.deliver("a.json", lines(reading(1)) + BROKEN)
    lake.land()
    move(path, "b.json")
    kill_next_run(lake, moment)
    kill_next_run(lake, moment)
    lake.land()
    assert lake.landed() == [("b.json", 1)]
    assert [name for name, *_ in lake.quarantined()] == ["b.json"]
    before = lake.state()
    assert figure(row_count(lake.land()), "files_read") == 0
    assert lake.state() == before


def test_a_copy_under_another_name_is_told_by_name_and_is_no_warning(lake):
    lake.deliver("a.json", lines(reading(1)))
    lake.land()
    lake.deliver("b.json", lines(reading(1)))
    check = checks_of(lake.land(), QUARANTINE)["delivery"]
    assert check.passed
    assert (
        "accelerometer/landing/b.json is accelerometer/landing/a.json delivered again under another name"
        in check.description
    )
    assert lake.landed() == [("a.json", 1), ("b.json", 1)]


def test_a_file_with_the_same_content_at_another_time_is_not_read_again(lake):
    path = lake.deliver("a.json", lines(reading(1)))
    lake.land()
    before = lake.ledger()["a.json"]
    os.utime(path, (1_700_000_000, 1_700_000_000))
    result = lake.land()
    assert (figure(row_count(result), "files_read"), row_count(result).passed) == (0, True)
    after = lake.ledger()["a.json"]
    assert after["identity"] != before["identity"]
    assert after | {"identity": ""} == before | {"identity": ""}
    state = lake.state()
    lake.land()
    assert lake.state() == state


def test_other_content_of_the_same_size_and_time_is_read(lake):
    path = lake.deliver("a.json", lines(reading(1)))
    was = path.stat()
    lake.land()
    path.write_bytes(lines(reading(2)))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    lake.land()
    assert lake.landed() == [("a.json", 2)]


def test_an_empty_file_is_read_when_it_is_filled_and_is_not_taken_for_another_empty_one(lake):
    path = lake.deliver("a.json", b"")
    lake.land()
    move(path, "b.json")
    lake.land()
    assert lake.ledger()["a.json"]["missing_since"] is not None
    lake.deliver("b.json", lines(reading(1)))
    lake.land()
    assert lake.landed() == [("b.json", 1)]


def test_a_file_that_was_taken_back_stays_so_at_another_time_and_under_another_name(lake):
    path = lake.deliver("a.json", lines(reading(1)))
    lake.land()
    planned = retract.plan(lake.graph.lake, ["accelerometer/landing/a.json"])
    retract.retract(lake.graph.lake, planned, "ann", "a test")
    path.chmod(0o600)
    lake.land()
    assert lake.landed() == []
    move(path, "b.json")
    lake.land()
    lake.land()
    assert lake.landed() == []
    retract.undo(lake.graph.lake, ["accelerometer/landing/b.json"])
    lake.land()
    assert lake.landed() == [("b.json", 1)]


def test_a_ledger_of_an_earlier_version_takes_its_files_for_read_and_gets_their_digests(lake):
    path = lake.deliver("a.json", lines(reading(1)) + BROKEN)
    lake.deliver("b.json", lines(reading(2)))
    lake.land()
    earlier = [
        replace(entry, identity=entry.identity.rpartition("-")[0], digest=None)
        for entry in ledger.read_entries(lake.graph.lake, "accelerometer").values()
    ]
    ledger.amend(lake.graph.lake, earlier)
    result = lake.land()
    assert (figure(row_count(result), "files_read"), row_count(result).passed) == (0, True)
    assert all(len(entry["digest"]) == 64 for entry in lake.ledger().values())
    move(path, "c.json")
    lake.land()
    assert lake.landed() == [("b.json", 2), ("c.json", 1)]


def test_an_object_that_is_moved_in_a_bucket_has_its_rows_once(lake, new_lake, sail_engine):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    graph = Graph(new_lake(Path(lake.graph.lake_uri)), sail_engine)
    graph.run(LANDING, QUARANTINE)
    folder = f"{graph.lake_uri}/accelerometer/landing"
    graph.lake.filesystem.mv(f"{folder}/a.json", f"{folder}/2024/b.json")
    graph.run(LANDING, QUARANTINE)
    for table in (LANDING, QUARANTINE):
        assert [Path(row["source_file"]).name for row in graph.table(table)] == ["b.json"]
