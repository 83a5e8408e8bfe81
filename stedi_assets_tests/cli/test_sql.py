"""``stedi sql``: it answers queries of published tables, and can do nothing else."""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.small_lake import deliver_all
from stedi_assets_tests.cli.printed import cells, data_files

QUERY = "SELECT email, serialNumber, phone FROM customer_curated WHERE lower(email) LIKE '%fay%'"


def test_sql_prints_a_table(stedi, graph):
    code, out, err = stedi("sql", QUERY, lake=graph.lake_uri)
    assert (code, err) == (0, "")
    names, *rows = cells(out)
    assert names == ["email", "serialNumber", "phone"]
    assert [row[0] for row in rows] == ["Fay@Example.org"]


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
        assert (code, out) == (2, "")
        assert "give either one query or a file of them with -f" in err


def test_sql_names_tables_with_and_without_their_database(stedi, graph):
    for name in CONTRACTS:
        for table in (name, f"stedi_db.{name}"):
            code, out, _ = stedi("sql", "--json", f"SELECT count(*) AS n FROM {table}", lake=graph.lake_uri)
            assert code == 0
            assert json.loads(out) == [{"n": graph.lake.snapshot(name).rows}]


def test_sql_gives_an_empty_table_its_columns(stedi, graph):
    assert graph.lake.snapshot("customer_quarantine").files == {}
    code, out, _ = stedi("sql", "--csv", "SELECT * FROM customer_quarantine", lake=graph.lake_uri)
    assert (code, out) == (
        0,
        "source_file,source_position,ingested_at,raw_text,reasons,persons,devices,snapshot_at\n",
    )


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
    assert err == (
        "stedi: there is no table customers: did you mean customer_trusted? the tables are "
        f"{', '.join(CONTRACTS)}\n"
    )


def test_a_query_of_an_empty_lake_says_what_to_do(stedi, tmp_path):
    code, _, err = stedi("sql", "SELECT * FROM customer_trusted", lake=str(tmp_path))
    assert code == 1
    assert err == (
        "stedi: there is no table customer_trusted; the lake has no tables yet; make them with: stedi run\n"
    )


@pytest.mark.parametrize(
    "query", ["SELEKT 1", "SELECT no_such_column FROM customer_trusted", "SELECT 'a'::INTEGER"]
)
def test_a_wrong_query_is_an_error_of_one_line_and_no_stack(stedi, graph, query):
    code, out, err = stedi("sql", query, lake=graph.lake_uri)
    assert (code, out) == (1, "")
    assert err.startswith("stedi: ")
    assert "Traceback" not in err


WRITING = [
    "COPY customer_trusted TO '{folder}/copy.csv'",
    "COPY (SELECT 1) TO '{file}'",
    "COPY (SELECT 1) TO '{address}'",
    "COPY (SELECT 1) TO 'published://{address}'",
    "EXPLAIN COPY (SELECT 1) TO '{file}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}'",
    "explain /* ( */ analyze COPY (SELECT 1) TO '{file}'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{file}'",
    # A SELECT to DuckDB's parser, which writes.
    "WITH written AS (COPY (SELECT 1) TO '{file}') SELECT * FROM written",
    "WITH written AS (COPY (SELECT 1) TO 'published://{address}') SELECT * FROM written",
    "EXPLAIN ANALYZE WITH written AS (COPY (SELECT 1) TO '{file}') SELECT * FROM written",
    "SELECT * FROM query('WITH written AS (COPY (SELECT 1) TO ''{file}'') SELECT * FROM written')",
    "WITH written AS (COPY (SELECT 1) TO '.tmp/here') SELECT * FROM written",
    "WITH written AS (COPY (SELECT 1) TO ':memory:') SELECT * FROM written",
    "WITH gone AS (DELETE FROM customer_trusted RETURNING *) SELECT * FROM gone",
    "SELECT 1; COPY (SELECT 1) TO '{file}'",
    "ATTACH '{folder}/other.db'",
    "ATTACH '{lake}/catalog.db' (TYPE sqlite)",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('published://{lake}/catalog.db')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM glob('{folder}/*')",
    "EXPORT DATABASE '{folder}/export'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "RESET disabled_filesystems",
    "PRAGMA enable_profiling",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{folder}/log')",
    "CALL pragma_version()",
    "PREPARE p AS SELECT 1",
    "CREATE TABLE t AS SELECT 1",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "DROP VIEW customer_trusted",
    "USE main",
    "BEGIN",
    "DELETE FROM customer_trusted",
    "UPDATE customer_trusted SET email = 'x'",
    "INSERT INTO customer_trusted SELECT * FROM customer_trusted",
    "SELECT 1; SELECT 2",
    "/* nothing */",
    ";",
    "",
]


