"""A person forgotten: no byte below the lake has them, everybody else has what they had, whatever goes wrong."""

import gzip
import hashlib
import hmac
import io
import json
import zipfile
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import ADDED
from stedi_assets.landing import retract
from stedi_assets.privacy import erasure
from stedi_assets.privacy.erasure import ErasureError, forget, survey
from stedi_assets.privacy.pseudonym import KEY_FINGERPRINT, fingerprint, key_file
from stedi_assets.privacy.raw_files import RewriteError, rewrite
from stedi_assets.records.content import Content, open_text
from stedi_assets.settings import Settings, SettingsError
from stedi_assets_tests.builders.files import deliver, line, lines, record
from stedi_assets_tests.builders.graph import KEY, Graph, KeptLake, checks_of
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, SERIAL_2, T0, customer, reading, step
from stedi_assets_tests.builders.three_people import (
    MARKS,
    VIC,
    VIC_NAME,
    VIC_SERIAL,
    deliver_three_people,
    runs_but_the_first,
    vic,
)
from stedi_assets_tests.byte_search import holding

CUSTOMER_KEY = hmac.new(KEY.encode(), VIC.encode(), hashlib.sha256).hexdigest()
BROKEN_OF_VIC = (
    f'{{"customerName": "{VIC_NAME}", "serialNumber": "{VIC_SERIAL}", "email": "vic.t'.encode(),
    line(vic(updated=None) | {"phone": 1}),
    f"note of {VIC.upper()}".encode(),
)
MARK = "\ufeff".encode()
BROKEN_OF_OTHERS = (b"noise", b'{"customerName": "Ann Lee", "ema')


@pytest.fixture
def graph(tmp_path, sail_engine) -> Graph:
    return Graph(str(tmp_path), sail_engine)


def forget_vic(graph: Graph, *, up_to_date: bool = False) -> erasure.Erasure:
    """Forget him; a lake that is up to date is spared the first run, which is to bring it there."""
    refresh = runs_but_the_first(graph) if up_to_date else graph.run
    return forget(graph.lake, graph.settings, [f" {VIC.upper()} "], refresh)


def deliver_in_every_shape(lake: Path) -> dict[str, tuple[bytes, bytes]]:
    """Files with records of Ann and of Vic, by source and name: as delivered, and as without Vic."""
    ann, him = line(customer()), line(vic())
    ann_reads, he_reads = (line(reading(user)) for user in (ANN, VIC))
    ann_steps, he_steps = (line(step(serial)) for serial in (SERIAL, VIC_SERIAL))
    header, csv = b"user,timestamp,x,y,z\n", f"{ANN},{T0},0.5,0.5,0.5\n".encode()
    csv_of_vic = f'"{VIC}",{T0},0.5,0.5,0.5\n'.encode()
    pretty, pretty_of_vic = (
        json.dumps(record(who), indent=2).encode() for who in (customer(), vic(updated=T0 + 1))
    )
    files = {
        "customer/lines.json": (ann + b"\n" + him + b"\n", ann + b"\n"),
        "customer/pretty.json": (pretty_of_vic + b"\n" + pretty + b"\n", pretty + b"\n"),
        "customer/others.json": (ann + b"\n", ann + b"\n"),
        "accelerometer/glued.json": (ann_reads + he_reads + ann_reads + b"\n", ann_reads + ann_reads + b"\n"),
        "accelerometer/array.json": (b"[%s, %s]" % (ann_reads, he_reads), b"[%s]" % ann_reads),
        "accelerometer/commas.json": (ann_reads + b",\n" + he_reads + b",\n", ann_reads + b",\n"),
        "accelerometer/export.csv": (header + csv_of_vic + csv, header + csv),
        "step_trainer/lines.json.gz": (ann_steps + b"\n" + he_steps + b"\n", ann_steps + b"\n"),
        "step_trainer/lines.json.bz2": (he_steps + b"\n" + ann_steps, ann_steps),
        "step_trainer/part.zst": (ann_steps + b"\n" + he_steps + b"\n", ann_steps + b"\n"),
        "step_trainer/part.xz": (he_steps + b"\n" + ann_steps, ann_steps),
        # As their first bytes say, and not as their names do.
        "accelerometer/no-gz": (ann_reads + b"\n" + he_reads + b"\n", ann_reads + b"\n"),
        "accelerometer/wide.csv": (MARK + header + csv_of_vic + csv, MARK + header + csv),
    }
    for path, (content, _) in files.items():
        source, _, name = path.partition("/")
        deliver(lake, source, packed(name, content), name)
    return files


