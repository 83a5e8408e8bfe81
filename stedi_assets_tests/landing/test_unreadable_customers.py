"""A customer file that cannot be read may withdraw anybody, so that it stops the run, with the way out."""

import gzip
from pathlib import Path

import pytest

from stedi_assets.landing import ingest
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph, checks_of, failures
from stedi_assets_tests.builders.rows import T0, customer, reading
from stedi_assets_tests.shares import share

BAD = "customer/landing/bad.json.gz"
CUT = gzip.compress(b"a file that breaks off")[:-1]
CUSTOMERS = ("customer_landing", "customer_quarantine")
READINGS = ("accelerometer_landing", "accelerometer_quarantine")


@pytest.fixture
def graph(sail_engine, tmp_path) -> Graph:
    deliver(tmp_path, "customer", [customer()])
    deliver(tmp_path, "accelerometer", [reading()])
    deliver(tmp_path, "step_trainer", [])
    graph = Graph(str(tmp_path), sail_engine)
    graph.run()
    return graph


def test_a_customer_file_that_cannot_be_read_stops_the_run_and_is_named(graph, tmp_path):
    deliver(tmp_path, "customer", [customer("bob@example.org")], "good.json")
    bad = deliver(tmp_path, "customer", CUT, "bad.json.gz")
    before = graph.snapshots()
    result = graph.run(ok=False)
    assert not result.success
    check = checks_of(result, "customer_landing")["row_count"]
    assert (check.passed, check.severity.value) == (False, "ERROR")
    sentence = check.description
    assert f"whom {BAD} withdraws is unknown" in sentence
    assert "replace it by a readable file, or take it out of the landing folder" in sentence
    assert any(sentence in told for told in failures(result))
    assert {name: graph.snapshots()[name] for name in ("customer_landing", "customer_trusted")} == {
        name: before[name] for name in ("customer_landing", "customer_trusted")
    }
    bad.unlink()
    graph.run()
    assert graph.rows()["customer_landing"] == 2


def test_a_customer_file_of_other_content_than_its_name_says_stops_the_run(graph, tmp_path):
    deliver(tmp_path, "customer", b"PK\x03\x04" + lines(customer("bob@example.org")), "bad.json")
    result = graph.run(ok=False)
    sentence = checks_of(result, "customer_landing")["row_count"].description
    assert "whom customer/landing/bad.json withdraws is unknown, since it holds a zip archive" in sentence
    assert graph.rows()["customer_landing"] == 1


@pytest.mark.parametrize("content", share([b"", b"[]"], b"[]"))
def test_a_customer_file_that_lost_its_records_stops_the_run(graph, tmp_path, content):
    """They may have been a withdrawal. Out of the folder, the file says nothing, and its records stay."""
    withdrawal = [customer(updated=T0 + 1, research=None)]
    file = deliver(tmp_path, "customer", withdrawal, "2.json")
    graph.run()
    assert graph.rows()["customer_trusted"] == 0
    deliver(tmp_path, "customer", content, "2.json")
    result = graph.run(ok=False)
    sentence = checks_of(result, "customer_landing")["row_count"].description
    assert "customer/landing/2.json had 1 record and has none any more" in sentence
    assert "put the whole file back, or take the file out of the landing folder" in sentence
    file.unlink()
    graph.run()
    assert (graph.rows()["customer_landing"], graph.rows()["customer_trusted"]) == (2, 0)
    deliver(tmp_path, "customer", withdrawal, "2.json")
    graph.run()
    assert graph.rows()["customer_landing"] == 2


@pytest.mark.parametrize("name", share(["new.json.snappy", "new.xlsx", "2024/new.txt"], "2024/new.txt"))
def test_a_customer_file_of_an_unknown_name_stops_the_run(graph, tmp_path, name):
    file = deliver(tmp_path, "customer", [customer(updated=T0 + 1, research=None)], name)
    result = graph.run(*CUSTOMERS, ok=False)
    sentence = checks_of(result, "customer_landing")["row_count"].description
    assert (
        f"whom customer/landing/{name} withdraws is unknown, since no file of such a name is read" in sentence
    )
    assert "name it .json or .csv, or begin its name with an underscore if it is no delivery" in sentence
    file.rename(file.with_name("_" + file.name))
    graph.run(*CUSTOMERS)


def test_customer_files_that_are_no_delivery_by_their_names_stop_nothing(graph, tmp_path):
    for name in ("new.json.tmp", "new.json.part", "new.json~", ".new.json", "_SUCCESS", "test-new.json"):
        deliver(tmp_path, "customer", [customer(updated=T0 + 1, research=None)], name)
    result = graph.run(*CUSTOMERS)
    assert checks_of(result, "customer_landing")["row_count"].passed


def test_a_readings_file_of_an_unknown_name_is_a_warning(graph, tmp_path):
    deliver(tmp_path, "accelerometer", [reading()], "new.txt")
    check = checks_of(graph.run(*READINGS), "accelerometer_quarantine")["delivery"]
    assert (check.passed, check.severity.value) == (False, "WARN")
    assert "no file of such a name is read: accelerometer/landing/new.txt" in check.description


def test_a_readings_file_that_cannot_be_read_is_a_warning(graph, tmp_path):
    deliver(tmp_path, "accelerometer", CUT, "bad.json.gz")
    result = graph.run()
    assert checks_of(result, "accelerometer_landing")["row_count"].severity.value == "WARN"


def test_a_customer_file_that_changes_while_it_is_read_stops_the_run(graph, tmp_path, monkeypatch):
    path = deliver(tmp_path, "customer", [customer("bob@example.org")], "new.json")
    read = ingest.read_landing_files

    def read_later(*arguments, **options):
        path.write_bytes(path.read_bytes() * 2)
        return read(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "read_landing_files", read_later)
        result = graph.run(*CUSTOMERS, ok=False)
    assert not result.success
    assert any("it changed while it was read; the next run reads it" in told for told in failures(result))
    graph.run()
    assert graph.rows()["customer_landing"] == 3


def test_a_customer_file_that_vanishes_stops_nothing(graph, tmp_path, monkeypatch):
    path = Path(deliver(tmp_path, "customer", [customer("bob@example.org")], "new.json"))
    read = ingest.read_landing_files

    def read_later(*arguments, **options):
        path.unlink()
        return read(*arguments, **options)

    monkeypatch.setattr(ingest, "read_landing_files", read_later)
    assert graph.run(*CUSTOMERS).success
    assert graph.rows()["customer_landing"] == 1