@pytest.fixture
def places(graph, tmp_path, monkeypatch) -> Iterator[dict[str, str]]:
    """What a statement may aim at; afterwards it is as it was, and the working directory is empty."""
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nswordfish\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = data_files(Path(graph.lake_uri))
    address = next(iter(graph.lake.snapshot("customer_trusted").files))
    yield {
        "folder": str(tmp_path),
        "secret": str(secret),
        "file": address.removeprefix("file://"),
        "address": address,
        "lake": graph.lake_uri,
    }
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["here", "secret.csv"]
    assert data_files(Path(graph.lake_uri)) == before


@pytest.mark.parametrize("query", WRITING)
def test_sql_reaches_nothing_but_the_tables_and_changes_nothing(stedi, graph, places, query):
    code, out, err = stedi("sql", query.format(**places), lake=graph.lake_uri)
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("stedi: ")
    assert "Traceback" not in err
    assert "swordfish" not in err


@pytest.mark.parametrize("query", WRITING)
def test_a_file_of_sql_cannot_do_more_than_a_query(stedi, graph, places, tmp_path_factory, query):
    file = tmp_path_factory.mktemp("sql") / "queries.sql"
    file.write_text(f"SELECT 1 AS before;\n{query.format(**places)};\n")
    code, out, err = stedi("sql", "-f", str(file), lake=graph.lake_uri)
    # No statement, and two of them, are all right in a file.
    if query in ("", ";", "/* nothing */", "SELECT 1; SELECT 2"):
        assert (code, err) == (0, "")
    else:
        assert code in (1, 2)
        assert "swordfish" not in out + err


def test_a_refused_statement_is_answered_with_one_sentence(stedi, graph):
    for query in ("CREATE TABLE t AS SELECT 1", "EXPLAIN ANALYZE INSERT INTO t SELECT 1", "PRAGMA version"):
        assert stedi("sql", query, lake=graph.lake_uri)[2] == (
            "stedi: give one SELECT, or EXPLAIN and one SELECT: a query only reads, and cannot write\n"
        )
    assert "the query has 2 statements" in stedi("sql", "SELECT 1; SELECT 2", lake=graph.lake_uri)[2]
    assert "the query has 0 statements" in stedi("sql", "", lake=graph.lake_uri)[2]


@pytest.mark.parametrize(
    "query",
    [
        "EXPLAIN SELECT * FROM customer_trusted",
        "EXPLAIN ANALYZE SELECT count(*) FROM customer_trusted",
        "EXPLAIN (FORMAT json) SELECT * FROM customer_trusted",
        "FROM customer_trusted",
        "DESCRIBE customer_trusted",
        "SUMMARIZE stedi_db.customer_trusted",
        'SELECT * FROM "stedi_db"."Customer_Trusted" AS c',
        "SELECT * FROM query_table('customer_trusted')",
        "PIVOT customer_trusted ON phone IN ('1') USING count(*)",
        "VALUES (1)",
        "SELECT 1;",
    ],
)
def test_every_way_to_ask_is_answered(stedi, graph, query):
    code, out, err = stedi("sql", "--csv", query, lake=graph.lake_uri)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) > 1


def test_a_table_of_the_query_hides_the_published_one(stedi, graph):
    query = "WITH customer_landing AS (SELECT 7 AS n) SELECT n FROM customer_landing"
    assert json.loads(stedi("sql", "--json", query, lake=graph.lake_uri)[1]) == [{"n": 7}]


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("SHOW TABLES", "name"),
        ("SELECT table_name AS name FROM information_schema.tables", "name"),
        (
            "SELECT DISTINCT table_name AS name FROM information_schema.columns WHERE table_name <> 'customer_trusted'",
            "name",
        ),
        ("SELECT view_name AS name FROM duckdb_views() WHERE schema_name = 'stedi_db'", "name"),
    ],
)
def test_a_query_of_which_tables_there_are_sees_all(stedi, graph, query, column):
    code, out, err = stedi("sql", "--json", query, lake=graph.lake_uri)
    assert (code, err) == (0, "")
    assert {row[column] for row in json.loads(out)} | {"customer_trusted"} == set(CONTRACTS)


