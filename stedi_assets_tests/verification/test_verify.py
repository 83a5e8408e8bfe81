"""``stedi verify``: a sound lake holds, and each kind of damage is found, by name and without a person's data."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.expressions import AlwaysFalse, And, EqualTo

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake import publication
from stedi_assets.lake.lineage import own_properties
from stedi_assets.lake.publication import Staged, new_folder
from stedi_assets.landing import ledger
from stedi_assets.verification.verify import verify
from stedi_assets_tests.builders.files import deliver, line
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import ANN, BOB, T0, reading
from stedi_assets_tests.builders.three_people import MARKS, VIC, vic
from stedi_assets_tests.shares import share


def found(graph: Graph) -> dict[str, str]:
    """What does not hold, by name, with its state."""
    return {
        finding.name: finding.state
        for finding in verify(graph.lake, graph.settings)
        if finding.state != "holds"
    }


def put_in_place(graph: Graph, name: str, rows: list[dict], replaces=None) -> None:
    """Publish rows behind the product's back, under the record of the snapshot that is there."""
    lake, contract = graph.lake, CONTRACTS[name]
    table = lake.ensure_table(contract)
    folder = new_folder(lake, contract)
    if rows:
        with lake.filesystem.open(f"{folder}/part.parquet", "wb") as stream:
            pq.write_table(pa.Table.from_pylist(rows, schema=contract.arrow_schema), stream)
    properties = own_properties(table.current_snapshot())
    staged = Staged(contract, table, folder, lake.parquet_files(folder), replaces=replaces or AlwaysFalse())
    publication.publish(lake, staged, properties)


def test_a_sound_lake_holds(three_people):
    findings = list(verify(three_people.lake, three_people.settings))
    assert [finding for finding in findings if finding.state != "holds"] == []
    messages = {finding.name: finding.message for finding in findings}
    assert messages["conservation"] == "33 records read, each in landing or in quarantine"
    assert messages["customer lines"].startswith("3 records on lines of 1 of 1 raw file read again")
    assert messages["customer_trusted rows"] == "2 rows, equal to what DuckDB computes"
    assert messages["machine_learning_curated rows"] == "10 rows, equal to what DuckDB computes"


def test_pages_of_an_api_hold(three_people):
    """Each line wraps records, and is none."""
    one, two = (line(reading(ANN, at)) for at in (T0 + 10, T0 + 11))
    pages = b'{"Items": [%s, %s]}\n{"Items": [%s]}\n' % (one, two, one)
    deliver(Path(three_people.lake_uri), "accelerometer", pages, "pages.json")
    three_people.run()
    assert found(three_people) == {}


@pytest.mark.parametrize(
    "policies",
    share(
        [
            {"consent_from_date": True},
            {"ml_match": "timestamp"},
            {"consent_from_date": True, "ml_match": "timestamp"},
        ],
        {"consent_from_date": True, "ml_match": "timestamp"},
    ),
)
def test_a_lake_under_other_policies_is_held_to_them(three_people, policies):
    graph = Graph(three_people.lake_uri, three_people.engine, policies)
    graph.run()
    assert found(graph) == {}
    told = {finding.name: finding for finding in verify(graph.lake, three_people.settings)}
    assert told["fresh"].state == "waits"
    assert "customer_trusted was made under other policies than those in force" in told["fresh"].message


def test_a_lake_in_a_bucket_holds(three_people, new_lake, sail_engine):
    graph = Graph(new_lake(Path(three_people.lake_uri)), sail_engine)
    graph.run()
    assert found(graph) == {}


