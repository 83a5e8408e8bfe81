"""``stedi doctor``: what it finds right, and what it says of each thing that is wrong."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from stedi_assets.cli import examine_machine
from stedi_assets_tests.builders.graph import KEY
from stedi_assets_tests.builders.small_lake import deliver_all


@pytest.fixture
def doctor(stedi, monkeypatch, tmp_path):
    """The exit code and what is found, by name, in a set-up where all is right but for what a test changes."""
    home = tmp_path / "instance"
    home.mkdir()
    (home / "dagster.yaml").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(examine_machine, "_PORT", free.getsockname()[1])
    for name, value in {"DAGSTER_HOME": str(home), "STEDI_PSEUDONYM_KEY": KEY, "STEDI_SPARK": "sail"}.items():
        monkeypatch.setenv(name, value)

    def run(lake: str) -> tuple[int, dict[str, tuple[str, str]]]:
        code, out, err = stedi("doctor", "--json", lake=lake)
        assert err == ""
        return code, {item["name"]: (item["state"], item["message"]) for item in json.loads(out)}

    return run


def test_all_is_right(doctor, graph):
    code, found = doctor(graph.lake_uri)
    assert code == 0
    assert list(found) == [
        *("python", "versions", "port", "memory", "instance", "engine"),
        *("disk", "lake", "catalog", "tables", "key"),
    ]
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["tables"][1].startswith("12 published, this lake's own, every file there")


def test_each_finding_is_a_line(stedi, graph, monkeypatch):
    monkeypatch.setenv("STEDI_PSEUDONYM_KEY", "another key of sixteen")
    code, out, _ = stedi("doctor", lake=graph.lake_uri)
    lines = {line.split()[1]: line for line in out.splitlines()}
    assert code == 1
    assert lines["catalog"] == "+ catalog   12 tables in the database stedi_db"
    assert lines["key"].startswith(
        "x key       STEDI_PSEUDONYM_KEY: the pseudonyms of machine_learning_curated"
    )
    assert "another key" not in out.replace("with another key", "")


def test_a_lake_that_is_not_there_is_told_and_not_made(doctor, tmp_path):
    code, found = doctor(f"{tmp_path}/gone")
    assert code == 1
    assert found["lake"] == ("wrong", f"there is no folder {tmp_path}/gone: correct STEDI_LAKE_URI or --lake")
    assert "tables" not in found
    assert not Path(f"{tmp_path}/gone").exists()


def test_an_empty_lake_is_not_wrong(doctor, tmp_path, monkeypatch):
    monkeypatch.delenv("STEDI_PSEUDONYM_KEY")
    lake = tmp_path / "lake"
    lake.mkdir()
    code, found = doctor(str(lake))
    assert code == 0
    assert [found[name][0] for name in ("lake", "catalog", "key")] == ["warning", "warning", "ok"]
    assert list(lake.iterdir()) == []
    assert not (tmp_path / ".stedi").exists()


def test_tables_of_another_lake_are_told(doctor, graph, tmp_path):
    shutil.copytree(graph.lake_uri, tmp_path / "copy")
    code, found = doctor(str(tmp_path / "copy"))
    assert code == 1
    assert found["tables"][0] == "wrong"
    assert "run `stedi relocate`" in found["tables"][1]


def test_what_is_wrong_with_the_set_up(doctor, graph, monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    monkeypatch.setenv("STEDI_SPARK", "local[2]")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(examine_machine, "_PORT", server.getsockname()[1])
        code, found = doctor(graph.lake_uri)
    assert code == 1
    assert found["port"][0] == "warning"
    assert found["instance"] == (
        "wrong",
        f"DAGSTER_HOME={tmp_path} has no dagster.yaml: unset the variable, or copy deploy/dagster.yaml",
    )
    assert found["engine"] == ("wrong", f"{java} is no Java 17 or newer: install one, or set JAVA_HOME to it")
    java.write_text("#!/bin/sh\necho 'openjdk version \"17\" 2021-09-14' >&2\n")
    assert doctor(graph.lake_uri)[1]["engine"] == ("ok", "local[2] on Java 17")
    java.unlink()
    assert doctor(graph.lake_uri)[1]["engine"][0] == "wrong"
    monkeypatch.setenv("STEDI_SPARK", "sc://host:15002/;token=secret")
    assert doctor(graph.lake_uri)[1]["engine"] == ("ok", "sc://host:15002, which needs no Java here")


def test_a_wrong_setting_is_a_finding(doctor, graph, monkeypatch):
    monkeypatch.setenv("STEDI_RETENTION_DAYS", "soon")
    code, found = doctor(graph.lake_uri)
    assert code == 1
    assert found["settings"][1].startswith("STEDI_RETENTION_DAYS: ")


def test_a_bucket(doctor, new_lake, tmp_path, monkeypatch):
    lake = new_lake(deliver_all(tmp_path))
    code, found = doctor(lake)
    assert code == 0
    assert found["lake"][1].startswith(f"{lake} (region eu-central-1, credentials from env): 3 landing files")
    monkeypatch.delenv("STEDI_PSEUDONYM_KEY")
    code, found = doctor(lake)
    assert (code, found["key"][0]) == (1, "wrong")
    code, found = doctor(f"{lake.partition('/some')[0]}-gone")
    assert code == 1
    assert found["lake"][1].startswith("there is no bucket")
