import pytest

from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.readings_lake import ReadingsLake


@pytest.fixture
def lake(sail_engine, tmp_path) -> ReadingsLake:
    """An empty lake on Sail."""
    return ReadingsLake(Graph(str(tmp_path / "lake"), sail_engine))
