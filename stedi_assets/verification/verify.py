"""The verification of a lake: which promises hold, which wait for a run or a look, and which are broken.

Nothing is written. Raw files and tables are read as they are when the verification comes to them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.erasures import Register, read_register
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lineage import policies
from stedi_assets.lake.maintenance import unreferenced
from stedi_assets.lake.query import open_snapshots
from stedi_assets.lake.readable import ReadableTables, readable_tables
from stedi_assets.landing.files import list_landing
from stedi_assets.landing.ledger import read_ledger
from stedi_assets.privacy.pseudonym import existing_key
from stedi_assets.sources import SOURCES
from stedi_assets.text import counted
from stedi_assets.verification import consent, raw_lines, recompute
from stedi_assets.verification.erased import erased
from stedi_assets.verification.finding import Finding, number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import duckdb

    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.snapshot import Snapshot
    from stedi_assets.settings import Settings

# Retention runs once a day, and keeps for a day what nobody needs any more.
_RETENTION_SLACK = timedelta(days=2)
_NAMED = 3
_MAIN = "main"


def verify(lake: Lake, settings: Settings) -> Iterator[Finding]:
    """Look at each promise again.

    Args:
        lake: The lake.
        settings: The policies in force, the key of pseudonyms and the days of retention.

    Raises:
        LakeError: The lake cannot be listed.
        SettingsError: The file of the key of pseudonyms is damaged.
    """
    tables = readable_tables(lake, [name for name in lake.table_names() if name in CONTRACTS])
    yield _readable(tables)
    landed = [f"{source}_{kind}" for source in SOURCES for kind in ("landing", "quarantine")]
    if missing := [name for name in (*landed, "landing_files") if name not in tables.snapshots]:
        yield Finding(
            "tables", "waits", f"nothing more can be looked at without {', '.join(missing)}: stedi run"
        )
        return
    snapshots = {name: snapshot for name, (_, snapshot) in tables.snapshots.items()}
    register = read_register(lake)
    stale = _stale(snapshots, register, policies(settings))
    yield _fresh(stale)
    yield from _files(lake)
    older = {name: consent.older(lake, name) for name in recompute.DERIVED if name in snapshots}
    views = tables.snapshots | {
        f"{name}_{number}": old for name in older for number, old in older[name].items()
    }
    with open_snapshots(lake, views) as connection:
        yield _positions(connection)
        yield _conservation(connection)
        for source in SOURCES:
            yield _raw(lake, connection, source)
        key = existing_key(settings)
        recompute.compute_due(connection, settings.policies, key, register.erasures())
        yield from erased(connection, register)
        published = [name for name in recompute.DERIVED if name in snapshots]
        for name in published:
            yield consent.now(connection, name, stale, has_key=key is not None)
        for name in published:
            columns = [column.name for column in CONTRACTS[name].columns]
            if key is None and "customer_key" in columns:
                columns.remove("customer_key")
            if name not in stale:
                yield _recomputed(connection, name, columns, has_key=key is not None)
            if older[name]:
                yield consent.in_older(connection, name, older[name], settings.retention_days)
    for name in tables.snapshots:
        yield from _history(lake, name, timedelta(days=settings.retention_days))


def _readable(tables: ReadableTables) -> Finding:
    if tables.unreadable:
        return Finding("tables", "broken", "; ".join(tables.unreadable.values()))
    files = sum(len(snapshot.files) for _, snapshot in tables.snapshots.values())
    return Finding(
        "tables",
        "holds",
        f"{counted(len(tables.snapshots), 'table')} with {counted(files, 'data file')}, all there and whole",
    )


def _stale(snapshots: Mapping[str, Snapshot], register: Register, in_force: str) -> dict[str, str]:
    """Tables that were not made from what is published now, or under other policies, and why."""
    versions = {name: snapshot.version for name, snapshot in snapshots.items()}
    stale = {}
    for name, snapshot in snapshots.items():
        if waits := [table for table, before in snapshot.awaits.items() if versions.get(table) == before]:
            stale[name] = f"was published by a run that did not come to {', '.join(waits)}"
    for name in recompute.DERIVED:
        if name not in snapshots:
            stale[name] = "cannot be read, or was never published"
            continue
        if snapshots[name].erasures != register.version:
            stale[name] = "was made before somebody was erased"
        made_from = snapshots[name].made_from
        # Of another state of a table, or of a table that is stale itself.
        changed = [table for table, at in made_from.items() if versions.get(table) != at or table in stale]
        if not made_from or changed:
            stale[name] = f"was made before {', '.join(changed) or 'versions were recorded'}"
        elif snapshots[name].policies != in_force:
            stale[name] = "was made under other policies than those in force"
    return stale


def _fresh(stale: Mapping[str, str]) -> Finding:
    if not stale:
        return Finding(
            "fresh", "holds", "every table was made from what is published now, under the policies in force"
        )
    told = "; ".join(f"{name} {why}" for name, why in stale.items())
    return Finding("fresh", "waits", f"{told}: stedi run")


def _files(lake: Lake) -> Iterator[Finding]:
    """Whether the ledger has each landing file as it is."""
    for source in SOURCES:
        listing, ledger = list_landing(lake, source), read_ledger(lake, source)
        changes = ledger.changes(listing)
        waits = [
            f"{counted(len(paths), 'file')} {kind} ({_some(paths)})"
            for kind, paths in (
                ("new", changes.new),
                ("changed", changes.changed),
                ("gone", changes.gone),
                ("twice in the ledger", sorted(ledger.repeated)),
                ("with a name that nobody can read", listing.unknown),
            )
            if paths
        ]
        name = f"{source} files"
        if waits:
            yield Finding(name, "waits", f"{'; '.join(waits)}: stedi run")
        else:
            yield Finding(
                name, "holds", f"{counted(len(listing.files), 'landing file')}, in the ledger as it is"
            )


def _positions(connection: duckdb.DuckDBPyConnection) -> Finding:
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


def _conservation(connection: duckdb.DuckDBPyConnection) -> Finding:
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
            f"({_some(wrong)}): stedi run",
        )
    total = number(connection, "SELECT coalesce(sum(records), 0) FROM landing_files")
    gone = number(connection, "SELECT coalesce(sum(records - landed - quarantined), 0) FROM landing_files")
    told = f", but for {counted(gone, 'record')} of people who were erased" if gone else ""
    return Finding(
        "conservation", "holds", f"{counted(total, 'record')} read, each in landing or in quarantine{told}"
    )


def _raw(lake: Lake, connection: duckdb.DuckDBPyConnection, source: str) -> Finding:
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
            f"{counted(sum(by_file.values()), 'record')} {what} ({_some(by_file)})"
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


def _recomputed(
    connection: duckdb.DuckDBPyConnection, name: str, columns: list[str], *, has_key: bool
) -> Finding:
    lacking, unexplained = recompute.difference(connection, name, columns)
    if lacking or unexplained:
        return Finding(
            f"{name} rows",
            "broken",
            f"{counted(lacking, 'row')} due and not there, {counted(unexplained, 'row')} there and not due",
        )
    rows = number(connection, f"SELECT count(*) FROM {name}")  # noqa: S608 - names of ours
    without = (
        "" if has_key or name != "machine_learning_curated" else ", but for the pseudonyms: no key is set"
    )
    return Finding(f"{name} rows", "holds", f"{counted(rows, 'row')}, equal to what DuckDB computes{without}")


def _history(lake: Lake, name: str, keep: timedelta) -> Iterator[Finding]:
    """What of a table is older than retention leaves it, and what retention does not know."""
    table = lake.find_table(name)
    if table is None:
        return
    if refs := sorted(ref for ref in table.metadata.refs if ref != _MAIN):
        yield Finding(
            f"{name} refs",
            "waits",
            f"{counted(len(refs), 'tag or branch')} keeps old rows, whoever withdraws ({_some(refs)}): drop it when it "
            "is not needed",
        )
    now = datetime.now(UTC)
    parents = {item.parent_snapshot_id: item.timestamp_ms for item in table.snapshots()}
    limit = (now - max(keep, timedelta(days=1)) - _RETENTION_SLACK).timestamp() * 1000
    late = [item for item in table.snapshots() if parents.get(item.snapshot_id, limit + 1) <= limit]
    if late:
        yield Finding(
            f"{name} history",
            "waits",
            f"{counted(len(late), 'snapshot')} should have expired: run the job retention",
        )
    try:
        left = [file for file in unreferenced(lake, name) if file.modified < now - _RETENTION_SLACK]
    except LakeError as error:
        yield Finding(f"{name} files", "broken", str(error))
        return
    if left:
        yield Finding(
            f"{name} leftovers",
            "waits",
            f"{counted(len(left), 'file')} that no snapshot needs, such as {left[0].path}: run the job retention",
        )


def _some(paths: Collection[str]) -> str:
    names = list(paths)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
