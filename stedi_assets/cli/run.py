"""The command ``run``: the job ``refresh`` in this process, watched table by table.

What is shown comes from the run's Dagster events, which the UI shows as well.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stedi_assets.cli.common import app, examples
from stedi_assets.cli.followed import RunShown
from stedi_assets.cli.instance import RUN_LOCK, alone, instance_with_pools, use_history
from stedi_assets.cli.output import AsJson, complain, print_json
from stedi_assets.cli.progress import Progress
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

    from stedi_assets.settings import Settings

# By this tag the UI shows a run with the job of the code location that `workspace.yaml` names.
_TAGS = {".dagster/repository": "__repository__@stedi_assets.definitions", "stedi/by": "stedi run"}
# Steps would import these while garbage is collected.
_USED_BY_STEPS = ("pyiceberg.io.pyarrow", "pyspark.sql.connect.session", "stedi_assets.lake.file_io")
# A run that has said nothing for so long was lost with its computer; the sensor has the same patience.
_LOST_AFTER = timedelta(hours=1)


@app.command(
    short_help="Bring the tables up to date, and watch.",
    epilog=examples(
        "stedi run",
        "stedi run --select customer_trusted",
        "stedi run --select 'key:customer_trusted+'      # and all that is made from it",
        "stedi run --full",
    ),
)
def run(
    *,
    select: Annotated[
        str | None, typer.Option(metavar="SELECTION", help="These tables alone: a Dagster asset selection.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read every landing file again, and make every table whole.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what Dagster, the engine and libraries log.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read new and changed landing files, and bring every table up to date.

    The run shows in the Dagster UI of the lake, as a run of the job refresh. The exit code is 1 if the run or a check
    failed; a warning is no failure.
    """
    settings = get_settings()
    began = time.monotonic()
    with _only_ours(verbose=verbose) as (screen, notices):
        progress = Progress(None if as_json else screen, f"Refreshing {settings.lake_uri}")
        with progress:
            shown = _refresh(settings, select, progress, full=full, verbose=verbose)
        shown.seconds = round(time.monotonic() - began, 1)
        shown.notices = notices
        if not as_json:
            progress.summarize(shown)
    if as_json:
        print_json({"lake": settings.lake_uri, **shown.document()})
    for bug in shown.bugs:
        complain(bug)
    if not shown.succeeded:
        raise typer.Exit(1)


def _refresh(
    settings: Settings, select: str | None, progress: Progress, *, full: bool, verbose: bool
) -> RunShown:
    """Run the job, and follow it."""
    folder = use_history(settings)
    otherwise = f"another stedi run is at work on {settings.lake_uri}: let it end, then run this again"
    with ExitStack() as held:
        with _uncollected():
            from stedi_assets.definitions import build_definitions
            from stedi_assets.engine.session import SparkEngine

            definitions = build_definitions(settings, SparkEngine.of(settings))
            chosen = _chosen(definitions, select)
            held.enter_context(alone(folder / RUN_LOCK, otherwise))
            instance = held.enter_context(instance_with_pools(definitions))
            for module in _USED_BY_STEPS:
                import_module(module)
        _await_others(instance, progress)
        shown = RunShown.of(definitions, chosen, instance)
        progress.follow(shown)
        # Not by an option of ``execute_in_process``: the run's ID is what events are subscribed by.
        instance.add_event_listener(shown.run_id, shown.take)
        result = definitions.resolve_job_def("refresh").execute_in_process(
            instance=instance,
            run_id=shown.run_id,
            run_config=_run_config(definitions, chosen, full=full, verbose=verbose),
            asset_selection=sorted(chosen) if select else None,
            tags=_TAGS,
            raise_on_error=False,
        )
    shown.end(succeeded=result.success)
    return shown


@contextmanager
def _uncollected() -> Iterator[None]:
    """Import without collecting garbage.

    Modules stay, and looking through them again and again took a fifth of the time of importing them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # Later collections pass over them, too.
        gc.enable()


def _chosen(definitions: dg.Definitions, select: str | None) -> set[dg.AssetKey]:
    """The tables of a selection, with those that the same step makes.

    Raises:
        typer.BadParameter: The selection cannot be read, or has no table.
    """
    import dagster as dg

    graph = definitions.resolve_asset_graph()
    if select is None:
        return set(graph.materializable_asset_keys)
    tables = ", ".join(sorted(key.path[-1] for key in graph.materializable_asset_keys))
    none = typer.BadParameter(f"--select {select}: this chooses no table; there are {tables}")
    try:
        selection = dg.AssetSelection.from_string(select)
        keys = selection.required_multi_asset_neighbors().materializable().resolve(graph)
    except dg.DagsterError:
        raise none from None
    if not keys:
        raise none
    return set(keys)


def _run_config(
    definitions: dg.Definitions, chosen: set[dg.AssetKey], *, full: bool, verbose: bool
) -> dict[str, Any]:
    quiet = {} if verbose else {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    graph = definitions.resolve_asset_graph()
    steps = {graph.get(key).assets_def.op.name for key in chosen}
    return {**quiet, "ops": {step: {"config": {"full_refresh": full}} for step in steps}}


def _await_others(instance: dg.DagsterInstance, progress: Progress) -> None:
    """Let the runs that are at work end, since one run at a time writes a table.

    The queue of the UI lets a new run wait for this one. A run that begins in between is harmless: publication refuses
    what was computed from other tables than there are, and it is computed again.
    """
    import dagster as dg

    statuses = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    while True:
        since = datetime.now(UTC) - _LOST_AFTER
        runs = list(instance.get_runs(dg.RunsFilter(statuses=statuses, updated_after=since)))
        for run_ in [run_ for run_ in runs if run_.tags.get("stedi/by") == _TAGS["stedi/by"]]:
            # This process holds the lock that the other one held for as long as it lived.
            instance.report_run_failed(run_, "The process of this run has ended before the run did.")
            runs.remove(run_)
        if not runs:
            return
        progress.say(
            f"Waiting for run {runs[0].run_id[:8]}, which is at work on these tables; Ctrl-C stops waiting"
        )
        time.sleep(1)


class _Notices(logging.Handler):
    """Keeps what this package itself has to say, for the end of the run."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _only_ours(*, verbose: bool) -> Iterator[tuple[Any, list[str]]]:
    """The standard output for this command alone; what libraries and the engine print is shown only if asked for.

    Dagster takes the standard output and error of a step away, and the engine writes to them past Python, so that the
    two are put elsewhere as a whole.

    Yields:
        A file that is the standard output, and what this package has logged as a warning.
    """
    notices = _Notices()
    logger = logging.getLogger("stedi_assets")
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    logger.addHandler(notices)
    try:
        with os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors="replace") as screen:
            # With --verbose the log goes to the standard error, and the standard output is ours all the same.
            other = os.dup(2) if verbose else os.open(os.devnull, os.O_WRONLY)
            for descriptor in (1, 2):
                os.dup2(other, descriptor)
            os.close(other)
            with warnings.catch_warnings():
                if not verbose:
                    warnings.simplefilter("ignore")
                yield screen, notices.messages
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), kept, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        logger.removeHandler(notices)
