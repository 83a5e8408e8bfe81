"""The command ``stedi retract``: what it shows, asks and answers."""

import dagster as dg
import pytest
from typer.testing import CliRunner

from stedi_assets import cli
from stedi_assets.cli.common import CommandError
from stedi_assets.landing.retract import RetractionError
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.three_people import MARKS

READINGS, CUSTOMERS = "accelerometer/landing/1.json", "customer/landing/1.json"


@pytest.fixture
def graph(three_people, monkeypatch) -> Graph:
    monkeypatch.setattr(cli.retract, "get_settings", lambda: three_people.settings)
    return three_people


def stedi(*arguments: str, answer: str | None = None):
    return CliRunner().invoke(cli.app, ["retract", *arguments], input=answer, env={"COLUMNS": "120"})


def test_it_shows_what_goes_asks_and_says_what_to_do_next(graph):
    result = stedi(READINGS, "--why", "by mistake", answer="y\n")
    assert result.exit_code == 0
    assert (
        f"{READINGS}: 15 rows of accelerometer_landing and 0 rows of accelerometer_quarantine go"
        in result.stdout
    )
    assert "Take 1 file back? [y/N]" in result.stdout
    assert "stedi run takes the files' rows out of the tables below" in result.stdout
    graph.run()
    assert graph.rows()["accelerometer_trusted"] == graph.rows()["machine_learning_curated"] == 0
    undone = stedi(READINGS, "--undo")
    assert "The next run reads 1 file again" in undone.stdout
    graph.run()
    assert graph.rows()["accelerometer_trusted"] == 10


def test_no_means_no_and_withdrawals_that_stay_are_said_without_a_name(graph):
    before = graph.snapshots()
    result = stedi(CUSTOMERS, "--why", "by mistake", answer="n\n")
    assert result.exit_code == 1
    assert "2 rows of customer_landing" in result.stdout
    assert (
        "1 row without consent stay: no newer snapshot says otherwise, and 1 person stay withdrawn"
        in result.stdout
    )
    assert not any(mark in result.stdout for mark in MARKS)
    assert graph.snapshots() == before


def test_it_refuses_without_a_reason_and_a_file_that_no_run_has_read(graph):
    assert stedi(READINGS).exit_code == 2
    result = stedi("accelerometer/landing/2.json", "--why", "by mistake", "--yes")
    assert isinstance(result.exception, RetractionError)


def test_it_waits_for_no_run(graph, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").touch()
    with dg.DagsterInstance.get() as instance:
        instance.create_run_for_job(dg.job(name="busy")(lambda: None), status=dg.DagsterRunStatus.STARTED)
    result = stedi(READINGS, "--why", "by mistake", "--yes")
    assert isinstance(result.exception, CommandError)
    assert "1 runs are queued or in progress" in str(result.exception)
