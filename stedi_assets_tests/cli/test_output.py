"""How commands print: what a person sees at 80 columns, what a program gets, and what the help shows."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stedi_assets import cli
from stedi_assets.cli import output
from stedi_assets.cli.common import GROUPS
from stedi_assets.cli.output import SCREEN_ROWS, Output
from stedi_assets_tests.cli.printed import on_a_terminal

STEDI = Path(sys.executable).with_name("stedi")


def test_numbers_are_to_the_right_and_values_whole(capsys):
    Output().rows(
        ("table", "rows", "size", "at"),
        [("a", 7, 512, "2026-01-02T03:04:05+00:00"), ("x" * 100, 1_234_567, 1_500_000, None)],
        {"rows": output.number, "size": output.size, "at": output.short_time},
    )
    assert capsys.readouterr().out == (
        f"{'table':100}       rows       size  at\n"
        f"{'─' * 140}\n"
        f"{'a':100}          7  512 bytes  2026-01-02 03:04\n"
        f"{'x' * 100}  1,234,567     1.5 MB\n"
    )


def test_a_long_table_is_cut_after_a_screen_and_says_how_much_more_there_is(capsys):
    rows = [(number,) for number in range(1, 163_506)]
    Output().rows(("n",), rows)
    assert capsys.readouterr().out.splitlines()[-2:] == ["20", "and 163,485 more (--all)"]
    for everything in (Output(all_rows=True), Output(as_csv=True)):
        everything.rows(("n",), rows[: SCREEN_ROWS + 1])
        assert capsys.readouterr().out.splitlines()[-1].strip() == "21"
    Output(as_json=True).rows(("n",), rows[:30])
    assert json.loads(capsys.readouterr().out)[-1] == {"n": 30}


def test_a_table_fits_a_narrow_terminal(graph):
    shown = on_a_terminal("counts", columns=80, lake=graph.lake_uri)
    assert max(map(len, shown.splitlines())) <= 80
    assert "machine_learning_curated" in shown
    long = "SELECT repeat('x', 78) || (n // 2) AS path, n, 'y' AS y FROM range(3) AS t(n)"
    assert on_a_terminal("sql", long, columns=80, lake=graph.lake_uri).splitlines() == [
        "path",
        "  n  y",
        "  ────",
        f"{'x' * 78}0",
        "  0  y",
        "  1  y",
        f"{'x' * 78}1",
        "  2  y",
    ]
    wide = "SELECT 1 AS a, repeat('y', 90) AS long"
    assert on_a_terminal("sql", wide, columns=80, lake=graph.lake_uri).splitlines() == [
        "-- 1",
        "a     1",
        f"long  {'y' * 90}",
    ]


@pytest.mark.parametrize("command", [["counts"], ["quarantine"], ["sql", "FROM customer_curated"]])
def test_json_and_csv_are_nothing_else_and_agree(stedi, graph, command):
    _, as_json, err = stedi(*command, "--json", lake=graph.lake_uri)
    _, as_csv, _ = stedi(*command, "--csv", lake=graph.lake_uri)
    rows = json.loads(as_json)
    assert err == ""
    assert [list(map(str, row.values())) for row in rows] == [
        ["None" if cell == "" else cell for cell in row] for row in list(csv.reader(io.StringIO(as_csv)))[1:]
    ]
    code, out, err = stedi(*command, "--csv", "--json", lake=graph.lake_uri)
    assert (code, out) == (2, "")
    assert "--json and --csv exclude each other" in err


def test_the_help_is_one_screen_with_every_command_in_a_group(stedi, tmp_path):
    code, out, _ = stedi("-h", lake=str(tmp_path))
    lines = out.splitlines()
    assert code == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    commands = cli.common.typer.main.get_command(cli.app).commands
    assert set(commands) <= {name for names in GROUPS.values() for name in names}
    for name, command in commands.items():
        assert f"  {name.ljust(14)}  {command.short_help}" in lines
        assert "Examples:" in command.epilog


def test_the_lake_may_be_named_by_option_before_or_behind_the_command(stedi, graph, tmp_path):
    expected = stedi("counts", lake=graph.lake_uri)
    assert stedi("counts", "--lake", graph.lake_uri, lake=str(tmp_path)) == expected
    assert stedi("--lake", graph.lake_uri, "counts", lake=str(tmp_path)) == expected
    code, _, err = stedi("counts", "--lake", "gs://bucket", lake=graph.lake_uri)
    assert code == 2
    assert "Invalid value for '--lake': a lake is a folder or an s3:// address" in err


def test_a_command_that_does_not_exist_is_answered_with_one_that_does(stedi, tmp_path):
    code, _, err = stedi("kounts", lake=str(tmp_path))
    assert code == 2
    assert "No such command 'kounts'. Did you mean 'counts'?" in err


def test_the_version(stedi, tmp_path):
    code, out, _ = stedi("--version", lake=str(tmp_path))
    assert (code, out.split()[0]) == (0, "stedi")


def test_a_shell_completes_commands():
    environment = os.environ | {
        "_STEDI_COMPLETE": "complete_bash",
        "COMP_WORDS": "stedi cou",
        "COMP_CWORD": "1",
    }
    run = subprocess.run([STEDI], env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["counts"]


def test_a_folder_that_does_not_exist_is_named(stedi, tmp_path):
    commands = [[name] for name in ("counts", "quarantine", "tables", "diff", "status", "upgrade")]
    for command in [
        *commands,
        ["rotate-key"],
        ["forget", "ann@example.org"],
    ]:
        assert stedi(*command, lake=f"{tmp_path}/gone")[::2] == (
            1,
            f"stedi: there is no folder {tmp_path}/gone: correct STEDI_LAKE_URI or --lake\n",
        )
        assert list(tmp_path.iterdir()) == []


def test_a_list_is_json_in_csv(capsys):
    Output(as_csv=True).rows(("a",), [(["x", "y"],)])
    assert capsys.readouterr().out == 'a\n"[""x"", ""y""]"\n'
