"""One small lake that was run once; a test that has a run blocked leaves it as a good run does."""

import dagster as dg
import pytest

from stedi_assets_tests.builders.graph import Graph, KeptLake
from stedi_assets_tests.builders.small_lake import deliver_all


@pytest.fixture(scope="package")
def graph(sail_engine, tmp_path_factory) -> Graph:
    graph = Graph(str(deliver_all(tmp_path_factory.mktemp("small"))), sail_engine)
    graph.run()
    return graph


@pytest.fixture(scope="package")
def good_run(graph) -> dg.ExecuteInProcessResult:
    """A run of the small lake that no check blocks."""
    return graph.run()


@pytest.fixture(scope="package")
def kept(sail_engine, tmp_path_factory) -> KeptLake:
    lake = deliver_all(tmp_path_factory.mktemp("kept") / "lake")
    graph = Graph(str(lake), sail_engine)
    graph.run()
    return KeptLake(graph)


@pytest.fixture
def own_graph(kept) -> Graph:
    """The small lake after its first run, to be changed at will."""
    return kept.graph()


@pytest.fixture(scope="package")
def from_date(sail_engine, tmp_path_factory) -> Graph:
    """The small lake under the policy that readings from before consent are dropped."""
    lake = deliver_all(tmp_path_factory.mktemp("from_date"))
    graph = Graph(str(lake), sail_engine, {"consent_from_date": True})
    graph.run()
    return graph
