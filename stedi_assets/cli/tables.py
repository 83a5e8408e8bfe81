"""Commands that read published tables: ``counts`` and ``sql``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stedi_assets.cli.common import CommandError, app, examples, left_out, require_some
from stedi_assets.cli.output import (
    AllRows,
    AsCsv,
    AsJson,
    Output,
    complain,
    iso_time,
    number,
    print_json,
    say,
    short_time,
)
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import duckdb

# Rows that are taken from DuckDB at once: a query may have more rows than fit into memory as Python's values.
_BATCH = 10_000


@app.command(
    short_help="Show each table's rows, snapshot and time of publication.",
    epilog=examples("stedi counts", "stedi counts --json --lake s3://my-bucket/lake"),
)
def counts(*, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show every published table with its rows, its snapshot and when it was published (UTC)."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.readable import readable_tables

    output = Output(as_json=as_json, as_csv=as_csv, all_rows=True)
    lake = Lake(get_settings())
    tables = readable_tables(lake, lake.table_names())
    require_some(lake, tables)
    output.rows(
        ("table", "rows", "snapshot", "published"),
        (
            (name, snapshot.rows, str(snapshot.snapshot_id), iso_time(snapshot.committed_at_ms or 0))
            for name, (_, snapshot) in tables.snapshots.items()
        ),
        {"rows": number, "published": short_time},
    )


@app.command(
    short_help="Query the published tables, read-only.",
    epilog=examples(
        'stedi sql "SELECT count(*) FROM machine_learning_curated"',
        'stedi sql --csv "FROM customer_curated" > customers.csv',
        "stedi sql -f sql/summary_queries.sql",
    ),
)
def sql(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="One SELECT, in DuckDB's SQL.")] = None,
    *,
    file: Annotated[
        typer.FileText | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            encoding="utf-8-sig",
            help="Run the statements of a file, in Athena's SQL.",
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    all_rows: AllRows = False,
) -> None:
    """Query the published tables, read-only.

    The command runs SELECT and EXPLAIN, one statement at a time, and refuses every other statement. It reads no other
    file and writes none. It loads only the tables that a query names. So a role which may read some tables can use it,
    and a broken table is no obstacle to queries of other tables. SHOW TABLES and queries of information_schema see
    every table that can be read, and the command says which tables it left out.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.query import open_queries, statements_of

    output = Output(as_json, as_csv, all_rows)
    if (query is None) == (file is None):
        raise typer.BadParameter("give either one query or a file of them with -f")
    statements = {"": query or ""} if file is None else statements_of(_text_of(file))
    if as_csv and len(statements) > 1:
        raise typer.BadParameter(
            "--csv prints the rows of one statement, and the file has several: use --json"
        )
    with open_queries(Lake(get_settings()), list(statements.values())) as queries:
        if queries.of_the_catalog and queries.tables.unreadable:
            complain(f"stedi: left out: {left_out(queries.tables)}")
        if file is not None and as_json:
            print_json({name: _dicts_of(queries.answer(text)) for name, text in statements.items()})
            return
        for name, text in statements.items():
            if file is not None and output.for_people:
                say(f"{name}:")
            _print_result(queries.answer(text), output)


def _print_result(result: duckdb.DuckDBPyConnection, output: Output) -> None:
    # Numbers as they are: a time in milliseconds, or a year, would be no better for separators.
    output.rows(_names_of(result), _rows_of(result))


def _names_of(result: duckdb.DuckDBPyConnection) -> list[str]:
    return [column[0] for column in result.description or []]


def _rows_of(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(_BATCH):
        yield from rows


def _dicts_of(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = _names_of(result)
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _text_of(file: typer.FileText) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise CommandError(f"{file.name} is not UTF-8 text") from None
