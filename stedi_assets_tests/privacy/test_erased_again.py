"""Erased stays erased: what is delivered or restored afterwards is counted, and kept nowhere."""

import gzip
import json
import shutil
from pathlib import Path

import fsspec
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake import publication
from stedi_assets.lake.erasures import Entry, ErasedPerson, enter, read_register
from stedi_assets.lake.publication import PublishConflictError
from stedi_assets.landing.ingest import ingest
from stedi_assets.landing.ledger import read_entries
from stedi_assets.privacy import erasure
from stedi_assets.privacy.erasure import forget, survey
from stedi_assets.privacy.pseudonym import retire_pseudonyms
from stedi_assets.records.erased import mark
from stedi_assets.verification.verify import verify
from stedi_assets_tests.builders.daemon import Daemon
from stedi_assets_tests.builders.derived import DERIVED
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph, KeptLake, checks_of, failures
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, T0, customer, reading, step
from stedi_assets_tests.builders.three_people import (
    MARKS,
    VIC,
    VIC_SERIAL,
    deliver_three_people,
    runs_but_the_first,
    vic,
)
from stedi_assets_tests.byte_search import holding
from stedi_assets_tests.shares import share

LANDING = ("customer_landing", "accelerometer_landing", "step_trainer_landing")


@pytest.fixture(scope="module")
def kept(sail_engine, tmp_path_factory) -> KeptLake:
    """Three people, of whom Vic was erased, in a folder."""
    lake = tmp_path_factory.mktemp("erased") / "lake"
    deliver_three_people(lake)
    graph = Graph(str(lake), sail_engine)
    graph.run()
    forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    return KeptLake(graph)


@pytest.fixture
def graph(kept) -> Graph:
    return kept.graph()


@pytest.fixture
def folder(graph) -> Path:
    return Path(graph.lake_uri)


@pytest.fixture(params=share(["folder", "bucket"], "folder"))
def anywhere(request, sail_engine, tmp_path) -> Graph:
    """The same in a folder and in a bucket."""
    if request.param == "folder":
        return request.getfixturevalue("graph")
    deliver_three_people(tmp_path / "lake")
    graph = Graph(request.getfixturevalue("new_lake")(tmp_path / "lake"), sail_engine)
    graph.run()
    forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    return graph


def verified(graph: Graph) -> dict[str, str]:
    """What ``stedi verify`` says of erased people, and of whatever is broken."""
    findings = list(verify(graph.lake, graph.settings))
    return {each.name: each.state for each in findings if each.name == "erased" or each.state == "broken"}


def people_in_derived_tables(graph: Graph) -> set[str]:
    """Who is in a trusted or curated table; a pair says nothing but its pseudonym."""
    tables = ("customer_trusted", "accelerometer_trusted", "customer_curated")
    return {row["person"] for table in tables for row in graph.table(table)}


def put(graph: Graph, source: str, name: str, content: bytes) -> str:
    """Deliver a file to a lake in a folder or in a bucket."""
    path = f"{graph.lake_uri}/{source}/landing/{name}"
    filesystem, _ = fsspec.url_to_fs(path)
    filesystem.pipe_file(path, content)
    return path


def content_of(graph: Graph, path: str) -> bytes:
    return graph.lake.filesystem.cat_file(path)


def test_records_from_before_are_counted_and_kept_nowhere(anywhere):
    graph = anywhere
    before = graph.rows()
    now = read_register(graph.lake).entries[0].erased_at
    backup = [
        put(
            graph,
            "customer",
            "backup.json",
            lines(vic(), customer(updated=T0 - 1), b'{"email": "%s", "x' % VIC.encode()),
        ),
        put(
            graph,
            "accelerometer",
            "backup.json",
            lines(*(reading(VIC.upper(), T0 + n) for n in range(5)), reading(ANN, T0 + 9)),
        ),
        put(graph, "step_trainer", "backup.json", lines(step(VIC_SERIAL), step(SERIAL, T0 + 9))),
    ]
    result = graph.run()

    added = {name: graph.rows()[name] - before[name] for name in LANDING}
    assert added == dict.fromkeys(LANDING, 1)
    assert graph.table("customer_quarantine") == []
    entries = read_entries(graph.lake, "customer") | read_entries(graph.lake, "accelerometer")
    entry = entries["customer/landing/backup.json"]
    assert (entry.records, entry.landed, entry.quarantined, entry.erased) == (3, 1, 0, 2)
    assert entries["accelerometer/landing/backup.json"].erased == 5
    check = checks_of(result, "customer_landing")["row_count"]
    assert check.passed
    assert "2 of people who were erased were not kept" in check.description
    assert not any(mark in json.dumps({k: str(v) for k, v in check.metadata.items()}) for mark in MARKS)

    # The raw files have her still: to forget her again cleans them, too, and nobody else's record goes.
    assert survey(graph.lake, graph.settings, [VIC]).again == {
        "accelerometer/landing/backup.json": 5,
        "customer/landing/backup.json": 2,
        "step_trainer/landing/backup.json": 1,
    }
    erased = forget(graph.lake, graph.settings, [VIC], graph.run)
    assert erased.mentions == {}
    assert [content_of(graph, path) for path in backup] == [
        lines(customer(updated=T0 - 1)),
        lines(reading(ANN, T0 + 9)),
        lines(step(SERIAL, T0 + 9)),
    ]
    assert {name: graph.rows()[name] - before[name] for name in LANDING} == added
    # Nothing was in the tables, so that no second entry was needed.
    assert [one.erased_at for one in read_register(graph.lake).entries] == [now]


