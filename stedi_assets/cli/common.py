"""What the commands share: the application, the error that a user can put right, and how rows are printed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stedi_assets.errors import StediError

if TYPE_CHECKING:
    import duckdb

app = typer.Typer(
    help="The STEDI lakehouse.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class CommandError(StediError):
    """Something that the user can put right."""


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
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    else:
        print_table(names, rows)


def print_table(names: list[str], rows: list[Any]) -> None:
    """Print rows as a table; what they hold is shown, never executed."""
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
