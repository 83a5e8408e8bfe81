"""Ingest of a source: which files are read, what is staged for the two tables, and how the ledger answers for it.

Nothing here knows Dagster. How a file is read belongs in ``reader``, whether the figures add up in ``conservation``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.lake.publication import Staged, new_folder
from stedi_assets.lake.snapshot import read_snapshot, require_files, snapshot_of
from stedi_assets.landing import ledger
from stedi_assets.landing.conservation import Accounts, Kind, account, entries_corrected, rows_replaced
from stedi_assets.landing.files import Listing, list_landing
from stedi_assets.landing.reader import FileReport, ReadResult, read_landing_files
from stedi_assets.records.counts import Counts
from stedi_assets.records.read_task import ReadPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table import Table
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.engine.session import SparkEngine
    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.ledger import Entry

KINDS: tuple[Kind, Kind] = ("landing", "quarantine")


@dataclass(frozen=True)
class Ingest:
    """What a run read of a source, and what it is to publish.

    Attributes:
        lake: The lake.
        source: The source.
        began: When it began, epoch ms UTC.
        listing: The source's files.
        result: What became of the files that were to be read.
        entries: The ledger as it was.
        unread: Entries of files that were not read, as they should be.
        agrees: Whether the ledger agrees with each of the two tables.
        staged: What is to be published as each of the two tables.
    """

    lake: Lake
    source: str
    began: int
    listing: Listing
    result: ReadResult
    entries: Mapping[str, Entry]
    unread: Mapping[str, Entry]
    agrees: Mapping[Kind, bool]
    staged: Mapping[Kind, Staged]

    @property
    def read(self) -> list[FileReport]:
        """The files that could be read."""
        return [item for item in self.result.files if item.failure is None]

    @property
    def gone(self) -> list[str]:
        """Paths of files that disappeared; their rows stay."""
        present = {file.path for file in self.listing.files}
        return [path for path in self.unread if path not in present]

    @property
    def counts(self) -> Counts:
        """The records of all files together."""
        return sum((item.counts for item in self.result.files), Counts())

    def accounts(self, kind: Kind, frame: DataFrame) -> Accounts:
        """Whether all records found are staged rows, ``frame`` being what was staged for the table."""
        rows_published = snapshot_of(self.staged[kind].base).rows
        return account(
            kind,
            self.result,
            frame,
            rows_published=rows_published,
            entries=self.entries,
            unread=self.unread,
            agrees=self.agrees[kind],
        )

    def enter(self, run_id: str) -> None:
        """Enter the files into the ledger, which from then on answers for the rows of both published tables."""
        ledger.record(
            self.lake,
            self.source,
            self.listing,
            self.read,
            self.entries,
            unread=self.unread,
            run_id=run_id,
            now=self.began,
        )


def ingest(
    lake: Lake, engine: SparkEngine, source: str, base: Mapping[Kind, Table], *, full_refresh: bool
) -> Ingest:
    """Read the new and changed files of a source, and stage their records.

    Args:
        lake: The lake.
        engine: The engine of the run.
        source: The source.
        base: Its two tables, loaded before anything else is.
        full_refresh: Read every file again; rows of files that disappeared stay.
    """
    began = time.time_ns() // 1_000_000
    listing = list_landing(lake, source)
    entries = ledger.read_entries(lake, source)
    agrees = {kind: ledger.agrees_with(base[kind], entries.values()) and not full_refresh for kind in KINDS}
    # A full refresh reads every file again, whatever the tables say of it.
    corrected = entries if full_refresh else _corrected(lake, engine, source, base, entries, agrees)
    pending = [
        file
        for file in listing.files
        if full_refresh or file.path not in corrected or corrected[file.path].identity != file.identity
    ]
    plan = ReadPlan(
        source=source_of(_contract(source, "landing")),
        lake=lake.address("").rstrip("/"),
        storage_options=lake.storage_options,
        landed_folder=new_folder(lake, _contract(source, "landing")),
        quarantined_folder=new_folder(lake, _contract(source, "quarantine")),
        ingested_at=began,
    )
    result = read_landing_files(plan, pending, engine, relist=partial(list_landing, lake, source))
    read = [item for item in result.files if item.failure is None]
    unread = {path: entry for path, entry in corrected.items() if path not in {r.file.path for r in read}}
    if full_refresh and unread:
        # Only rows of files that cannot be read again are looked for: where there are none, a table is made anew
        # although its data files are lost.
        unread = _corrected(lake, engine, source, base, unread, agrees)
    staged = {
        kind: Staged(
            _contract(source, kind),
            base[kind],
            plan.landed_folder if kind == "landing" else plan.quarantined_folder,
            result.landed_files if kind == "landing" else result.quarantined_files,
            replaces=rows_replaced(read, entries, unread, agrees=agrees[kind]),
        )
        for kind in KINDS
    }
    return Ingest(lake, source, began, listing, result, entries, unread, agrees, staged)


def _corrected(  # noqa: PLR0913, PLR0917 - the two sides of a comparison
    lake: Lake,
    engine: SparkEngine,
    source: str,
    base: Mapping[Kind, Table],
    entries: Mapping[str, Entry],
    agrees: Mapping[Kind, bool],
) -> dict[str, Entry]:
    """Correct entries of the ledger by what the tables that disagree with it have."""
    corrected = dict(entries)
    for kind in KINDS:
        if not agrees[kind]:
            snapshot = snapshot_of(base[kind])
            published = read_snapshot(lake, _contract(source, kind), snapshot, engine)
            corrected |= entries_corrected(kind, published, corrected)
            require_files(lake, _contract(source, kind).name, snapshot)
    return corrected


def _contract(source: str, kind: Kind) -> Contract:
    return CONTRACTS[f"{source}_{kind}"]
