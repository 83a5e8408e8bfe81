"""The command ``stedi``: sample data, row counts, SQL, quarantine and erasure, without a Dagster server.

What a command prints is decided here; what it computes, elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stedi_assets.settings import SettingsError, get_settings

if TYPE_CHECKING:
    import duckdb

    from stedi_assets.landing.erasure import Findings
    from stedi_assets.settings import Settings

app = typer.Typer(
    help="The STEDI lakehouse.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

_SOURCES = ("customer", "accelerometer", "step_trainer")

# Dagster's states of a run that may still write to the lake.
_UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class CommandError(Exception):
    """Something that the user can put right."""


def main() -> None:
    """Run the command; what a user can put right is one line, not a stack."""
    try:
        app()
    except (SettingsError, CommandError) as error:
        typer.echo(f"stedi: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        from stedi_assets.lake.errors import explain

        if (message := explain(error, get_settings().lake_uri)) is None:
            raise
        typer.echo(f"stedi: {message}", err=True)
        sys.exit(1)


@app.command("sample-data")
def sample_data(
    lake: Annotated[Path, typer.Option(help="Folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed writes the same files.")] = 0,
    scale: Annotated[int, typer.Option(min=1, help="How many times the reference's size.")] = 1,
) -> None:
    """Write generated landing files, with the row counts that they must give."""
    from rich.progress import Progress

    from stedi_assets.sample_data import LakeInUseError, write_sample_lake

    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Writing records", total=None)
        try:
            write_sample_lake(
                lake, seed, scale, lambda done, total: progress.update(task, completed=done, total=total)
            )
        except LakeInUseError as error:
            raise CommandError(str(error)) from None
    typer.echo(f"Wrote a sample lake to {lake}")


@app.command()
def upload(
    files: Annotated[list[Path], typer.Argument(exists=True, help="Files, or folders of files.")],
    *,
    source: Annotated[
        Literal["customer", "accelerometer", "step_trainer"] | None,
        typer.Option(help="What the files hold; recognised by their content if not given."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace files of the same name that have other content.")
    ] = False,
) -> None:
    """Check files and upload them to the landing folders; files that are there already are skipped.

    Exits with 1 if a file was refused; the others are uploaded.
    """
    from rich.console import Console
    from rich.progress import Progress

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.upload import Uploader, UploadError, find_files

    found = find_files(files)
    if not found:
        raise CommandError("the folders have no landing files: no .json, .jsonl, .ndjson or .csv")
    done = uploaded = skipped = 0
    with Progress(disable=not sys.stderr.isatty(), console=Console(stderr=True)) as progress:
        task = progress.add_task("Uploading", total=sum(file.stat().st_size for file in found))
        uploader = Uploader(
            Lake(get_settings()),
            source,
            replace=replace,
            sent=lambda sent: progress.update(task, completed=done + sent),
        )
        for file in found:
            try:
                result = uploader.upload(file)
            except UploadError as error:
                typer.echo(f"refused {file}: {error}", err=True)
            else:
                uploaded, skipped = uploaded + result.is_new, skipped + (not result.is_new)
                typer.echo(
                    f"{file} -> {result.path}: {result.landed:,} records, and {result.quarantined:,} for quarantine"
                    if result.is_new
                    else f"{file}: there already, as {result.path}"
                )
            done += file.stat().st_size
            progress.update(task, completed=done)
    refused = len(found) - uploaded - skipped
    typer.echo(f"{uploaded:,} files uploaded, {skipped:,} there already, {refused:,} refused")
    if refused:
        raise typer.Exit(1)


@app.command()
def counts(*, as_json: AsJson = False) -> None:
    """Show every table with its rows, its snapshot and when it was published."""
    from stedi_assets.lake.lake import Lake

    lake = Lake(get_settings())
    published = {name: table.snapshot for name, table in lake.published_tables().items()}
    if not published:
        raise CommandError(f"the lake {lake.uri} has no tables yet; make them with: make materialize")
    rows = [
        {
            "table": name,
            "rows": snapshot.rows,
            "snapshot": str(snapshot.snapshot_id),
            "published": datetime.fromtimestamp((snapshot.committed_at_ms or 0) / 1000, UTC).isoformat(
                timespec="seconds"
            ),
        }
        for name, snapshot in published.items()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_table(
            list(rows[0]),
            [[f"{value:,}" if isinstance(value, int) else value for value in row.values()] for row in rows],
        )


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One SELECT, in DuckDB's SQL.")] = None,
    *,
    file: Annotated[
        typer.FileText | None,
        typer.Option("--file", "-f", help="Run the statements of a file, in Athena's SQL."),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Query the published tables, read-only."""
    import duckdb

    from stedi_assets.lake.lake import Lake
    from stedi_assets.query import connect, statements_of

    if (query is None) == (file is None):
        raise CommandError("give either one query or a file of them with -f")
    lake = Lake(get_settings())
    with connect(lake) as connection:
        try:
            if file is None:
                _print_result(connection.execute(query or ""), as_json=as_json, as_csv=as_csv)
                return
            for name, statement in statements_of(file.read()).items():
                typer.echo(f"{name}:")
                _print_result(connection.execute(statement), as_json=as_json, as_csv=as_csv)
        except duckdb.CatalogException as error:
            tables = ", ".join(lake.published_tables()) or "none yet; make them with: make materialize"
            raise CommandError(f"{error}\n\nPublished tables: {tables}") from None
        except (duckdb.Error, ValueError) as error:
            raise CommandError(str(error)) from None


