"""``stedi tables``, ``stedi diff`` and ``stedi status``: what is published, what changed, and what waits."""

import json

import dagster as dg
import pytest

from stedi_assets.cli.snippets import snippets
from stedi_assets.contracts.folders import FOLDERS
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import KEY, Graph
from stedi_assets_tests.builders.rows import customer, reading
from stedi_assets_tests.builders.small_lake import MOMENTS, NEW, deliver_all, e_mail, serial, snapshot
from stedi_assets_tests.byte_search import holding
from stedi_assets_tests.cli.printed import cells, on_a_terminal


def test_tables_fit_80_columns_in_the_order_of_the_pipeline(stedi, graph):
    code, out, err = stedi("tables", lake=graph.lake_uri)
    names, *rows = cells(out)
    assert (code, err) == (0, "")
    assert names == ["table", "zone", "rows", "bytes", "files", "published"]
    assert [row[0] for row in rows] == list(FOLDERS)
    assert max(map(len, out.splitlines())) <= 80


def test_tables_as_json_say_where_and_from_what(stedi, graph):
    rows = {row["table"]: row for row in json.loads(stedi("tables", "--json", lake=graph.lake_uri)[1])}
    ml = rows["machine_learning_curated"]
    published = graph.lake.snapshot("machine_learning_curated")
    assert (ml["zone"], ml["rows"], ml["bytes"], ml["files"]) == (
        "curated",
        published.rows,
        published.bytes,
        len(published.files),
    )
    assert ml["location"] == f"file://{graph.lake_uri}/machine_learning/curated"
    assert f"customer_curated@{graph.lake.snapshot('customer_curated').snapshot_id}" in ml["made_from"]
    assert rows["customer_landing"]["made_from"] == []


def test_every_snippet_reads_the_table_as_it_is_now(stedi, engine, sail_engine, tmp_path):
    graph = Graph(str(deliver_all(tmp_path)), sail_engine)
    # Three times, so that files of old snapshots lie about.
    for _ in range(3):
        graph.run(full_refresh=True)
    name = "customer_trusted"
    shown = stedi("tables", name, lake=graph.lake_uri)[1]
    scope = {"spark": engine.session}
    counts = []
    for lines in snippets(graph.lake, name).values():
        assert lines in shown
        exec(lines, scope)
        frame = scope["frame"]
        counts.append(frame.count() if frame.__class__.__module__.startswith("pyspark") else len(frame))
    assert counts == [graph.lake.snapshot(name).rows] * 4
    assert scope["connection"].sql(f"SELECT count(*) FROM {name}").fetchall() == [(counts[0],)]
    assert "Do not read_parquet('**')" in shown


def test_an_unknown_table_is_answered_with_one_there_is(stedi, graph, tmp_path):
    for command in ("tables", "diff"):
        code, out, err = stedi(command, "customer_trustd", lake=graph.lake_uri)
        assert (code, out) == (1, "")
        assert err.startswith("stedi: there is no table customer_trustd: did you mean customer_trusted?")
        assert "has no tables yet" in stedi(command, "customer_trusted", lake=str(tmp_path))[2]
    code, _, err = stedi("diff", "landing_files", lake=graph.lake_uri)
    assert (code, err.startswith("stedi: landing_files has no publications to compare")) == (1, True)


@pytest.fixture(scope="module")
def changed(sail_engine, tmp_path_factory) -> Graph:
    """A lake in which Ann withdrew and Zoe came, by two files of a second run."""
    folder = deliver_all(tmp_path_factory.mktemp("changed"))
    graph = Graph(str(folder), sail_engine)
    graph.run()
    zoe = snapshot("zoe", "z", NEW, NEW)
    deliver(folder, "customer", [snapshot("ann", "a", NEW + 1, None), zoe], "withdrawal.json")
    deliver(folder, "accelerometer", [reading(e_mail("zoe"), MOMENTS[0])], "zoe.json")
    graph.run()
    return graph


def test_diff_counts_rows_and_people_that_came_and_went(stedi, changed):
    out = stedi("diff", "--json", lake=changed.lake_uri)[1]
    rows = {row["table"]: row for row in json.loads(out)}
    # No step reading came, and no record went to quarantine.
    assert list(rows) == [
        *("customer_landing", "accelerometer_landing", "customer_trusted", "accelerometer_trusted"),
        *("customer_curated", "step_trainer_trusted", "machine_learning_curated"),
    ]
    counts = ("rows_added", "rows_gone", "people_added", "people_gone")
    assert [rows["customer_landing"][name] for name in counts] == [2, 0, 1, 0]
    assert [rows["customer_trusted"][name] for name in counts] == [1, 1, 1, 1]
    assert [rows["accelerometer_landing"][name] for name in counts] == [1, 0, 1, 0]
    assert rows["machine_learning_curated"]["people_gone"] == 1
    # No step reading came: devices went with their owner, and no column names people.
    assert [rows["step_trainer_trusted"][name] for name in counts][2:] == [None, None]
    assert rows["customer_landing"]["files"] == ["customer/landing/withdrawal.json"]
    assert rows["customer_trusted"]["files"] == ["customer/landing/withdrawal.json"]
    assert rows["accelerometer_trusted"]["files"] == [
        "customer/landing/withdrawal.json",
        "accelerometer/landing/zoe.json",
    ]
    assert "ann@" not in out
    assert "zoe@" not in out


