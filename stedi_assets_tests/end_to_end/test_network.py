"""Runs on a network that fails: they succeed or say why, and every table is as it was or exactly as it should be."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import boto3
import dagster as dg
import pytest
from pyiceberg.exceptions import NoSuchTableError
from s3fs import S3FileSystem

from stedi_assets import aws, resources
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake import glue
from stedi_assets_tests.builders.daemon import Daemon
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, failures
from stedi_assets_tests.builders.known_lakes import DATA
from stedi_assets_tests.builders.rows import reading, step
from stedi_assets_tests.builders.small_lake import NEW, deliver_all, e_mail, serial, snapshot
from stedi_assets_tests.end_to_end.fault_proxy import FAULTS, FaultProxy, Plan, running_proxy
from stedi_assets_tests.shares import share

# Columns that differ from run to run, and between a folder and a bucket.
VOLATILE = {"ingested_at", "run_id", "identity", "digest", "missing_since"}
# Measured on two cores, and a tenth more. More cores make more files, and so more requests.
REQUESTS_OF_A_RUN = {"full": 840, "incremental": 790, "no news": 750}

Tables = dict[str, list[str] | None]
# Landing by tasks, and a table that the engine computes: what a fault can hit in a third of the whole graph's requests.
FEW = ("customer_landing", "customer_quarantine", "customer_trusted")


@pytest.fixture
def proxy(s3_server, monkeypatch) -> Iterator[FaultProxy]:
    """The proxy, which clients take for the server; they are less patient, and wait for nothing but answers."""
    with running_proxy(s3_server) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        monkeypatch.setenv("AWS_TIMEOUT", "1s")  # Sail's
        monkeypatch.setitem(aws.S3_CLIENT, "read_timeout", 1)
        # Of five tries as many are waits, of 4 s together.
        monkeypatch.setattr(S3FileSystem, "retries", 2)
        monkeypatch.setattr(glue, "CONFIG", glue.CONFIG.merge(glue.Config(read_timeout=1)))
        monkeypatch.setattr("botocore.retryhandler.random", SimpleNamespace(random=lambda: 0.0))
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
        monkeypatch.setattr(resources, "RETRY_AFTER_SECONDS", 0)
        # Clients that are kept would go to the server of another test.
        S3FileSystem.clear_instance_cache()
        yield running
        S3FileSystem.clear_instance_cache()


def first_delivery(lake: Path) -> Path:
    deliver_all(lake)
    with (lake / "step_trainer" / "landing" / "1.json").open("a") as file:
        file.write('{"sensorReadingTime": 17\n')
    return lake


def second_delivery(lake: Path) -> list[Path]:
    """News of each source, so that every table changes: consent withdrawn, and readings at one moment."""
    at = NEW + 1
    return [
        deliver(lake, "customer", [snapshot("ann", "a", NEW, None)], "2.json"),
        deliver(lake, "accelerometer", [reading(e_mail("jo"), at), reading(e_mail("ann"), at)], "2.json"),
        deliver(lake, "step_trainer", [step(serial("j1"), at), {"distanceFromObject": 1}], "2.json"),
    ]


def rows_of(graph: Graph) -> Tables:
    """Every table's rows as PyIceberg reads them, as text; None for a table that was never published."""
    found: Tables = {}
    for name in CONTRACTS:
        try:
            table = graph.lake.catalog.load_table((graph.settings.database, name))
        except NoSuchTableError:
            found[name] = None
            continue
        rows = [
            {column: value for column, value in row.items() if column not in VOLATILE}
            for row in table.scan().to_arrow().to_pylist()
        ]
        found[name] = sorted(map(repr, rows)) if table.current_snapshot() else None
    return found


@pytest.fixture(scope="module")
def expected(sail_engine, tmp_path_factory) -> tuple[Tables, Tables]:
    """What the tables hold after the first delivery, and after the second one."""
    graph = Graph(str(first_delivery(tmp_path_factory.mktemp("folder"))), sail_engine)
    graph.run()
    first = rows_of(graph)
    second_delivery(Path(graph.lake_uri))
    graph.run()
    second = rows_of(graph)
    unchanged = {name for name in CONTRACTS if first[name] == second[name]}
    assert unchanged == {"customer_quarantine", "accelerometer_quarantine"}
    return first, second


@pytest.fixture
def graph(sail_engine, new_lake, proxy, tmp_path) -> Graph:
    """A lake behind the proxy that has the first delivery, in no table yet."""
    return Graph(new_lake(first_delivery(tmp_path / "delivered")), sail_engine)


