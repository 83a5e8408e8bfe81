"""Alerts, taken by a real web server and a real mail server: what is told, what is not, and when."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from stedi_assets.alerts import AlertError
from stedi_assets.definitions import build_definitions
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.daemon import Daemon
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import ANN, BOB, T0, customer, reading

UI = "https://dagster.example.org"


@pytest.fixture
def webhook() -> Iterator[SimpleNamespace]:
    """A server that keeps what is posted to it; ``status`` is its answer."""
    taken = SimpleNamespace(messages=[], status=200)

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if taken.status == 200:
                taken.messages.append(json.loads(body))
            self.send_response(taken.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    taken.url = f"json://127.0.0.1:{server.server_port}/hook"
    yield taken
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox() -> Iterator[SimpleNamespace]:
    """A mail server on the loopback address that keeps what it is given."""
    taken = SimpleNamespace(messages=[])

    class Keep(Message):
        def handle_message(self, message: EmailMessage) -> None:
            taken.messages.append(message)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Keep(EmailMessage), hostname="127.0.0.1", port=port)
    controller.start()
    taken.url = (
        f"mailto://127.0.0.1:{port}?from=stedi@example.org&to=team@example.org&mode=insecure&format=text"
    )
    yield taken
    controller.stop()


class Watch(Daemon):
    """The sensor over the instance in which a lake's runs are."""

    def __init__(self, graph: Graph, alerts: str, **settings: object) -> None:
        self.settings = Settings(lake_uri=graph.lake_uri, alerts=alerts, ui_url=UI, **settings)
        super().__init__(self.settings, graph.engine, "alerts_sensor", graph.instance)


@pytest.fixture
def graph(sail_engine, tmp_path) -> Graph:
    lake = tmp_path / "lake"
    deliver(lake, "customer", [customer(ANN)])
    deliver(lake, "accelerometer", [reading(ANN)])
    deliver(lake, "step_trainer", [])
    return Graph(str(lake), sail_engine)


def test_nobody_is_told_unless_the_setting_says_whom(graph):
    names = [sensor.name for sensor in build_definitions(graph.settings, graph.engine).sensors or ()]
    assert "alerts_sensor" not in names


def test_a_failed_run_is_told_once_with_a_link(graph, webhook):
    watch = Watch(graph, webhook.url)
    watch.tick()
    run = dg.DagsterRun(job_name="refresh")
    graph.instance.add_run(run)
    graph.instance.report_run_failed(run)
    watch.tick()
    watch.tick()
    (message,) = webhook.messages
    assert message["title"] == "STEDI: 1 alert"
    assert message["message"] == f"a run of refresh failed: {UI}/runs/{run.run_id}"


def test_checks_that_warn_are_told_again_only_when_they_find_something_else(graph, webhook, tmp_path):
    broken = customer(BOB, updated=T0 + 1) | {"phone": {}}
    deliver(tmp_path / "lake", "customer", [broken], "2.json")
    graph.run()
    watch = Watch(graph, webhook.url)
    watch.tick()
    (message,) = webhook.messages
    delivery, consent = sorted(message["message"].splitlines())
    assert delivery.startswith("customer_quarantine.delivery warns: ")
    assert "records_quarantined 1" in delivery
    assert delivery.endswith(f"{UI}/assets/customer_quarantine?view=checks&checkDetail=delivery")
    assert consent.startswith("customer_trusted.consent warns: ")
    assert "people_held_back 1" in consent
    graph.run("customer_trusted")
    watch.tick()
    assert len(webhook.messages) == 1
    deliver(tmp_path / "lake", "customer", [broken, broken], "3.json")
    graph.run()
    watch.tick()
    assert "records_quarantined 2" in webhook.messages[1]["message"]


