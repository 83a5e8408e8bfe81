"""Packing: small files become few, and neither rows nor what is made of them nor readers notice."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.expressions import AlwaysFalse

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.definitions import build_definitions
from stedi_assets.lake import packing, publication
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.lineage import AWAITS, Recipe, stale_tables, version_of
from stedi_assets.lake.maintenance import erase_history, retain, unreferenced
from stedi_assets.lake.packing import FEWEST_FILES, Packed, pack
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.lake.publication import RUN_ID, PublishConflictError, Staged, new_folder
from stedi_assets.landing.ledger import Entry, amend, read_entries
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.readings_lake import LANDING, QUARANTINE, ReadingsLake, metadata, reading
from stedi_assets_tests.builders.rows import ANN, BOB, T0, customer
from stedi_assets_tests.byte_search import holding

CONTRACT = CONTRACTS["accelerometer_landing"]
MANY = FEWEST_FILES + 4


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(Settings(lake_uri=str(tmp_path)))


@pytest.fixture(params=["folder", "s3"])
def any_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return Lake(Settings(lake_uri=str(tmp_path)))
    return Lake(Settings(lake_uri=request.getfixturevalue("new_lake")(tmp_path)))


def row(number: int, text: str = "") -> dict[str, object]:
    return {
        "user": f"ann{text}@example.org",
        "person": f"ann{text}@example.org",
        "timestamp": number,
        "x": 0.5,
        "y": None,
        "z": -1.0,
        "source_file": f"accelerometer/landing/{number}.json",
        "source_position": 0,
        "ingested_at": number,
    }


def deliver(lake: Lake, number: int, rows: int = 2, **properties: str) -> None:
    """Publish a delivery's rows as a run does: a file of their own, beside the rows that are there."""
    folder = new_folder(lake, CONTRACT)
    content = pa.Table.from_pylist([row(number)] * rows, schema=CONTRACT.arrow_schema)
    with lake.filesystem.open(f"{folder}/part.parquet", "wb") as stream:
        pq.write_table(content, stream)
    staged = Staged(
        CONTRACT, lake.ensure_table(CONTRACT), folder, lake.parquet_files(folder), replaces=AlwaysFalse()
    )
    publication.publish(lake, staged, {RUN_ID: f"run {number}", **properties})


def rows_of(lake: Lake, name: str = CONTRACT.name) -> list[str]:
    return sorted(map(repr, lake.ensure_table(CONTRACTS[name]).scan().to_arrow().to_pylist()))


def data_files(lake: Lake) -> dict[str, int]:
    return dict(lake.snapshot(CONTRACT.name).files)


def test_many_small_files_become_one_with_the_same_rows(any_lake):
    lake = any_lake
    for number in range(MANY):
        deliver(lake, number)
    before, snapshot = rows_of(lake), lake.snapshot(CONTRACT.name)
    assert pack(lake, CONTRACT) == Packed(MANY, 1)
    assert rows_of(lake) == before
    after = lake.snapshot(CONTRACT.name)
    assert after.rows == snapshot.rows == 2 * MANY
    assert after.bytes < snapshot.bytes
    # Once is enough.
    assert pack(lake, CONTRACT) == Packed(1, 1)
    assert lake.snapshot(CONTRACT.name) == after


def test_few_files_stay_as_they_are(lake):
    for number in range(FEWEST_FILES - 1):
        deliver(lake, number)
    before = data_files(lake)
    assert pack(lake, CONTRACT) == Packed(len(before), len(before))
    assert data_files(lake) == before


def test_large_files_stay_as_they_are(lake, monkeypatch):
    deliver(lake, 0, rows=20_000)
    for number in range(1, MANY):
        deliver(lake, number)
    large = max(data_files(lake).values())
    monkeypatch.setattr(packing, "SMALL_BYTES", large)
    kept = next(file for file, size in data_files(lake).items() if size == large)
    assert pack(lake, CONTRACT) == Packed(MANY, 2)
    assert kept in data_files(lake)


