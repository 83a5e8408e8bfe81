"""Questions to an endpoint before it is used: each raises ``EngineError`` where an engine's client would hang or crash.

How an engine is started belongs in ``session``.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from stedi_assets import aws
from stedi_assets.errors import StediError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

# Long enough for a far endpoint, short enough for a person who waits for the message.
CONNECT_TIMEOUT_SECONDS = 5.0
# PySpark starts its server here, and has no setting by which its client would look elsewhere.
CONNECT_PORT = 15002
_DEFAULT_PORTS = {"sc": CONNECT_PORT, "spark": 7077}


class EngineError(StediError):
    """The engine cannot be used; the message says what to install, start or set."""


def require_free_port(master: str) -> None:
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


def require_listener(url: str) -> None:
    """Fail within seconds where the client would try again for minutes; of several masters, one is enough."""

    def connect(endpoint: tuple[str, int]) -> None:
        socket.create_connection(endpoint, timeout=CONNECT_TIMEOUT_SECONDS).close()

    if (error := _error_of_each(url, connect)) is not None:
        raise EngineError(
            f"STEDI_SPARK={shown(url)}: nothing answers there ({error}); start the server, correct the address, or use "
            "the embedded engine with STEDI_SPARK=sail"
        ) from None


def require_connect_server(url: str) -> None:
    """As ``require_listener``, for what listens and is no Connect server, or none any more."""
    import grpc
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client import DefaultChannelBuilder

    try:
        with DefaultChannelBuilder(url).toChannel() as channel:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_TIMEOUT_SECONDS)
    except (PySparkException, ValueError):
        # Its message quotes the part of the address that it cannot read, which may be a token.
        raise EngineError(
            f"STEDI_SPARK={shown(url)}: the parameters of the address cannot be read; write them as "
            "sc://host:15002/;key=value;key=value, with special characters as in an address, such as %3D for ="
        ) from None
    except grpc.FutureTimeoutError:
        raise EngineError(
            f"STEDI_SPARK={shown(url)}: what listens there does not answer as Spark Connect does; restart it, correct "
            "the address, or use the embedded engine with STEDI_SPARK=sail"
        ) from None


def require_master(url: str) -> None:
    """As ``require_connect_server``, for a standalone master, for which a driver waits for minutes without a word.

    Spark's RPC has no greeting. Asked for a file that it has not, a master says so; one that wants a password or TLS
    answers in another way, or hangs up. Of several masters, one is enough: the others may be down.
    """
    name = b"/files/stedi"
    # Length of the whole, the number of StreamRequest, and the length of the name.
    question = struct.pack(">QBI", 13 + len(name), 6, len(name)) + name

    def ask(endpoint: tuple[str, int]) -> None:
        with (
            suppress(ConnectionResetError),
            socket.create_connection(endpoint, timeout=CONNECT_TIMEOUT_SECONDS) as probe,
        ):
            # A master that has just started, on a busy machine, was seen to take more than two seconds.
            probe.settimeout(2 * CONNECT_TIMEOUT_SECONDS)
            probe.sendall(question)
            probe.recv(1024)

    if _error_of_each(url, ask) is not None:
        raise EngineError(
            f"STEDI_SPARK={shown(url)}: what listens there does not answer as a Spark master does; restart it, correct "
            "the address, or use the embedded engine with STEDI_SPARK=sail"
        ) from None


def shown(url: str) -> str:
    """An engine as messages may name it: of an endpoint the hosts alone, since parameters may hold a token."""
    scheme, found, _ = url.partition("://")
    if not found or scheme not in _DEFAULT_PORTS:
        return url
    return f"{scheme}://{','.join(address.hostname or '' for address in _addresses(url))}"


def _addresses(url: str) -> list[SplitResult]:
    hosts = url.partition("://")[2].partition("/")[0].partition(";")[0]
    return [urlsplit(f"//{host}") for host in hosts.split(",")]


def _error_of_each(url: str, ask: Callable[[tuple[str, int]], None]) -> Exception | None:
    """Ask the endpoints of an address in turn; gives the last one's error, or None as soon as one answers."""
    default_port = _DEFAULT_PORTS[url.partition("://")[0]]
    error: Exception | None = None
    for address in _addresses(url):
        try:
            ask((address.hostname or "", address.port or default_port))
        except (OSError, ValueError) as failure:
            error = failure
        else:
            return None
    return error


def require_encryption(url: str, session: SparkSession, kms_key_id: str | None) -> None:
    """Refuse a Connect server that would write under another key.

    A session cannot give it one: S3A keeps a bucket's file system as whoever used it first had it.
    """
    required = aws.s3a_config(kms_key_id)
    if any(session.conf.get(name, None) != value for name, value in required.items()):
        settings = " and ".join(f"{name}={value}" for name, value in required.items())
        raise EngineError(
            f"STEDI_SPARK={shown(url)}: that server would not write under the key of "
            f"STEDI_KMS_KEY_ID; start it with {settings}"
        )
