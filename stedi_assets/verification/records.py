"""Whether every record of the raw files is in the tables: once, and as it stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.landing.files import list_landing
from stedi_assets.landing.ledger import read_ledger
from stedi_assets.sources import SOURCES
from stedi_assets.text import counted
from stedi_assets.verification import raw_lines
from stedi_assets.verification.finding import Finding, number, some

if TYPE_CHECKING:
    import duckdb

    from stedi_assets.lake.lake import Lake


def positions(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Whether each place in a raw file has one record."""
    twice = 0
    for source in SOURCES:
        twice += number(
            connection,
            f"""
            SELECT count(*) FROM (
                SELECT source_file, source_position
                FROM (
                    SELECT source_file, source_position FROM {source}_landing
                    UNION ALL SELECT source_file, source_position FROM {source}_quarantine
                )
                GROUP BY ALL HAVING count(*) > 1
            )
            """,  # noqa: S608 - names of ours
        )
    if twice:
        return Finding("records", "broken", f"{counted(twice, 'place')} in raw files landed twice")
    return Finding("records", "holds", "no place in a raw file landed twice")


def conservation(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Whether landing and quarantine have as many rows of each file as the ledger says that were read."""
    rows = " UNION ALL ".join(
        f"SELECT source_file, {int(kind == 'landing')} AS landed FROM {source}_{kind}"  # noqa: S608 - names of ours
        for source in SOURCES
        for kind in ("landing", "quarantine")
    )
    query = f"""
        WITH counted AS (
            SELECT source_file, sum(landed) AS landed, count(*) - sum(landed) AS quarantined
            FROM ({rows}) GROUP BY source_file
        )
        SELECT source_file
        FROM counted FULL JOIN landing_files AS entry USING (source_file)
        WHERE coalesce(counted.landed, 0) IS DISTINCT FROM entry.landed
            OR coalesce(counted.quarantined, 0) IS DISTINCT FROM entry.quarantined
            -- A ledger from before the first erasure may lack the column.
            OR entry.records != entry.landed + entry.quarantined
                + coalesce(CAST(to_json(entry) ->> 'erased' AS BIGINT), 0)
        ORDER BY source_file
    """  # noqa: S608 - names of ours
    if wrong := [row[0] for row in connection.execute(query).fetchall()]:
        return Finding(
            "conservation",
            "broken",
            f"the tables have other numbers of records than the ledger of {counted(len(wrong), 'file')} "
            f"({some(wrong)}): stedi run",
        )
    total = number(connection, "SELECT coalesce(sum(records), 0) FROM landing_files")
    gone = number(connection, "SELECT coalesce(sum(records - landed - quarantined), 0) FROM landing_files")
    told = f", but for {counted(gone, 'record')} of people who were erased" if gone else ""
    return Finding(
        "conservation", "holds", f"{counted(total, 'record')} read, each in landing or in quarantine{told}"
    )


def lines(lake: Lake, connection: duckdb.DuckDBPyConnection, source: str) -> Finding:
    """Whether what stands on the lines of raw files is in the tables."""
    ledger = read_ledger(lake, source)
    files = list_landing(lake, source).files
    entered = [
        file
        for file in files
        if (entry := ledger.entries.get(file.path)) and entry.has(file) and entry.retracted_at is None
    ]
    found = raw_lines.compare(lake, connection, source, entered)
    # Records of people who were erased are in no table.
    lost = {path: count for path, count in found.lost.items() if count > (ledger.entries[path].erased or 0)}
    name = f"{source} lines"
    if lost or found.changed:
        told = [
            f"{counted(sum(by_file.values()), 'record')} {what} ({some(by_file)})"
            for by_file, what in (
                (lost, "in neither landing nor quarantine"),
                (found.changed, "landed with another number than the file has"),
            )
            if by_file
        ]
        return Finding(name, "broken", "; ".join(told))
    return Finding(
        name,
        "holds",
        f"{counted(found.records, 'record')} on lines of {found.files} of {counted(len(files), 'raw file')} read "
        "again; each is in the tables",
    )