def test_another_spelling_in_another_file_brings_nobody_back(graph):
    before = graph.rows()
    spelled = [VIC.upper(), f" {VIC}\u200b", f"mailto:{VIC}", f'"{VIC}";']
    put(graph, "customer", "renamed.json", lines(*(vic() | {"email": each} for each in spelled)))
    put(
        graph,
        "accelerometer",
        "packed.json.gz",
        gzip.compress(lines(*(reading(each, T0) for each in spelled))),
    )
    graph.run()
    assert graph.rows() == before
    assert graph.table("customer_quarantine") == []
    assert verified(graph) == {"erased": "holds"}


def test_who_registers_anew_is_a_new_customer_until_erased_again(graph):
    at = read_register(graph.lake).entries[0].erased_at
    put(graph, "customer", "new.json", lines(vic(updated=at, research=at)))
    put(graph, "accelerometer", "new.json", lines(reading(VIC, at), reading(VIC, T0)))
    put(graph, "step_trainer", "new.json", lines(step(VIC_SERIAL, at), step(VIC_SERIAL, T0)))
    graph.run()
    # Ann's five pairs, and the one of after the new registration.
    assert len(graph.table("machine_learning_curated")) == 6
    forget(graph.lake, graph.settings, [VIC], graph.run)
    assert len(graph.table("machine_learning_curated")) == 5
    put(graph, "customer", "new.json", lines(vic(updated=at, research=at)))
    graph.run()
    assert [row["person"] for row in graph.table("customer_trusted")] == [ANN]


def test_who_was_erased_withholds_a_shared_device_still(graph):
    """Bob, who refused consent, shares a device with Ann: erasing him must not publish its readings."""
    put(graph, "customer", "shared.json", lines(customer(BOB, serial=SERIAL, research=None)))
    graph.run()
    assert graph.table("step_trainer_trusted") == []
    forget(graph.lake, graph.settings, [BOB], graph.run)
    assert [row["person"] for row in graph.table("customer_curated")] == [ANN]
    result = graph.run("step_trainer_trusted", "machine_learning_curated")
    assert graph.table("step_trainer_trusted") == graph.table("machine_learning_curated") == []
    assert all(check.passed for check in checks_of(result, "step_trainer_trusted").values())
    assert verified(graph) == {"erased": "holds"}
    # He is no record that somebody could settle.
    assert all(check.passed for check in checks_of(graph.run(), "customer_trusted").values())


def test_a_landing_run_that_began_before_an_erasure_publishes_nothing_of_it(graph, monkeypatch):
    """The run has staged Bob's records; he is erased; then the run comes to publish."""
    lake = graph.lake
    put(graph, "customer", "again.json", lines(customer(BOB, updated=T0 + 1)))
    base = {kind: lake.ensure_table(CONTRACTS[f"customer_{kind}"]) for kind in ("landing", "quarantine")}
    found = ingest(lake, graph.engine, "customer", base, read_register(lake), full_refresh=False)
    assert found.counts.landed == 1
    graph.lake.filesystem.rm_file(f"{graph.lake_uri}/customer/landing/again.json")
    forget(lake, graph.settings, [BOB], graph.run)
    with pytest.raises(PublishConflictError):
        publication.publish(lake, found.staged["landing"], {"stedi.run-id": "late"})
    assert BOB not in {row["person"] for row in graph.table("customer_landing")}


class KilledError(BaseException):
    """A process that dies."""


def test_killed_behind_the_register_the_next_attempt_finishes(sail_engine, tmp_path, monkeypatch):
    deliver_three_people(tmp_path)
    graph = Graph(str(tmp_path), sail_engine)
    graph.run()

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "_delete_leftovers", killed)
        with pytest.raises(KilledError):
            forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    assert read_register(graph.lake).version == 1
    assert erasure.is_unfinished(graph.lake, [VIC])
    assert verified(graph) == {"erased": "waits"}
    # Whatever runs meanwhile keeps working, without her: nothing new has landed, and the tables are made anew.
    graph.run()
    assert people_in_derived_tables(graph) == {ANN}
    assert len(graph.table("machine_learning_curated")) == 5
    assert verified(graph) == {"erased": "waits"}
    deliver(tmp_path, "accelerometer", [reading(ANN, T0 + 9)], "more.json")
    graph.run()
    forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    assert holding(tmp_path, *MARKS) == []
    (first, second) = read_register(graph.lake).entries
    assert first.people[0].person == second.people[0].person
    assert not erasure.is_unfinished(graph.lake, [VIC])
    assert len(graph.table("accelerometer_trusted")) == 6
    assert verified(graph) == {"erased": "holds"}


