"""The notebook runs on a fresh sample lake, and shows there what its committed outputs show."""

import ast
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from stedi_assets_tests.builders.graph import KEY
from stedi_assets_tests.builders.known_lakes import stated_counts
from stedi_assets_tests.builders.notebook import NOTEBOOK, committed, executed, outputs, shown


@pytest.fixture(scope="module")
def fresh(sample) -> nbformat.NotebookNode:
    return executed(sample.lake_uri)


def test_committed_outputs_are_what_the_sample_gives(fresh):
    assert shown(committed()) == shown(fresh), "stale: run make notebook-run"


def test_no_cell_prints_warnings(fresh):
    assert {output.output_type for output in outputs(fresh)} == {"display_data"}


def test_the_clock_a_person_and_the_scores_are_pictures(fresh):
    for notebook in (committed(), fresh):
        drawn = [
            cell.id
            for cell in notebook.cells
            for output in cell.get("outputs", ())
            if "image/png" in output.data
        ]
        assert drawn == ["clock-picture", "person-picture", "scores-picture"]


def test_the_file_is_small_and_without_traces_of_its_execution():
    notebook = committed()
    assert NOTEBOOK.stat().st_size < 2**20
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [
        *range(1, 1 + sum(cell.cell_type == "code" for cell in notebook.cells))
    ]
    assert [cell.metadata for cell in notebook.cells if cell.metadata] == []
    assert notebook.metadata.language_info == {"name": "python"}


def test_the_share_of_rows_before_consent_is_that_of_the_policy(fresh):
    all_rows, later = (
        stated_counts(policy)["machine_learning_curated"] for policy in ("default", "consent_from_date")
    )
    (text,) = shown(fresh)["consent-share"]
    assert text.startswith(f"{all_rows - later:,} of {all_rows:,} rows ({1 - later / all_rows:.0%}) precede")


def test_a_signal_is_found_where_it_is_planted_and_nowhere_else(fresh):
    (answers,) = shown(fresh)["verdict-table"]
    found = dict(re.findall(r"^\| (.+?) \| (yes|no) \|", answers, re.MULTILINE))
    assert found == {
        "Can a gait be studied?": "no",
        "Does the distance go along with the rest?": "no",
        "Can the distance of a new person be predicted?": "no",
        "Would a signal be found, if there were one?": "yes",
        "Are all rows from after the consent?": "no",
    }


def prose(cell: nbformat.NotebookNode) -> Iterator[str]:
    """What a cell says without computing it: its Markdown, or the literal text that it passes to ``say``."""
    if cell.cell_type == "markdown":
        yield cell.source
        return
    for call in ast.walk(ast.parse(cell.source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "say":
            for node in ast.walk(call):
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                yield from (
                    part.value
                    for part in parts
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )


@pytest.mark.parametrize("cell", committed().cells, ids=lambda cell: cell.id)
def test_no_number_is_typed_by_hand(cell):
    # A format, such as ".2f", is no text.
    texts = [text for text in prose(cell) if not re.fullmatch(r"[,.]?[.\d]*[f%]", text)]
    assert [text for text in texts if re.search(r"\d", text)] == []


def test_no_personal_data_is_in_the_outputs(sample, fresh):
    customers = sample.table("customer_landing")
    fields = ("email", "person", "customerName", "phone", "serialNumber", "device")
    marks = {row[field].strip().lower() for row in customers for field in fields if row[field]} | {KEY}
    assert len(marks) > 1000
    for notebook in (committed(), fresh):
        text = json.dumps(notebook).lower()
        assert [mark for mark in marks if mark in text] == []


def test_a_lake_without_tables_says_what_to_do(tmp_path):
    with pytest.raises(CellExecutionError, match="has no tables: run make materialize"):
        executed(str(tmp_path))


@pytest.mark.timeout(60)
def test_jupyterlab_opens_it(tmp_path):
    """The server that ``make notebook`` starts, but without a browser and on a free port."""
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--port=0"]
    command = [sys.executable, "-m", "jupyter", "lab", *options, str(NOTEBOOK)]
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "RUNTIME", "DATA")}
    with subprocess.Popen(command, env=os.environ | own, stderr=subprocess.PIPE, text=True) as server:
        try:
            addresses = (re.search(r"(http://127\S+)/lab\?token=(\w+)", line) for line in server.stderr)
            url, token = next(found.groups() for found in addresses if found)
            assert content(server, f"{url}/api/contents/{NOTEBOOK.name}?token={token}")["type"] == "notebook"
        finally:
            server.terminate()
            server.communicate()


def content(server: subprocess.Popen[str], url: str) -> dict:
    """What a server answers that has told its address, and is about to listen there."""
    while True:
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(timeout=0.1)