def test_what_waits_for_a_run_waits(three_people):
    deliver(Path(three_people.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    assert found(three_people) == {"customer files": "waits"}
    three_people.run("customer_landing", "customer_quarantine")
    waits = found(three_people)
    assert set(waits.values()) == {"waits"}
    assert {"fresh", "customer_trusted consent", "machine_learning_curated consent"} <= waits.keys()
    three_people.run()
    assert found(three_people) == {}
    told = {finding.name: finding.message for finding in verify(three_people.lake, three_people.settings)}
    assert "at most 1 person without consent in one" in told["customer_trusted history"]


@pytest.mark.parametrize("table", ["customer_trusted", "accelerometer_trusted", "machine_learning_curated"])
def test_somebody_without_consent_breaks_it(three_people, table):
    rows = three_people.table(table)
    deliver(Path(three_people.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    three_people.run()
    remaining = [json.dumps(row) for row in three_people.table(table)]
    put_in_place(three_people, table, [row for row in rows if json.dumps(row) not in remaining])
    broken = found(three_people)
    assert {broken[f"{table} consent"], broken[f"{table} rows"]} == {"broken"}


def test_a_published_device_of_somebody_outside_breaks_it(three_people):
    steps = [row for row in three_people.table("step_trainer_landing") if row["device"].endswith("2")]
    columns = CONTRACTS["step_trainer_trusted"].column_names
    put_in_place(three_people, "step_trainer_trusted", [{name: steps[0][name] for name in columns}])
    assert found(three_people)["step_trainer_trusted consent"] == "broken"


@pytest.mark.parametrize("kind", ["lost", "doubled", "changed"])
def test_a_landed_record_that_is_lost_doubled_or_changed_breaks_it(three_people, kind):
    first = min(three_people.table("accelerometer_landing"), key=lambda row: row["source_position"])
    place = And(
        EqualTo(term="source_file", value=first["source_file"]),
        EqualTo(term="source_position", value=first["source_position"]),
    )
    rows = {"lost": [], "doubled": [first, first], "changed": [first | {"timestamp": first["timestamp"] + 1}]}
    put_in_place(three_people, "accelerometer_landing", rows[kind], replaces=place)
    expected = {
        "lost": {"conservation", "accelerometer lines"},
        "doubled": {"conservation", "records"},
        "changed": {"accelerometer lines"},
    }
    broken = {name for name, state in found(three_people).items() if state == "broken"}
    assert broken == expected[kind]


def test_a_derived_row_that_is_lost_breaks_it(three_people):
    put_in_place(three_people, "accelerometer_trusted", [], replaces=EqualTo(term="timestamp", value=T0))
    broken = found(three_people)
    assert broken["accelerometer_trusted rows"] == "broken"


def test_a_file_that_is_gone_breaks_it(three_people):
    lake = three_people.lake
    Path(lake.path(next(iter(lake.snapshot("customer_curated").files)))).unlink()
    assert found(three_people)["tables"] == "broken"


def test_an_older_snapshot_that_cannot_be_read_waits_for_a_look(three_people, stedi, monkeypatch):
    """Nobody knows whom it holds: that must not pass for a snapshot that holds nobody."""
    monkeypatch.setenv("STEDI_PSEUDONYM_KEY", three_people.settings.pseudonym_key.get_secret_value())
    lake = three_people.lake
    before = lake.snapshot("customer_trusted").files
    deliver(Path(three_people.lake_uri), "customer", [vic(updated=T0 + 1, research=None)], "2.json")
    three_people.run()
    for file in before:
        Path(lake.path(file)).unlink()
    code, output, _ = stedi("verify", lake=three_people.lake_uri)
    assert code == 3
    (line,) = [line for line in output.splitlines() if not line.startswith("+")][:-1]
    assert line.startswith("! customer_trusted unread history: 1 older snapshot cannot be read here")


def test_tags_and_leftovers_wait_for_a_look(three_people):
    table = three_people.lake.ensure_table(CONTRACTS["customer_trusted"])
    snapshot = table.current_snapshot()
    table.manage_snapshots().create_tag(snapshot.snapshot_id, "before").commit()
    assert found(three_people) == {"customer_trusted refs": "waits"}


def test_a_ledger_that_counts_otherwise_breaks_it(three_people):
    entries = ledger.read_entries(three_people.lake, "accelerometer")
    entry = next(iter(entries.values()))
    from dataclasses import replace

    ledger.amend(three_people.lake, [replace(entry, landed=entry.landed - 1)])
    assert found(three_people) == {"conservation": "broken"}


def test_without_the_key_nobody_is_found_in_the_ml_table(three_people):
    settings = three_people.settings.model_copy(update={"pseudonym_key": None})
    findings = {finding.name: finding for finding in verify(three_people.lake, settings)}
    assert findings["machine_learning_curated consent"].state == "waits"
    assert "but for the pseudonyms" in findings["machine_learning_curated rows"].message


def test_the_command_tells_by_its_exit_code(three_people, stedi, monkeypatch):
    monkeypatch.setenv("STEDI_PSEUDONYM_KEY", three_people.settings.pseudonym_key.get_secret_value())
    code, output, _ = stedi("verify", lake=three_people.lake_uri)
    assert code == 0
    assert output.splitlines()[-1].endswith(" hold")
    deliver(Path(three_people.lake_uri), "accelerometer", [reading(VIC, T0 + 77), reading(BOB)], "2.json")
    code, output, _ = stedi("verify", "--json", lake=three_people.lake_uri)
    assert code == 3
    assert {"name": "accelerometer files", "state": "waits"}.items() <= next(
        item for item in json.loads(output) if item["state"] != "holds"
    ).items()
    three_people.run()
    put_in_place(three_people, "customer_trusted", [vic(person=VIC, device="x")])
    code, output, _ = stedi("verify", lake=three_people.lake_uri)
    assert code == 1
    assert "x customer_trusted rows: 0 rows due and not there, 1 row there and not due" in output
    assert not any(mark.lower() in output.lower() for mark in MARKS)


def test_a_lake_without_tables_waits(tmp_path, stedi):
    code, output, _ = stedi("verify", lake=str(tmp_path))
    assert code == 3
    assert "stedi run" in output
    assert list(tmp_path.iterdir()) == []
