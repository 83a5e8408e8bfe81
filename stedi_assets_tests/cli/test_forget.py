"""The command ``stedi forget``: what it shows, asks and answers."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from stedi_assets import cli
from stedi_assets.cli.common import CommandError
from stedi_assets.lake.erasures import read_register
from stedi_assets.privacy.certificate import CertificateError
from stedi_assets.privacy.raw_files import RewriteError
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import KEY, Graph
from stedi_assets_tests.builders.rows import ANN, customer
from stedi_assets_tests.builders.three_people import MARKS, VIC, VIC_NAME, VIC_SERIAL, deliver_three_people
from stedi_assets_tests.byte_search import holding


@pytest.fixture
def graph(three_people, monkeypatch) -> Graph:
    """A lake that the command works on, in this process."""
    monkeypatch.setattr(cli.privacy, "get_settings", lambda: three_people.settings)
    monkeypatch.setattr(cli.privacy, "_refresh", lambda _: three_people.run())
    return three_people


@pytest.fixture
def lake(graph) -> Path:
    return Path(graph.lake_uri)


def stedi(*arguments: str, answer: str | None = None):
    return CliRunner().invoke(cli.app, ["forget", *arguments], input=answer, env={"COLUMNS": "120"})


def test_a_dry_run_shows_what_would_go_and_names_nobody(lake):
    before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    result = stedi(VIC, "--dry-run")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert "Nothing was changed." in shown
    assert "table customer_landing 1" in shown
    assert "table machine_learning_curated 5" in shown
    assert "file accelerometer/landing/1.json 5" in shown
    assert not any(mark in result.stdout for mark in (ANN, *MARKS))
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == before


def test_it_asks_first_and_no_means_no(lake):
    result = stedi(VIC, answer="n\n")
    assert result.exit_code == 1
    assert "for good? [y/N]" in result.stdout
    assert holding(lake, VIC)


def test_it_erases_when_told_so(lake):
    result = stedi(VIC, answer="y\n")
    assert result.exit_code == 0
    assert "Erased." in result.stdout
    assert holding(lake, *MARKS) == []
    # Of nobody, nothing is asked.
    again = stedi(VIC)
    assert again.exit_code == 0
    assert again.stdout == "The tables have nothing of them.\n"


def test_many_are_erased_in_one_pass_each_with_a_certificate(graph, lake, tmp_path):
    folder = tmp_path / "certificates"
    folder.mkdir()
    addresses = tmp_path / "addresses.txt"
    addresses.write_text(f"\ufeff{ANN.upper()}\n\n{VIC}\n", encoding="utf-8")
    result = stedi(VIC.upper(), "--file", str(addresses), "--yes", "--certificates", str(folder))
    assert result.exit_code == 0
    assert holding(lake, ANN, *MARKS) == []
    assert not any(mark in result.stdout for mark in (ANN, VIC))
    assert read_register(graph.lake).version == 1
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())]
    assert [f"- Person: {person}\n" in text for person, text in zip((VIC, ANN), texts, strict=True)] == [
        True,
        True,
    ]
    assert ANN not in texts[0]
    for text in texts:
        assert "- accelerometer_landing: 5\n" in text
        assert "- machine_learning_curated: 5\n" in text
        assert "- customer/landing/1.json: 1\n" in text
        assert "## Not searched" in text
        assert "rows, records in 3 files" in text
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_addresses_come_from_standard_input_and_json_names_nobody(lake):
    result = stedi("--file", "-", "--yes", "--json", answer=f"{VIC}\n")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["erased"] is True
    assert told["rows"]["customer_landing"] == told["people"] == 1
    assert not any(mark in result.stdout for mark in MARKS)
    assert holding(lake, *MARKS) == []
    assert json.loads(stedi(VIC, "--yes", "--json").stdout)["erased"] is False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give an address"),
        ((VIC, "not one"), "one of them is no e-mail address"),
        ((VIC, "--json"), "--json asks nothing"),
    ],
)
def test_wrong_usage_is_told_and_names_nobody(lake, arguments, told):
    result = stedi(*arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())
    assert VIC not in result.output
    assert holding(lake, VIC)


def test_a_certificate_is_not_written_into_the_lake(lake):
    result = stedi(VIC, "--yes", "--certificates", str(lake))
    assert isinstance(result.exception, CertificateError)
    assert holding(lake, VIC)


def test_what_is_left_to_look_at_has_an_exit_code_of_its_own(lake):
    deliver(lake, "customer", [customer() | {"friend": VIC}], "friend.json")
    deliver(lake, "accelerometer", gzip.compress(b"cut")[:-1], "bad.json.gz")
    deliver(lake, "customer", b"noise", "broken.json")
    result = stedi(VIC, "--yes")
    assert result.exit_code == 3
    assert "Look at customer/landing/friend.json: it still has the address, 1 times" in result.stdout
    assert "Look at accelerometer/landing/bad.json.gz: it cannot be read" in result.stdout
    assert "Look at customer/landing/broken.json: 1 of its quarantined records name nobody" in result.stdout


def test_a_shared_device_is_told_and_why_its_readings_stay(graph, lake):
    deliver(lake, "customer", [customer(serial=VIC_SERIAL)], "shared.json")
    graph.run()
    result = stedi(VIC, "--dry-run")
    assert "1 of their devices have other owners too: their 5 step readings stay" in " ".join(
        result.stdout.split()
    )


def test_a_failure_says_what_to_do(graph, monkeypatch):
    def fail(*_, **__) -> None:
        raise RewriteError("customer/landing/1.json is so damaged")

    monkeypatch.setattr("stedi_assets.privacy.erasure.rewrite", fail)
    # The lake is up to date.
    monkeypatch.setattr(cli.privacy, "_refresh", lambda _: None)
    result = stedi(VIC, "--yes")
    assert isinstance(result.exception, CommandError)
    assert str(result.exception) == "not finished: customer/landing/1.json is so damaged"


def test_no_address_is_refused(graph):
    assert stedi("vic").exit_code == 2
    assert stedi(f"Vic <{VIC}>").exit_code == 2


def test_beside_other_runs_it_refuses(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        instance.add_run(dg.DagsterRun(job_name="refresh", status=dg.DagsterRunStatus.STARTED))
    with pytest.raises(CommandError, match="1 runs are queued or in progress"):
        cli.privacy._refresh(Settings(lake_uri=str(tmp_path / "lake")))


def test_the_command_as_installed(tmp_path):
    """Nothing replaced: an engine of its own, runs of the graph, and no Dagster home."""
    lake = tmp_path / "lake"
    deliver_three_people(lake)
    environment = os.environ | {
        "STEDI_LAKE_URI": str(lake),
        "STEDI_PSEUDONYM_KEY": KEY,
        "STEDI_SPARK": "sail",
    }
    environment.pop("DAGSTER_HOME", None)
    command = [str(Path(sys.executable).with_name("stedi")), "forget", VIC.upper(), "--yes"]
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "Erased." in result.stdout
    assert not any(mark in result.stdout + result.stderr for mark in (VIC, VIC_NAME, VIC_SERIAL))
    assert holding(lake, *MARKS) == []
    assert holding(lake, ANN)
