"""Both engines at once, in one process, for tests that compute; started once and stopped at the end.

The product's own resource serves one engine a process, since PySpark's builder hands out one session. How the
product starts and stops an engine belongs in tests of that resource.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest
from pysail.spark import SparkConnectServer
from pyspark.sql.connect.session import SparkSession

from stedi_assets.engine.session import SparkEngine

# Tests compute on few rows: planning and compiling are most of the work.
FOR_FEW_ROWS = {
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.enabled": "false",
}

_SESSIONS: dict[str, SparkSession] = {}


class RunningEngine(SparkEngine):
    """An engine that is up already and outlives the runs that use it."""

    @property
    def session(self) -> SparkSession:
        # Tells pyspark.sql.functions to make expressions for Connect. Sessions that others stop take it away.
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        return _SESSIONS[self.spark]


@contextmanager
def sail() -> Iterator[RunningEngine]:
    os.environ.setdefault("RUST_LOG", "error")
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    try:
        with _connected("sail", f"sc://{host}:{port}") as engine:
            yield engine
    finally:
        server.stop()


@contextmanager
def spark(folder: Path) -> Iterator[RunningEngine]:
    """Apache Spark in a process of its own; skips where there is no Java.

    The processes of the suite share one server: its start and its first queries cost 14 s of processor time.

    Args:
        folder: Where the processes that share the server find it, and where its log is.
    """
    with _locked(folder) as state:
        running = json.loads(state.read_text()) if state.exists() else _start_spark(folder / "spark.log")
        state.write_text(json.dumps(running | {"users": running["users"] + 1}))
    try:
        with _connected("local[2]", f"sc://127.0.0.1:{running['port']}") as engine:
            yield engine
    finally:
        with _locked(folder) as state:
            running = json.loads(state.read_text())
            if running["users"] == 1:
                state.unlink()
                # Not by a signal that a JVM leaves alone where a shell started it in the background.
                os.kill(running["process"], signal.SIGKILL)
            else:
                state.write_text(json.dumps(running | {"users": running["users"] - 1}))


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """The file that names the running server and counts its users, for one process at a time."""
    with (folder / "spark.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / "spark.json"


def _start_spark(log: Path) -> dict[str, int]:
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    if shutil.which(java) is None:
        pytest.skip("no Java: Apache Spark cannot be started")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = FOR_FEW_ROWS | {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.session.timeZone": "UTC",
        # A job is twenty lines of its log otherwise.
        "spark.log.level": "ERROR",
    }
    submit = Path(pyspark.__path__[0], "bin", "spark-submit")
    command = [str(submit), "--master", "local[2]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    for name, value in configuration.items():
        command += ["--conf", f"{name}={value}"]
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    # Set by a Connect client in this process; a server that finds them takes itself for a client.
    for name in ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE"):
        environment.pop(name, None)
    with log.open("wb") as output:
        server = subprocess.Popen([*command, "spark-internal"], env=environment, stdout=output, stderr=output)
    await_listener(server, port, log)
    return {"process": server.pid, "port": port, "users": 0}


def spark_defaults(settings: Mapping[str, str]) -> str:
    """Settings as a ``spark-defaults.conf`` has them."""
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def await_listener(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if server.poll() is not None:
                pytest.fail(f"Apache Spark did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        else:
            return


@contextmanager
def _connected(name: str, url: str) -> Iterator[RunningEngine]:
    # Not by the builder, which would hand this session to product code that asks it for one.
    _SESSIONS[name] = session = SparkSession(url)
    try:
        yield RunningEngine(spark=name)
    finally:
        del _SESSIONS[name]
        session.stop()
