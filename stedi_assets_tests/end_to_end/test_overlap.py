"""Two runs of the product's own graph at once: wherever they overlap, nobody who withdrew stays or comes back.

One run stops at a point. Somebody withdraws, and another run does all that it has to do. Then the first run goes on.
``lake.test_overlap`` goes through many more points, on a graph that needs no engine, and kills the second run, too.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.graph import Graph, KeptLake
from stedi_assets_tests.builders.points import Points
from stedi_assets_tests.builders.small_lake import NEW, READINGS, deliver_all, e_mail, snapshot
from stedi_assets_tests.shares import share

ANN = e_mail("ann")
PEOPLE = {"customer_trusted": "person", "customer_curated": "person", "accelerometer_trusted": "person"}
WITHDRAWAL = [snapshot("ann", "a", NEW, None)]
# Rows of the small lake when Ann, who is one of several, has withdrawn.
ML_ROWS, ML_ROWS_OF_ANN = 21, 2


@pytest.fixture(scope="module")
def kept(sail_engine, tmp_path_factory) -> KeptLake:
    graph = Graph(str(deliver_all(tmp_path_factory.mktemp("overlap") / "lake")), sail_engine)
    graph.run()
    return KeptLake(graph)


@pytest.fixture(scope="module")
def points() -> Iterator[Points]:
    with pytest.MonkeyPatch.context() as patch:
        yield Points(patch)


def published(graph: Graph) -> set[str]:
    """Tables that have a row of Ann."""
    found = {
        table for table, column in PEOPLE.items() if any(row[column] == ANN for row in graph.table(table))
    }
    rows = len(graph.table("machine_learning_curated"))
    return found | ({"machine_learning_curated"} if rows > ML_ROWS - ML_ROWS_OF_ANN else set())


def land(graph: Graph, source: str, records: list[dict[str, Any]]) -> None:
    """Put a file into the landing folder of a source, in a folder or in a bucket."""
    graph.lake.filesystem.pipe_file(f"{graph.lake_uri}/{source}/landing/2.json", lines(*records))


def assert_withdrawn(graph: Graph, points: Points, at: int) -> None:
    """Let Ann withdraw at a point of a run, and another run do everything then."""
    land(graph, "accelerometer", READINGS[:1])

    def meanwhile() -> None:
        land(graph, "customer", WITHDRAWAL)
        Graph(graph.lake_uri, graph.engine).run()
        assert published(graph) == set()

    points.run(lambda: graph.run(ok=False), at=at, act=meanwhile)
    assert published(graph) == set(), "the first run brought the person back"
    assert graph.run().success
    assert published(graph) == set()


def passed(kept: KeptLake, points: Points) -> list[str]:
    """The points of a run that nothing disturbs, in order."""
    graph = kept.graph()
    land(graph, "accelerometer", READINGS[:1])
    return points.run(graph.run)


def looks(names: list[str]) -> list[int]:
    """Where a run has looked at what decides consent, and is to commit one of the five tables made from it."""
    return [at for at, name in enumerate(names) if name == "_require_current_consent"][-5:]


@pytest.mark.parametrize("number", share(range(5), 4))
def test_a_withdrawal_between_look_and_commit_of_any_table_is_not_undone(kept, points, number):
    at = looks(passed(kept, points))[number]
    assert_withdrawn(kept.graph(), points, at)


@pytest.mark.prove
def test_a_withdrawal_at_any_point_of_a_run_is_not_undone(kept, points):
    for at in range(len(passed(kept, points))):
        assert_withdrawn(kept.graph(), points, at)


@pytest.mark.prove
@pytest.mark.parametrize("number", range(5))
def test_on_s3_a_withdrawal_between_look_and_commit_is_not_undone(kept, points, new_lake, tmp_path, number):
    at = looks(passed(kept, points))[number]
    graph = Graph(new_lake(deliver_all(tmp_path)), kept.graph().engine)
    graph.run()
    assert_withdrawn(graph, points, at)
