"""``stedi run`` as installed: what a person sees of a run, what a program reads, and where the run is remembered."""

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from stedi_assets.checks import EXPECTATIONS_FILE
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.builders.graph import KEY
from stedi_assets_tests.builders.three_people import deliver_three_people
from stedi_assets_tests.shares import share

STEDI = str(Path(sys.executable).with_name("stedi"))
TABLES = [name for name in CONTRACTS if name != "landing_files"]


@dataclass(frozen=True)
class Lake:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        environment = os.environ | {"STEDI_LAKE_URI": str(self.folder), "STEDI_PSEUDONYM_KEY": KEY}
        return {name: value for name, value in environment.items() if name != "DAGSTER_HOME"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``stedi run`` where nobody watches."""
        command = [STEDI, "run", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def history(self) -> list[dg.DagsterRun]:
        """The runs that the UI of this lake shows."""
        with dg.DagsterInstance.from_config(
            str(self.folder.parent / ".dagster" / self.folder.name)
        ) as instance:
            return list(instance.get_runs())


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lakes")


@pytest.fixture(scope="module")
def lake(lakes: Path) -> Lake:
    deliver_three_people(lakes / "one")
    return Lake(lakes / "one")


@pytest.fixture(scope="module")
def first(lake: Lake) -> subprocess.CompletedProcess[str]:
    """The first run on a lake, in a pipe."""
    return lake.run()


def lines_of_tables(printed: str) -> list[str]:
    return [line.split()[0] for line in printed.splitlines() if line.split() and line.split()[0] in TABLES]


def test_a_pipe_gets_a_plain_line_for_each_table_in_the_order_of_the_pipeline(first):
    assert (first.returncode, first.stderr) == (0, "")
    assert lines_of_tables(first.stdout) == TABLES
    assert first.stdout.isprintable() or set(re.findall(r"[^ -~]", first.stdout)) == {"\n"}
    assert max(map(len, first.stdout.partition("Landed")[0].splitlines()[1:])) <= 80


def test_the_summary_says_what_landed_and_what_to_type_next(first):
    summary = first.stdout.partition("\n\n")[2]
    assert re.search(r"^Landed +\d+ records", summary, re.MULTILINE)
    assert "Published    11 tables in " in summary
    assert "Next: stedi counts" in summary


def test_a_program_gets_one_document_and_nothing_else(lake, first):
    ended = lake.run("--json", "--select", "customer_trusted")
    assert (ended.returncode, ended.stderr) == (0, "")
    document = json.loads(ended.stdout)
    assert document["succeeded"]
    assert document["published"] == ["customer_trusted"]
    (table,) = document["tables"]
    assert (table["table"], table["failed"]) == ("customer_trusted", [])
    assert table["rows_in"] > table["rows_out"] > 0


def test_a_full_run_reads_again_what_has_landed_already(lake, first):
    selected = "--json", "--select", "customer_landing"
    assert json.loads(lake.run(*selected).stdout)["landed"] == {"customer": 0}
    assert json.loads(lake.run(*selected, "--full").stdout)["landed"]["customer"] > 0


def test_a_selection_without_a_table_is_wrong_usage_and_names_the_tables(lake):
    for selection in ("nonsense", "key:(("):
        ended = lake.run("--select", selection)
        assert ended.returncode == 2
        assert "customer_trusted" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_failed_check_is_a_sentence_and_what_is_made_from_the_table_is_passed_over(tmp_path):
    lake = Lake(tmp_path / "lake")
    deliver_three_people(lake.folder)
    (lake.folder / EXPECTATIONS_FILE).write_text("row_counts: {default: {customer_trusted: 40980}}")
    ended = lake.run()
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "40980" in ended.stdout.replace(",", "")
    assert re.search(r"^  customer_trusted .* 1 failed", ended.stdout, re.MULTILINE)
    assert re.search(r"^  machine_learning_curated .*skipped", ended.stdout, re.MULTILINE)
    document = json.loads(lake.run("--json").stdout)
    assert not document["succeeded"]
    assert "customer_trusted" not in document["published"]
    assert len(document["failures"]) == 1
    assert document["failures"][0].startswith("Bad data: customer_trusted: ")


def test_an_error_of_ours_is_its_message_without_a_trace(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.folder.mkdir()
    ended = lake.run("--select", "customer_trusted")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "materialize it first" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_each_lake_has_a_history_of_its_own_in_which_its_runs_are_of_the_job(lake, lakes, first):
    before = {run.run_id for run in lake.history()}
    assert before
    other = Lake(lakes / "other")
    other.folder.mkdir()
    other.run()
    assert {run.run_id for run in lake.history()} == before
    (only,) = other.history()
    assert only.job_name == "refresh"
    assert only.tags[".dagster/repository"] == "__repository__@stedi_assets.definitions"


def test_a_run_whose_process_died_does_not_hold_the_next_one_up(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.folder.mkdir()
    lake.run()
    home = lake.folder.parent / ".dagster" / lake.folder.name
    with dg.DagsterInstance.from_config(str(home)) as instance:
        lost = dg.DagsterRun(
            job_name="refresh", status=dg.DagsterRunStatus.STARTED, tags={"stedi/by": "stedi run"}
        )
        instance.add_run(lost)
    lake.run()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_run_by_id(lost.run_id).status == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("columns", share([80, 120], 80))
def test_on_a_screen_every_table_is_a_line_that_fits(lake, first, columns):
    command = f"stty rows 40 cols {columns}; exec {STEDI} run --select customer_landing"
    shown, screen = pty.openpty()
    with subprocess.Popen(
        ["sh", "-c", command],
        env=lake.environment | {"TERM": "xterm"},
        stdin=screen,
        stdout=screen,
        stderr=screen,
    ) as process:
        os.close(screen)
        printed = b""
        # The terminal is gone when the process has ended, and reading says so.
        while chunk := _read(shown):
            printed += chunk
    os.close(shown)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode())
    assert re.search(r"✓ customer_landing .*2 passed +\d+\.\d s", text)
    assert max(map(len, re.split(r"[\r\n]+", text))) <= columns


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
