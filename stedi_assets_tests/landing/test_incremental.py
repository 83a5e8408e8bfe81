"""A run reads what is new or changed, and replaces exactly that."""

import json

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.graph import Graph, checks_of
from stedi_assets_tests.builders.readings_lake import (
    LANDING,
    QUARANTINE,
    ReadingsLake,
    figure,
    metadata,
    reading,
    row_count,
)
from stedi_assets_tests.builders.rows import customer

BROKEN = b'{"user": "ann@example.org", "timest\n'


def test_a_run_reads_only_files_that_it_does_not_know(lake):
    lake.deliver("a.json", lines(reading(1), reading(2)) + BROKEN)
    first = lake.land()
    before = lake.ledger()["a.json"]
    lake.deliver("b.json", lines(reading(3)))
    second = lake.land()
    assert [figure(row_count(run), "files_read") for run in (first, second)] == [1, 1]
    assert figure(row_count(second), "rows_of_other_files") == 2
    assert lake.landed() == [("a.json", 1), ("a.json", 2), ("b.json", 3)]
    ledger = lake.ledger()
    assert ledger["a.json"] == before
    assert [ledger[name]["run_id"] for name in ("a.json", "b.json")] == [first.run_id, second.run_id]
    assert ledger["a.json"]["ingested_at"] < ledger["b.json"]["ingested_at"]
    ingested = {row["source_file"]: row["ingested_at"] for row in lake.graph.table(LANDING)}
    assert ingested == {entry["source_file"]: entry["ingested_at"] for entry in ledger.values()}


def test_a_run_without_news_changes_nothing(lake):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    lake.land()
    before = lake.state()
    result = lake.land()
    assert lake.state() == before
    assert figure(row_count(result), "files_read") == 0
    assert metadata(result, LANDING)["dagster/row_count"] == 1


def test_a_changed_file_replaces_exactly_its_own_rows(lake):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    lake.deliver("b.json", lines(reading(2)) + b"junk\n")
    lake.deliver("c.json", lines(reading(3)) + b"[1]\n")
    lake.land()
    others = [row for row in lake.graph.table(LANDING) if not row["source_file"].endswith("b.json")]
    lake.deliver("b.json", lines(reading(4), reading(5)) + b'"text"\nnull\n')
    result = lake.land()
    assert lake.landed() == [("a.json", 1), ("b.json", 4), ("b.json", 5), ("c.json", 3)]
    assert [(name, text) for name, text, _ in lake.quarantined()] == [
        ("a.json", BROKEN.decode().strip()),
        ("b.json", '"text"'),
        ("b.json", "null"),
        ("c.json", "[1]"),
    ]
    assert all(row in lake.graph.table(LANDING) for row in others)
    assert figure(row_count(result), "files_read") == 1
    assert {name: entry["landed"] for name, entry in lake.ledger().items()} == {
        "a.json": 1,
        "b.json": 2,
        "c.json": 1,
    }


def test_a_record_that_a_later_delivery_repairs_leaves_quarantine(lake):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    lake.land()
    assert [reasons for *_, reasons in lake.quarantined()] == [["truncated"]]
    lake.deliver("a.json", lines(reading(1), reading(2)))
    lake.land()
    assert lake.landed() == [("a.json", 1), ("a.json", 2)]
    assert lake.quarantined() == []


def test_a_file_that_disappears_keeps_its_rows_and_is_marked_until_it_is_back(lake):
    content = lines(reading(1)) + BROKEN
    path = lake.deliver("a.json", content)
    lake.deliver("b.json", lines(reading(2)))
    lake.land()
    path.rename(path.with_suffix(".away"))
    shown = metadata(lake.land(), LANDING)
    assert shown["gone"] == ["accelerometer/landing/a.json"]
    assert lake.landed() == [("a.json", 1), ("b.json", 2)]
    assert len(lake.quarantined()) == 1
    marked = lake.ledger()["a.json"]["missing_since"]
    assert marked is not None
    assert lake.ledger()["b.json"]["missing_since"] is None
    lake.land()
    assert lake.ledger()["a.json"]["missing_since"] == marked
    path.with_suffix(".away").rename(path)
    result = lake.land()
    assert figure(row_count(result), "files_read") == 0
    assert lake.ledger()["a.json"]["missing_since"] is None
    assert lake.landed() == [("a.json", 1), ("b.json", 2)]


def test_a_full_refresh_rebuilds_from_the_raw_files_and_keeps_what_they_no_longer_have(lake):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    gone = lake.deliver("b.json", lines(reading(2)) + b"junk\n")
    lake.land()
    gone.unlink()
    result = lake.land(full_refresh=True)
    assert figure(row_count(result), "files_read") == 1
    assert lake.landed() == [("a.json", 1), ("b.json", 2)]
    assert len(lake.quarantined()) == 2
    ledger = lake.ledger()
    assert ledger["a.json"]["run_id"] == result.run_id != ledger["b.json"]["run_id"]
    assert ledger["b.json"]["missing_since"] is not None


