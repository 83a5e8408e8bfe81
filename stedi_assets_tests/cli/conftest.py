"""A lake to run the command ``stedi`` on."""

import pytest

from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.small_lake import deliver_all


@pytest.fixture(scope="module")
def graph(sail_engine, tmp_path_factory) -> Graph:
    graph = Graph(str(deliver_all(tmp_path_factory.mktemp("cli"))), sail_engine)
    graph.run()
    return graph