def test_files_are_packed_up_to_a_size(lake, monkeypatch):
    for number in range(MANY):
        deliver(lake, number)
    size = max(data_files(lake).values())
    monkeypatch.setattr(packing, "_PACKED_BYTES", size * 6)
    before = rows_of(lake)
    packed = pack(lake, CONTRACT)
    assert 3 <= packed.after <= 6
    assert rows_of(lake) == before


def test_a_table_that_is_not_there_is_not_made(lake):
    assert pack(lake, CONTRACT) == Packed()
    assert not Path(lake.uri, "catalog.db").exists()


def test_a_missing_file_stops_packing_and_the_table_stays(lake):
    for number in range(MANY):
        deliver(lake, number)
    snapshot = lake.snapshot(CONTRACT.name)
    Path(lake.path(next(iter(snapshot.files)))).unlink()
    with pytest.raises(LakeError, match="1 of 20 data files are missing"):
        pack(lake, CONTRACT)
    assert lake.snapshot(CONTRACT.name) == snapshot


def test_a_run_that_publishes_meanwhile_wins(lake, monkeypatch):
    for number in range(MANY):
        deliver(lake, number)
    write = packing._write

    def meanwhile(*args):
        address = write(*args)
        deliver(lake, 1000)
        return address

    monkeypatch.setattr(packing, "_write", meanwhile)
    assert pack(lake, CONTRACT) == Packed(MANY, MANY)
    assert lake.snapshot(CONTRACT.name).rows == 2 * (MANY + 1)
    # The files that were written in vain are gone.
    assert [file for file in unreferenced(lake, CONTRACT.name) if file.path.endswith(".parquet")] == []


def test_a_reader_of_the_snapshot_before_reads_on(lake):
    for number in range(MANY):
        deliver(lake, number)
    table, before = lake.ensure_table(CONTRACT), rows_of(lake)
    pack(lake, CONTRACT)
    assert sorted(map(repr, table.scan().to_arrow().to_pylist())) == before


def test_a_withdrawal_that_is_awaited_stays_awaited(lake):
    for number in range(MANY):
        deliver(lake, number)
    deliver(lake, MANY, **{AWAITS: json.dumps({"accelerometer_quarantine": 7})})
    version = version_of(lake.ensure_table(CONTRACT).current_snapshot())
    pack(lake, CONTRACT)
    packed = lake.snapshot(CONTRACT.name)
    assert packed.awaits == {"accelerometer_quarantine": 7}
    assert packed.version == version != packed.snapshot_id


def test_the_ledger_is_packed_too(lake):
    entries = [
        Entry(f"accelerometer/landing/{number}.json", "accelerometer", "x", 1, 1, 1, 0, "{}", 1, "run")
        for number in range(MANY)
    ]
    for entry in entries:
        amend(lake, [entry])
    assert pack(lake, CONTRACTS["landing_files"]) == Packed(MANY, 1)
    assert dict(read_entries(lake, "accelerometer")) == {entry.source_file: entry for entry in entries}


def test_metadata_stays_bounded_over_many_deliveries(lake):
    assert_bounded(lake, nights=3)


@pytest.mark.prove
def test_metadata_stays_bounded_over_a_year_of_hourly_deliveries(lake):
    assert_bounded(lake, nights=365)


def assert_bounded(lake: Lake, nights: int) -> None:
    """Deliver each hour and pack each night; a night's files are all that comes."""
    folder = Path(lake.uri, CONTRACT.folder)
    for night in range(nights):
        for hour in range(24):
            deliver(lake, night * 24 + hour)
        pack(lake, CONTRACT)
        retain(lake, CONTRACT.name, keep=timedelta(0), grace=timedelta(0))
        kinds = Counter(path.suffix for path in folder.rglob("*") if path.is_file())
        # A data file; a list and at most two manifests of the one snapshot; as many metadata files as a table keeps.
        assert kinds[".parquet"] == 1
        assert kinds[".avro"] <= 3
        assert kinds[".json"] <= 22
    assert lake.snapshot(CONTRACT.name).rows == 48 * nights


