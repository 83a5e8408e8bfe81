"""The command ``status``: how the lake is, and what waits for the next run. The sensor asks for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stedi_assets.cli.common import app, examples, require_folder
from stedi_assets.cli.instance import find_history
from stedi_assets.cli.output import AsJson, iso_time, print_json, say, say_of, short_time
from stedi_assets.settings import get_settings
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

# Files that are named of each kind.
_NAMED = 3
# Where the text of a line begins, and that of a check.
_INDENT, _BELOW_A_CHECK = 16, 4


@app.command(
    short_help="Show the lake, its last run, failing checks and what waits.",
    epilog=examples("stedi status", "stedi status --json"),
)
def status(*, as_json: AsJson = False) -> None:
    """Show the lake, when it was published last, the last run, the checks that fail, and what waits for the next run.

    What waits is what the sensor asks for: landing files that are new, changed or gone, and tables that were not made
    from what is published now, by the code and under the policies of now. Runs and checks are those of the lake's
    Dagster history, or of DAGSTER_HOME.
    """
    from stedi_assets.definitions import build_definitions
    from stedi_assets.engine.session import SparkEngine
    from stedi_assets.lake.lake import Lake

    settings = get_settings()
    lake = Lake(settings)
    require_folder(lake)
    repository = build_definitions(settings, SparkEngine.of(settings)).get_repository_def()
    state = {
        "lake": lake.uri,
        "published": _last_publication(lake),
        **_history(settings, repository),
        **_waiting(lake, settings, repository),
    }
    if as_json:
        print_json(state)
    else:
        _print_status(state, settings)


def _last_publication(lake: Lake) -> str | None:
    found = [lake.find_table(name) for name in lake.table_names()]
    times = [current.timestamp_ms for table in found if table and (current := table.current_snapshot())]
    return iso_time(max(times)) if times else None


def _history(settings: Settings, repository: dg.RepositoryDefinition) -> dict[str, Any]:
    """The last run of the lake's history, and its checks that fail; nothing where there is no history."""
    import dagster as dg

    if not find_history(settings):
        return {"last_run": None, "failing_checks": None}
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_run_records(limit=1)
        keys = list(repository.asset_graph.asset_check_keys)
        checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    last = runs[0] if runs else None
    return {
        "last_run": last
        and {
            "run_id": last.dagster_run.run_id,
            "status": last.dagster_run.status.value,
            "at": iso_time(int(last.create_timestamp.timestamp() * 1000)),
        },
        "failing_checks": [
            {
                "table": key.asset_key.to_user_string(),
                "check": key.name,
                "severity": evaluation.severity.value,
                "description": evaluation.description,
            }
            for key, record in checks.items()
            # A check that a run has only planned has no outcome.
            if isinstance(evaluation := record.evaluation, dg.AssetCheckEvaluation) and not evaluation.passed
        ],
    }


def _waiting(lake: Lake, settings: Settings, repository: dg.RepositoryDefinition) -> dict[str, Any]:
    from stedi_assets.lake.lineage import stale_tables
    from stedi_assets.landing.files import list_landing
    from stedi_assets.landing.ledger import read_ledger
    from stedi_assets.sensors import recipes

    changes = [read_ledger(lake, source).changes(list_landing(lake, source)) for source in SOURCES]
    stale = stale_tables(lake, recipes(repository.asset_graph, settings))
    return {
        "files_new": [path for change in changes for path in change.new],
        "files_changed": [path for change in changes for path in change.changed],
        "files_gone": [path for change in changes for path in change.gone],
        "stale_tables": [name for name in lake.table_names() if name in stale],
    }


def _print_status(state: Mapping[str, Any], settings: Settings) -> None:
    run, checks, published = state["last_run"], state["failing_checks"], state["published"]
    unknown = "unknown: this lake has no Dagster history here" if checks is None else "none"
    _line("lake", f"{state['lake']} (database {settings.database})")
    _line("published last", short_time(published) + " UTC" if published else "never")
    _line("last run", f"{run['status']}, {short_time(run['at'])} UTC" if run else unknown)
    _line("failing checks", str(len(checks)) if checks else unknown)
    for check in checks or ():
        say(f"  {check['table']}.{check['check']} ({check['severity']})")
        say_of("", check["description"] or "see the UI", _BELOW_A_CHECK)
    for kind in ("new", "changed", "gone"):
        _line(f"files {kind}", _some(state[f"files_{kind}"]))
    _line("stale tables", ", ".join(state["stale_tables"]) or "none")
    if any(state[name] for name in ("files_new", "files_changed", "files_gone", "stale_tables")):
        say("The sensor asks for what waits; without it: stedi run")


def _line(name: str, text: str) -> None:
    say_of(name, text, _INDENT)


def _some(paths: list[str]) -> str:
    if not paths:
        return "none"
    more = f" and {len(paths) - _NAMED:,} more (--json)" if len(paths) > _NAMED else ""
    return f"{len(paths):,}: {', '.join(paths[:_NAMED])}{more}"