def upload(graph: Graph, lake: Path) -> None:
    _, _, bucket, prefix = graph.lake_uri.split("/", 3)
    for file in second_delivery(lake):
        boto3.client("s3").upload_file(str(file), bucket, f"{prefix}/{file.relative_to(lake)}")


def is_whole(found: Tables, *states: Tables) -> bool:
    """Whether each table is as it is in one of the states; of the ledger, each source's entries."""
    return all(
        rows in [state[name] for state in states] for name, rows in found.items() if name != "landing_files"
    ) and set(found["landing_files"] or []) <= {
        row for state in states for row in state["landing_files"] or []
    }


def says_why(result: dg.ExecuteInProcessResult) -> bool:
    told = failures(result)
    assert all(
        text.startswith(("Storage did not answer: tried ", "The lake cannot be used as it is: "))
        for text in told
    ), told
    ours = ("nothing answers at", "the engine could not reach", "AWS could not answer", "was never published")
    return bool(told) and all(any(part in text for part in ours) for text in told)


def assert_whole(
    graph: Graph, result: dg.ExecuteInProcessResult, before: Tables, after: Tables, *assets: str
) -> None:
    """A run that succeeded did all; one that failed says why, spoiled nothing, and the next one does it."""
    if not result.success:
        assert says_why(result), failures(result)
        assert is_whole(rows_of(graph), before, after)
        graph.run(*assets)
    assert rows_of(graph) == after


NOTHING: Tables = dict.fromkeys(CONTRACTS)


@pytest.fixture(scope="module")
def expected_of_few(expected) -> Tables:
    """What the tables hold after a run of a few of them on the first delivery."""
    first, _ = expected
    ledger = [entry for entry in first["landing_files"] or [] if "'customer/landing/" in entry]
    return NOTHING | {name: first[name] for name in FEW} | {"landing_files": ledger}


@pytest.mark.parametrize(("seed", "fault"), share(enumerate(FAULTS), (0, "slow_down")))
def test_faults_of_a_kind_lose_and_double_nothing(graph, proxy, expected_of_few, seed, fault):
    # A time-out costs a second each.
    proxy.follow(Plan((fault,), rate=0.03 if fault == "time_out" else 0.15, seed=seed))
    result = graph.run(*FEW, ok=False)
    assert {kind for kind, _ in proxy.report(Plan()).faults} == {fault}
    assert_whole(graph, result, NOTHING, expected_of_few, *FEW)


@pytest.mark.prove
def test_faults_of_all_kinds_lose_and_double_nothing(graph, proxy, expected, tmp_path):
    """Twice: when there is no table yet, and when there are tables to be replaced."""
    first, second = expected
    proxy.follow(Plan(FAULTS, rate=0.05, seed=5))
    assert_whole(graph, graph.run(ok=False), NOTHING, first)
    upload(graph, tmp_path / "delivered")
    proxy.follow(Plan(FAULTS, rate=0.05, seed=6))
    assert_whole(graph, graph.run(ok=False), first, second)


def test_an_answer_that_is_lost_is_no_conflict(graph, proxy, expected_of_few):
    """Every other commit is made, and its answer lost: tried again, it must neither fail nor be undone."""
    proxy.follow(Plan(("reset_after",), rate=0.5, only="Glue UpdateTable"))
    graph.run(*FEW)
    assert ("reset_after", "Glue UpdateTable") in proxy.report(Plan()).faults
    assert rows_of(graph) == expected_of_few


@pytest.mark.parametrize(
    ("passed", "only"),
    share([(0, ""), (90, ""), (1, "Glue UpdateTable")], (1, "Glue UpdateTable")),
)
def test_a_cut_network_leaves_tables_whole_and_the_next_run_repairs(
    graph, proxy, expected_of_few, *, passed, only
):
    proxy.follow(Plan(requests_before_end=passed, only=only))
    result = graph.run(*FEW, ok=False)
    tries = proxy.report(Plan()).faults.total()
    assert not result.success
    assert_whole(graph, result, NOTHING, expected_of_few, *FEW)
    # Of one step, tried three times, by clients that try ten times, as boto3 and s3fs together, or eleven, as Sail. A
    # query of Sail reads the two tables that decide consent at once.
    assert tries <= 3 * 2 * 11


def only_the_first_waited(result: dg.ExecuteInProcessResult) -> bool:
    """Whether one step waited for storage in vain, and said what to do, and no other step tried."""
    first, *others = failures(result)
    return (
        first.startswith("Storage did not answer: waited in vain, and not tried again (")
        and ("nothing answers at 127.0.0.1 (Read" in first or "the engine could not reach s3://" in first)
        and first.endswith("then try again")
        and all("did not try, since a step before it waited in vain" in other for other in others)
    )


