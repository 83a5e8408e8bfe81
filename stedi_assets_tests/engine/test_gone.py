"""An engine that goes in the middle of a run: the run ends soon, says so once, and publishes nothing half."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stedi_assets_tests.builders.graph import KEY, Graph, comparable
from stedi_assets_tests.builders.three_people import deliver_three_people
from stedi_assets_tests.engine.conftest import connect_server

STEDI = str(Path(sys.executable).with_name("stedi"))
# No promise, but far less than the quarter of an hour that a run took whose calls tried again for ten minutes each.
GUARD_SECONDS = 240
JAVA_HAS_ENDED = (
    "The engine is gone: STEDI_SPARK=local[2]: its driver, a Java process on this machine, has ended before the run, "
    "as where memory ran out or somebody stopped it; see what else takes memory, then run again, or use the embedded "
    "engine with STEDI_SPARK=sail"
)
SERVER_HAS_GONE = (
    "The engine is gone: STEDI_SPARK=sc://127.0.0.1: the server has stopped answering, or was started anew during the "
    "run; look into its log, start it if it is down, then run again, or use the embedded engine with STEDI_SPARK=sail"
)


def jvm(parent: int, argument: str = "") -> int | None:
    """The JVM that a process has started with an argument, once it is there."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode()
            of = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if of == parent and command.partition("\0")[0].endswith("java") and argument in command:
            return int(process.name)
    return None


def run(lake: Path, spark: str, killed: int | None = None, *, published: bool = True) -> tuple[int, str]:
    """Run ``stedi run``, and kill a JVM as soon as a table is published or, if not so wanted, as soon as it is there.

    Args:
        lake: The lake.
        spark: The engine.
        killed: The JVM; the run's own by default.
        published: Whether it lives until a table is published.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "DAGSTER_"))}
    variables = {"STEDI_LAKE_URI": str(lake), "STEDI_PSEUDONYM_KEY": KEY, "STEDI_SPARK": spark}
    process = subprocess.Popen([STEDI, "run"], env=kept | variables, stdout=subprocess.PIPE, text=True)
    while not (found := killed or jvm(process.pid)) or (
        published and not any(lake.glob("*/ingested/metadata/snap-*.avro"))
    ):
        if process.poll() is not None:
            pytest.fail(f"the run ended: {process.communicate()[0]}")
    os.kill(found, signal.SIGKILL)
    output, _ = process.communicate(timeout=GUARD_SECONDS)
    return process.returncode, output


def assert_told_and_made_good(lake: Path, code: int, output: str, sentence: str, sail_engine) -> None:
    assert code == 1, output
    assert [line for line in output.splitlines() if line.startswith("Failed")] == [f"Failed       {sentence}"]
    graph = Graph(str(lake), sail_engine)
    graph.run()
    whole = Graph(str(lake.with_name("whole")), sail_engine)
    deliver_three_people(lake.with_name("whole"))
    whole.run()
    assert comparable(graph) == comparable(whole)


@pytest.mark.usefixtures("spark_driver")
@pytest.mark.parametrize("published", [True, pytest.param(False, marks=pytest.mark.prove)])
def test_a_run_whose_jvm_dies_ends_with_one_sentence(tmp_path, sail_engine, published):
    if shutil.which("java") is None:
        pytest.skip("no Java: Apache Spark cannot be started")
    deliver_three_people(lake := tmp_path / "lake")
    code, output = run(lake, "local[2]", published=published)
    assert_told_and_made_good(lake, code, output, JAVA_HAS_ENDED, sail_engine)


@pytest.mark.prove
def test_a_run_whose_server_goes_ends_with_one_sentence(tmp_path, sail_engine):
    deliver_three_people(lake := tmp_path / "lake")
    with connect_server(tmp_path, "") as url:
        server = jvm(os.getpid(), f"spark.connect.grpc.binding.port={urlsplit(url).port}")
        code, output = run(lake, url, server)
    assert_told_and_made_good(lake, code, output, SERVER_HAS_GONE, sail_engine)


@pytest.mark.prove
def test_sail_that_stops_answering_is_told():
    script = """
from stedi_assets.engine.gone import EngineGoneError
from stedi_assets.engine.session import SparkEngine

with SparkEngine(spark="sail").running() as engine:
    session = engine.session
    engine._sail.stop()
    for _ in range(2):
        try:
            with engine.telling_if_gone():
                session.range(3).count()
        except EngineGoneError as error:
            print(error)
    engine._sail = None
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    said = (
        "STEDI_SPARK=sail: Sail, in the run's own process, has stopped answering; run again; if it happens again, "
        "report it"
    )
    assert (done.stdout.splitlines(), done.returncode) == ([said, said], 0), done.stderr


def test_a_server_that_is_away_for_some_seconds_is_asked_again():
    """As behind a load balancer: one address, at which nothing answers for a while."""
    script = """
import socket, threading
from stedi_assets.engine.session import SparkEngine
from pysail.spark import SparkConnectServer

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = SparkConnectServer("127.0.0.1", port)
server.start(background=True)
engine = SparkEngine(spark=f"sc://127.0.0.1:{port}")
with engine.running(), engine.telling_if_gone():
    session = engine.session
    print(len(session.range(3).columns))
    server.stop()
    again = SparkConnectServer("127.0.0.1", port)
    timer = threading.Timer(3, lambda: again.start(background=True))
    timer.start()
    print(len(session.range(4).columns))
    timer.join()
again.stop()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.returncode) == (["1", "1"], 0), done.stderr
