"""The product's own engine resource: what it starts, what it stops, and what it says when it cannot."""

import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from stedi_assets.definitions import build_definitions
from stedi_assets.engine import probes
from stedi_assets.engine.probes import CONNECT_PORT, EngineError
from stedi_assets.engine.session import SparkEngine, apache_spark_config
from stedi_assets.lake.lake import Lake
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.small_lake import deliver_all


def free_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def without_java(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.parametrize("master", ["local[*]", "local", "yarn", "k8s://https://host:443"])
def test_apache_spark_without_java_says_what_to_do(monkeypatch, tmp_path, master):
    without_java(monkeypatch, tmp_path)
    with pytest.raises(EngineError) as caught, SparkEngine(spark=master).running() as engine:
        _ = engine.session
    assert str(caught.value) == (
        f"STEDI_SPARK={master} needs Java 17 or newer, and java is not there: install a Java runtime or set "
        "JAVA_HOME, or use the embedded engine with STEDI_SPARK=sail"
    )


def test_a_wrong_java_home_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=f"{tmp_path}/bin/java is not there"):
        apache_spark_config("local[*]")


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.usefixtures("spark_driver")
def test_the_spark_server_listens_on_this_machine_alone(monkeypatch, tmp_path):
    executable(tmp_path / "bin/java", "exit 1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    configuration = apache_spark_config("local[*]")
    assert configuration["spark.master"] == "local[*]"
    assert configuration["spark.connect.grpc.binding.address"] == "127.0.0.1"
    assert os.environ["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert os.environ["PYSPARK_PYTHON"] == sys.executable


@pytest.mark.usefixtures("spark_driver")
def test_local_apache_spark_is_started_for_runs_that_are_short(tmp_path):
    """As the command says by which its driver is launched."""
    called = tmp_path / "called"
    executable(tmp_path / "bin/java", f"echo \"$@\" > '{called}'; exit 1")
    script = "from stedi_assets.engine.session import SparkEngine; SparkEngine(spark='local[2]').session"
    assert run_python("-c", script, JAVA_HOME=str(tmp_path)).returncode == 1
    launched = called.read_text()
    assert "Tier4InvocationThreshold=50000" in launched


@pytest.mark.parametrize("scheme", ["sc", "spark"])
def test_an_endpoint_at_which_nothing_listens_is_an_error_at_once(scheme):
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with pytest.raises(EngineError) as caught, SparkEngine(spark=url).running() as engine:
        _ = engine.session
    assert f"STEDI_SPARK={scheme}://127.0.0.1: nothing answers there" in str(caught.value)
    assert "start the server, correct the address, or use the embedded engine with STEDI_SPARK=sail" in str(
        caught.value
    )


def test_an_endpoint_that_listens_and_never_answers_is_an_error_within_seconds():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"sc://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(EngineError) as caught, SparkEngine(spark=url).running() as engine:
            _ = engine.session
    assert "STEDI_SPARK=sc://127.0.0.1: what listens there does not answer" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["sc://no-such-host.invalid", "spark://no-such-host.invalid", "sc://", "sc://host:99999"]
)
def test_an_endpoint_that_cannot_be_is_an_error(url):
    with (
        pytest.raises(EngineError, match="nothing answers there"),
        SparkEngine(spark=url).running() as engine,
    ):
        _ = engine.session


def test_a_token_in_an_endpoint_is_in_no_message():
    url = f"sc://127.0.0.1:{free_port()}/;token=very-secret;user_id=someone"
    with pytest.raises(EngineError) as caught, SparkEngine(spark=url).running() as engine:
        _ = engine.session
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["sc://127.0.0.1:{port};token=very-secret", "sc://127.0.0.1:{port}/;token=very-secret=="]
)
def test_a_token_in_an_address_that_cannot_be_read_is_in_no_message(address):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = address.format(port=server.getsockname()[1])
        with pytest.raises(EngineError) as caught, SparkEngine(spark=url).running() as engine:
            _ = engine.session
    assert "very-secret" not in str(caught.value)
    assert str(caught.value).startswith("STEDI_SPARK=sc://127.0.0.1: ")


