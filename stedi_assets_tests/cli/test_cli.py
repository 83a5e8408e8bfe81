"""The command ``stedi``: what it prints, and what it answers to what it cannot do."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stedi_assets import cli
from stedi_assets.checks import EXPECTATIONS_FILE
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.settings import get_settings
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.small_lake import deliver_all


@pytest.fixture(scope="module")
def graph(sail_engine, tmp_path_factory) -> Graph:
    graph = Graph(str(deliver_all(tmp_path_factory.mktemp("cli"))), sail_engine)
    graph.run()
    return graph


@pytest.fixture
def stedi(monkeypatch, capsys):
    """Run the command as a shell does; gives its exit code, output and errors."""
    # Wide enough for every table.
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, lake: str) -> tuple[int, str, str]:
        monkeypatch.setenv("STEDI_LAKE_URI", lake)
        monkeypatch.setattr(sys, "argv", ["stedi", *arguments])
        get_settings.cache_clear()
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            get_settings.cache_clear()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]


def test_counts_shows_every_table(stedi, graph):
    code, out, err = stedi("counts", lake=graph.lake_uri)
    assert (code, err) == (0, "")
    lines = [cells(line) for line in out.splitlines() if line.startswith(("│", "┃"))]
    assert lines[0] == ["table", "rows", "snapshot", "published"]
    assert {line[0]: int(line[1]) for line in lines[1:]} == {
        name: graph.lake.snapshot(name).rows for name in CONTRACTS
    }


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
    assert err == f"stedi: the lake {tmp_path} has no tables yet; make them with: make materialize\n"
    assert list(tmp_path.iterdir()) == []


def test_a_lake_that_is_not_there_is_not_made(stedi, tmp_path):
    lake = tmp_path / "lake"
    assert stedi("counts", lake=str(lake))[0] == 1
    assert stedi("sql", "SELECT 1", lake=str(lake))[0] == 0
    assert not lake.exists()


QUERY = "SELECT email, serialNumber, phone FROM customer_curated WHERE lower(email) LIKE '%fay%'"


def test_sql_prints_a_table(stedi, graph):
    code, out, err = stedi("sql", QUERY, lake=graph.lake_uri)
    assert (code, err) == (0, "")
    lines = [cells(line) for line in out.splitlines() if line.startswith(("│", "┃"))]
    assert lines[0] == ["email", "serialNumber", "phone"]
    assert [line[0] for line in lines[1:]] == ["Fay@Example.org"]


def test_sql_as_json_and_csv(stedi, graph):
    query = "SELECT count(*) AS n, NULL AS nothing, 'a,\"b' AS text, 1.5 AS x FROM machine_learning_curated"
    code, out, _ = stedi("sql", "--json", query, lake=graph.lake_uri)
    assert code == 0
    assert json.loads(out) == [{"n": 21, "nothing": None, "text": 'a,"b', "x": "1.5"}]
    code, out, _ = stedi("sql", "--csv", query, lake=graph.lake_uri)
    assert code == 0
    assert list(csv.reader(io.StringIO(out))) == [["n", "nothing", "text", "x"], ["21", "", 'a,"b', "1.5"]]


SQL = Path(__file__).parents[2] / "sql"


def test_sql_files_in_athenas_sql_run_on_published_tables(stedi, graph):
    code, out, err = stedi("sql", "-f", str(SQL / "row_counts.sql"), "--json", lake=graph.lake_uri)
    assert (code, err) == (0, "")
    assert {row["table_name"]: row["row_count"] for row in json.loads(out)["row_counts"]} == {
        name: graph.lake.snapshot(name).rows for name in CONTRACTS
    }
    code, out, err = stedi("sql", "-f", str(SQL / "validate_schema.sql"), "--json", lake=graph.lake_uri)
    assert (code, err) == (0, "")
    assert json.loads(out) == {"missing_tables": [], "wrong_columns": []}
    code, out, err = stedi("sql", "-f", str(SQL / "summary_queries.sql"), "--json", lake=graph.lake_uri)
    assert (code, err) == (0, "")
    people = {row["email"].strip().lower() for row in graph.table("customer_trusted")}
    funnel = {row["step"]: row["people"] for row in json.loads(out)["consent_funnel"]}
    assert funnel["3 agree to research now"] == len(people)


def test_sql_files_name_their_statements(stedi, graph):
    code, out, _ = stedi("sql", "-f", str(SQL / "validate_schema.sql"), lake=graph.lake_uri)
    assert code == 0
    assert [line for line in out.splitlines() if line.endswith(":")] == ["missing_tables:", "wrong_columns:"]


def test_sql_asks_for_a_query_or_a_file(stedi, graph):
    for arguments in ([], ["SELECT 1", "-f", str(SQL / "row_counts.sql")]):
        code, out, err = stedi("sql", *arguments, lake=graph.lake_uri)
        assert (code, out) == (1, "")
        assert err == "stedi: give either one query or a file of them with -f\n"


def test_sql_names_tables_with_and_without_their_database(stedi, graph):
    for name in CONTRACTS:
        for table in (name, f"stedi_db.{name}"):
            code, out, _ = stedi("sql", "--json", f"SELECT count(*) AS n FROM {table}", lake=graph.lake_uri)
            assert code == 0
            assert json.loads(out) == [{"n": graph.lake.snapshot(name).rows}]


def test_sql_gives_an_empty_table_its_columns(stedi, graph):
    assert graph.lake.snapshot("customer_quarantine").files == ()
    code, out, _ = stedi("sql", "--csv", "SELECT * FROM customer_quarantine", lake=graph.lake_uri)
    assert (code, out) == (0, "source_file,source_position,ingested_at,raw_text,reasons\n")


def test_sql_sees_what_is_published_now(stedi, sail_engine, tmp_path):
    graph = Graph(str(deliver_all(tmp_path)), sail_engine)
    graph.run()
    query = "SELECT count(*) AS n FROM customer_landing"
    before = json.loads(stedi("sql", "--json", query, lake=graph.lake_uri)[1])[0]["n"]
    deliver(
        tmp_path,
        "customer",
        [{"email": "new@example.org", "serialNumber": "x", "lastUpdateDate": 1_700_000_000_000}],
        "2.json",
    )
    graph.run("customer_landing", "customer_quarantine")
    assert json.loads(stedi("sql", "--json", query, lake=graph.lake_uri)[1])[0]["n"] == before + 1


def test_an_unknown_table_is_answered_with_those_there_are(stedi, graph):
    code, out, err = stedi("sql", "SELECT * FROM customers", lake=graph.lake_uri)
    assert (code, out) == (1, "")
    assert "customers" in err
    assert f"Published tables: {', '.join(sorted(CONTRACTS))}" in err
    assert "Traceback" not in err


def test_a_query_of_an_empty_lake_says_what_to_do(stedi, tmp_path):
    code, _, err = stedi("sql", "SELECT * FROM customer_trusted", lake=str(tmp_path))
    assert code == 1
    assert "Published tables: none yet; make them with: make materialize" in err


@pytest.mark.parametrize(
    "query", ["SELEKT 1", "SELECT no_such_column FROM customer_trusted", "SELECT 'a'::INTEGER"]
)
def test_a_wrong_query_is_an_error_of_one_line_and_no_stack(stedi, graph, query):
    code, out, err = stedi("sql", query, lake=graph.lake_uri)
    assert (code, out) == (1, "")
    assert err.startswith("stedi: ")
    assert "Traceback" not in err


def data_files(lake: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in lake.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "query",
    [
        "COPY customer_trusted TO '{folder}/copy.csv'",
        "COPY (SELECT 1) TO '{file}'",
        "ATTACH '{folder}/other.db'",
        "ATTACH '{lake}/catalog.db' (TYPE sqlite)",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "EXPORT DATABASE '{folder}/export'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "DELETE FROM customer_trusted",
        "UPDATE customer_trusted SET email = 'x'",
        "INSERT INTO customer_trusted SELECT * FROM customer_trusted",
    ],
)
def test_sql_reaches_nothing_but_the_tables_and_changes_nothing(stedi, graph, tmp_path, query):
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nswordfish\n")
    file = graph.lake.snapshot("customer_trusted").files[0].removeprefix("file://")
    before = data_files(Path(graph.lake_uri))
    text = query.format(folder=tmp_path, secret=secret, file=file, lake=graph.lake_uri)
    code, out, err = stedi("sql", text, lake=graph.lake_uri)
    assert code == 1
    assert "swordfish" not in out + err
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    assert data_files(Path(graph.lake_uri)) == before


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
