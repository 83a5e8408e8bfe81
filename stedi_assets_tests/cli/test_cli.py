"""The command ``stedi``: what it prints, and what it answers to what it cannot do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stedi_assets.checks import EXPECTATIONS_FILE
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.builders.small_lake import deliver_all
from stedi_assets_tests.cli.printed import cells, data_files


def test_counts_shows_every_table(stedi, graph):
    code, out, err = stedi("counts", lake=graph.lake_uri)
    assert (code, err) == (0, "")
    names, *rows = cells(out)
    assert names == ["table", "rows", "snapshot", "published"]
    assert [(row[0], int(row[1])) for row in rows] == [
        (name, graph.lake.snapshot(name).rows) for name in CONTRACTS
    ]


def test_counts_as_json(stedi, graph):
    code, out, _ = stedi("counts", "--json", lake=graph.lake_uri)
    assert code == 0
    rows = {row["table"]: row for row in json.loads(out)}
    snapshot = graph.lake.snapshot("customer_curated")
    assert rows["customer_curated"]["rows"] == snapshot.rows
    assert rows["customer_curated"]["snapshot"] == str(snapshot.snapshot_id)
    assert rows["customer_curated"]["published"].endswith("+00:00")


@pytest.mark.parametrize("command", [["counts"], ["counts", "--json"]])
def test_counts_of_an_empty_lake_says_what_to_do_and_makes_nothing(stedi, tmp_path, command):
    code, out, err = stedi(*command, lake=str(tmp_path))
    assert (code, out) == (1, "")
    assert err == f"stedi: the lake {tmp_path} has no tables yet; make them with: stedi run\n"
    assert list(tmp_path.iterdir()) == []


def test_a_lake_that_is_not_there_is_not_made(stedi, tmp_path):
    lake = tmp_path / "lake"
    assert stedi("counts", lake=str(lake))[0] == 1
    assert stedi("sql", "SELECT 1", lake=str(lake))[0] == 0
    assert not lake.exists()


def test_sample_data_writes_a_lake_that_says_what_it_must_give(stedi, tmp_path):
    lake = tmp_path / "lake"
    code, out, _ = stedi("sample-data", "--lake", str(lake), "--seed", "7", lake=str(tmp_path))
    assert (code, out) == (0, f"Wrote a sample lake to {lake}\n")
    stated = yaml.safe_load((lake / EXPECTATIONS_FILE).read_text())
    assert stated["row_counts"]["default"]["machine_learning_curated"] == 40981
    sources = {path.parent.parent.name for path in lake.glob("*/landing/*")}
    assert sources == {"customer", "accelerometer", "step_trainer"}


def test_sample_data_is_not_written_over_other_data(stedi, tmp_path):
    deliver_all(tmp_path)
    before = data_files(tmp_path)
    code, out, err = stedi("sample-data", "--lake", str(tmp_path), lake=str(tmp_path))
    assert (code, out) == (1, "")
    assert str(tmp_path) in err
    assert data_files(tmp_path) == before


def test_a_wrong_setting_is_named(stedi, monkeypatch):
    code, out, err = stedi("counts", lake="gs://bucket")
    assert (code, out) == (1, "")
    assert err.startswith("stedi: STEDI_LAKE_URI: ")


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["sample-data"], ["sample-data", "--lake", "x", "--scale", "0"]],
)
def test_wrong_usage_has_an_exit_code_of_its_own(stedi, tmp_path, arguments):
    code, out, err = stedi(*arguments, lake=str(tmp_path))
    assert (code, out) == (2, "")
    assert "Usage: " in err


def test_the_command_starts_neither_dagster_nor_spark(graph):
    script = """
import sys
sys.argv = ["stedi", "sql", "SELECT count(*) FROM customer_trusted"]
from stedi_assets.cli import main
try:
    main()
finally:
    print([name for name in ("dagster", "pyspark.sql", "pysail", "pandas") if name in sys.modules])
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"STEDI_LAKE_URI": graph.lake_uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[-1] == "[]"


def test_the_command_is_installed():
    command = Path(sys.executable).parent / "stedi"
    run = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    for name in ("sample-data", "counts", "sql"):
        assert name in run.stdout


def test_a_place_that_cannot_be_written_is_one_sentence(stedi, tmp_path):
    # Not even root may make a folder there.
    code, out, err = stedi("sample-data", "--lake", "/sys/lake", lake=str(tmp_path))
    assert (code, out) == (1, "")
    assert err.startswith("stedi: /sys/lake: ")
    assert len(err.splitlines()) == 1
