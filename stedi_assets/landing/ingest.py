"""Ingest of a source: which files are read, what is staged for the two tables, and how the ledger answers for it.

Nothing here knows Dagster. How a file is read belongs in ``reader``, whether the figures add up in ``conservation``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, get_args

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.lake.lineage import version_of
from stedi_assets.lake.publication import Staged, new_folder
from stedi_assets.lake.snapshot import read_snapshot, require_files, snapshot_of
from stedi_assets.landing.contents import recognise, take_digests
from stedi_assets.landing.files import Listing, list_landing
from stedi_assets.landing.ledger import Entry, Kind, Ledger, amend, entry_of, publisher, read_ledger
from stedi_assets.landing.reader import FileReport, StagedRecords, read_landing_files
from stedi_assets.landing.repair import PublishedRows, entries_corrected, rows_replaced
from stedi_assets.records.counts import Counts
from stedi_assets.records.read_task import ReadPlan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pyiceberg.table import Table

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.engine.session import SparkEngine
    from stedi_assets.lake.erasures import Register
    from stedi_assets.lake.lake import Lake

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Ingest:
    """What a run read of a source, and what it is to publish.

    Attributes:
        lake: The lake.
        source: The source.
        began: When it began, epoch ms UTC.
        listing: The source's files.
        records: What became of the files that were to be read.
        ledger: The ledger as it was.
        other_entries: Entries of the files that the run did not read, corrected.
        recognised: Paths of files that were known by their content and not read; the ledger has their entries anew.
        moved: For each file that was read and has another name now, the name that it had.
        agrees: Whether the ledger agrees with each of the two tables.
        staged: What is to be published as each of the two tables.
    """

    lake: Lake
    source: str
    began: int
    listing: Listing
    records: StagedRecords
    ledger: Ledger
    other_entries: Mapping[str, Entry]
    recognised: Collection[str]
    moved: Mapping[str, str]
    agrees: Mapping[Kind, bool]
    staged: Mapping[Kind, Staged]

    @property
    def read(self) -> list[FileReport]:
        """The files that could be read."""
        return [report for report in self.records.reports if report.failure is None]

    @property
    def gone(self) -> list[str]:
        """Paths of files that disappeared; their rows stay."""
        present = {file.path for file in self.listing.files}
        return [path for path in self.other_entries if path not in present]

    def before(self, path: str) -> Entry | None:
        """What the ledger had of a file that was read, under whatever name."""
        return self.ledger.entries.get(path) or self.ledger.entries.get(self.moved.get(path, ""))

    @property
    def delivered_again(self) -> dict[str, str]:
        """Files that were read and have the content of another file, which is there, too: each with that file."""
        gone = set(self.gone)
        first = {entry.digest: path for path, entry in self.other_entries.items() if path not in gone}
        again = {}
        for report in self.read:
            path, digest = report.file.path, report.file.digest
            if digest and report.file.size and first.setdefault(digest, path) != path:
                again[path] = first[digest]
        return again

    @property
    def counts(self) -> Counts:
        """The records of all files together."""
        return sum((report.counts for report in self.records.reports), Counts())

    def enter(self, run_id: str, published: Mapping[Kind, int | None]) -> bool:
        """Enter the files into the ledger, which from then on answers for the rows of both published tables.

        Nothing is entered if another run has published one of the tables since. That run found rows for which the
        ledger had no entry; it read their files again, and its entries are the right ones. The look and the commit are
        two moments, and in between the other run may publish. If its entries are committed first, the commit here is
        refused, since it is a compare-and-set, and the second look finds the other run's table. If its entries are
        committed later, they take the place of the entries here.

        Args:
            run_id: The run.
            published: The versions of the two tables that the run published or left as they were.

        Returns:
            Whether the entries of this run are in the ledger.
        """

        def is_overtaken() -> bool:
            tables = {kind: self.lake.ensure_table(_contract(self.source, kind)) for kind in published}
            return any(version_of(tables[kind].current_snapshot()) != at for kind, at in published.items())

        return amend(self.lake, self._entries(run_id), without=self.moved.values(), unless=is_overtaken)

    def _entries(self, run_id: str) -> list[Entry]:
        """The entries that this run changes: of files that it read, and of files that disappeared or came back."""
        gone = set(self.gone)
        marked = [
            replace(entry, missing_since=(entry.missing_since or self.began) if path in gone else None)
            for path, entry in self.other_entries.items()
        ]
        return [
            *(entry_of(report, self.source, self.began, run_id) for report in self.read),
            *(
                entry
                for entry in marked
                if entry != self.ledger.entries.get(entry.source_file)
                or entry.source_file in {*self.ledger.repeated, *self.recognised}
            ),
        ]


def ingest(  # noqa: PLR0913 - what is read, from where and how
    lake: Lake,
    engine: SparkEngine,
    source: str,
    base: Mapping[Kind, Table],
    register: Register,
    *,
    full_refresh: bool,
) -> Ingest:
    """Read the new and changed files of a source, and stage their records.

    Args:
        lake: The lake.
        engine: The engine of the run.
        source: The source.
        base: Its two tables, loaded before anything else is.
        register: Who was erased.
        full_refresh: Read every file again; rows of files that disappeared stay.
    """
    began = time.time_ns() // 1_000_000
    ledger = read_ledger(lake, source)
    listing = list_landing(lake, source)
    known = recognise(ledger, listing)
    ledger = replace(ledger, entries={**ledger.entries, **known.entries})
    agrees = {kind: ledger.agrees_with(base[kind]) for kind in KINDS}
    entries = _corrected(lake, engine, base, ledger, [kind for kind in KINDS if not agrees[kind]])
    agrees = {kind: agrees[kind] and not full_refresh for kind in KINDS}
    pending = [
        file
        for file in listing.files
        if (entry := entries.get(file.path)) is None
        or not entry.has(file)
        or (full_refresh and entry.retracted_at is None)
    ]
    take_digests(pending)
    plan = _plan(lake, source, began, register)
    records = read_landing_files(plan, pending, engine, relist=partial(list_landing, lake, source))
    read = {report.file.path for report in records.reports if report.failure is None}
    if full_refresh and not read.issuperset(entries):
        # Only rows of files that cannot be read again are looked for: where there are none, a table is made anew
        # although its data files are lost.
        entries = _corrected(lake, engine, base, ledger, KINDS)
    moved = {path: before for path, before in known.moved.items() if path in read}
    replaced = read.union(moved.values())
    other_entries = {path: entry for path, entry in entries.items() if path not in replaced}
    staged = {
        kind: Staged(
            _contract(source, kind),
            base[kind],
            plan.landed_folder if kind == "landing" else plan.quarantined_folder,
            records.landed_files if kind == "landing" else records.quarantined_files,
            replaces=rows_replaced(replaced, entries, other_entries, agrees=agrees[kind]),
            erasures=register.version,
        )
        for kind in KINDS
    }
    if staged["quarantine"].is_change:
        # The two tables are published one after the other, and a record that was repaired or broken moves between them.
        awaits = {f"{source}_quarantine": version_of(base["quarantine"].current_snapshot())}
        staged["landing"] = replace(staged["landing"], awaits=awaits)
    return Ingest(
        lake,
        source,
        began,
        listing,
        records,
        ledger,
        other_entries,
        known.entries,
        moved,
        agrees,
        staged,
    )


def _plan(lake: Lake, source: str, began: int, register: Register) -> ReadPlan:
    return ReadPlan(
        source=source_of(_contract(source, "landing"), read_at=began),
        lake=lake.address("").rstrip("/"),
        storage_options=lake.storage_options,
        landed_folder=new_folder(lake, _contract(source, "landing")),
        quarantined_folder=new_folder(lake, _contract(source, "quarantine")),
        ingested_at=began,
        erased=register.marks(),
    )


def _corrected(
    lake: Lake, engine: SparkEngine, base: Mapping[Kind, Table], ledger: Ledger, kinds: Iterable[Kind]
) -> dict[str, Entry]:
    """Correct the entries of a source's ledger by what its tables of these kinds have."""
    published = {}
    for kind in kinds:
        contract, snapshot = CONTRACTS[base[kind].name()[-1]], snapshot_of(base[kind])
        rows = read_snapshot(lake, contract, snapshot, engine)
        published[kind] = PublishedRows.of(rows, publisher(base[kind]) or "")
        require_files(lake, contract.name, snapshot)
    return {**ledger.entries, **entries_corrected(ledger, published)}


def _contract(source: str, kind: Kind) -> Contract:
    return CONTRACTS[f"{source}_{kind}"]