def packed(name: str, content: bytes) -> bytes:
    return content_of(name).packed(content)


def unpacked(path: Path) -> bytes:
    content, text = open_text(io.BytesIO(path.read_bytes()), is_csv=None, is_packed=False)
    assert (content.container, content.encoding) == (
        content_of(path.name).container,
        content_of(path.name).encoding,
    )
    return text.read()


def content_of(name: str) -> Content:
    containers = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
    container = "gzip" if name == "no-gz" else containers.get(Path(name).suffix)
    return Content(container, "utf-16-le" if name == "wide.csv" else "utf-8", is_csv=False)


def others(graph: Graph) -> dict[str, list[str]]:
    """Rows of every table that are not Vic's, but for where and when they were read."""
    found = {}
    for name in CONTRACTS:
        if name != "landing_files":
            rows = [{k: v for k, v in row.items() if k not in ADDED} for row in graph.table(name)]
            marks = [mark.lower() for mark in (*MARKS, CUSTOMER_KEY, "note of")]
            found[name] = sorted(
                text for text in map(repr, rows) if not any(m in text.lower() for m in marks)
            )
    return found


def test_no_byte_of_the_person_is_left_and_no_byte_of_others_is_lost(graph, tmp_path):
    files = deliver_in_every_shape(tmp_path)
    graph.run()
    # Broken records hold him back from now on, and history has what was published of him.
    broken = lines(*BROKEN_OF_VIC, *BROKEN_OF_OTHERS, customer())
    files["customer/broken.json"] = (broken, lines(*BROKEN_OF_OTHERS, customer()))
    deliver(tmp_path, "customer", broken, "broken.json")
    graph.run()
    before = others(graph)
    assert len(graph.table("customer_quarantine")) == 5
    # What a run staged and never published.
    published = next(iter(graph.lake.snapshot("customer_landing").files)).removeprefix("file://")
    deliver(tmp_path, "customer", Path(published).read_bytes(), "x.parquet")
    staged = tmp_path / "customer" / "trusted" / "data" / "crashed" / "part.parquet"
    staged.parent.mkdir()
    (tmp_path / "customer" / "landing" / "x.parquet").rename(staged)
    assert len(holding(tmp_path, *MARKS, CUSTOMER_KEY)) > 15
    without_him, rewritten = (
        tmp_path / "customer" / "landing" / name for name in ("others.json", "lines.json")
    )
    untouched = without_him.stat()
    rewritten.chmod(0o640)

    erased = forget_vic(graph, up_to_date=True)

    assert holding(tmp_path, *MARKS, CUSTOMER_KEY) == []
    for path, (_, left) in files.items():
        source, _, name = path.partition("/")
        assert unpacked(tmp_path / source / "landing" / name) == left, path
    assert (without_him.stat().st_ino, without_him.stat().st_mtime_ns) == (
        untouched.st_ino,
        untouched.st_mtime_ns,
    )
    assert rewritten.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in rewritten.parent.iterdir() if path.name.startswith(".")] == []
    assert others(graph) == before
    assert erased.found.rows == {
        "customer_landing": 2,
        "customer_quarantine": 3,
        "accelerometer_landing": 6,
        "step_trainer_landing": 4,
    }
    assert sum(erased.found.records.values()) == 15
    assert erased.found.records["customer/landing/broken.json"] == 3
    assert (erased.mentions, erased.unreadable) == ({}, [])
    assert erased.nameless == {"customer/landing/broken.json": 2}
    assert erased.history.snapshots > 0
    # Nothing is out of step: a run after it finds nothing to do.
    snapshots = {name: graph.snapshots()[name] for name in CONTRACTS if "landing" in name}
    graph.run()
    assert {name: graph.snapshots()[name] for name in snapshots} == snapshots


def test_readings_of_a_shared_device_stay_and_are_counted(graph, tmp_path):
    deliver(tmp_path, "customer", [customer(serial=VIC_SERIAL), vic(), vic(serial=SERIAL)])
    deliver(tmp_path, "accelerometer", [reading(VIC), reading(ANN)])
    deliver(tmp_path, "step_trainer", [step(VIC_SERIAL), step(VIC_SERIAL, T0 + 1), step(SERIAL)])
    erased = forget_vic(graph)
    assert (erased.found.shared_devices, erased.found.shared_readings) == (1, 2)
    assert erased.found.rows["step_trainer_landing"] == 1
    assert holding(tmp_path, VIC, VIC_NAME, SERIAL) == []
    assert [row["serialNumber"] for row in graph.table("step_trainer_landing")] == [VIC_SERIAL] * 2
    # They may be his still, and he consents no more.
    assert graph.table("step_trainer_trusted") == []


