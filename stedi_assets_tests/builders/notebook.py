"""The notebook, computed anew without traces of when and where. As a script, it writes the committed outputs.

Committed outputs are of generated data alone, so the script makes a sample lake of its own.
"""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

from stedi_assets_tests import engines
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.known_lakes import sample_lake

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "exploratory_analysis.ipynb"


def committed() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


def executed(lake: str) -> nbformat.NotebookNode:
    """The notebook as it shows a lake.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = committed()
    metadata = notebook.metadata.copy()
    others = {name: value for name, value in os.environ.items() if not name.startswith("STEDI_")}
    client = NotebookClient(
        notebook, timeout=120, record_timing=False, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute(env=others | {"STEDI_LAKE_URI": lake})
    # Without the version of Python, which the client notes.
    notebook.metadata = metadata
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def shown(notebook: nbformat.NotebookNode) -> dict[str, list[str]]:
    """The texts and tables that each cell shows, but for the snapshot's number, which every lake draws for itself."""
    return {
        cell.id: [
            re.sub(r"snapshot \d+", "snapshot …", data.get("text/markdown", data["text/plain"]))
            for data in (output.data for output in cell.get("outputs", ()) if "data" in output)
        ]
        for cell in notebook.cells
    }


def main() -> None:
    with TemporaryDirectory() as folder, engines.sail() as sail:
        graph = Graph(str(sample_lake(Path(folder))), sail)
        graph.run()
        nbformat.write(executed(graph.lake_uri), NOTEBOOK)


if __name__ == "__main__":
    main()