@pytest.mark.parametrize("only", share(["", "Glue UpdateTable"], ""))
def test_a_server_that_takes_requests_and_says_nothing_is_waited_for_by_one_step(
    graph, proxy, expected_of_few, only
):
    """The whole graph has three steps that do not wait for one another."""
    proxy.follow(Plan(requests_before_end=0, end="mute", only=only))
    result = graph.run(ok=False)
    proxy.follow(Plan())
    assert not result.success
    assert only_the_first_waited(result), failures(result)
    graph.run(*FEW)
    assert rows_of(graph)["customer_trusted"] == expected_of_few["customer_trusted"]


def test_clients_wait_for_four_minutes_at_most(new_lake, tmp_path, sail_engine):
    """The times of one request: what is set here, and Sail's, are all that ends a run on a server that says nothing."""
    graph = Graph(new_lake(tmp_path), sail_engine)
    contract = CONTRACTS["customer_landing"]
    table = graph.lake.ensure_table(contract)
    for filesystem in (graph.lake.filesystem, table.io.get_fs("s3")):
        config = filesystem.s3.meta.config
        # To read an object, s3fs tries as often as it tries.
        tries = filesystem.retries**2 * config.retries["total_max_attempts"]
        assert config.read_timeout * tries <= 250
    assert (glue.CONFIG.connect_timeout + glue.CONFIG.read_timeout) * 5 <= 250


MUTE = [("", 0), ("", 300), ("GetObject data", 0), ("GetObject raw file", 0), ("data", 20), ("Glue", 9)]


@pytest.mark.prove
@pytest.mark.parametrize(("only", "passed"), MUTE)
def test_a_server_that_falls_silent_ends_a_run_within_minutes(  # noqa: PLR0917 - fixtures
    s3_server, new_lake, sail_engine, tmp_path, monkeypatch, only, passed
):
    """With the product's own patience."""
    S3FileSystem.clear_instance_cache()
    with running_proxy(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        graph = Graph(new_lake(first_delivery(tmp_path / "delivered")), sail_engine)
        proxy.follow(Plan(requests_before_end=passed, end="mute", only=only))
        began = time.monotonic()
        result = graph.run(ok=False)
        took = time.monotonic() - began
        print(f"{only} {passed}: {took:.0f} s, {proxy.report(Plan()).faults}")  # noqa: T201 - a figure of the proof
        assert only_the_first_waited(result), failures(result)
        assert took < 360
        graph.run(*FEW)
    S3FileSystem.clear_instance_cache()


def test_a_file_that_s3_will_not_hand_out_is_not_taken_for_damaged(graph, proxy, expected_of_few):
    proxy.follow(Plan(("slow_down",), rate=1.0, only="GetObject raw file"))
    result = graph.run(*FEW, ok=False)
    proxy.follow(Plan())
    assert not result.success
    assert_whole(graph, result, NOTHING, expected_of_few, *FEW)


@pytest.mark.prove
def test_a_slow_network_is_slow(graph, proxy, expected_of_few):
    proxy.follow(Plan(latency_seconds=0.01))
    graph.run(*FEW)
    assert rows_of(graph) == expected_of_few


def test_a_tick_of_the_sensor_makes_four_requests_where_nothing_changed(graph, proxy):
    """What docs/deploy.md reckons with, too: three listings, and one look into the catalog for all tables."""
    graph.run()
    daemon = Daemon(graph.settings, graph.engine)
    assert daemon.skips()
    proxy.follow(Plan())
    assert daemon.skips()
    assert proxy.report().requests == {"S3 ListObjectsV2": 3, "Glue GetTables": 1}


def test_a_run_makes_few_requests(sail_engine, new_lake, proxy, monkeypatch):
    """What docs/deploy.md reckons with."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    graph = Graph(new_lake(DATA), sail_engine)
    _, _, bucket, prefix = graph.lake_uri.split("/", 3)
    for kind, most in REQUESTS_OF_A_RUN.items():
        if kind == "incremental":
            body = (
                b'{"user": "nobody@example.org", "timestamp": 1700000000000, "x": 0.0, "y": 1.0, "z": 0.5}\n'
            )
            key = f"{prefix}/accelerometer/landing/new.json"
            boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        proxy.follow(Plan())
        graph.run()
        requests = proxy.report().requests
        listed = "\n".join(f"{count:5} {operation}" for operation, count in sorted(requests.items()))
        assert requests.total() <= most, f"{kind}: {requests.total()} requests\n{listed}"
