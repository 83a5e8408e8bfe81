"""An HTTP proxy in front of the S3 and Glue server that counts requests and makes the network fail.

It is a process of its own, since clients in the test's process may wait for an answer while they hold the
interpreter's lock. What goes wrong is a ``Plan``; which tests follow from it belongs in ``test_network``.
"""

import http.client
import json
import multiprocessing
import os
import random
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

Fault = Literal["slow_down", "reset_before", "reset_after", "time_out"]
End = Literal["cut", "mute"]
FAULTS: tuple[Fault, ...] = ("slow_down", "reset_before", "reset_after", "time_out")
# Status, headers, content.
Answer: TypeAlias = tuple[int, list[tuple[str, str]], bytes]
# A client that has no time-out of its own would hang for ever; then the test shall fail.
_HELD_BACK_SECONDS = 120.0
# With it, a socket that is closed sends RST.
_RESET = struct.pack("ii", 1, 0)
_SLOW_DOWN: Answer = (
    503,
    [("Content-Type", "application/xml")],
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
)
_GET_TABLE, _UPDATE_TABLE = "AWSGlue.GetTable", "AWSGlue.UpdateTable"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "server", "date", "expect"}


@dataclass(frozen=True)
class Plan:
    """What goes wrong.

    Attributes:
        faults: Kinds of faults, each as likely as the others: ``reset_before`` the server has the request, or
            ``reset_after`` it acted on it; ``time_out`` holds the answer back until the client gives up.
        rate: Share of requests that meet with one.
        seed: Decides which; the same for the same order of requests.
        requests_before_end: How many requests pass before the network is at an end; None if it never is.
        end: Whether the network is cut then, or the server takes requests and says nothing more.
        only: Part of an operation's name, as in what ``report`` counts, to which faults and ends are confined.
        latency_seconds: By how much each request takes longer.
    """

    faults: tuple[Fault, ...] = ()
    rate: float = 0.05
    seed: int = 0
    requests_before_end: int | None = None
    end: End = "cut"
    only: str = ""
    latency_seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """What passed since the plan was made: requests by operation, and faults by kind and operation."""

    requests: Counter[str]
    faults: Counter[tuple[str, str]]


class FaultProxy:
    """The proxy, from outside.

    Attributes:
        url: Its address.
    """

    def __init__(self, url: str, control: Connection) -> None:
        self.url = url
        self._control = control

    def follow(self, plan: Plan) -> None:
        """Follow another plan from now on, and begin to count anew."""
        self.report(plan)

    def report(self, plan: Plan | None = None) -> Report:
        """What passed since the last plan, before another one is followed, if one is given."""
        self._control.send(plan)
        report: Report = self._control.recv()
        return report