def test_a_message_has_no_name_of_a_file_and_nothing_of_a_person(graph, webhook, tmp_path):
    deliver(tmp_path / "lake", "customer", [customer(BOB) | {"phone": {}}], "secret-name.json")
    (tmp_path / "lake/accelerometer/landing/odd-name.txt").write_text("")
    graph.run()
    Watch(graph, webhook.url).tick()
    (message,) = webhook.messages
    assert "files_of_unknown_names 1" in message["message"]
    assert not any(word in repr(message) for word in (BOB, ANN, "secret-name", "odd-name", "landing/"))


@pytest.mark.parametrize(("percent", "is_told"), [(60, False), (40, True)])
def test_a_share_in_quarantine_is_told_above_the_threshold_alone(graph, webhook, tmp_path, percent, is_told):
    broken = reading(ANN, at=T0 + 1) | {"x": "much"}
    deliver(tmp_path / "lake", "accelerometer", [reading(ANN, at=T0 + 2), broken], "1.json")
    graph.run()
    Watch(graph, webhook.url, alerts_quarantine_percent=percent).tick()
    told = " ".join(message["message"] for message in webhook.messages)
    assert ("accelerometer_quarantine.delivery" in told) == is_told


def test_a_failed_check_is_told_as_failed(graph, webhook, tmp_path):
    (tmp_path / "lake/customer/landing/2.json.gz").write_bytes(b"\x1f\x8b no archive")
    graph.run(ok=False)
    watch = Watch(graph, webhook.url)
    watch.tick()
    assert "customer_landing.row_count failed" in webhook.messages[0]["message"]


def test_an_overdue_table_is_told_until_it_is_made_and_once(graph, webhook):
    def is_now(state: FreshnessState) -> None:
        moment = datetime.now(UTC) + timedelta(seconds=1)
        graph.instance._report_runless_asset_event(
            FreshnessStateChange(
                key=dg.AssetKey("customer_trusted"),
                new_state=state,
                previous_state=FreshnessState.UNKNOWN,
                state_change_timestamp=moment.timestamp(),
            )
        )

    watch = Watch(graph, webhook.url)
    for state in (FreshnessState.FAIL, FreshnessState.FAIL, FreshnessState.PASS, FreshnessState.FAIL):
        is_now(state)
        watch.tick()
    told = [message["message"] for message in webhook.messages]
    assert told == [f"customer_trusted is overdue: {UI}/assets/customer_trusted"] * 2


def test_mail_reaches_the_mail_server(graph, mailbox):
    watch = Watch(graph, mailbox.url)
    watch.tick()
    run = dg.DagsterRun(job_name="refresh")
    graph.instance.add_run(run)
    graph.instance.report_run_failed(run)
    watch.tick()
    (mail,) = mailbox.messages
    assert mail["Subject"] == "STEDI: 1 alert"
    assert "team@example.org" in mail["To"]
    assert f"a run of refresh failed: {UI}/runs/{run.run_id}" in mail.get_payload(decode=True).decode()


def test_what_nobody_took_is_told_again(graph, webhook):
    watch = Watch(graph, webhook.url)
    watch.tick()
    graph.instance.report_run_failed(graph.instance.add_run(dg.DagsterRun(job_name="refresh")))
    webhook.status = 503
    with pytest.raises(AlertError, match="no address took the message"):
        watch.tick()
    webhook.status = 200
    watch.tick()
    assert len(webhook.messages) == 1


def test_one_address_that_takes_nothing_keeps_nobody_else_from_being_told_once(graph, webhook):
    watch = Watch(graph, f"json://127.0.0.1:1/nobody {webhook.url}")
    watch.tick()
    graph.instance.report_run_failed(graph.instance.add_run(dg.DagsterRun(job_name="refresh")))
    watch.tick()
    watch.tick()
    assert len(webhook.messages) == 1


def test_an_address_that_is_none_is_named_by_its_number_alone_before_there_is_anything_to_tell(graph):
    with pytest.raises(AlertError) as failed:
        Watch(graph, "json://example.org nonsense://user:secret@example.org").tick()
    assert str(failed.value) == "STEDI_ALERTS: address 2 of 2 is none that apprise knows"