def test_killed_behind_the_register_enforcement_takes_the_person_out(three_people, monkeypatch):
    """No run of the graph is needed for it, nor any record that has landed; and the sensor asks for a run."""
    graph = three_people
    daemon = Daemon(graph.settings, graph.engine)
    assert daemon.skips()
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "_delete_leftovers", lambda *_: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    assert VIC in people_in_derived_tables(graph)
    daemon.tick()  # The sensor asks at the second look.
    assert daemon.requested() == set(DERIVED)
    assert daemon.definitions.resolve_job_def("enforce_consent").execute_in_process().success
    assert people_in_derived_tables(graph) == {ANN}
    assert len(graph.table("machine_learning_curated")) == 5


def test_an_entry_is_noticed_whose_erasure_died_right_behind_it(three_people, monkeypatch):
    """The sensor looked between the announcement and the entry, found nothing to do, and must look again."""
    graph = three_people
    daemon = Daemon(graph.settings, graph.engine)
    assert daemon.skips()

    def entered_after_a_tick(*arguments: object) -> None:
        assert "an erasure has begun" in daemon.tick().skip_message
        enter(*arguments)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "enter", entered_after_a_tick)
        with pytest.raises(KilledError):
            forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    daemon.tick()  # The sensor asks at the second look.
    assert daemon.requested() == set(DERIVED)


def test_a_table_is_not_made_from_one_that_knows_nothing_of_an_erasure(three_people):
    enter(
        three_people.lake, Entry("forget-1", T0 + 1, "salt", (ErasedPerson(mark("salt", VIC), (), (), 1, 1),))
    )
    (told,) = failures(three_people.run("accelerometer_trusted", ok=False))
    assert "customer_trusted was not made from the register of erasures as it is now" in told


def test_two_erasures_at_once_leave_nobody_of_either(three_people):
    """The second begins and ends within the first, behind the first one's entry."""
    graph, runs = three_people, []

    def refresh() -> None:
        runs.append(len(runs))
        if runs == [0, 1]:
            forget(graph.lake, graph.settings, [ANN], graph.run)
        graph.run()

    forget(graph.lake, graph.settings, [VIC], refresh)
    assert read_register(graph.lake).version == 2
    assert holding(Path(graph.lake_uri), ANN, *MARKS) == []
    assert verified(graph) == {"erased": "holds"}


class TestADamagedRegister:
    """Nobody knows who was erased, so that nothing is read and nothing is published, until it is restored."""

    @pytest.mark.parametrize("damage", ["missing", "emptied", "cut", "no folder"])
    def test_it_stops_every_run_and_says_what_to_restore(self, graph, folder, damage):
        deliver(folder, "customer", [vic()], "backup.json")
        deliver(folder, "step_trainer", [step(VIC_SERIAL)], "backup.json")
        before, register = graph.snapshots(), folder / "erasures"
        (entry,) = register.glob("*.json")
        kept = entry.read_bytes()
        if damage == "cut":
            entry.write_bytes(kept[:40])
        elif damage == "emptied":
            entry.unlink()
        else:
            shutil.rmtree(register)
        if damage == "no folder":
            register.touch()
        told = failures(graph.run(ok=False))
        assert told
        assert all("erasures" in each for each in told), told
        assert graph.snapshots() == before
        if damage == "no folder":
            register.unlink()
        register.mkdir(exist_ok=True)
        entry.write_bytes(kept)
        graph.run()
        assert VIC not in {row["person"] for row in graph.table("customer_landing")}
        assert len(graph.table("step_trainer_landing")) == 10


def test_a_catalog_from_before_the_erasure_brings_nobody_back(sail_engine, tmp_path):
    deliver_three_people(tmp_path / "lake")
    graph = Graph(str(tmp_path / "lake"), sail_engine)
    graph.run()
    shutil.copytree(tmp_path / "lake", tmp_path / "backup")
    forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    # Raw files, tables and catalog come from the backup, and the register stays.
    shutil.copytree(tmp_path / "backup", tmp_path / "lake", dirs_exist_ok=True)
    assert VIC in people_in_derived_tables(graph)
    # Before anybody has read the raw files again, no table but those of landing has her.
    graph.run()
    assert people_in_derived_tables(graph) == {ANN}
    assert verified(graph) == {"erased": "broken"}
    graph.run(full_refresh=True)
    assert verified(graph) == {"erased": "holds"}
    for table in ("customer_landing", "accelerometer_landing", "customer_trusted", "accelerometer_trusted"):
        assert VIC not in {row["person"] for row in graph.table(table)}, table
    assert len(graph.table("step_trainer_landing")) == 10


def test_a_changed_key_of_pseudonyms_undoes_no_erasure(graph):
    put(graph, "customer", "backup.json", lines(vic()))
    retire_pseudonyms(graph.lake)
    graph.policies["pseudonym_key"] = "another key of 24 letters"
    graph.run()
    assert [row["person"] for row in graph.table("customer_trusted")] == [ANN]
