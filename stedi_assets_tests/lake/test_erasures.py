"""The register of erasures: whole or not at all, kept whatever becomes of the catalog, and heeded by every run."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stedi_assets.lake import erasures
from stedi_assets.lake.erasures import Entry, ErasedPerson, Register, enter, read_register
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.lineage import Recipe, erasures_of, stale_tables
from stedi_assets.lake.maintenance import erase_history, retain
from stedi_assets.lake.publication import PublishConflictError, publish
from stedi_assets.records.erased import mark
from stedi_assets.settings import Settings
from stedi_assets_tests.builders import one_table
from stedi_assets_tests.builders.rows import BOB, SERIAL, T0


@pytest.fixture(params=["folder", "bucket"])
def lake(request, tmp_path) -> Lake:
    if request.param == "folder":
        return Lake(Settings(lake_uri=str(tmp_path / "lake")))
    return Lake(Settings(lake_uri=request.getfixturevalue("new_lake")(tmp_path)))


def entry(name: str = "forget-1", salt: str = "salt", at: int = T0) -> Entry:
    return Entry(name, at, salt, (ErasedPerson(mark(salt, BOB), (mark(salt, SERIAL),), (), rows=3, files=1),))


def test_what_is_entered_is_read_again(lake):
    assert read_register(lake) == Register()
    enter(lake, entry())
    enter(lake, entry("forget-2", at=T0 + 1))
    register = read_register(lake)
    assert register == Register((entry(), entry("forget-2", at=T0 + 1)))
    assert register.version == 2
    assert [found.run_id for found, _ in register.of(BOB)] == ["forget-1", "forget-2"]
    assert register.of("ann@example.org") == []
    assert register.erasures() == [
        ("salt", mark("salt", BOB), mark("salt", SERIAL), at) for at in (T0, T0 + 1)
    ]
    (marks,) = register.marks()
    assert marks.persons == {mark("salt", BOB): T0 + 1}


def test_who_had_no_device_is_erased_all_the_same():
    nobody = ErasedPerson("mark", (), (), rows=1, files=1)
    assert Register((Entry("one", T0, "salt", (nobody,)),)).erasures() == [("salt", "mark", None, T0)]


def test_a_pass_that_came_to_its_end_is_no_entry_more(lake):
    enter(lake, entry())
    erasures.finish(lake, entry())
    assert read_register(lake) == Register((entry(),), frozenset(["forget-1"]))
    assert len(erasures.entries_of(lake)) == 1


def test_each_lake_has_marks_of_its_own_and_keeps_its_salt():
    first, other = Register().salt, Register().salt
    assert first != other
    assert len(first) == 64
    assert Register((entry(salt=first), entry(salt=first))).salt == first


def test_an_entry_that_is_damaged_stops_everything(lake):
    enter(lake, entry())
    (path,) = erasures.entries_of(lake)
    content = lake.filesystem.cat_file(path)
    for damaged in (b"", content[:-1], b"[]", b'{"people": [1]}'):
        lake.filesystem.pipe_file(path, damaged)
        with pytest.raises(LakeError, match="an entry of the register of erasures, is damaged"):
            read_register(lake)


def test_a_process_that_dies_while_it_writes_leaves_no_entry(tmp_path):
    lake = Lake(Settings(lake_uri=str(tmp_path)))
    enter(lake, entry())
    (tmp_path / "erasures" / ".forget-2.json.new").write_bytes(b"{")
    assert read_register(lake).version == 1


def test_whoever_computed_without_an_entry_publishes_nothing(lake):
    staged = replace(one_table.stage(lake, 1), erasures=0)
    enter(lake, entry())
    with pytest.raises(PublishConflictError, match="somebody was erased meanwhile"):
        publish(lake, staged, {})
    assert one_table.generations(lake) == []
    published = publish(lake, replace(one_table.stage(lake, 2), erasures=1), {})
    assert (one_table.generations(lake), published.rows) == ([2, 2, 2], 3)


def test_a_lake_that_lost_entries_publishes_nothing_more(lake):
    enter(lake, entry())
    publish(lake, replace(one_table.stage(lake, 1), erasures=1), {})
    # Rows that only go, or are packed, leave the number as it was.
    publish(lake, one_table.stage(lake, 2), {})
    assert erasures_of(lake.ensure_table(one_table.CONTRACT).current_snapshot()) == 1
    (path,) = erasures.entries_of(lake)
    lake.filesystem.rm_file(path)
    with pytest.raises(LakeError, match="restore the folder erasures"):
        publish(lake, replace(one_table.stage(lake, 3), erasures=0), {})
    assert one_table.generations(lake) == [2, 2, 2]


def test_an_erasure_makes_tables_stale_that_were_made_before_it(lake):
    staged = replace(one_table.stage(lake, 1), erasures=0, made_from={})
    publish(lake, staged, {})
    recipes = {one_table.CONTRACT.name: Recipe(frozenset(), {})}
    for name in ("customer_landing", "customer_quarantine"):
        one_table.publish_empty(lake, name)
    versions = {name: lake.snapshot(name).version for name in ("customer_landing", "customer_quarantine")}
    publish(lake, replace(one_table.stage(lake, 2), erasures=0, made_from=versions), {})
    assert stale_tables(lake, recipes) == set()
    enter(lake, entry())
    assert stale_tables(lake, recipes) == {one_table.CONTRACT.name}
    publish(lake, replace(one_table.stage(lake, 3), erasures=1, made_from=versions), {})
    assert stale_tables(lake, recipes) == set()


def test_neither_retention_nor_erasure_touches_it(tmp_path):
    lake = Lake(Settings(lake_uri=str(tmp_path)))
    enter(lake, entry())
    one_table.publish(lake, 1)
    one_table.publish(lake, 2)
    before = [Path(path).read_bytes() for path in erasures.entries_of(lake)]
    retain(lake, one_table.CONTRACT.name, keep=timedelta(0), grace=timedelta(0))
    erase_history(lake, one_table.CONTRACT.name)
    assert [Path(path).read_bytes() for path in erasures.entries_of(lake)] == before


def test_it_names_nobody(lake):
    enter(lake, entry())
    (path,) = erasures.entries_of(lake)
    content = lake.filesystem.cat_file(path).decode()
    assert BOB not in content
    assert SERIAL not in content
    assert set(json.loads(content)) == {"run_id", "erased_at", "salt", "people"}