@pytest.fixture(scope="module")
def hive_graph(sail_engine, tmp_path_factory) -> Graph:
    """A lake whose address looks like partitions of Hive."""
    folder = tmp_path_factory.mktemp("cli") / "year=2024" / "email=nobody"
    graph = Graph(str(deliver_all(folder)), sail_engine)
    graph.run("customer_landing", "customer_quarantine", "customer_trusted")
    return graph


def test_the_address_of_a_lake_adds_no_column_and_changes_no_value(stedi, hive_graph):
    code, out, _ = stedi("sql", "--json", "SELECT * FROM customer_landing", lake=hive_graph.lake_uri)
    assert code == 0
    rows = json.loads(out)
    assert list(rows[0]) == [column.name for column in CONTRACTS["customer_landing"].columns]
    assert {row["email"] for row in rows} == {row["email"] for row in hive_graph.table("customer_landing")}


@pytest.fixture
def broken(hive_graph, tmp_path) -> Iterator[str]:
    """The lake, while the metadata of its table ``customer_landing`` is gone."""
    metadata = Path(hive_graph.lake_uri, CONTRACTS["customer_landing"].folder, "metadata")
    shutil.move(metadata, tmp_path / "metadata")
    yield hive_graph.lake_uri
    shutil.move(tmp_path / "metadata", metadata)


def test_a_broken_table_is_no_obstacle_to_a_query_of_another(stedi, broken):
    code, out, err = stedi("sql", "--json", "SELECT count(*) AS n FROM customer_trusted", lake=broken)
    assert (code, err) == (0, "")
    assert json.loads(out)[0]["n"] > 0


def test_a_broken_table_is_named_where_a_query_needs_it(stedi, broken):
    code, out, err = stedi("sql", "SELECT count(*) AS n FROM customer_landing", lake=broken)
    assert (code, out) == (1, "")
    assert err.startswith("stedi: customer_landing cannot be read: ")
    code, out, err = stedi("sql", "--csv", "SHOW TABLES", lake=broken)
    assert code == 0
    assert "customer_trusted" in out.splitlines()
    assert "customer_landing" not in out.splitlines()
    assert err.startswith("stedi: left out: customer_landing cannot be read: ")


def test_counts_shows_the_tables_beside_a_broken_one(stedi, broken):
    code, out, err = stedi("counts", "--json", lake=broken)
    assert code == 0
    assert [row["table"] for row in json.loads(out)] == [
        "customer_quarantine",
        "landing_files",
        "customer_trusted",
    ]
    assert err.startswith("stedi: left out: customer_landing cannot be read: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ['SELECT * FROM "\x1b[2J"'],
        ['SELECT 1 AS "\x1b[2J"'],
        ["SELECT chr(27) || '[2J'"],
        ["SELECT chr(27) || '[2J'", "--json"],
        ["SELECT error(chr(27) || '[2J')"],
        ["\x1b[2J"],
        ["-f", "\x1b[2J"],
        ["SELECT 1", "\x1b[2J"],
        ["--\x1b[2J"],
    ],
)
def test_nothing_that_is_printed_is_a_command_to_the_terminal(stedi, graph, arguments):
    _, out, err = stedi("sql", *arguments, lake=graph.lake_uri)
    assert "\x1b" not in out + err
    assert r"\x1b" in out + err or r"\u001b" in out + err


def test_csv_is_unchanged_for_a_program(stedi, graph):
    assert stedi("sql", "--csv", "SELECT chr(27) AS c", lake=graph.lake_uri)[1] == "c\n\x1b\n"


def test_an_odd_file_of_sql_gets_a_message(stedi, graph, tmp_path):
    file = tmp_path / "queries.sql"
    for content, message in ((b"", "the file has no statement"), (b"SELECT '\xff'", "is not UTF-8 text")):
        file.write_bytes(content)
        code, out, err = stedi("sql", "-f", str(file), lake=graph.lake_uri)
        assert (code, out) == (1, "")
        assert message in err
    file.write_bytes(b"\xef\xbb\xbf-- n: one\nSELECT 1 AS a;\n-- n: two\nSELECT 2 AS a;\n-- end\n")
    code, out, _ = stedi("sql", "-f", str(file), "--json", lake=graph.lake_uri)
    assert (code, json.loads(out)) == (0, {"n": [{"a": 1}], "statement 2": [{"a": 2}]})
