"""An engine that goes while a run uses it: how long its client tries again, how that is seen, and how it is told.

How an engine is asked before it is used belongs in ``probes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from stedi_assets.engine.probes import EngineError, shown

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client import SparkConnectClient
    from pyspark.sql.connect.session import SparkSession as ConnectSession

# PySpark waits ten minutes for each call, and calls go on: a run whose JVM was killed took 19 minutes to end. These
# tries take about 15 seconds, in which a server behind a load balancer may come back; whoever asked for rows waits as
# long once more, for the call that gives them back.
_RETRIES, _LONGEST_WAIT_MS = 6, 5_000
# What an engine that is about to go says, or a server that was started again and has lost the session.
_SIGNS = (
    "stopped SparkContext",
    "SparkContext was shut down",
    "SparkContext has been shutdown",
    "INVALID_HANDLE.SESSION",
    "server side session identifier",
)
# PySpark's names for a JVM that ended while it started, and for a server that lost a query amid its rows.
_CONDITIONS = ("JAVA_GATEWAY_EXITED", "RESPONSE_ALREADY_RECEIVED")


class EngineGoneError(EngineError):
    """The engine was there and is gone; the message names it and says what to do."""

    def __init__(self, url: str) -> None:
        """Name the engine by the value of ``STEDI_SPARK``."""
        if url.startswith("sail"):
            what = "Sail, in the run's own process, has stopped answering; run again; if it happens again, report it"
        elif url.startswith("sc://"):
            what = (
                "the server has stopped answering, or was started anew during the run; look into its log, start it if "
                "it is down, then run again, or use the embedded engine with STEDI_SPARK=sail"
            )
        else:
            what = (
                "its driver, a Java process on this machine, has ended before the run, as where memory ran out or "
                "somebody stopped it; see what else takes memory, then run again, or use the embedded engine with "
                "STEDI_SPARK=sail"
            )
        super().__init__(f"STEDI_SPARK={shown(url)}: {what}")


def try_briefly(session: SparkSession) -> None:
    """Let each call of a session try again for about 15 seconds."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    _client(session).set_retry_policies([DefaultPolicy(max_retries=_RETRIES, max_backoff=_LONGEST_WAIT_MS)])


def try_once(session: SparkSession) -> None:
    """Let no call of a session try again."""
    _client(session).set_retry_policies([])


def _client(session: SparkSession) -> SparkConnectClient:
    # PySpark hides the property's type, since sessions without Connect have none.
    return cast("ConnectSession", session).client


def is_gone(error: Exception) -> bool:
    """Whether an error, after the client's own tries, says that there is no engine any more."""
    import grpc
    from py4j.protocol import Py4JError, Py4JJavaError  # type: ignore[import-untyped]  # Py4J has no types
    from pyspark.errors import PySparkException
    from pyspark.errors.exceptions.connect import SparkConnectGrpcException

    if isinstance(error, EngineGoneError):
        return True
    if isinstance(error, Py4JError):
        # An exception of Java, or a call that it does not know, is the answer of a JVM that lives.
        return not isinstance(error, Py4JJavaError) and "Trace:" not in str(error)
    if (
        isinstance(error, SparkConnectGrpcException)
        and error.getGrpcStatusCode() is grpc.StatusCode.UNAVAILABLE
    ):
        return True
    return isinstance(error, PySparkException) and (
        error.getCondition() in _CONDITIONS or any(sign in str(error) for sign in _SIGNS)
    )
