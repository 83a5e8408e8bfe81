"""Commands on people: ``forget``, which erases people, and ``rotate-key``."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stedi_assets.cli.common import CommandError, app, examples, require_folder
from stedi_assets.cli.instance import find_history, require_no_runs
from stedi_assets.cli.output import AsJson, Output, iso_time, number, print_json, say, size
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stedi_assets.lake.lake import Lake
    from stedi_assets.privacy.erasure import Erasure
    from stedi_assets.privacy.findings import Findings
    from stedi_assets.settings import Settings


@app.command(
    short_help="Erase people from raw files, tables and history.",
    epilog=examples(
        "stedi forget ann@example.org --dry-run",
        "stedi forget ann@example.org bob@example.org --certificates .",
        "stedi forget --file addresses.txt",
        "stedi forget --file - --yes < addresses.txt",
    ),
)
def forget(  # noqa: PLR0913 - each an option
    emails: Annotated[
        list[str] | None,
        typer.Argument(help="E-mail addresses of the people, in any spelling.", metavar="EMAIL"),
    ] = None,
    *,
    file: Annotated[
        typer.FileText | None,
        typer.Option(
            "--file", help="File with one address a line; - for standard input.", encoding="utf-8-sig"
        ),
    ] = None,
    certificates: Annotated[
        Path | None,
        typer.Option("--certificates", help="Folder for a certificate a person, which has the address."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase people from raw files, tables and history, in one pass. Nothing else may write to the lake meanwhile.

    docs/privacy.md says what is a person's. Exits with 3 if the people are erased but files are left that somebody
    should look at. With --json nothing is asked, so that it needs --yes or --dry-run.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.privacy import erasure
    from stedi_assets.privacy.certificate import require_folder_outside, write_certificates

    people = _addresses(emails or (), file or ())
    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json asks nothing: give --yes or --dry-run with it")
    settings = get_settings()
    lake = Lake(settings)
    require_folder(lake)
    if certificates is not None:
        require_folder_outside(lake, certificates)
    found = erasure.survey(lake, settings, people)
    if not as_json:
        _print_findings(found)
    if dry_run or not (found.is_work or erasure.is_unfinished(lake, people)):
        _print_unchanged(found, people, as_json=as_json, dry_run=dry_run)
        return
    if not yes:
        typer.confirm("Erase all of it, and the history of every table, for good?", abort=True)
    erased = _erase(lake, settings, people)
    written = write_certificates(certificates, lake, erased) if certificates else []
    if as_json:
        print_json(_as_json(erased, people))
    else:
        _print_erasure(found, erased, written)
    if erased.mentions or erased.nameless or erased.unreadable:
        raise typer.Exit(3)


def _erase(lake: Lake, settings: Settings, people: list[str]) -> Erasure:
    from pyiceberg.exceptions import CommitFailedException

    from stedi_assets.lake.publication import PublishConflictError
    from stedi_assets.privacy import erasure
    from stedi_assets.privacy.raw_files import RewriteError

    try:
        return erasure.forget(lake, settings, people, refresh=lambda: _refresh(settings))
    except (erasure.ErasureError, RewriteError, PublishConflictError, CommitFailedException) as error:
        raise CommandError(f"not finished: {error}") from None


def _addresses(*given: Iterable[str]) -> list[str]:
    """The people to be erased, each once; no message repeats an address."""
    from stedi_assets.records.identity import PERSON_PATTERN, person_of

    lines = [line for lines in given for line in lines if line.strip()]
    people = list(dict.fromkeys(map(person_of, lines)))
    if not people:
        raise typer.BadParameter("give an address, or a file of addresses with --file")
    if not all(re.search(PERSON_PATTERN, person) for person in people):
        raise typer.BadParameter(
            "one of them is no e-mail address: give each address alone, such as ann@example.org, one a line of a file"
        )
    return people


def _print_unchanged(found: Findings, people: list[str], *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json({"erased": False, "people": len(people), **asdict(found)})
    elif dry_run:
        say("Nothing was changed.")


def _as_json(erased: Erasure, people: list[str]) -> dict[str, object]:
    """What was erased, with counts and names of files alone."""
    return {
        "erased": True,
        "people": len(people),
        "pass": erased.run_id,
        "finished_at": iso_time(erased.finished_at),
        **asdict(erased.found),
        "history": asdict(erased.history),
        "look_at": {
            "mentions": erased.mentions,
            "nameless": erased.nameless,
            "unreadable": erased.unreadable,
        },
    }


def _print_erasure(found: Findings, erased: Erasure, certificates: list[Path]) -> None:
    if erased.found != found:
        say("Found when all landing files were read:")
        _print_findings(erased.found)
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
    for certificate in certificates:
        say(f"Certificate: {certificate}")


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
        say("The tables have nothing of them.")
    if found.shared_devices:
        say(
            f"{found.shared_devices} of their devices have other owners too: their {found.shared_readings:,} "
            "step readings stay, since they may be another owner's."
        )
    for path, records in found.again.items():
        say(f"{path} has {records:,} records again of people who were erased before; they go, too.")
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