NEILL = "neill@x.org"
OTHER_NEILLS = ("o'neill@x.org", "éneill@x.org", "bob&neill@x.org", "neill@x.org_x")


def refused(email: str, **fields: str) -> bytes:
    """A customer record that its reader quarantines, since no phone is an object."""
    return json.dumps({"customerName": "Ann Lee", "email": email, "phone": {}} | fields).encode()


def test_of_quarantined_records_only_the_persons_own_go(graph, tmp_path):
    """Every record has the person's name; addresses that contain the person's are other people's."""
    own = (
        refused(f" {NEILL.upper()}\u200b"),
        b'{"customerName": "Ann Lee", "serialNumber": "%s", "ema' % SERIAL.encode(),
    )
    nameless = b'{"customerName": "Ann Lee", "ema'
    others = [refused(email, serialNumber=SERIAL_2) for email in (*OTHER_NEILLS, BOB)]
    file = deliver(tmp_path, "customer", lines(own[0], *others, own[1], nameless))
    deliver(tmp_path, "customer", [customer(NEILL)], "landed.json")
    erased = forget(graph.lake, graph.settings, [f"<mailto:{NEILL.title()}>;"], graph.run)
    assert file.read_bytes() == lines(*others, nameless)
    assert erased.found.records == {"customer/landing/1.json": 2, "customer/landing/landed.json": 1}
    assert erased.found.shared_devices == 0
    # Nobody can tell whose this one is: somebody should look.
    assert erased.nameless == {"customer/landing/1.json": 1}
    assert erased.mentions == {}


def test_a_person_who_is_in_quarantine_alone_is_erased(graph, tmp_path):
    deliver_three_people(tmp_path)
    deliver(
        tmp_path,
        "customer",
        lines(customer(), refused(VIC, serialNumber=f" {VIC_SERIAL.upper()} ", customerName=VIC_NAME)),
    )
    erased = forget_vic(graph)
    assert erased.found.rows == {
        "customer_quarantine": 1,
        "accelerometer_landing": 5,
        "step_trainer_landing": 5,
    }
    assert holding(tmp_path, *MARKS) == []
    assert len(graph.table("step_trainer_landing")) == 10


def test_files_that_were_taken_back_are_erased_from_too_and_stay_taken_back(graph, tmp_path):
    deliver_three_people(tmp_path)
    deliver(tmp_path, "customer", [vic(updated=T0 + 1, research=None), customer(updated=T0 - 1)], "2.json")
    deliver(tmp_path, "accelerometer", [reading(VIC, T0 + 9), reading(at=T0 + 9)], "2.json")
    graph.run()
    paths = ["customer/landing/2.json", "accelerometer/landing/2.json"]
    retract.retract(graph.lake, retract.plan(graph.lake, paths), "officer", "why")
    graph.run()
    # His withdrawal stays in force until he is forgotten.
    assert [row["person"] for row in graph.table("customer_landing")].count(VIC) == 2

    forget_vic(graph)

    assert holding(tmp_path, *MARKS) == []
    assert (tmp_path / paths[1]).read_bytes() == lines(reading(at=T0 + 9))
    graph.run()
    assert {row["source_file"] for row in graph.table("customer_landing")} == {"customer/landing/1.json"}
    assert len(graph.table("accelerometer_landing")) == 10
    taken_back = {row["source_file"] for row in graph.table("landing_files") if row["retracted_at"]}
    assert taken_back == set(paths)


def test_a_person_who_is_held_back_is_erased(graph, tmp_path):
    deliver_three_people(tmp_path)
    deliver(
        tmp_path,
        "customer",
        [vic(updated=T0 + 1) | {"shareWithResearchAsOfDate": "no"}],
        "withdrawal.json",
    )
    graph.run()
    assert VIC not in {row["email"] for row in graph.table("customer_trusted")}
    forget_vic(graph, up_to_date=True)
    assert holding(tmp_path, *MARKS) == []
    assert [row["email"] for row in graph.table("customer_trusted")] == [ANN]


