"""Commands on people: ``forget``, which erases a person, and ``rotate-key``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from stedi_assets.cli.common import CommandError, app, examples, require_folder
from stedi_assets.cli.instance import find_history, require_no_runs
from stedi_assets.cli.output import Output, number, say, size
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from stedi_assets.privacy.erasure import Erasure
    from stedi_assets.privacy.findings import Findings
    from stedi_assets.settings import Settings


@app.command(
    short_help="Erase a person from raw files, tables and history.",
    epilog=examples("stedi forget ann@example.org --dry-run", "stedi forget ann@example.org"),
)
def forget(
    email: Annotated[str, typer.Argument(help="E-mail address of the person, in any spelling.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase a person from raw files, tables and history. Nothing else may write to the lake meanwhile.

    docs/privacy.md says what is the person's. Exits with 3 if the person is erased but files are left that somebody
    should look at.
    """
    from pyiceberg.exceptions import CommitFailedException

    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.publication import PublishConflictError
    from stedi_assets.privacy import erasure
    from stedi_assets.privacy.raw_files import RewriteError
    from stedi_assets.records.identity import PERSON_PATTERN, person_of

    if not re.search(PERSON_PATTERN, person_of(email)):
        raise typer.BadParameter("that is no e-mail address: give the address alone, such as ann@example.org")
    settings = get_settings()
    lake = Lake(settings)
    require_folder(lake)
    found = erasure.survey(lake, settings, email)
    _print_findings(found)
    if dry_run:
        say("Nothing was changed.")
        return
    if not (found.rows or found.records or found.files_not_read):
        return
    if not yes:
        typer.confirm("Erase all of it, and the history of every table, for good?", abort=True)
    try:
        erased = erasure.forget(lake, settings, email, refresh=lambda: _refresh(settings))
    except (erasure.ErasureError, RewriteError, PublishConflictError, CommitFailedException) as error:
        raise CommandError(f"not finished: {error}") from None
    if erased.found != found:
        say("Found when all landing files were read:")
        _print_findings(erased.found)
    _print_erasure(erased)
    if erased.mentions or erased.nameless or erased.unreadable:
        raise typer.Exit(3)


def _print_erasure(erased: Erasure) -> None:
    say(
        f"Erased. Of history went {erased.history.snapshots:,} snapshots and {erased.history.files:,} files "
        f"({size(erased.history.bytes)})."
    )
    for path, count in erased.mentions.items():
        say(f"Look at {path}: it still has the address, {count} times, in what is not the person's record")
    for path, count in erased.nameless.items():
        say(f"Look at {path}: {count} of its quarantined records name nobody and may be the person's")
    for path in erased.unreadable:
        say(f"Look at {path}: it cannot be read and may have records of the person")


@app.command(
    short_help="Empty the curated ML table for a new pseudonym key.",
    epilog=examples("stedi rotate-key"),
)
def rotate_key(*, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Empty machine_learning_curated, so that the next run may publish it under a new STEDI_PSEUDONYM_KEY.

    A run under another key is refused otherwise. docs/privacy.md has the steps.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.privacy.pseudonym import retire_pseudonyms

    lake = Lake(get_settings())
    require_folder(lake)
    if not yes:
        typer.confirm("Empty machine_learning_curated until the next run?", abort=True)
    rows = retire_pseudonyms(lake)
    say(f"machine_learning_curated: {rows:,} rows went. Set the new key, then materialize the table.")


def _print_findings(found: Findings) -> None:
    counted = [("table", name, rows) for name, rows in found.rows.items()]
    counted += [("file", path, records) for path, records in found.records.items()]
    if counted:
        Output(all_rows=True).rows(("", "where", "rows or records"), counted, {"rows or records": number})
    else:
        say("The tables have nothing of this person.")
    if found.shared_devices:
        say(
            f"{found.shared_devices} of the person's devices have other owners too: their {found.shared_readings:,} "
            "step readings stay, since they may be another owner's."
        )
    if found.files_not_read:
        say(f"{len(found.files_not_read):,} landing files are not in the tables yet; they are read first.")


def _refresh(settings: Settings) -> None:
    """Run the job ``refresh`` in this process, as a run of the Dagster instance if there is one."""
    import dagster as dg

    from stedi_assets.definitions import build_definitions
    from stedi_assets.engine.session import SparkEngine

    is_kept = find_history(settings)
    with dg.DagsterInstance.get() if is_kept else dg.DagsterInstance.ephemeral() as instance:
        require_no_runs(instance)
        engine = SparkEngine.of(settings)
        job = build_definitions(settings, engine).resolve_job_def("refresh")
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        result = job.execute_in_process(instance=instance, run_config=quiet, raise_on_error=False)
    if not result.success:
        raise CommandError(
            "not finished: the tables could not be brought up to date; put right what the run's log above says, then "
            "run this again"
        )
