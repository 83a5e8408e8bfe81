"""Commands that read published tables: ``counts``, ``sql`` and ``quarantine``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from stedi_assets.cli.common import AsJson, CommandError, app, dicts_of, print_json, print_result, print_table
from stedi_assets.settings import get_settings

_SOURCES = ("customer", "accelerometer", "step_trainer")


@app.command()
def counts(*, as_json: AsJson = False) -> None:
    """Show every table with its rows, its snapshot and when it was published."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.snapshot import snapshot_of

    lake = Lake(get_settings())
    published = {name: snapshot_of(table) for name, table in lake.published_tables().items()}
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
        typer.Option("--file", "-f", help="Run the statements of a file, in Athena's SQL."),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Query the published tables, read-only."""
    import duckdb

    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.query import connect, statements_of

    if (query is None) == (file is None):
        raise CommandError("give either one query or a file of them with -f")
    lake = Lake(get_settings())
    with connect(lake) as connection:
        try:
            if file is None:
                print_result(connection.execute(query or ""), as_json=as_json, as_csv=as_csv)
                return
            statements = statements_of(file.read())
            if as_json:
                print_json({name: dicts_of(connection.execute(text)) for name, text in statements.items()})
                return
            for name, text in statements.items():
                typer.echo(f"{name}:")
                print_result(connection.execute(text), as_json=False, as_csv=as_csv)
        except duckdb.CatalogException as error:
            tables = ", ".join(lake.published_tables()) or "none yet; make them with: make materialize"
            raise CommandError(f"{error}\n\nPublished tables: {tables}") from None
        except (duckdb.Error, ValueError) as error:
            raise CommandError(str(error)) from None


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
    from stedi_assets.lake.query import connect

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
        print_result(result, as_json=as_json, as_csv=False)
