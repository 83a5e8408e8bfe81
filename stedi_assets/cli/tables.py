"""Commands that read published tables: ``counts``, ``sql`` and ``quarantine``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from stedi_assets.cli.common import (
    AsJson,
    CommandError,
    app,
    complain,
    dicts_of,
    print_json,
    print_result,
    print_table,
    say,
)
from stedi_assets.settings import get_settings
from stedi_assets.sources import SOURCES, SourceName


@app.command()
def counts(*, as_json: AsJson = False) -> None:
    """Show every table with its rows, its snapshot and when it was published."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.readable import readable_tables

    lake = Lake(get_settings())
    tables = readable_tables(lake, lake.table_names())
    if tables.unreadable:
        complain(f"stedi: left out: {'; '.join(tables.unreadable.values())}")
    if not tables.snapshots:
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
        for name, (_, snapshot) in tables.snapshots.items()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            list(rows[0]),
            [[f"{value:,}" if isinstance(value, int) else value for value in row.values()] for row in rows],
        )


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One SELECT, in DuckDB's SQL.")] = None,
    *,
    file: Annotated[
        typer.FileText | None,
        typer.Option(
            "--file", "-f", encoding="utf-8-sig", help="Run the statements of a file, in Athena's SQL."
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Query the published tables, read-only."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.query import open_queries, statements_of

    if (query is None) == (file is None):
        raise typer.BadParameter("give either one query or a file of them with -f")
    statements = {"": query or ""} if file is None else statements_of(_text_of(file))
    with open_queries(Lake(get_settings()), list(statements.values())) as queries:
        if queries.of_the_catalog and queries.tables.unreadable:
            complain(f"stedi: left out: {'; '.join(queries.tables.unreadable.values())}")
        if file is not None and as_json:
            print_json({name: dicts_of(queries.answer(text)) for name, text in statements.items()})
            return
        for name, text in statements.items():
            if file is not None:
                say(f"{name}:")
            print_result(queries.answer(text), as_json=as_json, as_csv=as_csv)


def _text_of(file: typer.FileText) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise CommandError(f"{file.name} is not UTF-8 text") from None


@app.command()
def quarantine(
    source: Annotated[SourceName | None, typer.Argument(help="All sources unless one is named.")] = None,
    *,
    records: Annotated[
        int, typer.Option(min=0, help="Show so many of the records instead, with their text: personal data.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show why records are in quarantine; a record with several reasons counts for each."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.query import open_queries

    lake = Lake(get_settings())
    sources = [source] if source else SOURCES
    selects = [f"SELECT '{name}' AS source, * FROM {name}_quarantine" for name in sources]  # noqa: S608 - of our list
    everything = " UNION ALL ".join(selects)
    if records:
        columns = "SELECT source_file, source_position, reasons, raw_text ORDER BY ALL"
        query = f"FROM ({everything}) {columns} LIMIT {records}"
    else:
        reasons = f"SELECT source, unnest(reasons) AS reason FROM ({everything})"  # noqa: S608 - as above
        query = f"FROM ({reasons}) SELECT *, count(*) AS records GROUP BY ALL ORDER BY source, records DESC, reason"
    with open_queries(lake, [query]) as queries:
        missing = [
            f"{name}_quarantine" for name in sources if f"{name}_quarantine" not in queries.tables.snapshots
        ]
        if missing and not queries.tables.unreadable:
            raise CommandError(f"the lake {lake.uri} has no {missing[0]} yet; make it with: make materialize")
        print_result(queries.answer(query), as_json=as_json, as_csv=False)
