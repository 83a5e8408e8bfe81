"""What the last publication of a table changed: how many rows and people came and went, and by which files.

Only counts leave this module. A snapshot that retention took away cannot be compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stedi_assets.lake.lineage import made_from, version_of
from stedi_assets.lake.publication import RUN_ID
from stedi_assets.lake.query import open_snapshots
from stedi_assets.lake.snapshot import UNPUBLISHED, Snapshot, require_files, snapshot_at
from stedi_assets.landing.ledger import read_entries
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

    from stedi_assets.lake.lake import Lake

# Under one of these columns people are in a table.
_PERSON = ("person", "customer_key")
# A file that is read again gives its rows another time of ingestion, and no other rows.
_TIME_OF_INGESTION = "ingested_at"


@dataclass(frozen=True)
class Difference:
    """What the last publication of a table changed.

    Attributes:
        published_at_ms: When it was, epoch ms UTC.
        run_id: The run, or the command, that published.
        rows_added: Rows that the table did not have before; None, as all counts, if the state before is gone.
        rows_gone: Rows that it has no longer.
        people_added: People who were not in the table before; None if no column names people.
        people_gone: People who are in it no longer.
        files: Landing files that were read, or found gone, between the two publications.
    """

    published_at_ms: int
    run_id: str | None
    rows_added: int | None
    rows_gone: int | None
    people_added: int | None
    people_gone: int | None
    files: tuple[str, ...]


def last_difference(lake: Lake, name: str) -> Difference | None:
    """Compare a table with what it was before its last publication; None if it was never published, or is the ledger.

    Raises:
        LakeError: The table cannot be read, or a data file is missing.
    """
    # Each commit to the ledger is for itself: no snapshot of it names a run.
    table = None if name == "landing_files" else lake.find_table(name)
    if table is None or (current := table.current_snapshot()) is None:
        return None
    # Whoever packed the table since changed no row; the snapshot that had the rows first may have expired.
    current = table.snapshot_by_id(version_of(current) or 0) or current
    before, is_known = _publication_before(table, current)
    files = _files(lake, name, before.timestamp_ms if before else 0, current.timestamp_ms)
    if not is_known:
        return Difference(current.timestamp_ms, _run_of(current), None, None, None, None, files)
    snapshots = {
        "now": snapshot_at(table, current),
        "before": snapshot_at(table, before) if before else UNPUBLISHED,
    }
    for snapshot in snapshots.values():
        require_files(lake, name, snapshot)
    counts = _counts(lake, table.schema(), snapshots)
    return Difference(current.timestamp_ms, _run_of(current), *counts, files)


def _publication_before(table: Table, current: IcebergSnapshot) -> tuple[IcebergSnapshot | None, bool]:
    """The snapshot that readers saw before, and whether it is known: None is known of a first publication.

    A publication makes two snapshots where it replaces rows, of one run.
    """
    before: IcebergSnapshot | None = current
    while before is not None and _run_of(before) == _run_of(current):
        if before.parent_snapshot_id is None:
            return None, True
        before = table.snapshot_by_id(before.parent_snapshot_id)
    return before, before is not None


def _run_of(snapshot: IcebergSnapshot) -> str | None:
    return snapshot.summary.additional_properties.get(RUN_ID) if snapshot.summary else None


def _counts(
    lake: Lake, schema: Schema, snapshots: dict[str, Snapshot]
) -> tuple[int, int, int | None, int | None]:
    names = [field.name for field in schema.fields if field.name != _TIME_OF_INGESTION]
    columns = ", ".join(f'"{name}"' for name in names)
    person = next((name for name in _PERSON if name in names), None)
    views = {name: (schema, snapshot) for name, snapshot in snapshots.items()}
    with open_snapshots(lake, views) as connection:
        rows = (_minus(connection, columns, "now", "before"), _minus(connection, columns, "before", "now"))
        if person is None:
            return *rows, None, None
        return (
            *rows,
            _minus(connection, person, "now", "before", people=True),
            _minus(connection, person, "before", "now", people=True),
        )


def _minus(
    connection: duckdb.DuckDBPyConnection, columns: str, this: str, other: str, *, people: bool = False
) -> int:
    """Number of rows, or of people, that one state has and the other has not."""
    how, counted = ("EXCEPT", columns) if people else ("EXCEPT ALL", "*")
    query = f"SELECT count({counted}) FROM (SELECT {columns} FROM {this} {how} SELECT {columns} FROM {other})"  # noqa: S608 - names of ours
    return int(connection.execute(query).fetchall()[0][0])


def _files(lake: Lake, name: str, after: int, until: int) -> tuple[str, ...]:
    """Landing files of a table's sources that were read or found gone in a span of time."""
    tables, unseen = {name}, [name]
    while unseen:
        table = lake.find_table(unseen.pop())
        inputs = made_from(table.current_snapshot()) if table else {}
        unseen += inputs.keys() - tables
        tables |= inputs.keys()
    return tuple(
        entry.source_file
        for source in SOURCES
        if tables & {f"{source}_landing", f"{source}_quarantine"}
        for entry in read_entries(lake, source).values()
        if any(after < moment <= until for moment in (entry.ingested_at, entry.missing_since) if moment)
    )
