"""A Spark session on the engine that ``STEDI_SPARK`` names, as a Dagster resource.

Every engine is reached through Spark Connect, so that the same client code runs on all: Sail serves it from
this process, a ``local``, ``spark://``, ``yarn`` or ``k8s://`` master behind a server that PySpark starts on the
loopback address, and ``sc://`` is a server that is up already. What an engine needs to be told belongs here;
what is computed on it does not.
"""

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from stedi_assets import aws
from stedi_assets.engine import gone, memory, probes
from stedi_assets.engine.probes import EngineError
from stedi_assets.engine.s3a import s3a_config

if TYPE_CHECKING:
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    from stedi_assets.settings import Settings

# Java compiles code for the second time, well and at length, as soon as it was used some thousand times. Queries of a
# small lake are over by then. So ten times as much use is asked for.
_JAVA_OPTIONS = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)


class SparkEngine(dg.ConfigurableResource["SparkEngine"]):
    """Spark session of a run: started when first used, stopped when the run ends.

    Attributes:
        spark: The value of ``STEDI_SPARK``. It may hold a token, and Dagster's UI shows the configuration of a
            resource, so it is a dependency rather than configuration.
        on_s3: Whether the lake is a bucket.
        kms_key_id: Key under which the engine writes to a bucket.
        memory_bytes: What a run may take on this machine; a share of the machine's memory by default.
    """

    spark: dg.ResourceDependency[str]
    on_s3: bool = False
    kms_key_id: str | None = None
    memory_bytes: int | None = None
    _sail: "SparkConnectServer | None" = PrivateAttr(default=None)
    _session: "SparkSession | None" = PrivateAttr(default=None)
    _is_gone: bool = PrivateAttr(default=False)

    @classmethod
    def of(cls, settings: "Settings") -> "SparkEngine":
        """The engine that the settings name, for the lake that they name."""
        return cls(
            spark=settings.spark,
            on_s3=settings.on_s3,
            kms_key_id=settings.kms_key_id,
            memory_bytes=settings.memory_bytes,
        )

    def __repr__(self) -> str:
        """Name the engine without what is secret."""
        return f"{type(self).__name__}({probes.shown(self.spark)})"

    __str__ = __repr__

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["SparkEngine"]:  # noqa: ARG002 - Dagster's signature
        """Yield this engine to a run and stop what the run started."""
        with self.running():
            yield self

    @contextmanager
    def running(self) -> Iterator["SparkEngine"]:
        """Use the engine without Dagster; stops what was started."""
        try:
            yield self
        finally:
            self._stop()

    @property
    def session(self) -> "SparkSession":
        """The session.

        Raises:
            EngineError: Java is missing, or the endpoint does not answer, or it would not encrypt as it should, or the
                engine was there and is gone.
        """
        if self._is_gone:
            raise gone.EngineGoneError(self.spark)
        if self._session is None:
            with self.telling_if_gone():
                self._session = self._start()
            if self.spark.startswith("sc://") and self.on_s3:
                try:
                    probes.require_encryption(self.spark, self._session, self.kms_key_id)
                except EngineError:
                    self._stop()
                    raise
        return self._session

    @contextmanager
    def telling_if_gone(self) -> Iterator[None]:
        """Say so where an error means that the engine is gone; whatever asks it afterwards fails at once.

        Raises:
            EngineGoneError: The engine was there and is gone.
        """
        try:
            yield
        except Exception as error:
            if not gone.is_gone(error):
                raise
            self._is_gone = True
            if self._session is not None:
                gone.try_once(self._session)
            raise gone.EngineGoneError(self.spark) from None

    @property
    def tasks_at_once(self) -> int | None:
        """How many tasks should read landing files side by side; None where a cluster decides."""
        on_this_machine = self.spark.startswith(("sail", "local"))
        return memory.tasks_at_once(self._memory()) if on_this_machine else None

    def _memory(self) -> int:
        return self.memory_bytes or memory.share_of_machine()

    def path(self, uri: str) -> str:
        """Spell an address of the lake as this engine does.

        Apache Spark reads S3 through Hadoop's ``s3a``; Sail, like the Iceberg metadata, says ``s3``.
        """
        return uri if self.spark == "sail" else uri.replace("s3://", "s3a://", 1)

    def _start(self) -> "SparkSession":
        from dagster_pyspark import LazyPySparkResource

        _silence_quotations()
        started = LazyPySparkResource(spark_config=self._spark_config())
        with warnings.catch_warnings():
            # PySpark sets each option again on the session that was started with it, and complains that it cannot.
            warnings.filterwarnings("ignore", message="Failed to set spark")
            try:
                session: SparkSession = started.spark_session
            except ConnectionError:
                # Of a JVM that ended while it started.
                raise gone.EngineGoneError(self.spark) from None
        gone.try_briefly(session)
        return session

    def _spark_config(self) -> dict[str, str]:
        if self.spark == "sail":
            return {"spark.remote": self._start_sail()}
        if self.spark.startswith(("sc://", "spark://")):
            probes.require_listener(self.spark)
        if self.spark.startswith("sc://"):
            probes.require_connect_server(self.spark)
            return {"spark.remote": self.spark}
        if self.spark.startswith("spark://"):
            probes.require_master(self.spark)
        config = apache_spark_config(self.spark) | self.server_config()
        if self.spark.startswith("local"):
            # Its driver is its executor, too. Spark's own default is 1 GB, whatever the machine has.
            config["spark.driver.memory"] = f"{memory.for_java(self._memory()) >> 20}m"
            # Spark's own default is 200, as for a cluster: each task would write as many parts for the next ones.
            config["spark.sql.shuffle.partitions"] = str(2 * (os.cpu_count() or 1))
            # Beside the options of whoever runs this, which Spark puts behind these.
            config["spark.driver.defaultJavaOptions"] = " ".join(_JAVA_OPTIONS)
        return config

    def server_config(self) -> dict[str, str]:
        """What an Apache Spark server must be told of the lake, whoever starts it."""
        config = {
            "spark.sql.session.timeZone": "UTC",
            # Spark logs a failed task with the row at which it failed; what is printed is kept as the run's log.
            "spark.log.level": "FATAL",
        }
        return config | s3a_config() | aws.s3a_config(self.kms_key_id) if self.on_s3 else config

    def _start_sail(self) -> str:
        # Sail reports the tasks that it drops at an orderly stop as warnings.
        os.environ.setdefault("RUST_LOG", "error")
        if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            # Sail refuses an S3 endpoint without TLS unless told; other clients take the address at its word.
            os.environ.setdefault("AWS_ALLOW_HTTP", "true")
        os.environ.update(aws.sail_environment(self.kms_key_id))
        os.environ.update(memory.sail_environment(self._memory()))
        # Loaded now, when its allocator finds its settings.
        from pysail.spark import SparkConnectServer

        self._sail = SparkConnectServer("127.0.0.1", 0)
        self._sail.start(background=True)
        host, port = self._sail.listening_address
        return f"sc://{host}:{port}"

    def _stop(self) -> None:
        if self._session is not None:
            # A server gives up what it is not told to release; a server that is gone would be asked again and again.
            gone.try_once(self._session)
            self._session.stop()
            self._session = None
        if self._sail is not None:
            self._sail.stop()
            self._sail = None
        self._is_gone = False


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
    probes.require_free_port(master)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return {
        "spark.master": master,
        "spark.api.mode": "connect",
        # A Connect server listens on every address, without authentication, unless told otherwise.
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false",
    }


def _silence_quotations() -> None:
    """Keep PySpark from printing each error of the engine, which may quote a row."""
    from pyspark.logger import PySparkLogger

    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True
