"""A run that dies between the commits of landing and quarantine: no withdrawal that moves between them gets lost."""

import pytest

from stedi_assets import resources
from stedi_assets.resources import LakeIOManager
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph, checks_of, failures
from stedi_assets_tests.builders.rows import ANN, BOB, T0, customer, reading
from stedi_assets_tests.shares import share

CUSTOMERS = ("customer_landing", "customer_quarantine")
READABLE = lines(customer(BOB, updated=T0 + 1, research=None))
BROKEN = READABLE.replace(b'"8015551212"', b"{}")


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def graph(sail_engine, tmp_path) -> Graph:
    deliver(tmp_path, "customer", [customer(ANN), customer(BOB)])
    deliver(tmp_path, "accelerometer", [reading(ANN), reading(BOB)])
    deliver(tmp_path, "step_trainer", [])
    return Graph(str(tmp_path), sail_engine)


def land_until_killed_before_quarantine(graph: Graph) -> None:
    publish = LakeIOManager.handle_output

    def handle_output(self, context, obj):
        if obj.contract.name == "customer_quarantine":
            raise KilledError
        publish(self, context, obj)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LakeIOManager, "handle_output", handle_output)
        assert not graph.run(*CUSTOMERS, ok=False).success


def trusted(graph: Graph) -> set[str]:
    return {row["email"] for row in graph.table("customer_trusted")}


@pytest.mark.parametrize(
    ("before", "after"),
    share([(READABLE, BROKEN), (BROKEN, READABLE), (None, BROKEN)], (READABLE, BROKEN), (BROKEN, READABLE)),
    ids=["broken", "repaired", "new"],
)
def test_nothing_is_made_from_one_of_the_two_tables_without_the_other(graph, tmp_path, before, after):
    if before:
        deliver(tmp_path, "customer", before, "withdrawal.json")
    graph.run()
    known = trusted(graph)
    deliver(tmp_path, "customer", after, "withdrawal.json")
    if before is None:
        deliver(tmp_path, "customer", [customer(ANN, updated=T0 + 5), customer(BOB)], "1.json")
    land_until_killed_before_quarantine(graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "ATTEMPTS_AGAIN", 0)
        result = graph.run("customer_trusted", ok=False)
    assert not result.success
    assert any(
        "a run published customer_landing and has not come to customer_quarantine yet" in told
        and "materialize customer_landing and customer_quarantine first" in told
        for told in failures(result)
    )
    assert trusted(graph) == known
    graph.run()
    assert trusted(graph) == {ANN}


def test_a_file_that_is_repaired_before_the_next_run_leaves_nothing_waiting(graph, tmp_path):
    """The next run finds nothing to put into quarantine."""
    graph.run()
    deliver(tmp_path, "customer", BROKEN, "withdrawal.json")
    deliver(tmp_path, "customer", [customer(ANN, updated=T0 + 5), customer(BOB)])
    land_until_killed_before_quarantine(graph)
    deliver(tmp_path, "customer", lines(customer(BOB, updated=T0 + 9)), "withdrawal.json")
    graph.run()
    assert trusted(graph) == {ANN, BOB}


def test_a_withdrawal_that_a_killed_run_took_out_is_missed_though_its_file_is_gone(graph, tmp_path):
    file = deliver(tmp_path, "customer", READABLE, "withdrawal.json")
    graph.run()
    assert trusted(graph) == {ANN}
    deliver(tmp_path, "customer", BROKEN, "withdrawal.json")
    land_until_killed_before_quarantine(graph)
    file.unlink()
    sentence = checks_of(graph.run(ok=False), "customer_landing")["row_count"].description
    assert "customer/landing/withdrawal.json had 1 record, of which 1 is in no table any more" in sentence
    assert "deliver the file again" in sentence
    assert trusted(graph) == {ANN}
    deliver(tmp_path, "customer", READABLE, "withdrawal.json")
    graph.run()
    assert trusted(graph) == {ANN}


def test_a_file_is_delivered_again_that_had_nothing_in_quarantine(graph, tmp_path):
    """Of the quarantine table no row has to go; what the landing table awaits comes all the same."""
    graph.run()
    deliver(tmp_path, "customer", [customer(ANN), customer(BOB, updated=T0 + 1, research=None)])
    graph.run()
    assert trusted(graph) == {ANN}