def test_a_co_owner_who_is_in_quarantine_alone_keeps_the_readings_of_a_device(graph, tmp_path):
    deliver_three_people(tmp_path)
    deliver(tmp_path, "customer", lines(refused(BOB, serialNumber=VIC_SERIAL)), "broken.json")
    erased = forget_vic(graph)
    assert (erased.found.shared_devices, erased.found.shared_readings) == (1, 5)
    assert [row["device"] for row in graph.table("step_trainer_landing")].count(VIC_SERIAL) == 5


def test_a_record_that_holds_somebody_else_back_stops_it_before_anything_changes(graph, tmp_path):
    """Damage made one record of two: without it, whoever it may withdraw would be published."""
    deliver_three_people(tmp_path)
    withdrawal = line(customer(updated=T0 + 1, research=None))
    deliver(tmp_path, "customer", b'{"email": "%s", "phone": %s}' % (VIC.encode(), withdrawal), "torn.json")
    graph.run()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(
        ErasureError, match=r"customer/landing/torn\.json: .* names the person together"
    ) as told:
        forget_vic(graph, up_to_date=True)
    assert not any(mark in str(told.value) for mark in (ANN, *MARKS))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    deliver(tmp_path, "customer", b'{"email": "%s"}\n%s' % (VIC.encode(), withdrawal), "torn.json")
    forget_vic(graph)
    assert holding(tmp_path, *MARKS) == []
    assert graph.table("customer_trusted") == []


@pytest.mark.parametrize(
    ("source", "record"),
    [
        ("customer", b'{"email": "%s", "phone": {}, "customerName": "dan@example.org"}'),
        ("customer", b'{"email": "%s", "phone": {}, "serialNumber": "' + SERIAL.encode() + b'"}'),
        ("accelerometer", b'{"user": "%s", "timestamp": 1, "x": {"user": "dan@example.org"}}'),
    ],
)
def test_a_record_that_may_be_anothers_stops_it_though_the_other_never_landed(
    graph, tmp_path, source, record
):
    deliver_three_people(tmp_path)
    deliver(tmp_path, source, record % VIC.encode(), "torn.json")
    with pytest.raises(ErasureError, match=rf"{source}/landing/torn\.json: .* names the person together"):
        forget_vic(graph)


def test_a_record_that_names_nobody_stays_if_one_of_its_devices_is_anothers(graph, tmp_path):
    deliver_three_people(tmp_path)
    record = b'{"serialNumber": "%s", "was": {"serialNumber": "SN-77"}}\n' % VIC_SERIAL.encode()
    file = deliver(tmp_path, "customer", record, "nameless.json")
    erased = forget_vic(graph)
    assert file.read_bytes() == record
    assert erased.nameless == {"customer/landing/nameless.json": 1}


def test_of_staged_leftovers_only_those_go_that_may_hold_the_person(three_people):
    """A run that was killed left them: of others, of the person, in columns of an earlier version, and torn."""
    lake = three_people.lake
    folder = Path(three_people.lake_uri, "accelerometer", "ingested", "data", "left")
    folder.mkdir()
    contract = CONTRACTS["accelerometer_landing"]
    rows = {
        email: pa.Table.from_pylist([reading(email) | {"person": email}], schema=contract.arrow_schema)
        for email in (ANN, VIC)
    }
    pq.write_table(rows[ANN], folder / "other.parquet")
    pq.write_table(rows[VIC], folder / "own.parquet")
    pq.write_table(rows[ANN].drop_columns(["person"]), folder / "earlier.parquet")
    (folder / "torn.parquet").write_bytes(b"PAR1")
    forget(lake, three_people.settings, [VIC], runs_but_the_first(three_people))
    assert [path.name for path in folder.iterdir()] == ["other.parquet"]


def test_rows_of_files_that_are_gone_are_erased_too(graph, tmp_path):
    deliver_three_people(tmp_path)
    deliver(
        tmp_path,
        "customer",
        lines(vic(updated=T0 - 1), customer(updated=T0 - 1), BROKEN_OF_VIC[0]),
        "gone.json",
    )
    gone = [
        deliver(tmp_path, "accelerometer", [reading(VIC, T0 + 9), reading(ANN, T0 + 9)], "gone.json"),
        tmp_path / "customer" / "landing" / "gone.json",
    ]
    graph.run()
    before = others(graph)
    contents = [file.read_bytes() for file in gone]
    for file in gone:
        file.unlink()
    forget_vic(graph)
    assert holding(tmp_path, *MARKS) == []
    assert others(graph) == before
    entries = {row["source_file"]: row for row in graph.table("landing_files")}
    of_gone = entries["customer/landing/gone.json"]
    assert (of_gone["records"], of_gone["landed"], of_gone["quarantined"]) == (1, 1, 0)
    # Tables and ledger agree: what is delivered next is held against them, and lands.
    deliver(tmp_path, "customer", [customer("new@example.org")], "new.json")
    result = graph.run()
    assert checks_of(result, "customer_landing")["row_count"].passed
    # Should the files come back, they are read without him, and he can be erased from them, too.
    for file, content in zip(gone, contents, strict=True):
        file.write_bytes(content)
    graph.run()
    assert holding(tmp_path, *MARKS) == ["accelerometer/landing/gone.json", "customer/landing/gone.json"]
    forget_vic(graph, up_to_date=True)
    assert holding(tmp_path, *MARKS) == []