@app.command()
def forget(
    email: Annotated[str, typer.Argument(help="E-mail address of the person, in any case.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase a person from raw files, tables and history. Nothing else may write to the lake meanwhile.

    Exits with 3 if the person is erased but files are left that somebody should look at.
    """
    from pyiceberg.exceptions import CommitFailedException

    from stedi_assets.lake.lake import Lake, PublishConflictError
    from stedi_assets.landing import erasure
    from stedi_assets.landing.raw_files import RewriteError

    if "@" not in email.strip("@ "):
        raise CommandError("that is no e-mail address")
    settings = get_settings()
    lake = Lake(settings)
    found = erasure.survey(lake, settings, email)
    _print_findings(found)
    if dry_run:
        return
    if not yes:
        typer.confirm("Erase all of it, and the history of every table, for good?", abort=True)
    try:
        erased = erasure.forget(lake, settings, email, refresh=lambda: _refresh(settings))
    except (erasure.ErasureError, RewriteError, PublishConflictError, CommitFailedException) as error:
        raise CommandError(f"not finished: {error}") from None
    if erased.found != found:
        typer.echo("Found when all landing files were read:")
        _print_findings(erased.found)
    typer.echo(
        f"Erased. Of history went {erased.history.snapshots:,} snapshots and {erased.history.files:,} files "
        f"({erased.history.bytes:,} bytes)."
    )
    for path, count in erased.mentions.items():
        typer.echo(
            f"Look at {path}: it still has the address, {count} times, in what is not the person's record"
        )
    for path in erased.unreadable:
        typer.echo(f"Look at {path}: it cannot be read, so nobody knows whom it has")
    if erased.mentions or erased.unreadable:
        raise typer.Exit(3)


def _print_findings(found: Findings) -> None:
    counted = [("table", name, rows) for name, rows in found.rows.items()]
    counted += [("file", path, records) for path, records in found.records.items()]
    if counted:
        _print_table(["", "where", "rows or records"], [[*where, f"{count:,}"] for *where, count in counted])
    else:
        typer.echo("The tables have nothing of this person.")
    if found.shared_devices:
        typer.echo(
            f"{found.shared_devices} of the person's devices have other owners too: their {found.shared_readings:,} "
            "step readings stay, since they may be another owner's."
        )
    if found.files_not_read:
        typer.echo(
            f"{len(found.files_not_read):,} landing files are not in the tables yet; they are read first."
        )


def _refresh(settings: Settings) -> None:
    """Run the job ``refresh`` in this process, as a run of the Dagster instance if there is one."""
    import dagster as dg

    from stedi_assets.definitions import build_definitions
    from stedi_assets.engine import SparkEngine

    is_kept = "DAGSTER_HOME" in os.environ
    with dg.DagsterInstance.get() if is_kept else dg.DagsterInstance.ephemeral() as instance:
        unfinished = [dg.DagsterRunStatus[name] for name in _UNFINISHED]
        in_progress = instance.get_runs_count(dg.RunsFilter(statuses=unfinished))
        if in_progress:
            raise CommandError(
                f"{in_progress} runs are queued or in progress: let them end, then run this again"
            )
        engine = SparkEngine(spark=settings.spark, on_s3=settings.on_s3)
        job = build_definitions(settings, engine).resolve_job_def("refresh")
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        result = job.execute_in_process(instance=instance, run_config=quiet, raise_on_error=False)
    if not result.success:
        raise CommandError(
            "not finished: the tables could not be brought up to date; put right what the run's log above says, then "
            "run this again"
        )


@app.command()
def quarantine(
    source: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(_SOURCES)}; all of them unless named.")
    ] = None,
    *,
    records: Annotated[
        int, typer.Option(min=0, help="Show so many of the records instead, with their text: personal data.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show why records are in quarantine; a record with several reasons counts for each."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.query import connect

    if source is not None and source not in _SOURCES:
        raise CommandError(f"there is no source {source}; there are {', '.join(_SOURCES)}")
    lake = Lake(get_settings())
    sources = [source] if source else list(_SOURCES)
    published = lake.published_tables()
    if missing := [f"{name}_quarantine" for name in sources if f"{name}_quarantine" not in published]:
        raise CommandError(f"the lake {lake.uri} has no {missing[0]} yet; make it with: make materialize")
    selects = [f"SELECT '{name}' AS source, * FROM {name}_quarantine" for name in sources]  # noqa: S608 - of our list
    everything = " UNION ALL ".join(selects)
    with connect(lake) as connection:
        if records:
            columns = "SELECT source_file, source_position, reasons, raw_text ORDER BY ALL"
            result = connection.execute(f"FROM ({everything}) {columns} LIMIT {records}")
        else:
            reasons = f"SELECT source, unnest(reasons) AS reason FROM ({everything})"  # noqa: S608 - as above
            result = connection.execute(
                f"FROM ({reasons}) SELECT *, count(*) AS records GROUP BY ALL ORDER BY source, records DESC, reason"
            )
        _print_result(result, as_json=as_json, as_csv=False)


def _print_result(result: duckdb.DuckDBPyConnection, *, as_json: bool, as_csv: bool) -> None:
    names = [column[0] for column in result.description or []]
    rows = result.fetchall()
    if as_json:
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str, indent=2))
    elif as_csv:
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    else:
        _print_table(names, rows)


def _print_table(names: list[str], rows: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    def _text(value: object) -> Text:
        # Text of a landing file may hold what a terminal, or rich, would take for a command.
        return Text("".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in str(value)))

    table = Table(*(Column(name, overflow="fold") for name in names))
    for row in rows:
        table.add_row(*(_text("" if value is None else value) for value in row))
    Console().print(table)
