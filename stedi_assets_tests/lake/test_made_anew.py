"""Tables whose files are lost, made anew as ``docs/move-a-lake.md`` says."""

import shutil
from pathlib import Path

import pytest
from pyiceberg.catalog import load_catalog

from stedi_assets.contracts.folders import FOLDERS
from stedi_assets_tests.builders.graph import Graph, comparable, failures


def lose_metadata(graph: Graph, name: str) -> None:
    for path in Path(graph.lake_uri, FOLDERS[name], "metadata").iterdir():
        path.unlink()


def take_out(graph: Graph, name: str, tmp_path: Path) -> None:
    """As the page says: out of the catalog, by PyIceberg alone, and the folder out of the lake."""
    catalog = load_catalog("stedi", type="sql", uri=f"sqlite:///{graph.lake_uri}/catalog.db")
    catalog.drop_table(f"stedi_db.{name}")
    shutil.move(Path(graph.lake_uri, FOLDERS[name]), tmp_path / name)


@pytest.mark.parametrize(
    "name", ["customer_landing", "customer_quarantine", "landing_files", "customer_trusted"]
)
def test_a_table_that_lost_its_metadata(three_people, tmp_path, name):
    before = comparable(three_people)
    lose_metadata(three_people, name)
    assert any(
        f"{name}" in told or f"{FOLDERS[name]}/" in told for told in failures(three_people.run(ok=False))
    )
    take_out(three_people, name, tmp_path)
    three_people.run(full_refresh=True)
    assert comparable(three_people) == before
    three_people.run()
    assert comparable(three_people) == before


def test_a_catalog_that_is_lost(three_people, tmp_path):
    before = comparable(three_people)
    Path(three_people.lake_uri, "catalog.db").unlink()
    told = failures(three_people.run(ok=False))
    assert told
    assert all("restore the catalog" in message for message in told)
    for name, folder in FOLDERS.items():
        shutil.move(Path(three_people.lake_uri, folder), tmp_path / name)
    Path(three_people.lake_uri, "catalog.db").unlink(missing_ok=True)
    three_people.run()
    assert comparable(three_people) == before