def test_files_that_need_a_look_are_reported(graph, tmp_path):
    """Those that nobody can read, and those with the address in other people's records or that are never read."""
    deliver_three_people(tmp_path)
    deliver(tmp_path, "accelerometer", gzip.compress(b"cut")[:-1], "bad.json.gz")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("1.json", lines(vic()))
    deliver(tmp_path, "accelerometer", archive.getvalue()[:-30], "bad.zip")
    deliver(tmp_path, "customer", [customer() | {"friend": f"<{VIC}>"}], "friend.json")
    deliver(tmp_path, "customer", f"{VIC}, again {VIC}".encode(), "_notes.txt")
    deliver(tmp_path, "customer", [customer(f"x{VIC}")], "longer.json")
    erased = forget_vic(graph)
    assert erased.found.files_not_read == ["accelerometer/landing/bad.json.gz"]
    assert erased.unreadable == ["accelerometer/landing/bad.json.gz", "accelerometer/landing/bad.zip"]
    assert erased.mentions == {"customer/landing/friend.json": 1, "customer/landing/_notes.txt": 2}
    assert len(graph.table("customer_landing")) == 4


def test_a_file_that_cannot_be_rewritten_stops_it_and_nothing_changes_in_that_file(graph, tmp_path):
    deliver_three_people(tmp_path)
    tied = b'{"n": ' + line(vic()) + line(customer()) + b"}\n"
    file = deliver(tmp_path, "customer", tied, "tied.json")
    with pytest.raises(RewriteError, match=r"customer/landing/tied\.json is so damaged") as refused:
        forget_vic(graph)
    assert not any(mark in str(refused.value) for mark in MARKS)
    assert file.read_bytes() == tied


def test_rows_of_a_parquet_file_go_and_the_others_stay(graph, tmp_path):
    deliver_three_people(tmp_path)
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([vic(), customer()]), content)
    file = deliver(tmp_path, "customer", content.getvalue(), "export.parquet")
    forget_vic(graph)
    assert pq.read_table(file).to_pylist() == [customer()]
    assert not any(mark.encode() in file.read_bytes() for mark in MARKS)


def test_somebody_unknown_is_no_error(three_people):
    before = others(three_people)
    erased = forget(three_people.lake, three_people.settings, ["nobody@example.org"], three_people.run)
    assert erased.found.rows == {}
    assert others(three_people) == before
    assert holding(Path(three_people.lake_uri), VIC)


def test_a_survey_of_files_that_no_run_has_read_changes_nothing(graph, tmp_path):
    deliver_three_people(tmp_path)
    found = survey(graph.lake, graph.settings, [VIC])
    assert (found.rows, len(found.files_not_read)) == ({}, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"customer", "accelerometer", "step_trainer"}


def test_a_survey_changes_nothing(three_people):
    lake = Path(three_people.lake_uri)
    before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    found = survey(three_people.lake, three_people.settings, [VIC])
    assert found.rows["customer_landing"] == 1
    assert found.files_not_read == []
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("key", [None, "another key of 24 letters"])
def test_without_the_key_of_the_pseudonyms_nobody_is_found_so_that_nothing_begins(
    three_people, monkeypatch, key
):
    monkeypatch.delenv("STEDI_PSEUDONYM_KEY", raising=False)
    lake = Path(three_people.lake_uri)
    table = three_people.lake.find_table("machine_learning_curated")
    own = {KEY_FINGERPRINT: fingerprint(KEY.encode())}
    with table.transaction() as transaction, transaction.update_snapshot(own).fast_append():
        pass
    settings = Settings(lake_uri=str(lake), pseudonym_key=key)
    for begin in (survey, partial(forget, refresh=lambda: None)):
        with pytest.raises(SettingsError, match="machine_learning_curated were made with another key"):
            begin(three_people.lake, settings, [VIC])
    assert holding(lake, VIC)
    assert not key_file(settings).exists()


