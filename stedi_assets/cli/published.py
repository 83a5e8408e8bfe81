"""Commands that tell of publications: ``tables``, which are there, and ``diff``, what the last one changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stedi_assets.cli.common import CommandError, app, examples, no_tables, require_some
from stedi_assets.cli.output import AsCsv, AsJson, Output, iso_time, number, print_json, say, short_time, size
from stedi_assets.settings import get_settings
from stedi_assets.text import counted, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.snapshot import Snapshot
    from stedi_assets.landing.difference import Difference

TableName = Annotated[str | None, typer.Argument(metavar="TABLE", help="Only this table.")]
_SHOWN = {"rows": number, "bytes": size, "files": number, "published": short_time}


@app.command(
    short_help="Show each table's zone, size, inputs and how to read it.",
    epilog=examples("stedi tables", "stedi tables machine_learning_curated", "stedi tables --json"),
)
def tables(table: TableName = None, *, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show every published table: zone, rows, size, number of files, and when it was published (UTC).

    With the name of a table, or as JSON or CSV, also where the table is and which snapshots it was made from. With the
    name of a table, also lines that read it with PyIceberg, DuckDB, polars and Spark.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.readable import readable_tables

    output = Output(as_json=as_json, as_csv=as_csv, all_rows=True)
    lake = Lake(get_settings())
    found = readable_tables(lake, _named(lake, table))
    require_some(lake, found)
    rows = [_described(name, snapshot) for name, (_, snapshot) in found.snapshots.items()]
    if table is not None and output.for_people:
        _print_one(lake, rows[0])
        return
    names = list(rows[0])
    if output.for_people:
        names = [name for name in names if name not in ("made_from", "location")]
    output.rows(names, ([row[name] for name in names] for row in rows), _SHOWN)


def _named(lake: Lake, table: str | None) -> Sequence[str]:
    """The table, or all tables.

    Raises:
        CommandError: There is no such table.
    """
    names = lake.table_names()
    if table is None or table in names:
        return names if table is None else [table]
    if not names:
        raise no_tables(lake)
    raise CommandError(
        f"there is no table {table}{suggestion(table, names) or ';'} the tables are {', '.join(names)}"
    )


def _described(name: str, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "table": name,
        "zone": "ledger" if name == "landing_files" else name.rpartition("_")[2],
        "rows": snapshot.rows,
        "bytes": snapshot.bytes,
        "files": len(snapshot.files),
        "published": iso_time(snapshot.committed_at_ms or 0),
        "made_from": [f"{table}@{number}" for table, number in snapshot.made_from.items()],
        "location": snapshot.location,
    }


def _print_one(lake: Lake, row: dict[str, Any]) -> None:
    from stedi_assets.cli.snippets import WHY_NOT_ALL_FILES, snippets

    made_from = row.pop("made_from") or ["landing files"]
    for name, value in row.items():
        say(f"{name:<9}  {_SHOWN.get(name, str)(value)}")
    for name, value in zip(["made from", *[""] * len(made_from)], made_from, strict=False):
        say(f"{name:<9}  {value}")
    for library, lines in snippets(lake, row["table"]).items():
        say(f"\n# {library}\n{lines}")
    say(f"\n{WHY_NOT_ALL_FILES}")


@app.command(
    short_help="Show what the last run changed, and by which files.",
    epilog=examples("stedi diff", "stedi diff customer_trusted", "stedi diff --json"),
)
def diff(table: TableName = None, *, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show what the last run that published changed: rows and people that came and went, and by which files.

    Tables that this run left as they were are left out. With the name of a table, show what the last publication of
    this table changed, whichever run it was. People are counted and never named. The files are those that were read, or
    found gone, since the publication before. Counts are empty where retention took the state before away.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.difference import last_difference

    output = Output(as_json=as_json, as_csv=as_csv, all_rows=True)
    lake = Lake(get_settings())
    differences = {name: last_difference(lake, name) for name in _named(lake, table)}
    found = {name: difference for name, difference in differences.items() if difference}
    if not found and table is not None:
        raise CommandError(f"{table} has no publications to compare; `stedi tables` shows the tables")
    if not found:
        raise no_tables(lake)
    last = max(found.values(), key=lambda difference: difference.published_at_ms)
    rows = [
        _changed(name, difference) for name, difference in found.items() if difference.run_id == last.run_id
    ]
    if as_json:
        print_json(rows)
        return
    names = [name for name in rows[0] if as_csv or name not in ("published", "files")]
    shown = dict.fromkeys(("rows_added", "rows_gone", "people_added", "people_gone"), number)
    output.rows(names, ([row[name] for name in names] for row in rows), shown)
    if output.for_people:
        if others := found.keys() - {row["table"] for row in rows}:
            say(f"and {counted(len(others), 'table')} left as before")
        files = sorted({file for row in rows for file in row["files"]})
        say("\nBy these landing files:" if files else "\nBy no landing file.")
        for file in files[: None if table else _FILES]:
            say(f"  {file}")
        if table is None and len(files) > _FILES:
            say(f"  and {len(files) - _FILES:,} more (--json)")


# Landing files that are named below all tables.
_FILES = 10


def _changed(name: str, difference: Difference) -> dict[str, Any]:
    return {
        "table": name,
        "rows_added": difference.rows_added,
        "rows_gone": difference.rows_gone,
        "people_added": difference.people_added,
        "people_gone": difference.people_gone,
        "published": iso_time(difference.published_at_ms),
        "files": list(difference.files),
    }