def test_a_token_is_in_nothing_that_dagster_shows(tmp_path):
    settings = Settings(lake_uri=str(tmp_path), spark="sc://host:15002/;token=very-secret;user_id=someone")
    engine = SparkEngine.of(settings)
    assert engine.spark.endswith("very-secret;user_id=someone")
    assert f"{engine} {engine!r}" == "SparkEngine(sc://host) SparkEngine(sc://host)"
    repository = build_definitions(settings, engine).get_repository_def()
    # What the UI and the daemon know of a code location.
    shown = dg.serialize_value(RepositorySnap.from_def(repository))
    assert "SparkEngine" in shown
    assert "very-secret" not in shown


def test_one_of_several_masters_is_enough():
    with socket.socket() as master:
        master.bind(("127.0.0.1", 0))
        master.listen()
        master.settimeout(10)
        url = f"spark://127.0.0.1:{free_port()},127.0.0.1:{master.getsockname()[1]}"
        probes.require_listener(url)
        master.accept()[0].close()

        def answer() -> None:
            connection, _ = master.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"no such file")

        with ThreadPoolExecutor() as pool:
            answered = pool.submit(answer)
            probes.require_master(url)
            answered.result()


def test_if_no_master_answers_all_are_named():
    url = f"spark://127.0.0.1:{free_port()},localhost:{free_port()}"
    with pytest.raises(
        EngineError, match=r"STEDI_SPARK=spark://127\.0\.0\.1,localhost: nothing answers there"
    ):
        probes.require_listener(url)


@pytest.mark.parametrize(
    ("spark", "address"),
    [
        ("sail", "s3://bucket/lake/x.parquet"),
        ("local[*]", "s3a://bucket/lake/x.parquet"),
        ("sc://host", "s3a://bucket/lake/x.parquet"),
    ],
)
def test_addresses_are_spelled_as_the_engine_does(spark, address):
    engine = SparkEngine(spark=spark)
    assert engine.path("s3://bucket/lake/x.parquet") == address
    assert engine.path("file:///lake/x.parquet") == "file:///lake/x.parquet"


# In processes of their own, since PySpark has one session a process and the tests' own engines are up in this one.


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "STEDI_"))}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False)


def test_sail_starts_when_first_used_and_is_gone_afterwards():
    script = """
import socket
from stedi_assets.engine.session import SparkEngine

engine = SparkEngine(spark="sail")
for _ in range(2):
    with engine.running():
        assert engine._sail is None
        assert engine.session.range(3).count() == 3
        assert engine.session is engine.session
        address = engine._sail.listening_address
        assert address[0] == "127.0.0.1"
    assert engine._sail is None
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        print("gone")
"""
    run = run_python("-c", script)
    assert (run.stdout, run.stderr, run.returncode) == ("gone\ngone\n", "", 0)


def test_definitions_load_without_starting_anything():
    script = """
import sys
import stedi_assets.definitions
print([name for name in ("pysail", "duckdb") if name in sys.modules])
"""
    run = run_python("-c", script)
    assert (run.stdout, run.returncode) == ("[]\n", 0), run.stderr


def test_the_whole_graph_runs_on_sail_without_java(tmp_path):
    """There is none on the path, and the one that JAVA_HOME names would tell that it was called."""
    lake, home, called = deliver_all(tmp_path / "lake"), tmp_path / "home", tmp_path / "called"
    home.mkdir()
    executable(tmp_path / "jdk/bin/java", f"touch '{called}'; exit 1")
    run = run_python(
        *("-m", "dagster", "asset", "materialize", "--select", "*"),
        *("--module-name", "stedi_assets.definitions"),
        PATH=str(tmp_path / "empty"),
        JAVA_HOME=str(tmp_path / "jdk"),
        DAGSTER_HOME=str(home),
        STEDI_LAKE_URI=str(lake),
    )
    assert "RUN_SUCCESS" in run.stderr, run.stderr[-2000:]
    assert not called.exists()
    assert Lake(Settings(lake_uri=str(lake))).snapshot("machine_learning_curated").rows == 21


@pytest.mark.usefixtures("spark_driver")
def test_a_second_driver_on_this_machine_is_refused_clearly():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", CONNECT_PORT))
        other.listen()
        with pytest.raises(EngineError, match=rf"STEDI_SPARK=local\[2\].*port {CONNECT_PORT}"):
            apache_spark_config("local[2]")
