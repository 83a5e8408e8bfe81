"""What README and docs tell to type is typed, and prints what is shown. What cannot run here is parsed and says why."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer.main

from stedi_assets.cli import app
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.shares import share

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
COMMANDS = typer.main.get_command(app).commands
BLOCK = re.compile(
    r"^(?P<before>[^\n]*)\n```(?P<language>[\w-]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks(page: Path, *languages: str) -> list[re.Match[str]]:
    return [block for block in BLOCK.finditer(page.read_text()) if block["language"] in languages]


def typed(block: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that it shows."""
    commands: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line)
    return commands


def pattern(shown: list[str]) -> str:
    """A line ``...`` stands for any lines, and ``…`` for anything in a line; seconds are another number each time."""
    return "".join(r"(?:.*\n)*?" if line == "..." else f"{_line(line)} *\n" for line in shown)


def _line(shown: str) -> str:
    # The marks are for terminals alone.
    escaped = re.escape(re.sub(r"^[✓!✗-] ", "  ", shown)).replace("…", ".*")
    return re.sub(r"(?:\\ )*\d+\\\.\d\\ s$", r" +\\d+\\.\\d s", escaped)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page",
    share([page for page in PAGES if blocks(page, "console")], REPOSITORY / "README.md"),
    ids=lambda page: page.name,
)
def test_the_commands_of_a_page_print_what_it_shows(page: Path, tmp_path: Path):
    for name in ("examples", "sql"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("STEDI_", "DAGSTER_"))}
    environment = mine | {"PATH": f"{BIN}:{mine['PATH']}", "HOME": str(tmp_path), "COLUMNS": "120"}
    pytest_path = {"PYTHONPATH": str(REPOSITORY)}

    def run(command: str) -> str:
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment | pytest_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}"
        return ended.stdout

    run("stedi sample-data --lake data")
    for block in blocks(page, "console"):
        for command, shown in typed(block["text"]):
            printed = run(command)
            assert re.fullmatch(pattern(shown), printed), f"{command}\nshown: {shown}\nprinted: {printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_that_is_not_run_says_why(page: Path):
    for block in blocks(page, "sh", "bash", "shell"):
        assert re.fullmatch(r"<!-- not run: .{10,} -->", block["before"]), block[0]


def invocations(page: Path) -> list[list[str]]:
    """The words of every ``stedi …`` of a page: in blocks of code, indented or fenced, and inline."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    inline = re.findall(r"`((?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?stedi [a-z][^`]*)`", text.replace("\n", " "))
    lines = re.findall(r"^(?: {4,}|\$ )?(?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?stedi [a-z].*$", text, re.MULTILINE)
    found = []
    for line in [*inline, *lines]:
        words = re.split(r" (?:\||\|\||&&|>>?|;) ", line.strip().removeprefix("$ "))[0]
        found.append(shlex.split(words.partition("stedi ")[2], comments=True))
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if invocations(page)], ids=lambda page: page.name)
def test_every_invocation_that_a_page_names_is_one_that_the_command_takes(page: Path):
    for name, *arguments in invocations(page):
        assert name in COMMANDS, name
        command = COMMANDS[name]
        context = click.Context(command, info_name=name)
        _, left, _ = command.make_parser(context).parse_args([word.replace("…", "") for word in arguments])
        assert not left, f"stedi {name} {arguments}"


def test_every_target_of_make_that_a_page_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"[`\n]make ([a-z-]+)", page.read_text())}
    assert named <= targets


def test_the_readme_lists_every_table_and_no_other():
    section = (REPOSITORY / "README.md").read_text().partition("\n## Tables\n")[2].partition("\n## ")[0]
    rows = "\n".join(line.rpartition(" | ")[0] for line in section.splitlines() if line.startswith("| "))
    assert set(re.findall(r"`(\w+)`", rows)) == set(CONTRACTS)
