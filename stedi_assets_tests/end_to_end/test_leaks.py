"""A person's data is in the tables, and nowhere else: not in logs, events, metadata, tags or error messages."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pyspark.sql.functions as F
import pytest
from dagster._serdes import serialize_value

from stedi_assets.exports import exports
from stedi_assets.landing import reader
from stedi_assets.transforms import tables
from stedi_assets_tests.builders.graph import EIGHT, KEY, Graph
from stedi_assets_tests.end_to_end.marked_lake import MARKS, e_mail, marked_lake
from stedi_assets_tests.engines import FOR_FEW_ROWS, spark_defaults
from stedi_assets_tests.shares import share


def marks_in(content: str | bytes) -> set[str]:
    found = content.encode() if isinstance(content, str) else content
    found = found.lower()
    return {mark for mark in MARKS if mark.encode() in found}


def files_with_marks(folder: Path) -> dict[str, set[str]]:
    return {
        str(path): marks
        for path in folder.rglob("*")
        if path.is_file() and (marks := marks_in(path.read_bytes()))
    }


@pytest.fixture
def graph(sail_engine, tmp_path) -> Graph:
    home = tmp_path / "instance"
    home.mkdir()
    instance = dg.DagsterInstance.local_temp(str(home))
    return Graph(str(marked_lake(tmp_path / "lake")), sail_engine, instance=instance)


def assert_no_marks(graph: Graph, result: dg.ExecuteInProcessResult, capfd, caplog) -> None:
    """Look wherever a run leaves a trace."""
    run = graph.instance.get_run_by_id(result.run_id)
    printed = capfd.readouterr()
    assert " - DEBUG - " in printed.err
    assert marks_in(printed.err) == set()
    assert marks_in(printed.out) == set()
    assert [record for record in map(repr, caplog.records) if marks_in(record)] == []
    assert marks_in(caplog.text) == set()
    logs = graph.instance.all_logs(run.run_id)
    assert logs
    for entry in logs:
        assert marks_in(serialize_value(entry)) == set(), entry.dagster_event
    assert marks_in(serialize_value(run)) == set()
    assert marks_in(repr([event.event_specific_data for event in result.all_events])) == set()
    assert files_with_marks(Path(graph.instance.root_directory)) == {}


def test_marks_are_in_the_tables(graph, capfd):
    """What the other tests look for is there to be found."""
    graph.run()
    rows = graph.rows()
    assert [table for table in EIGHT if rows[table] < 20] == []
    for kind in ("trusted", "quarantine"):
        assert marks_in(repr(graph.table(f"customer_{kind}"))) >= {
            "leakmail",
            "leakname",
            "9900178800",
            "fade1eaf",
        }
    reasons = {
        reason.partition(":")[0] for row in graph.table("customer_quarantine") for reason in row["reasons"]
    }
    assert reasons >= {
        "truncated",
        "not_json",
        "not_an_object",
        "missing_field",
        "wrong_type",
        "duplicate_field",
        "bad_encoding",
        "field_count",
        "not_csv",
        "unknown_header",
        "rule",
    }
    unreadable = {entry["source_file"] for entry in graph.table("landing_files")}
    assert "customer/landing/cut.json.gz" not in unreadable


def test_no_mark_of_a_good_run_is_left_outside_the_tables(graph, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    result = graph.run()
    assert_no_marks(graph, result, capfd, caplog)
    # And of one that has nothing to do.
    assert_no_marks(graph, graph.run(), capfd, caplog)


def identifying(real):
    """A key that is an e-mail: the contract blocks it."""
    return lambda *frames, **policies: real(*frames, **policies).withColumn("customer_key", F.lit(e_mail(1)))


def casting(real):
    return lambda *frames, **policies: real(*frames, **policies).withColumn(
        "registrationDate", F.col("email").cast("bigint")
    )


def raising(real):
    return lambda *frames, **policies: real(*frames, **policies).withColumn(
        "registrationDate", F.raise_error("customerName").cast("bigint")
    )


def failing_in_python(real):
    def fail(batches):
        for batch in batches:
            raise ValueError(batch.to_pylist())
        yield

    def failing(*frames, **policies):
        rows = real(*frames, **policies)
        return rows.mapInArrow(fail, rows.schema)

    return failing


FAULTS = {
    "a contract": ("matched_readings", identifying),
    "a cast": ("trusted_customers", casting),
    "an error of the engine": ("trusted_customers", raising),
    "an error of a function": ("trusted_customers", failing_in_python),
}


@pytest.mark.parametrize("fault", share(FAULTS, "a contract", "an error of a function"))
def test_no_mark_of_a_failing_run_is_left_outside_the_tables(graph, capfd, caplog, monkeypatch, fault):
    caplog.set_level(logging.DEBUG)
    function, change = FAULTS[fault]
    monkeypatch.setattr(tables, function, change(getattr(tables, function)))
    result = graph.run(ok=False)
    assert not result.success
    assert_no_marks(graph, result, capfd, caplog)


def test_no_mark_of_a_failing_reader_is_left_outside_the_tables(graph, capfd, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    quotation = f"{e_mail(1)} is no number"

    def failing(job, tasks):
        def fail(batches):
            raise ValueError(quotation)
            yield

        return fail

    monkeypatch.setattr(reader, "task_function", failing)
    result = graph.run(ok=False)
    assert not result.success
    assert_no_marks(graph, result, capfd, caplog)


def test_an_error_of_the_engine_says_what_failed_and_where(graph, monkeypatch):
    monkeypatch.setattr(tables, "trusted_customers", casting(tables.trusted_customers))
    result = graph.run(ok=False)
    failures = {
        event.step_key: event.step_failure_data.error for event in result.all_events if event.is_step_failure
    }
    assert set(failures) == {"customer_trusted"}
    error = failures["customer_trusted"]
    assert "customer_trusted: the engine failed with " in error.message
    assert any(" stage(" in line for line in error.stack)
    assert error.cause is None


FAILING_DEFINITIONS = """
import pyspark.sql.functions as F

