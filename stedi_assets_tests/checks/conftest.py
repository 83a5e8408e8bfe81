"""One small lake that was run once; a test that has a run blocked leaves it as a good run does."""

import dagster as dg
import pytest

from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, KeptLake
from stedi_assets_tests.builders.rows import reading, step
from stedi_assets_tests.builders.small_lake import (
    MOMENTS,
    NEW,
    OLD,
    READINGS,
    STEPS,
    deliver_all,
    e_mail,
    serial,
    snapshot,
)


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


# Customer records that nobody can read: their registration date is none.
UNREADABLE = [
    row | {"registrationDate": "soon"}
    for row in (
        # May withdraw: dated as what landed, newer, or at no time that can be.
        snapshot("ann", "a", OLD, None),
        snapshot("gus", "shared", NEW, None),
        snapshot("jo", "j1", 5, None),
        # Is older than Kim's newest, and names a device of hers.
        snapshot("kim", "k1", OLD, None),
        # May be of anybody, and names a device of Moe's.
        snapshot("moe", "m2", OLD, None) | {"email": None},
        # Is of somebody unknown, and names Nan's device.
        snapshot("zoe", "n2", OLD, None),
    )
]
# Kim has two readings in a millisecond and one under two spellings; her devices read the same distance.
ALIKE_READINGS = [
    reading(e_mail("kim"), MOMENTS[0], x=0.5),
    *(row | {"user": row["user"].upper()} for row in READINGS if row["user"] == e_mail("kim")),
]
ALIKE_STEPS = [
    *(step(serial(device), MOMENTS[0], distance=7) for device in ("k1", "k2")),
    *(row | {"serialNumber": row["serialNumber"].upper()} for row in STEPS),
]


@pytest.fixture(scope="package")
def odd(sail_engine, tmp_path_factory) -> Graph:
    """The small lake with customer records that nobody can read, and with readings that are alike."""
    lake = deliver_all(tmp_path_factory.mktemp("odd"))
    deliver(lake, "customer", UNREADABLE, "2.json")
    deliver(lake, "accelerometer", ALIKE_READINGS, "2.json")
    deliver(lake, "step_trainer", ALIKE_STEPS, "2.json")
    graph = Graph(str(lake), sail_engine)
    graph.run()
    return graph
