"""Two runs of the product's own graph at once: wherever they overlap, nobody who withdrew stays or comes back.

One run stops at a point. Somebody withdraws, and another run does all that it has to do. Then the first run goes on.
``lake.test_overlap`` goes through many more points, on a graph that needs no engine, and kills the second run, too.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stedi_assets.engine.session import SparkEngine
from stedi_assets.verification.verify import verify
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.graph import Graph, KeptLake, failures
from stedi_assets_tests.builders.killed import Killing
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


def run_or_give_way(lake: str) -> None:
    """A run of a process of its own, as that of a second machine: it succeeds, or says that another run was first."""
    result = Graph(lake, SparkEngine(spark="sail")).run(ok=False)
    assert all(text.startswith("Another run was first: ") for text in failures(result)), failures(result)


@pytest.mark.prove
def test_two_processes_that_run_at_once_publish_what_one_would(kept):
    """Two ``dagster dev`` on one lake know nothing of each other. Each has its own history, and its own pools."""
    graph, killing = kept.graph(), Killing()
    land(graph, "accelerometer", READINGS[:1])
    land(graph, "customer", WITHDRAWAL)
    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(lambda _: killing.run(run_or_give_way, graph.lake_uri, at=-1), range(2)))
    assert ended == [True, True]
    graph.run()
    assert published(graph) == set()
    assert [found for found in verify(graph.lake, graph.settings) if found.state != "holds"] == []


@pytest.mark.prove
@pytest.mark.parametrize("number", range(5))
def test_on_s3_a_withdrawal_between_look_and_commit_is_not_undone(kept, points, new_lake, tmp_path, number):
    at = looks(passed(kept, points))[number]
    graph = Graph(new_lake(deliver_all(tmp_path)), kept.graph().engine)
    graph.run()
    assert_withdrawn(graph, points, at)
