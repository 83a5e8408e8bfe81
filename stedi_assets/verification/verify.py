"""The verification of a lake: which promises hold, which wait for a run or a look, and which are broken.

Nothing is written. Raw files and tables are read as they are when the verification comes to them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.erasures import read_register
from stedi_assets.lake.lineage import policies
from stedi_assets.lake.query import open_snapshots
from stedi_assets.lake.readable import ReadableTables, readable_tables
from stedi_assets.privacy.pseudonym import existing_key
from stedi_assets.sources import SOURCES
from stedi_assets.text import counted
from stedi_assets.verification import consent, recompute, records, waiting
from stedi_assets.verification.erased import erased
from stedi_assets.verification.finding import Finding, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings


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
    stale = waiting.stale_tables(snapshots, register, policies(settings))
    yield waiting.fresh(stale)
    yield from waiting.files(lake)
    older = {name: consent.older(lake, name) for name in recompute.DERIVED if name in snapshots}
    views = tables.snapshots | {
        f"{name}_{place}": snapshot for name in older for place, snapshot in older[name].readable.items()
    }
    with open_snapshots(lake, views) as connection:
        yield records.positions(connection)
        yield records.conservation(connection)
        for source in SOURCES:
            yield records.lines(lake, connection, source)
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
            yield from consent.in_older(connection, name, older[name], settings.retention_days)
    for name in tables.snapshots:
        yield from waiting.history(lake, name, timedelta(days=settings.retention_days))


def _readable(tables: ReadableTables) -> Finding:
    if tables.unreadable:
        return Finding("tables", "broken", "; ".join(tables.unreadable.values()))
    files = sum(len(snapshot.files) for _, snapshot in tables.snapshots.values())
    return Finding(
        "tables",
        "holds",
        f"{counted(len(tables.snapshots), 'table')} with {counted(files, 'data file')}, all there and whole",
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