@contextmanager
def running_proxy(server: str) -> Iterator[FaultProxy]:
    """A proxy in front of a server, with nothing going wrong."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(urlsplit(server).netloc, theirs), daemon=True
    )
    process.start()
    try:
        yield FaultProxy(f"http://127.0.0.1:{ours.recv()}", ours)
    finally:
        process.terminate()
        process.join()


def operation_of(method: str, url: str, target: str | None) -> str:
    """What a request asks for: service, operation, and the kind of object."""
    if target is not None:
        return target.replace("AWSGlue.", "Glue ")
    address = urlsplit(url)
    query = parse_qs(address.query, keep_blank_values=True)
    _, _, *key = address.path.split("/", 2)
    kind = f" {_kind(key[0])}" if key and key[0] else ""
    known = {
        ("GET", "list-type"): "ListObjectsV2",
        ("GET", "location"): "GetBucketLocation",
        ("POST", "delete"): "DeleteObjects",
        ("POST", "uploads"): "CreateMultipartUpload",
        ("POST", "uploadId"): "CompleteMultipartUpload",
        ("PUT", "uploadId"): "UploadPart",
    }
    named = next((name for (verb, word), name in known.items() if verb == method and word in query), None)
    return f"S3 {named or method.capitalize() + ('Object' if kind else 'Bucket')}{kind}"


def _kind(key: str) -> str:
    if "/landing/" in key:
        return "raw file"
    if key.endswith(".metadata.json"):
        return "metadata"
    if key.endswith(".avro"):
        return "manifest list" if key.rpartition("/")[2].startswith("snap-") else "manifest"
    return "data" if key.endswith(".parquet") else "other"


def _glue_error(kind: str) -> Answer:
    return 400, [("Content-Type", "application/x-amz-json-1.1")], json.dumps({"__type": kind}).encode()


class _State:
    """The plan that is followed, and what was counted since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.updating = threading.Lock()
        self.follow(Plan())

    def follow(self, plan: Plan) -> None:
        with self._lock:
            self.plan = plan
            self._random = random.Random(plan.seed)
            self._passed = 0
            self.requests: Counter[str] = Counter()
            self.faults: Counter[tuple[str, str]] = Counter()

    def fault(self, operation: str) -> Fault | End | None:
        """Count a request, and say what becomes of it."""
        with self._lock:
            self.requests[operation] += 1
            if self.plan.only not in operation:
                return None
            self._passed += 1
            before_end = self.plan.requests_before_end
            found: Fault | End | None = None
            if before_end is not None and self._passed > before_end:
                found = self.plan.end
            elif self.plan.faults and self._random.random() < self.plan.rate:
                found = self._random.choice(self.plan.faults)
            if found:
                self.faults[found, operation] += 1
            return found


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: str, state: _State) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server = server
        self.state = state

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no error here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # of the base class's stub


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy
    protocol_version = "HTTP/1.1"
    # Answers are written in two parts, the second of which would wait for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Says nothing: what passes is counted."""

    def _pass(self) -> None:
        state = self.server.state
        body = self._body()
        target = self.headers.get("X-Amz-Target")
        fault = state.fault(operation_of(self.command, self.path, target))
        # Where the network is slow, every request takes so long.
        time.sleep(state.plan.latency_seconds)
        if fault in ("cut", "reset_before"):
            self._reset()
            return
        if fault == "mute":
            self._hold_back()
            return
        if fault == "slow_down":
            self._answer(*(_SLOW_DOWN if target is None else _glue_error("ThrottlingException")))
            return
        if target == _UPDATE_TABLE:
            with state.updating:
                answer = self._update_table(body)
        else:
            answer = self._forward(body)
        if fault == "reset_after":
            self._reset()
        elif fault == "time_out":
            self._hold_back()
        else:
            self._answer(*answer)

    def _update_table(self, body: bytes) -> Answer:
        """Refuse an update of a version that is no longer the table's, as Glue does and moto does not."""
        update = json.loads(body)
        wanted = {"DatabaseName": update["DatabaseName"], "Name": update["TableInput"]["Name"]}
        _, _, content = self._forward(json.dumps(wanted).encode(), {"X-Amz-Target": _GET_TABLE})
        if json.loads(content)["Table"]["VersionId"] != update["VersionId"]:
            return _glue_error("ConcurrentModificationException")
        return self._forward(body)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                """A trailer."""
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _forward(self, body: bytes, other: Mapping[str, str] = MappingProxyType({})) -> Answer:
        connection = http.client.HTTPConnection(self.server.server)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            headers |= {"Content-Length": str(len(body)), **other}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        given = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        # The answer to a HEAD has a length, and no content.
        if "content-length" not in given:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _hold_back(self) -> None:
        # Readable when the client hangs up.
        select.select([self.connection], [], [], _HELD_BACK_SECONDS)
        self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # At once, before the base class shuts the connection down in good order.
        os.close(self.connection.detach())


def _serve(server: str, control: Connection) -> None:
    state = _State()
    proxy = _Proxy(server, state)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    control.send(proxy.server_port)
    with suppress(EOFError):
        while True:
            plan: Plan | None = control.recv()
            control.send(Report(state.requests, state.faults))
            if plan is not None:
                state.follow(plan)
