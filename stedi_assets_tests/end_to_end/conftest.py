"""The repository's own sample data, run through the graph."""

import pytest

from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.known_lakes import sample_lake


@pytest.fixture(scope="session")
def sample(sail_engine, tmp_path_factory) -> Graph:
    """The sample data, run once, and never under another policy: tests may run it again, and change no row."""
    graph = Graph(str(sample_lake(tmp_path_factory.mktemp("sample"))), sail_engine)
    graph.run()
    return graph
