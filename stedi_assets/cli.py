"""The command ``stedi``: sample data, row counts, SQL and quarantine, without starting Dagster.

What a command prints is decided here; what it computes, elsewhere.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stedi_assets.settings import SettingsError, get_settings

if TYPE_CHECKING:
    import duckdb

app = typer.Typer(
    help="The STEDI lakehouse.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

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

    table = Table(*(Column(name, overflow="fold") for name in names))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