def test_rows_that_another_writer_removed_are_read_again(lake):
    lake.deliver("a.json", lines(reading(1)) + BROKEN)
    gone = lake.deliver("b.json", lines(reading(2)))
    lake.land()
    lake.graph.lake.ensure_table(CONTRACTS[LANDING]).delete("timestamp >= 0")
    gone.unlink()
    check = row_count(lake.land())
    assert lake.landed() == [("a.json", 1)]
    assert len(lake.quarantined()) == 1
    assert not check.passed
    assert figure(check, "files_otherwise_in_ledger") == 1
    assert lake.ledger()["b.json"]["landed"] == 0
    assert row_count(lake.land()).passed


def test_rows_that_vanished_behind_the_ledgers_back_stop_a_run_until_a_full_refresh(lake):
    lake.deliver("a.json", lines(reading(1), reading(2)))
    run = lake.land()
    disguise = {"stedi.run-id": run.run_id}
    lake.graph.lake.ensure_table(CONTRACTS[LANDING]).delete("timestamp > 0", snapshot_properties=disguise)
    refused = lake.land(ok=False)
    assert not refused.success
    assert "rebuild it with full_refresh" in row_count(refused).description
    lake.land(full_refresh=True)
    assert lake.landed() == [("a.json", 1), ("a.json", 2)]


def test_the_same_content_under_another_name_adds_nothing_to_the_trusted_tables(sail_engine, tmp_path):
    graph = Graph(str(tmp_path), sail_engine)
    fields = [name for name in customer() if name not in ("source_file", "source_position", "ingested_at")]
    people = lines({name: customer()[name] for name in fields})
    serial = customer()["serialNumber"]
    steps = lines({"sensorReadingTime": 1704067200001, "serialNumber": serial, "distanceFromObject": 100})
    contents = {"customer": people, "accelerometer": lines(reading(1), reading(2)), "step_trainer": steps}
    rows = []
    for name in ("first.json", "again.json"):
        for source, content in contents.items():
            folder = tmp_path / source / "landing"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        graph.run()
        rows.append(graph.rows())
    landing = {"customer_landing": 1, "accelerometer_landing": 2, "step_trainer_landing": 1}
    derived = {
        "customer_trusted": 1,
        "accelerometer_trusted": 2,
        "customer_curated": 1,
        "step_trainer_trusted": 1,
        "machine_learning_curated": 1,
    }
    assert rows[0] == landing | derived
    assert rows[1] == {table: 2 * count for table, count in landing.items()} | derived


def test_repairs_and_unknown_fields_are_shown_on_both_tables_and_unknown_fields_are_a_warning(lake):
    drifted = [reading(n, firmware="7") for n in range(20)]
    lake.deliver("a.json", b",\n".join(json.dumps(record).encode() for record in drifted))
    result = lake.land()
    for table in (LANDING, QUARANTINE):
        shown = metadata(result, table)
        assert shown["unknown_fields"] == {"firmware": 20}
        assert shown["repaired"] == {"comma": 19}
    check = checks_of(result, LANDING)["contract"]
    assert not check.passed
    assert check.severity.value == "WARN"
    assert figure(check, "unknown_fields") == {"firmware": 20}
    assert len(lake.landed()) == 20
    assert json.loads(lake.ledger()["a.json"]["repaired"]) == {"comma": 19}
    quiet = lake.land()
    assert checks_of(quiet, LANDING)["contract"].passed


def test_a_run_tells_of_each_file_and_of_no_value(lake: ReadingsLake):
    lake.deliver("a.json", lines(reading(1)) + b"junk\n" + BROKEN)
    lake.deliver("b.json", lines(reading(2)))
    shown = metadata(lake.land(), LANDING)
    files = [record.data for record in shown["files"]]
    assert [(f["file"], f["records"], f["landed"], f["quarantined"]) for f in files] == [
        ("accelerometer/landing/a.json", 3, 1, 2),
        ("accelerometer/landing/b.json", 1, 1, 0),
    ]
    assert [record.data for record in shown["quarantined_because"]] == [
        {
            "reason": "not_json",
            "records": 1,
            "example_file": "accelerometer/landing/a.json",
            "example_position": len(lines(reading(1))),
        },
        {
            "reason": "truncated",
            "records": 1,
            "example_file": "accelerometer/landing/a.json",
            "example_position": len(lines(reading(1)) + b"junk\n"),
        },
    ]
    assert shown["reasons_explained"].splitlines()[2:] == [
        f"| `{reason}` | {meaning} | {to_do} |"
        for reason, meaning, to_do in (
            (
                "not_json",
                "text that is no JSON, and no object cut short",
                "have the source correct the record, and put the corrected file in the place of this one",
            ),
            (
                "truncated",
                "an object whose text ends before it is complete",
                "put the whole file in the place of this one",
            ),
        )
    ]
    figures = {
        name: shown[name] for name in ("records_read", "rows_added", "rows_replaced", "percent_quarantined")
    }
    assert figures == {"records_read": 4, "rows_added": 2, "rows_replaced": 0, "percent_quarantined": 50.0}
    lake.deliver("a.json", lines(reading(1), reading(3)))
    again = lake.land()
    assert [metadata(again, table)["rows_replaced"] for table in (LANDING, QUARANTINE)] == [1, 2]
    assert "quarantined_because" not in metadata(again, LANDING)
    assert "ann@" not in repr(shown)
