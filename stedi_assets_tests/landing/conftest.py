import pytest

from stedi_assets_tests.end_to_end.lakes import Graph
from stedi_assets_tests.landing.deliveries import Lake


@pytest.fixture
def lake(sail_engine, tmp_path) -> Lake:
    """An empty lake on Sail."""
    return Lake(Graph(str(tmp_path / "lake"), sail_engine))
