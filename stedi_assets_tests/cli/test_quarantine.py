"""``stedi quarantine``: why records are in quarantine, and which."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from stedi_assets.cli import app
from stedi_assets.cli.common import CommandError
from stedi_assets.settings import get_settings
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.readings_lake import reading

CUT = '{"user": "ann@example.org", "timest'


@pytest.fixture(scope="module")
def lake(sail_engine, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    contents = {
        "accelerometer": lines(reading(1))
        + b"[bold]junk\x1b[2J\n"
        + lines(reading(-(10**12), x=5000))
        + CUT.encode(),
        "customer": b"junk\n",
        "step_trainer": b"",
    }
    for source, content in contents.items():
        (folder / source / "landing").mkdir(parents=True)
        (folder / source / "landing" / "a.json").write_bytes(content)
    tables = [f"{source}_{kind}" for source in contents for kind in ("landing", "quarantine")]
    Graph(str(folder), sail_engine).run(*tables)
    return folder


@pytest.fixture
def stedi(monkeypatch):
    """The command on a lake."""

    def run(lake: Path, *arguments: str) -> Result:
        monkeypatch.setenv("STEDI_LAKE_URI", str(lake))
        monkeypatch.setenv("COLUMNS", "200")
        get_settings.cache_clear()
        return CliRunner().invoke(app, ["quarantine", *arguments])

    yield run
    get_settings.cache_clear()


def test_reasons_are_counted_by_file_with_the_time_of_its_reading(stedi, lake):
    result = stedi(lake, "--json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [(row["source_file"], row["reason"], row["records"]) for row in rows] == [
        ("accelerometer/landing/a.json", "not_json", 1),
        ("accelerometer/landing/a.json", "rule:physical_x", 1),
        ("accelerometer/landing/a.json", "rule:plausible_timestamp", 1),
        ("accelerometer/landing/a.json", "truncated", 1),
        ("customer/landing/a.json", "not_json", 1),
    ]
    assert all(row["ingested_at"].endswith("+00:00") for row in rows)
    content = (lake / "accelerometer" / "landing" / "a.json").read_bytes()
    assert [row["example"] for row in rows] == [
        content.rindex(text) for text in (b"[bold]", *[lines(reading(-(10**12), x=5000))] * 2, CUT.encode())
    ] + [0]
    assert rows[3]["meaning"] == "an object whose text ends before it is complete"
    assert rows[3]["to_do"] == "put the whole file in the place of this one"


def test_the_reasons_are_explained_below_the_table(stedi, lake):
    shown = " ".join(stedi(lake).stdout.split())
    assert "truncated: an object whose text ends before it is complete. To do: put the whole file in" in shown
    assert "rule:physical_x: Phone sensors end far below 1,000" in shown
    assert shown.count("not_json: ") == 1


def test_files_are_written_out_for_repair_and_go_in_again(stedi, tmp_path, sail_engine, monkeypatch):
    folder, repair = tmp_path / "lake", tmp_path / "repair"
    packed = gzip.compress(lines(reading(1)) + b"junk\n" + CUT.encode())
    deliver(folder, "accelerometer", packed, "a.json")
    deliver(folder, "accelerometer", b"junk\n", "gone.json")
    for source in ("customer", "step_trainer"):
        deliver(folder, source, b"")
    graph = Graph(str(folder), sail_engine)
    graph.run()
    (folder / "accelerometer/landing/gone.json").unlink()

    result = stedi(folder, "--export", str(repair))

    assert (
        "left out: accelerometer/landing/gone.json is not in the landing folder as it was read"
        in result.stderr
    )
    copy = repair / "accelerometer/landing/a.json"
    assert copy.read_bytes() == gzip.decompress(packed)
    listed = list(csv.DictReader((repair / "_to_repair.csv").open()))
    assert [(row["file"], row["line"], row["reason"]) for row in listed] == [
        ("accelerometer/landing/a.json", "2", "not_json"),
        ("accelerometer/landing/a.json", "3", "truncated"),
    ]
    copy.write_bytes(lines(reading(1), reading(2), reading(3)))
    uploaded = CliRunner().invoke(app, ["upload", str(repair), "--source", "accelerometer", "--replace"])
    assert uploaded.exit_code == 0, uploaded.output
    graph.run()
    assert graph.rows()["accelerometer_landing"] == 3
    assert [row["source_file"] for row in graph.table("accelerometer_quarantine")] == [
        "accelerometer/landing/gone.json"
    ]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["--source", "customer"], [("customer/landing/a.json", "not_json")]),
        (["--reason", "truncated"], [("accelerometer/landing/a.json", "truncated")]),
        # All faults of a record that has one of them.
        (
            ["--reason", "rule", "--file", "accelerometer/landing/a.json"],
            [
                ("accelerometer/landing/a.json", "rule:physical_x"),
                ("accelerometer/landing/a.json", "rule:plausible_timestamp"),
            ],
        ),
        (["--reason", "rule:physical_y"], []),
        (["--file", "' OR true --"], []),
    ],
)
def test_filters(stedi, lake, filters, found):
    rows = json.loads(stedi(lake, *filters, "--json").stdout)
    assert [(row["source_file"], row["reason"]) for row in rows] == found


def test_a_reason_that_does_not_exist_is_answered_with_one_that_does(stedi, lake):
    result = stedi(lake, "--reason", "trunkated")
    assert result.exit_code == 2
    assert "no record has the reason 'trunkated': did you mean truncated?" in result.output


def test_one_source_as_a_table_without_any_text_of_a_record(stedi, lake):
    result = stedi(lake, "--source", "accelerometer")
    assert "rule:physical_x" in result.stdout
    assert "customer" not in result.stdout
    assert "ann@example.org" not in result.stdout


def test_records_are_shown_on_request_alone(stedi, lake):
    records = json.loads(stedi(lake, "--source", "accelerometer", "--records", "10", "--json").stdout)
    assert [record["reasons"] for record in records] == [
        ["not_json"],
        ["rule:physical_x", "rule:plausible_timestamp"],
        ["truncated"],
    ]
    assert records[-1]["raw_text"] == CUT
    assert {record["source_file"] for record in records} == {"accelerometer/landing/a.json"}
    positions = [record["source_position"] for record in records]
    assert positions == sorted(positions)
    content = (lake / "accelerometer" / "landing" / "a.json").read_bytes()
    assert all(
        content[record["source_position"] :].startswith(record["raw_text"][:5].encode()) for record in records
    )
    assert len(json.loads(stedi(lake, "--records", "2", "--json").stdout)) == 2


def test_the_text_of_a_record_is_no_command_to_the_terminal(stedi, lake):
    shown = stedi(lake, "--records", "1").stdout
    assert r"[bold]junk\x1b[2J" in shown
    assert "\x1b[2J" not in shown


def test_a_source_that_does_not_exist_is_named_with_those_that_do(stedi, lake):
    result = stedi(lake, "--source", "customers")
    assert result.exit_code == 2
    assert "'customers' is not one of 'customer', 'accelerometer', 'step_trainer'" in result.output


def test_a_lake_without_tables_says_how_to_make_them_and_is_left_as_it_is(stedi, tmp_path):
    result = stedi(tmp_path)
    assert isinstance(result.exception, CommandError)
    assert "stedi run" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_quarantine_has_no_reasons(stedi, lake):
    assert json.loads(stedi(lake, "--source", "step_trainer", "--json").stdout) == []
