"""The command ``quarantine``: why records are in quarantine, what to do, and the files to repair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stedi_assets.cli.common import app, examples, no_tables
from stedi_assets.cli.output import AllRows, AsCsv, AsJson, Output, complain, number, say, short_time
from stedi_assets.settings import get_settings
from stedi_assets.sources import SOURCES, SourceName
from stedi_assets.text import counted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stedi_assets.lake.lake import Lake

_FOUND = ("source_file", "ingested_at", "example", "reason", "records")


@app.command(
    short_help="Show why records are in quarantine, and what to do.",
    epilog=examples(
        "stedi quarantine",
        "stedi quarantine --source customer --reason truncated",
        "stedi quarantine --file customer/landing/a.json --records 5",
        "stedi quarantine --source customer --export repair",
    ),
)
def quarantine(  # noqa: PLR0913 - each an option
    *,
    source: Annotated[SourceName | None, typer.Option(help="Only records of this source.")] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="Only records with this reason, such as missing_field or missing_field:email."),
    ] = None,
    file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Only records of this landing file.")
    ] = None,
    records: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Show N records with all their faults and their text: personal data."
        ),
    ] = 0,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the files out for repair, with a list: personal data."),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    all_rows: AllRows = False,
) -> None:
    """Show why records are in quarantine: by file, when it was read (UTC), where the first one is, and reason.

    A record with several reasons counts for each. The text of a record may name a person, so that only --records and
    --export show it. --export writes each file whole, as text, and lists the lines to repair in _to_repair.csv.
    Repaired files go in by `stedi upload`, told to replace the files of their names.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.explanation import explain

    output = Output(as_json, as_csv, all_rows)
    lake = Lake(get_settings())
    sources: list[str] = [source] if source else [*SOURCES]
    if reason is not None:
        _require_known(reason)
    if export is not None:
        _export(lake, export, _answer(lake, sources, _places(sources, reason, file))[1])
        return
    if records:
        text, parameters = _places(sources, reason, file, "raw_text")
        names, rows = _answer(lake, sources, (f"{text} LIMIT {records}", parameters))
        output.rows(names, rows, {"ingested_at": short_time})
        return
    _, rows = _answer(lake, sources, _reasons(sources, reason, file))
    if not output.for_people:
        explained = [(*row, *explain(row[0].partition("/")[0], row[3])) for row in rows]
        output.rows((*_FOUND, "meaning", "to_do"), explained)
        return
    output.rows(_FOUND, rows, {"ingested_at": short_time, "records": number, "example": number})
    for (meaning, to_do), named in _by_explanation(rows).items():
        say(f"{', '.join(named)}: {meaning}. To do: {to_do}.")


def _by_explanation(rows: list[tuple[Any, ...]]) -> dict[tuple[str, str], list[str]]:
    from stedi_assets.landing.explanation import explain

    found: dict[tuple[str, str], list[str]] = {}
    for source, reason in sorted(
        {(row[0].partition("/")[0], row[3]) for row in rows}, key=lambda each: each[::-1]
    ):
        named = found.setdefault(explain(source, reason), [])
        if reason not in named:
            named.append(reason)
    return found


def _export(lake: Lake, folder: Path, rows: list[tuple[Any, ...]]) -> None:
    from stedi_assets.landing.explanation import TO_REPAIR, Place, write_out

    places: dict[str, list[Place]] = {}
    for path, position, _, reasons in rows:
        places.setdefault(path, []).append(Place(position, reasons))
    written, gone = write_out(lake, places, folder)
    for path in gone:
        complain(f"stedi: left out: {path} is not in the landing folder as it was read: deliver it again")
    say(
        f"{counted(len(written), 'file')} in {folder}, with {counted(len(rows), 'record')} listed in {TO_REPAIR}"
    )
    say("Repair the records, then: stedi upload FILE --source SOURCE --replace")


Query = tuple[str, dict[str, str]]


def _answer(lake: Lake, sources: list[str], query: Query) -> tuple[list[str], list[tuple[Any, ...]]]:
    from stedi_assets.lake.query import open_queries

    text, parameters = query
    with open_queries(lake, [text]) as queries:
        missing = [name for name in sources if f"{name}_quarantine" not in queries.tables.snapshots]
        if missing and not queries.tables.unreadable:
            raise no_tables(lake)
        result = queries.answer(text, parameters)
        return [column[0] for column in result.description or []], result.fetchall()


def _places(sources: Iterable[str], reason: str | None, file: str | None, *more: str) -> Query:
    """The query for the places of quarantined records, and more columns of them."""
    selects = " UNION ALL ".join(f"FROM {name}_quarantine" for name in sources)
    wanted = {
        "len(list_filter(reasons, lambda each: each = $reason OR starts_with(each, $reason || ':'))) > 0": reason,
        "source_file = $file": file,
    }
    conditions = " AND ".join(["true", *(text for text, value in wanted.items() if value is not None)])
    parameters = {
        name: value for name, value in {"reason": reason, "file": file}.items() if value is not None
    }
    time = "strftime(make_timestamp_ms(ingested_at), '%Y-%m-%dT%H:%M:%S+00:00') AS ingested_at"
    columns = ", ".join(("source_file", "source_position", time, "reasons", *more))
    return f"FROM ({selects}) SELECT {columns} WHERE {conditions} ORDER BY ALL", parameters


def _reasons(sources: Iterable[str], reason: str | None, file: str | None) -> Query:
    """The query for reasons, each with the number of its records and the place of the first one."""
    found, parameters = _places(sources, reason, file)
    each = f"FROM ({found}) SELECT source_file, ingested_at, source_position, unnest(reasons) AS reason"
    columns = "source_file, ingested_at, min(source_position) AS example, reason, count(*) AS records"
    order = "ORDER BY source_file, records DESC, reason"
    return f"FROM ({each}) SELECT {columns} GROUP BY source_file, ingested_at, reason {order}", parameters


def _require_known(reason: str) -> None:
    from stedi_assets.records.source import REASONS

    if reason.partition(":")[0] not in REASONS:
        raise typer.BadParameter(f"no record has the reason {reason!r}{suggestion(reason, REASONS)}")
