"""The ledger ``landing_files``: which files were ingested, as what, with what result.

A run writes the ledger after the tables. A run that dies in between leaves rows that no entry answers for;
``Ledger.agrees_with`` tells, and the next run puts it right.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pyarrow as pa

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.evolution import add_columns
from stedi_assets.lake.publication import RUN_ID, compare_and_set

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from pyiceberg.table import Table

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.files import LandingFile, Listing
    from stedi_assets.landing.reader import FileReport

Kind: TypeAlias = Literal["landing", "quarantine"]

_CONTRACT = CONTRACTS["landing_files"]
# The identity of a file whose rows the ledger counts without knowing of which content they are; no file has it.
UNKNOWN = ""
# What the ledger has as the identity of a file out of which a person's records were erased, or are about to be.
ERASED = "erased"


@dataclass(frozen=True)
class Entry:
    """A row of the ledger; see the contract of ``landing_files``."""

    source_file: str
    source: str
    identity: str
    bytes: int
    records: int
    landed: int
    quarantined: int
    repaired: str
    ingested_at: int
    run_id: str
    missing_since: int | None = None
    retracted_at: int | None = None
    retracted_by: str | None = None
    retracted_because: str | None = None
    erased: int | None = None
    digest: str | None = None

    def has(self, file: LandingFile) -> bool:
        """Whether the file was read as it is now, or was taken back as it is now.

        A file in a folder whose times alone differ is read for its digest. Erasure changes a file that was taken back,
        and gives nothing of it back. An earlier version, which took no digest, entered what the identity of a file in a
        folder begins with.
        """
        if self.identity == file.identity or (self.retracted_at is not None and self.identity == ERASED):
            return True
        if self.identity in {UNKNOWN, ERASED} or self.bytes != file.size:
            return False
        if self.digest is None:
            return file.identity.startswith(f"{self.identity}-")
        return self.digest == file.digest

    def rows(self, kind: Kind) -> int:
        """Rows of the file in the landing or in the quarantine table."""
        return self.landed if kind == "landing" else self.quarantined


@dataclass(frozen=True)
class Changes:
    """Paths of landing files for which the ledger has no entry, an entry of other content, or one too many."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """What the ledger says of the files of a source.

    Attributes:
        source: The source.
        entries: The entries by path.
        repeated: Paths that have two entries. Two runs at once left some before a commit replaced all entries of its
            files. Which of the two is right is unknown, so that ``entries`` has one whose identity is unknown.
    """

    source: str
    entries: Mapping[str, Entry]
    repeated: frozenset[str]

    def agrees_with(self, table: Table) -> bool:
        """Whether the run that last published a landing or quarantine table also came to the ledger."""
        return not self.repeated and agrees_with(table, self.entries.values())

    def changes(self, listing: Listing) -> Changes:
        """Which files no run has read as they are now, and which are gone without a mark that says so."""
        present = {file.path: file for file in listing.files}
        ingested = {path: entry for path, entry in self.entries.items() if entry.missing_since is None}
        return Changes(
            new=tuple(path for path in present if path not in ingested),
            changed=tuple(
                path for path in present if path in ingested and not ingested[path].has(present[path])
            ),
            gone=tuple(path for path in ingested if path not in present),
        )


def entry_of(report: FileReport, source: str, ingested_at: int, run_id: str) -> Entry:
    """The entry of a file that was read."""
    return Entry(
        source_file=report.file.path,
        source=source,
        identity=report.file.identity,
        bytes=report.file.size,
        records=report.counts.records,
        landed=report.counts.landed,
        quarantined=report.counts.quarantined,
        repaired=json.dumps(report.counts.repaired, sort_keys=True),
        ingested_at=ingested_at,
        run_id=run_id,
        erased=report.counts.erased,
        digest=report.file.digest,
    )


def read_ledger(lake: Lake, source: str) -> Ledger:
    """Read what the ledger says of a source; nothing is made if there is no ledger yet."""
    from pyiceberg.expressions import In

    table = lake.find_table(_CONTRACT.name)
    if table is None:
        return Ledger(source, {}, frozenset())
    rows: list[dict[str, Any]] = (
        table.scan(row_filter=In(term="source", literals=[source]))
        .to_arrow()
        .sort_by("ingested_at")
        .to_pylist()
    )
    entries = {row["source_file"]: Entry(**row) for row in rows}
    counts = Counter(row["source_file"] for row in rows)
    repeated = frozenset(path for path, count in counts.items() if count > 1)
    return Ledger(
        source, entries | {path: replace(entries[path], identity=UNKNOWN) for path in repeated}, repeated
    )


def read_entries(lake: Lake, source: str) -> Mapping[str, Entry]:
    """The entries of a source, by path."""
    return read_ledger(lake, source).entries


def amend(
    lake: Lake,
    entries: Collection[Entry],
    *,
    without: Collection[str] = (),
    unless: Callable[[], bool] = lambda: False,
) -> bool:
    """Put entries in the place of all entries that their files have, in one commit.

    Args:
        lake: The lake.
        entries: At most one a file.
        without: Paths of files whose entries go, since the files have other names now.
        unless: Asked after the ledger was loaded, each time before a commit: whether to write nothing after all.

    Returns:
        Whether the entries are in the ledger.

    Raises:
        ValueError: Two entries are of one file.
        CommitFailedException: Other runs committed to the ledger first, time after time; the next run
            repairs what this one left.
    """
    from pyiceberg.expressions import In

    paths = {entry.source_file for entry in entries}
    if len(paths) != len(entries):
        raise ValueError("landing_files: no two entries of a file may be committed")
    if not entries:
        return True
    rows = pa.Table.from_pylist([asdict(entry) for entry in entries], schema=_CONTRACT.arrow_schema)

    def change(table: Table) -> bool:
        if unless():
            return False
        with table.transaction() as transaction:
            add_columns(transaction, _CONTRACT)
            if table.current_snapshot() is not None:
                transaction.delete(In(term="source_file", literals=paths.union(without)))
            transaction.append(rows)
        return True

    # Runs of different sources commit to the one ledger; their rows are different, so that the loser may try again.
    return compare_and_set(lake, _CONTRACT, change)


def publisher(table: Table) -> str | None:
    """The run that last published a landing or quarantine table; None if none did."""
    current = table.current_snapshot()
    if current is None or current.summary is None:
        return None
    return current.summary.additional_properties.get(RUN_ID)


def agrees_with(table: Table, entries: Iterable[Entry]) -> bool:
    """Whether the run that last published a landing or quarantine table also came to the ledger."""
    return table.current_snapshot() is None or publisher(table) in {entry.run_id for entry in entries}
