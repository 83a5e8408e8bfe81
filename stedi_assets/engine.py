"""A Spark session on the engine that ``STEDI_SPARK`` names, as a Dagster resource.

Every engine is reached through Spark Connect, so that the same client code runs on all: Sail serves it from
this process, a ``local``, ``spark://``, ``yarn`` or ``k8s://`` master behind a server that PySpark starts on the
loopback address, and ``sc://`` is a server that is up already. What an engine needs to be told belongs here;
what is computed on it does not.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg
from pydantic import PrivateAttr

from stedi_assets.s3a import s3a_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagster_pyspark import LazyPySparkResource
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

# Long enough for a far endpoint, short enough for a person who waits for the message.
CONNECT_TIMEOUT_SECONDS = 5.0
# PySpark starts its server here, and has no setting by which its client would look elsewhere.
CONNECT_PORT = 15002


class EngineError(RuntimeError):
    """The engine cannot be used; the message says what to install, start or set."""


class SparkEngine(dg.ConfigurableResource["SparkEngine"]):
    """Spark session of a run: started when first used, stopped when the run ends.

    Attributes:
        spark: The value of ``STEDI_SPARK``.
        on_s3: Whether the lake is a bucket.
    """

    spark: str
    on_s3: bool = False
    _sail: SparkConnectServer | None = PrivateAttr(default=None)
    _pyspark: LazyPySparkResource | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[SparkEngine]:  # noqa: ARG002 - Dagster's signature
        """Yield this engine to a run and stop what the run started."""
        with self.running():
            yield self

    @contextmanager
    def running(self) -> Iterator[SparkEngine]:
        """Use the engine without Dagster; stops what was started."""
        try:
            yield self
        finally:
            self._stop()

    @property
    def session(self) -> SparkSession:
        """The session.

        Raises:
            EngineError: Java is missing, or the endpoint does not answer.
        """
        if self._pyspark is None:
            from dagster_pyspark import LazyPySparkResource

            _silence_quotations()
            self._pyspark = LazyPySparkResource(spark_config=self._spark_config())
        with warnings.catch_warnings():
            # PySpark sets each option again on the session that was started with it, and complains that it cannot.
            warnings.filterwarnings("ignore", message="Failed to set spark")
            session: SparkSession = self._pyspark.spark_session
        return session

    def path(self, uri: str) -> str:
        """Spell an address of the lake as this engine does.

        Apache Spark reads S3 through Hadoop's ``s3a``; Sail, like the Iceberg metadata, says ``s3``.
        """
        return uri if self.spark == "sail" else uri.replace("s3://", "s3a://", 1)

    def _spark_config(self) -> dict[str, str]:
        if self.spark == "sail":
            return {"spark.remote": self._start_sail()}
        if self.spark.startswith(("sc://", "spark://")):
            _require_listener(self.spark)
        if self.spark.startswith("sc://"):
            _require_connect_server(self.spark)
            return {"spark.remote": self.spark}
        return apache_spark_config(self.spark) | (s3a_config() if self.on_s3 else {})

    def _start_sail(self) -> str:
        from pysail.spark import SparkConnectServer

        # Sail reports the tasks that it drops at an orderly stop as warnings.
        os.environ.setdefault("RUST_LOG", "error")
        if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            # Sail refuses an S3 endpoint without TLS unless told; other clients take the address at its word.
            os.environ.setdefault("AWS_ALLOW_HTTP", "true")
        self._sail = SparkConnectServer("127.0.0.1", 0)
        self._sail.start(background=True)
        host, port = self._sail.listening_address
        return f"sc://{host}:{port}"

    def _stop(self) -> None:
        if self._pyspark is not None:
            self._pyspark.spark_session.stop()
            self._pyspark = None
        if self._sail is not None:
            self._sail.stop()
            self._sail = None


def apache_spark_config(master: str) -> dict[str, str]:
    """Configure an Apache Spark driver of this process for a master.

    Raises:
        EngineError: There is no Java, or another driver runs on this machine.
    """
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    if shutil.which(java) is None:
        raise EngineError(
            f"STEDI_SPARK={master} needs Java 17 or newer, and {java} is not there: install a Java runtime or set "
            "JAVA_HOME, or use the embedded engine with STEDI_SPARK=sail"
        )
    _require_free_port(master)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return {
        "spark.master": master,
        "spark.api.mode": "connect",
        # A Connect server listens on every address, without authentication, unless told otherwise.
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        # Spark logs a failed task with the row at which it failed; what is printed is kept as the run's log.
        "spark.log.level": "FATAL",
    }


def _silence_quotations() -> None:
    """Keep PySpark from printing each error of the engine, which may quote a row."""
    from pyspark.logger import PySparkLogger

    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True


def _require_free_port(master: str) -> None:
    """Fail clearly where PySpark's server would fail in Java, or its client meet another run's server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", CONNECT_PORT))
        except OSError:
            raise EngineError(
                f"STEDI_SPARK={master}: port {CONNECT_PORT}, which PySpark's driver needs, is in use, as by another "
                "run with Apache Spark on this machine; wait for that run, or set STEDI_SPARK=sail or an sc:// server"
            ) from None


def _require_listener(url: str) -> None:
    """Fail within seconds where the client would try again for minutes."""
    address = urlsplit(url)
    default_port = CONNECT_PORT if address.scheme == "sc" else 7077
    try:
        endpoint = (address.hostname or "", address.port or default_port)
        socket.create_connection(endpoint, timeout=CONNECT_TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"STEDI_SPARK={address.scheme}://{address.hostname}: nothing answers there ({error}); start the server, "
            "correct the address, or use the embedded engine with STEDI_SPARK=sail"
        ) from None


def _require_connect_server(url: str) -> None:
    """As ``_require_listener``, for what listens and is no Connect server, or none any more."""
    import grpc
    from pyspark.sql.connect.client import DefaultChannelBuilder

    with DefaultChannelBuilder(url).toChannel() as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_TIMEOUT_SECONDS)
        except grpc.FutureTimeoutError:
            raise EngineError(
                f"STEDI_SPARK=sc://{urlsplit(url).hostname}: what listens there does not answer as Spark Connect "
                "does; restart it, correct the address, or use the embedded engine with STEDI_SPARK=sail"
            ) from None
