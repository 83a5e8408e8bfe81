"""Alerts: a sensor that tells people of failed runs, of checks that do not pass, and of tables that are overdue.

See https://docs.dagster.io/guides/automate/sensors. The definitions have this sensor only where ``STEDI_ALERTS`` says
whom to tell. A message has names of jobs, tables and checks, counts, and links. No sentence of a check or of a failure
is in it: a message leaves the company's own machines.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from stedi_assets.errors import StediError
from stedi_assets.settings import Settings
from stedi_assets.text import counted

if TYPE_CHECKING:
    from apprise import NotifyBase

INTERVAL_SECONDS = 60
# A message that is longer is read by nobody.
_LINES = 30


class AlertError(StediError):
    """A message could not be sent; what it says is sent again at the next look."""


@dataclass
class Cursor:
    """What was told already.

    Attributes:
        since: Runs that failed until then were told of, epoch s.
        checks: Checks that do not pass, each with what it found, as it was told.
        overdue: Tables that are overdue.
    """

    since: float = 0
    checks: dict[str, str] = field(default_factory=dict)
    overdue: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Alert:
    """One line of a message.

    Attributes:
        what: What is wrong: names and counts.
        path: Where the UI shows it.
    """

    what: str
    path: str


@dg.sensor(
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends a message about failed runs, checks that do not pass, and overdue tables.",
)
def alerts_sensor(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
    """Tell what is new since the last look, in one message; nothing is told twice while it stays as it is.

    Where no message could be sent, the cursor stays as it was, so that the next look tells the same.
    """
    services = _services(settings)
    now = time.time()
    cursor = Cursor(**json.loads(context.cursor)) if context.cursor else Cursor(since=now)
    repository = context.repository_def
    assert repository is not None  # noqa: S101 - the daemon and the tests both evaluate the sensor in a repository
    graph = repository.asset_graph
    alerts = [
        *_failed_runs(context.instance, cursor),
        *_checks(
            context.instance, sorted(graph.asset_check_keys), settings.alerts_quarantine_percent, cursor
        ),
        *_overdue(context.instance, sorted(graph.materializable_asset_keys), cursor),
    ]
    if alerts:
        _send(alerts, services, settings.ui_url)
    context.update_cursor(json.dumps(asdict(cursor)))
    return dg.SkipReason(f"{counted(len(alerts), 'alert')} sent" if alerts else "Nothing new to tell")


def _failed_runs(instance: dg.DagsterInstance, cursor: Cursor) -> Iterator[Alert]:
    filters = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], updated_after=datetime.fromtimestamp(cursor.since, UTC)
    )
    for record in instance.get_run_records(filters, order_by="update_timestamp", ascending=True):
        run = record.dagster_run
        cursor.since = max(cursor.since, record.update_timestamp.timestamp())
        yield Alert(f"a run of {run.job_name} failed", f"runs/{run.run_id}")


def _checks(
    instance: dg.DagsterInstance, keys: list[dg.AssetCheckKey], percent: float, cursor: Cursor
) -> Iterator[Alert]:
    found: dict[str, str] = {}
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    for key in keys:
        record = latest.get(key)
        evaluation = record.evaluation if record else None
        name = f"{key.asset_key.to_user_string()}.{key.name}"
        if not isinstance(evaluation, dg.AssetCheckEvaluation):
            # A run has only planned the check: what was told of it holds.
            found |= {name: cursor.checks[name]} if name in cursor.checks else {}
            continue
        counts = {
            label: value.value
            for label, value in evaluation.metadata.items()
            if isinstance(value.value, int | float) and not isinstance(value.value, bool)
        }
        if evaluation.passed or _is_small(key, counts, percent):
            continue
        figures = ", ".join(f"{label} {count:,}" for label, count in counts.items() if count)
        outcome = "failed" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warns"
        found[name] = f"{outcome}: {figures}" if figures else outcome
        if cursor.checks.get(name) != found[name]:
            table = "/".join(key.asset_key.path)
            yield Alert(f"{name} {found[name]}", f"assets/{table}?view=checks&checkDetail={key.name}")
    cursor.checks = found


def _is_small(key: dg.AssetCheckKey, counts: Mapping[str, float], percent: float) -> bool:
    """Whether a check only warns of a share of records in quarantine that nobody wants to hear of."""
    return (
        key.name == "delivery"
        and counts.get("percent_quarantined", 0) <= percent
        and not counts.get("files_of_unknown_names")
    )


def _overdue(instance: dg.DagsterInstance, keys: list[dg.AssetKey], cursor: Cursor) -> Iterator[Alert]:
    states = instance.get_freshness_state_records(keys)
    overdue = [
        key.to_user_string()
        for key in keys
        if key in states and states[key].freshness_state == FreshnessState.FAIL
    ]
    for name in overdue:
        if name not in cursor.overdue:
            yield Alert(f"{name} is overdue", f"assets/{name}")
    cursor.overdue = overdue


def _services(settings: Settings) -> "list[NotifyBase]":
    """The services that the addresses of ``STEDI_ALERTS`` name.

    Raises:
        AlertError: apprise knows no such address.
    """
    import apprise

    addresses = settings.alerts.get_secret_value().split() if settings.alerts else []
    services = []
    for number, address in enumerate(addresses, start=1):
        service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        if service is None:
            # The address is left out: it holds a password or a token.
            raise AlertError(f"STEDI_ALERTS: address {number} of {len(addresses)} is none that apprise knows")
        services.append(service)
    return services


def _send(alerts: list[Alert], services: "list[NotifyBase]", ui_url: str) -> None:
    """Send one message by every service.

    Raises:
        AlertError: No service took the message.
    """
    lines = [f"{alert.what}: {ui_url}/{alert.path}" for alert in alerts[:_LINES]]
    if len(alerts) > _LINES:
        lines.append(f"and {len(alerts) - _LINES} more: {ui_url}/runs")
    title = f"STEDI: {counted(len(alerts), 'alert')}"
    taken = [service.notify(title=title, body="\n".join(lines)) for service in services]
    # Whom the message has reached would get it time and again, if one address of several had to take it as well.
    if not any(taken):
        raise AlertError("STEDI_ALERTS: no address took the message, which is sent again at the next look")