def test_diff_names_the_files_below_the_table(stedi, changed):
    out = stedi("diff", "customer_trusted", lake=changed.lake_uri)[1]
    assert out.splitlines()[2:] == [
        "customer_trusted           1          1             1            1",
        "",
        "By these landing files:",
        "  customer/landing/withdrawal.json",
    ]


def test_diff_tells_of_the_last_run_alone(stedi, sail_engine, tmp_path):
    folder = deliver_all(tmp_path)
    graph = Graph(str(folder), sail_engine)
    graph.run()
    deliver(folder, "customer", [snapshot("zoe", "z", NEW, NEW)], "zoe.json")
    expected = folder / "expected_row_counts.yaml"
    expected.write_text("row_counts:\n  default:\n    customer_trusted: 1\n")
    graph.run(ok=False)  # lands Zoe, and stops below
    expected.unlink()
    graph.run()
    lines = stedi("diff", lake=graph.lake_uri)[1].splitlines()
    # Zoe has no readings, so that the other tables have the rows that they had.
    tables = [line.split()[0] for line in lines[2 : lines.index("and 10 tables left as before")]]
    assert tables == ["customer_trusted"]
    assert lines[-2:] == ["By these landing files:", "  customer/landing/zoe.json"]


def test_diff_of_a_first_publication_is_the_whole_table(stedi, graph):
    (row,) = json.loads(stedi("diff", "customer_trusted", "--json", lake=graph.lake_uri)[1])
    assert (row["rows_added"], row["rows_gone"]) == (graph.lake.snapshot("customer_trusted").rows, 0)


def test_status_says_what_waits_as_the_sensor_sees_it(stedi, sail_engine, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    folder = deliver_all(tmp_path)
    state = json.loads(stedi("status", "--json", lake=str(folder))[1])
    assert len(state["files_new"]) == 3
    assert (state["published"], state["last_run"], state["failing_checks"]) == (None, None, None)
    graph = Graph(str(folder), sail_engine)
    graph.run()
    out = stedi("status", lake=graph.lake_uri)[1]
    assert "files new       none\n" in out
    assert "stale tables    none\n" in out
    assert "unknown: this lake has no Dagster history here" in out
    # One of each kind, and a table that is left behind.
    deliver(folder, "customer", [customer("new@example.org", serial=serial("n"))], "new.json")
    graph.run("customer_landing", "customer_quarantine")
    deliver(folder, "step_trainer", b"", "empty.json")
    deliver(folder, "accelerometer", [reading(e_mail("ann"), MOMENTS[0])])
    (folder / "customer" / "landing" / "new.json").unlink()
    state = json.loads(stedi("status", "--json", lake=graph.lake_uri)[1])
    assert state["files_new"] == ["step_trainer/landing/empty.json"]
    assert state["files_changed"] == ["accelerometer/landing/1.json"]
    assert state["files_gone"] == ["customer/landing/new.json"]
    assert "customer_trusted" in state["stale_tables"]


def test_status_shows_the_last_run_and_the_checks_that_fail(stedi, sail_engine, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "lake").mkdir()
    (tmp_path / "dagster.yaml").touch()
    with dg.DagsterInstance.get() as instance:
        graph = Graph(str(deliver_all(tmp_path / "lake")), sail_engine, instance=instance)
        (tmp_path / "lake" / "expected_row_counts.yaml").write_text(
            "row_counts:\n  default:\n    customer_trusted: 1\n"
        )
        graph.run(ok=False)
    out = stedi("status", lake=graph.lake_uri)[1]
    assert "last run        FAILURE, " in out
    assert "  customer_trusted.row_count (ERROR)\n" in out
    shown = on_a_terminal("status", columns=80, lake=graph.lake_uri)
    assert "  customer_trusted.row_count (ERROR)\n    " in shown
    assert [line for line in shown.splitlines() if len(line) > 80 and " " in line.strip()] == []
    assert "".join(shown.split()) == "".join(out.split())


def test_a_bucket_is_answered_as_a_folder_is(stedi, new_lake, sail_engine, tmp_path, monkeypatch):
    monkeypatch.setenv("STEDI_PSEUDONYM_KEY", KEY)
    lake = new_lake(deliver_all(tmp_path))
    Graph(lake, sail_engine).run()
    (row,) = json.loads(stedi("tables", "customer_trusted", "--json", lake=lake)[1])
    (changes,) = json.loads(stedi("diff", "customer_trusted", "--json", lake=lake)[1])
    assert (changes["rows_added"], changes["rows_gone"]) == (row["rows"], 0)
    state = json.loads(stedi("status", "--json", lake=lake)[1])
    assert (state["files_new"], state["stale_tables"]) == ([], [])
    shown = stedi("tables", "customer_trusted", lake=lake)[1]
    scope: dict = {}
    exec(shown.partition("# PyIceberg")[2].partition("# DuckDB")[0], scope)
    assert len(scope["frame"]) == row["rows"]


def test_nothing_of_a_person_is_printed(stedi, changed, tmp_path):
    for number, command in enumerate((["tables"], ["diff"], ["status"], ["counts"])):
        (tmp_path / f"{number}.txt").write_text("".join(map(str, stedi(*command, lake=changed.lake_uri))))
    assert holding(tmp_path, "@example.org") == []
