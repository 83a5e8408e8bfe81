"""What the commands share: the application, the error that a user can put right, and how text and rows are printed."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stedi_assets.errors import StediError
from stedi_assets.text import printable

if TYPE_CHECKING:
    import duckdb

app = typer.Typer(
    help="The STEDI lakehouse.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class CommandError(StediError):
    """Something that the user can put right."""


def say(text: str) -> None:
    """Print text; what it holds of file names or records is shown, never a command to the terminal."""
    typer.echo(printable(text))


def complain(text: str) -> None:
    """Print text to the standard error, as ``say`` does."""
    typer.echo(printable(text), err=True)


def print_json(value: object) -> None:
    """Print a value as JSON; what JSON has no word for, as text."""
    typer.echo(json.dumps(value, default=str, indent=2))


def dicts_of(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of a query's result, by column."""
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def print_result(result: duckdb.DuckDBPyConnection, *, as_json: bool, as_csv: bool) -> None:
    """Print a query's result as a table, as JSON or as CSV."""
    if as_json:
        print_json(dicts_of(result))
        return
    names = [column[0] for column in result.description or []]
    rows = result.fetchall()
    if as_csv:
        print_csv([names, *rows])
    else:
        print_table(names, rows)


def print_csv(rows: list[Any]) -> None:
    """Print rows as CSV: unchanged to a file or a program, and to a terminal as ``say`` does."""
    shown = sys.stdout.isatty()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row in rows:
        writer.writerow([printable(value) if shown and isinstance(value, str) else value for value in row])


def print_table(names: list[str], rows: list[Any]) -> None:
    """Print rows as a table, as ``say`` does."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(*(Column(Text(printable(name)), overflow="fold") for name in names))
    for row in rows:
        # As text, since rich would take a part in brackets for its own markup.
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row))
    Console().print(table)