from stedi_assets.transforms import tables

trusted_customers = tables.trusted_customers
tables.trusted_customers = lambda *frames: trusted_customers(*frames).withColumn(
    "registrationDate", F.col("email").cast("bigint")
)

from stedi_assets.definitions import defs
"""


@pytest.mark.usefixtures("spark_driver")
@pytest.mark.parametrize("spark", share(["sail", "local[2]"], "sail"))
def test_no_mark_of_a_process_is_left_outside_the_tables(tmp_path, spark):
    """With what the engine itself prints, and what Dagster keeps of that."""
    if spark != "sail" and shutil.which("java") is None:
        pytest.skip("no Java: Apache Spark cannot be started")
    home = tmp_path / "home"
    home.mkdir()
    module = tmp_path / "failing.py"
    module.write_text(FAILING_DEFINITIONS)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "STEDI_"))
    }
    environment |= {
        "DAGSTER_HOME": str(home),
        "STEDI_LAKE_URI": str(marked_lake(tmp_path / "lake")),
        "STEDI_PSEUDONYM_KEY": KEY,
        "STEDI_SPARK": spark,
        "SPARK_CONF_DIR": str(tmp_path),
    }
    (tmp_path / "spark-defaults.conf").write_text(spark_defaults(FOR_FEW_ROWS))
    command = [
        sys.executable,
        "-m",
        "dagster",
        "asset",
        "materialize",
        "--python-file",
        str(module),
        "--select",
    ]
    command.append("customer_landing,customer_quarantine,customer_trusted")
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "customer_trusted: the engine failed with " in run.stderr, run.stderr[-3000:]
    assert marks_in(run.stdout + run.stderr) == set()
    assert files_with_marks(home) == {}


def test_no_mark_is_in_the_exports():
    assert marks_in("".join(exports().values())) == set()
