"""The S3 and Glue server, for the tests of this folder that need it, and a lake of three people that was run once."""

import pytest

from stedi_assets_tests.aws_lake import new_lake, s3_server
from stedi_assets_tests.end_to_end.lakes import Graph, KeptLake
from stedi_assets_tests.privacy.small_lakes import deliver_three_people

__all__ = ["new_lake", "s3_server"]


@pytest.fixture(scope="package")
def kept_three_people(sail_engine, tmp_path_factory) -> KeptLake:
    lake = tmp_path_factory.mktemp("three") / "lake"
    deliver_three_people(lake)
    graph = Graph(str(lake), sail_engine)
    graph.run()
    return KeptLake(graph)


@pytest.fixture
def three_people(kept_three_people) -> Graph:
    """The lake of three people as its first run left it."""
    return kept_three_people.graph()
