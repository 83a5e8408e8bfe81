"""A standalone cluster of a master and two workers, and a Connect server, from the PySpark that pip installed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest

from stedi_assets_tests.engines import FOR_FEW_ROWS, await_listener, spark_defaults

# Makes an interpreter behave as one in which this package was never installed.
WITHOUT_THE_PACKAGE = "import sys\nsys.modules['stedi_assets'] = None\n"


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its master's address, and the processes of its workers."""

    url: str
    workers: tuple[subprocess.Popen[bytes], ...]

    def executors(self) -> dict[str, int]:
        """Process ids of the executors that run now, by Spark's number of each."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"CoarseGrainedExecutorBackend" in command and parent in {w.pid for w in self.workers}:
                arguments = command.decode().split("\0")
                found[arguments[arguments.index("--executor-id") + 1]] = int(process.name)
        return found


def environment_without_the_package(folder: Path) -> dict[str, str]:
    """Variables of a process of Apache Spark whose Python has what executors need, and not this package."""
    (folder / "sitecustomize.py").write_text(WITHOUT_THE_PACKAGE)
    environment = os.environ | {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(folder),
    }
    # Set by a Connect client in this process; a server that finds them takes itself for a client.
    for name in ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE"):
        environment.pop(name, None)
    return environment


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, s3_server: str) -> Iterator[Cluster]:
    """The cluster; its workers' Python lacks this package, and finds the S3 server by its environment."""
    if shutil.which("java") is None:
        pytest.skip("no Java: Apache Spark cannot be started")
    folder = tmp_path_factory.mktemp("cluster")
    environment = environment_without_the_package(folder)
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    spark_class = str(Path(pyspark.__path__[0], "bin", "spark-class"))
    master = ["master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    worker = ["worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "1g"]
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        command = [spark_class, f"org.apache.spark.deploy.{arguments[0]}", *arguments[1:]]
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        processes.append(process)
        return process

    try:
        await_listener(start("master", master), port, folder / "master.log")
        workers = tuple(
            start(f"worker{n}", [*worker, "--work-dir", str(folder / f"work{n}"), url]) for n in range(2)
        )
        yield Cluster(url, workers)
    finally:
        for process in reversed(processes):
            # Its own session, so that its executors go with it.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@contextmanager
def connect_server(folder: Path, defaults: str) -> Iterator[str]:
    """A Connect server with a spark-defaults.conf; gives its address. Skips where there is no Java.

    Its operator adds what suits so few rows; the lake needs none of it.
    """
    if shutil.which("java") is None:
        pytest.skip("no Java: Apache Spark cannot be started")
    settings = FOR_FEW_ROWS | {"spark.connect.grpc.binding.address": "127.0.0.1"}
    (folder / "spark-defaults.conf").write_text(defaults + spark_defaults(settings))
    environment = environment_without_the_package(folder) | {"SPARK_CONF_DIR": str(folder)}
    port, log = free_port(), folder / "server.log"
    # As sbin/start-connect-server.sh does, which is not in the package.
    command = [str(Path(pyspark.__path__[0], "bin", "spark-submit")), "--master", "local[2]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    command += ["--conf", f"spark.connect.grpc.binding.port={port}", "spark-internal"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        await_listener(server, port, log)
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def materialize(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a run of the whole graph in a process of its own, as ``make materialize`` does."""

    def start(lake: Path | str, spark: str, ui_port: int = 0, **variables: str) -> subprocess.Popen[str]:
        home = tmp_path / "dagster"
        home.mkdir(exist_ok=True)
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}")
        environment = os.environ | variables
        for name in ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE"):
            environment.pop(name, None)
        (home / "spark-defaults.conf").write_text(
            "spark.sql.shuffle.partitions 2\n"
            f"spark.ui.port {ui_port}\n"
            "spark.eventLog.enabled true\n"
            "spark.eventLog.compress false\n"
            f"spark.eventLog.dir {home.as_uri()}\n"
        )
        environment |= {
            "SPARK_CONF_DIR": str(home),
            "STEDI_LAKE_URI": str(lake),
            "STEDI_SPARK": spark,
            "STEDI_PSEUDONYM_KEY": "0123456789abcdef",
            "DAGSTER_HOME": str(home),
        }
        dagster = str(Path(sys.executable).with_name("dagster"))
        command = [dagster, "asset", "materialize", "--select", "*", "-m", "stedi_assets.definitions"]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return start