class FaultError(Exception):
    """What a test makes go wrong."""


@pytest.fixture(scope="module")
def with_a_file_gone(sail_engine, tmp_path_factory) -> KeptLake:
    """A lake up to date, with broken records of Vic, and with rows of him from a file that is gone."""
    lake = tmp_path_factory.mktemp("gone") / "lake"
    deliver_three_people(lake)
    deliver(lake, "customer", lines(*BROKEN_OF_VIC, *BROKEN_OF_OTHERS), "broken.json")
    gone = deliver(lake, "accelerometer", [reading(VIC, T0 + 9), reading(ANN, T0 + 9)], "gone.json")
    graph = Graph(str(lake), sail_engine)
    graph.run()
    gone.unlink()
    graph.run()
    return KeptLake(graph)


def fail_at(monkeypatch, name: str, call: int, *, after: bool = False) -> None:
    """Let the call of that number of a function of the erasure fail, before or after it does its work."""
    module = erasure.ledger if name == "amend" else erasure
    function, calls = getattr(module, name), []

    def failing(*arguments, **more):
        calls.append(name)
        if len(calls) == call and not after:
            raise FaultError
        result = function(*arguments, **more)
        if len(calls) == call:
            raise FaultError
        return result

    monkeypatch.setattr(module, name, failing)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            {"name": "amend", "call": 1},
            id="rows of a file that is gone deleted, ledger as it was",
            marks=pytest.mark.prove,
        ),
        pytest.param({"name": "rewrite", "call": 1, "after": True}, id="first file rewritten"),
        pytest.param(
            {"name": "rewrite", "call": 3, "after": True},
            id="quarantined customers rewritten",
            marks=pytest.mark.prove,
        ),
        pytest.param({"name": "erase_history", "call": 4, "after": True}, id="history of some tables erased"),
    ],
)
def test_after_a_fault_the_next_attempt_finishes(with_a_file_gone, monkeypatch, fault):
    graph = with_a_file_gone.graph()
    lake, before = Path(graph.lake_uri), others(graph)
    with monkeypatch.context() as faulty:
        fail_at(faulty, **fault)
        with pytest.raises(FaultError):
            forget_vic(graph, up_to_date=True)
    assert others(graph) == before
    forget_vic(graph)
    assert holding(lake, *MARKS, CUSTOMER_KEY) == []
    assert others(graph) == before
    graph.run()
    assert others(graph) == before


def test_a_fault_while_tables_are_refreshed(three_people):
    graph, lake = three_people, Path(three_people.lake_uri)
    runs = []

    def refresh() -> None:
        runs.append(1)
        # The lake is up to date at first. The customers are published without the person, and then the run dies.
        if len(runs) == 2:
            graph.run("customer_landing", "customer_quarantine")
            raise FaultError
        if len(runs) > 2:
            graph.run()

    with pytest.raises(FaultError):
        forget(graph.lake, graph.settings, [VIC], refresh)
    assert holding(lake / "step_trainer" / "ingested", VIC_SERIAL)
    forget(graph.lake, graph.settings, [VIC], refresh)
    assert holding(lake, *MARKS, CUSTOMER_KEY) == []


def test_a_person_who_is_delivered_again_meanwhile_is_no_success(three_people):
    runs = []

    def refresh() -> None:
        runs.append(1)
        # The lake is up to date at first.
        if len(runs) == 2:
            deliver(Path(three_people.lake_uri), "customer", [vic()], "again.json")
            three_people.run()

    with pytest.raises(ErasureError, match=r"records are left in customer/landing/again\.json") as failed:
        forget(three_people.lake, three_people.settings, [VIC], refresh)
    assert not any(mark in str(failed.value) for mark in MARKS)


def test_a_file_that_changes_meanwhile_is_not_overwritten(three_people, monkeypatch):
    file = Path(three_people.lake_uri) / "customer" / "landing" / "1.json"

    def delivered_first(lake, source, listed, doomed):
        file.write_bytes(file.read_bytes() + lines(customer("new@example.org")))
        rewrite(lake, source, listed, doomed)

    monkeypatch.setattr(erasure, "rewrite", delivered_first)
    with pytest.raises(RewriteError, match="changed while"):
        forget_vic(three_people, up_to_date=True)
    assert b"new@example.org" in file.read_bytes()