def add_customer(lake: Lake, table: str, *customers: dict[str, object]) -> None:
    """Publish customers beside those that are there; none make an empty table."""
    contract = CONTRACTS[table]
    folder = new_folder(lake, contract)
    if customers:
        with lake.filesystem.open(f"{folder}/part.parquet", "wb") as stream:
            pq.write_table(pa.Table.from_pylist(list(customers), schema=contract.arrow_schema), stream)
    files = lake.parquet_files(folder)
    staged = Staged(contract, lake.ensure_table(contract), folder, files, replaces=AlwaysFalse())
    publication.publish(lake, staged, {RUN_ID: "run"})


@pytest.fixture
def consenting(lake, monkeypatch) -> Staged:
    """A result that was made from two customers in two files, and is not yet published."""
    monkeypatch.setattr(packing, "FEWEST_FILES", 2)
    add_customer(lake, "customer_quarantine")
    add_customer(lake, "customer_landing", customer(ANN))
    add_customer(lake, "customer_landing", customer(BOB))
    contract = CONTRACTS["customer_trusted"]
    made_from = PinnedSnapshots(lake, engine=None).made_from([])
    return Staged(contract, lake.ensure_table(contract), new_folder(lake, contract), (), made_from=made_from)


def test_a_run_publishes_what_it_made_before_packing_and_it_is_not_stale(lake, consenting):
    assert pack(lake, CONTRACTS["customer_landing"]) == Packed(2, 1)
    publication.publish(lake, consenting, {RUN_ID: "run"})
    recipes = {"customer_trusted": Recipe(frozenset({"customer_landing"}), {})}
    assert stale_tables(lake, recipes) == set()
    add_customer(lake, "customer_landing", customer(ANN, updated=T0 + 1, research=None))
    assert pack(lake, CONTRACTS["customer_landing"]) == Packed(2, 1)
    assert stale_tables(lake, recipes) == {"customer_trusted"}


def test_packing_hides_no_withdrawal_from_a_run_at_work(lake, consenting):
    add_customer(lake, "customer_landing", customer(BOB, updated=T0 + 1, research=None))
    assert pack(lake, CONTRACTS["customer_landing"]) == Packed(3, 1)
    with pytest.raises(PublishConflictError, match="another run published customer_landing meanwhile"):
        publication.publish(lake, consenting, {RUN_ID: "run"})


def test_no_data_of_a_person_is_left_in_packed_metadata_or_old_files(lake, consenting):
    pack(lake, CONTRACTS["customer_landing"])
    erase_history(lake, "customer_landing")
    folder = Path(lake.uri, CONTRACTS["customer_landing"].folder)
    assert len(list(folder.rglob("*.parquet"))) == 1
    assert holding(folder / "metadata", BOB) == []


def test_runs_go_on_after_packing(tmp_path, sail_engine, monkeypatch):
    """A file that changed finds its rows, the tables agree with the ledger, and nothing is read again."""
    monkeypatch.setattr(packing, "FEWEST_FILES", 2)
    readings = ReadingsLake(Graph(str(tmp_path / "lake"), sail_engine))
    for number in range(2):
        readings.deliver(f"{number}.json", lines(reading(number), b"broken"))
        readings.land()
    state = readings.landed(), readings.quarantined(), readings.ledger()
    definitions = build_definitions(readings.graph.settings, sail_engine)
    assert definitions.resolve_job_def("retention").execute_in_process().success
    lake = readings.graph.lake
    assert {name: len(lake.snapshot(name).files) for name in (LANDING, QUARANTINE, "landing_files")} == {
        LANDING: 1,
        QUARANTINE: 1,
        "landing_files": 1,
    }
    assert (readings.landed(), readings.quarantined(), readings.ledger()) == state
    quiet = readings.land()
    assert metadata(quiet, LANDING)["files_read"] == 0
    readings.deliver("0.json", lines(reading(0), reading(300)))
    readings.land()
    assert readings.landed() == [("0.json", 0), ("0.json", 300), ("1.json", 1)]
    assert readings.quarantined() == [("1.json", "broken", ["not_json"])]
