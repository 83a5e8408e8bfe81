import pytest

from stedi_assets_tests.builders.deliveries import Lake
from stedi_assets_tests.builders.graph import Graph


@pytest.fixture
def lake(sail_engine, tmp_path) -> Lake:
    """An empty lake on Sail."""
    return Lake(Graph(str(tmp_path / "lake"), sail_engine))
