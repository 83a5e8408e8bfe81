"""How every command prints: text, rows as a table, as JSON or as CSV.

What is of others, such as names of files and values of records, is shown, and is never a command to the terminal.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stedi_assets.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV and nothing else.")]
AllRows = Annotated[bool, typer.Option("--all", help="Print every row of a long table.")]

# Rows of a table that one screen of 24 lines shows.
SCREEN_ROWS = 20
# No table of ours is so wide: what is piped is never folded or cut.
_UNLIMITED = 1_000_000
# The names of the columns, and the line below them.
_HEADER_LINES = 2


def say(text: str) -> None:
    """Print text to the standard output."""
    typer.echo(printable(text))


def say_of(name: str, text: str, indent: int) -> None:
    """Print a name and a text beside it, on a terminal folded below the text's own beginning."""
    say(folded(f"{name:<{indent}}{text}", terminal_width(), indent))


def folded(line: str, width: int | None, indent: int) -> str:
    """A line folded between words, its further lines indented; as it is where no width is given."""
    if width is None:
        return line
    further = " " * indent
    return textwrap.fill(
        line, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


def terminal_width() -> int | None:
    """The width of the terminal that the standard output is; None if it is another file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def complain(text: str) -> None:
    """Print text to the standard error."""
    typer.echo(printable(text), err=True)


def number(value: Any) -> str:  # noqa: ANN401 - whatever a row holds
    """A number with separators of thousands."""
    return f"{value:,}"


def size(value: int) -> str:
    """A number of bytes as people say it: ``512 bytes``, ``23.4 KB``, ``1.5 MB``."""
    from rich.filesize import decimal

    return decimal(value).replace("kB", "KB")


def short_time(value: str) -> str:
    """A time of ``iso_time`` to the minute."""
    return value[:16].replace("T", " ")


def iso_time(milliseconds: int) -> str:
    """A time of epoch milliseconds, UTC, as ISO 8601 has it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Output:
    """How a command was asked to print its rows.

    Attributes:
        as_json: As JSON.
        as_csv: As CSV.
        all_rows: Every row of a table, however many there are; JSON and CSV always have every row.
    """

    as_json: bool = False
    as_csv: bool = False
    all_rows: bool = False

    def __post_init__(self) -> None:
        """Refuse what excludes each other."""
        if self.as_json and self.as_csv:
            raise typer.BadParameter("--json and --csv exclude each other: give one of them")

    @property
    def for_people(self) -> bool:
        """Whether words may stand beside the rows."""
        return not (self.as_json or self.as_csv)

    def rows(
        self,
        names: Iterable[str],
        rows: Iterable[Iterable[Any]],
        shown: Mapping[str, Callable[[Any], str]] | None = None,
    ) -> None:
        """Print rows.

        Args:
            names: Names of the columns.
            rows: The values of each row.
            shown: How a table shows the values of a column; JSON and CSV have the values as they are.
        """
        names = list(names)
        if self.as_json:
            print_json([dict(zip(names, row, strict=True)) for row in rows])
        elif self.as_csv:
            _print_csv([names, *rows])
        else:
            remaining = iter(rows)
            first = [list(row) for row in (remaining if self.all_rows else islice(remaining, SCREEN_ROWS))]
            _print_table(names, first, shown or {})
            if more := sum(1 for _ in remaining):
                say(f"and {more:,} more (--all)")


def print_json(value: object) -> None:
    """Print a value as JSON; what JSON has no word for, as text."""
    typer.echo(json.dumps(value, default=str, indent=2))


def _print_csv(rows: list[Any]) -> None:
    """Print rows as CSV, lists in them as JSON: unchanged to a file or a program, and printable to a terminal."""
    shown = sys.stdout.isatty()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row in rows:
        cells = [json.dumps(value, default=str) if isinstance(value, list) else value for value in row]
        writer.writerow([printable(value) if shown and isinstance(value, str) else value for value in cells])


def _print_table(names: list[str], rows: list[list[Any]], shown: Mapping[str, Callable[[Any], str]]) -> None:
    """Print rows below each other, numbers to the right.

    No value is folded or cut. Where a terminal is too narrow for the first column alone, as for long paths, each value
    of it has a line of its own; where it is too narrow for more, each value of a row has.
    """
    cells = [
        [printable(_cell(value, shown.get(name, str))) for name, value in zip(names, row, strict=True)]
        for row in rows
    ]
    is_number = [
        any(row[at] is not None for row in rows)
        and all(isinstance(row[at], int | float | Decimal | None) for row in rows)
        for at in range(len(names))
    ]
    names = list(map(printable, names))
    width = terminal_width()
    lines = _table(names, cells, is_number)
    if not _fits(lines, width):
        rest = [f"  {line}" for line in _table(names[1:], [row[1:] for row in cells], is_number[1:])]
        if _fits(rest, width) and len(rest) == len(cells) + _HEADER_LINES:
            lines = _below_headings(names[0], [row[0] for row in cells], rest)
        else:
            lines = _one_by_one(names, cells)
    for line in lines:
        typer.echo(line)


def _fits(lines: list[str], width: int | None) -> bool:
    return width is None or max(map(len, lines), default=0) <= width


def _below_headings(name: str, headings: list[str], lines: list[str]) -> list[str]:
    """The lines of a table, each below the value of the first column where it is another than in the line before."""
    printed = [name, *lines[:_HEADER_LINES]]
    for before, heading, line in zip([None, *headings], headings, lines[_HEADER_LINES:], strict=False):
        printed += [line] if heading == before else [heading, line]
    return printed


def _one_by_one(names: list[str], rows: list[list[str]]) -> list[str]:
    """A line for each value of each row, with the name of its column."""
    width = max(map(len, names))
    return [
        line
        for number, row in enumerate(rows, start=1)
        for line in (
            f"-- {number}",
            *(f"{name.ljust(width)}  {value}".rstrip() for name, value in zip(names, row, strict=True)),
        )
    ]


def _table(names: list[str], rows: list[list[str]], is_number: list[bool]) -> list[str]:
    """The lines of a table, as wide as its values ask for."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    columns = [
        # As text, since rich would take a part in brackets for its own markup.
        Column(Text(name), justify="right" if right else "left")
        for name, right in zip(names, is_number, strict=True)
    ]
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*map(Text, row))
    printed = io.StringIO()
    Console(file=printed, width=_UNLIMITED).print(table)
    return [line.rstrip() for line in printed.getvalue().splitlines()]


def _cell(value: object, show: Callable[[Any], str]) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else show(value)
