"""A landing file taken back: its rows leave landing and quarantine, and no run reads it until its content changes.

A withdrawal that landed stays in force. A snapshot without consent that no landed snapshot of another file supersedes
stays in ``customer_landing``, as a row of the file that was taken back. What is published of the file further down goes
with the next run. Nothing here changes a raw file.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.errors import StediError
from stedi_assets.lake.evolution import require_columns
from stedi_assets.lake.lineage import DECIDE_CONSENT, version_of
from stedi_assets.lake.publication import RUN_ID, Staged, publish
from stedi_assets.lake.snapshot import read_batches, require_files, snapshot_of
from stedi_assets.landing.ledger import UNKNOWN, Entry, amend, read_ledger
from stedi_assets.sources import SOURCES
from stedi_assets.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyiceberg.expressions import BooleanExpression

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.ledger import Kind, Ledger

_KINDS: tuple[Kind, ...] = ("landing", "quarantine")
_SNAPSHOT = ["person", "lastUpdateDate", "shareWithResearchAsOfDate", "source_file", "source_position"]


class RetractionError(StediError):
    """A file cannot be taken back, or not be given back; the message names it and says what to do."""


@dataclass(frozen=True)
class Retraction:
    """What goes if a file is taken back, and what stays.

    Attributes:
        entry: The file's entry in the ledger.
        kept: Positions of its snapshots without consent that stay in force.
        people_kept: People whom these withdraw.
        people_released: People whom its quarantined records name, and held back.
        nameless: Its quarantined customer records that name nobody.
    """

    entry: Entry
    kept: tuple[int, ...] = ()
    people_kept: int = 0
    people_released: int = 0
    nameless: int = 0


def plan(lake: Lake, paths: Sequence[str]) -> list[Retraction]:
    """What taking files back would change; changes nothing.

    Args:
        lake: The lake.
        paths: Paths of landing files, below the lake.

    Raises:
        RetractionError: No run has read such a file, or a run died between the tables and the ledger.
        LakeError, SchemaError: A table cannot be read.
    """
    entries = [_entry(lake, path) for path in dict.fromkeys(paths)]
    of_customers = [entry for entry in entries if f"{entry.source}_landing" in DECIDE_CONSENT]
    kept = _withdrawals(lake, [entry.source_file for entry in of_customers])
    return [
        _retraction(lake, entry, kept.filter(pl.col("source_file") == entry.source_file))
        if entry in of_customers
        else Retraction(entry)
        for entry in entries
    ]


def retract(lake: Lake, retractions: Sequence[Retraction], who: str, why: str) -> None:
    """Take files back. Nothing else may write to the lake meanwhile; may be called again after any fault.

    The ledger is told first, so that a run after a fault does not read the files again.

    Args:
        lake: The lake.
        retractions: What ``plan`` found of the files.
        who: Who takes them back.
        why: The reason; it names no person.

    Raises:
        PublishConflictError: A run published a table meanwhile.
    """
    now, run_id = time.time_ns() // 1_000_000, f"retract-{uuid.uuid4()}"
    told = [
        replace(item.entry, retracted_at=now, retracted_by=who, retracted_because=why) for item in retractions
    ]
    amend(lake, told)
    for source in dict.fromkeys(entry.source for entry in told):
        of_source = [item for item in retractions if item.entry.source == source]
        _delete_rows(lake, source, of_source, run_id)
        settled = [
            replace(
                entry, records=len(item.kept), landed=len(item.kept), quarantined=0, erased=0, run_id=run_id
            )
            for entry, item in zip(told, retractions, strict=True)
            if item in of_source
        ]
        amend(lake, settled)


def undo(lake: Lake, paths: Sequence[str]) -> None:
    """Have the next run read files again that were taken back.

    Raises:
        RetractionError: A file was not taken back, or is not there any more.
    """
    entries = [_entry(lake, path) for path in dict.fromkeys(paths)]
    for entry in entries:
        if entry.retracted_at is None:
            raise RetractionError(f"{entry.source_file} was not taken back")
        if not lake.filesystem.exists(f"{lake.uri}/{entry.source_file}"):
            raise RetractionError(f"{entry.source_file} is not there any more: deliver it again")
    amend(
        lake,
        [
            replace(entry, identity=UNKNOWN, retracted_at=None, retracted_by=None, retracted_because=None)
            for entry in entries
        ],
    )


def _entry(lake: Lake, path: str) -> Entry:
    source = path.partition("/")[0]
    ledger = read_ledger(lake, source) if source in SOURCES else None
    if ledger is None or path not in ledger.entries:
        known = [] if ledger is None else list(ledger.entries)
        raise RetractionError(
            f"no run has read {path}{suggestion(path, known)}: give a file's path as in landing_files; a file that no "
            "run has read is just taken out of the landing folder"
        )
    _require_agreement(lake, ledger)
    return ledger.entries[path]


def _require_agreement(lake: Lake, ledger: Ledger) -> None:
    for kind in _KINDS:
        contract = CONTRACTS[f"{ledger.source}_{kind}"]
        if not ledger.agrees_with(lake.ensure_table(contract)) and not any(
            entry.retracted_at for entry in ledger.entries.values()
        ):
            raise RetractionError(
                f"a run died between {contract.name} and the ledger: let a run put it right (stedi run), then run this "
                "again"
            )


def _withdrawals(lake: Lake, paths: Sequence[str]) -> pl.DataFrame:
    """Snapshots without consent in customer files that no snapshot of another file supersedes.

    On a tie the snapshot without consent wins, so that it stays.
    """
    snapshots = pl.concat([pl.DataFrame(schema=_schema()), *_rows(lake, "customer_landing", _SNAPSHOT)])
    is_of_files = pl.col("source_file").is_in(list(paths))
    newest = snapshots.filter(~is_of_files).group_by("person").agg(newest=pl.col("lastUpdateDate").max())
    refusals = snapshots.filter(is_of_files & (pl.col("shareWithResearchAsOfDate").fill_null(0) == 0))
    in_force = pl.col("newest").is_null() | (pl.col("lastUpdateDate") >= pl.col("newest"))
    return refusals.join(newest, on="person", how="left").filter(in_force)


def _schema() -> dict[str, type[pl.DataType]]:
    return {name: pl.String if name in {"person", "source_file"} else pl.Int64 for name in _SNAPSHOT}


def _retraction(lake: Lake, entry: Entry, kept: pl.DataFrame) -> Retraction:
    people: set[str] = set()
    nameless = 0
    for rows in _rows(lake, "customer_quarantine", ["persons", "source_file"]):
        of_file = rows.filter(pl.col("source_file") == entry.source_file)
        people.update(of_file["persons"].explode(empty_as_null=False))
        nameless += int((of_file["persons"].list.len() == 0).sum())
    return Retraction(entry, tuple(kept["source_position"]), kept["person"].n_unique(), len(people), nameless)


def _rows(lake: Lake, name: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    table = lake.find_table(name)
    if table is None or table.current_snapshot() is None:
        return
    require_columns(table, CONTRACTS[name])
    require_files(lake, name, snapshot_of(table))
    for rows in read_batches(table, columns):
        yield rows.select(columns)


def _delete_rows(lake: Lake, source: str, retractions: Sequence[Retraction], run_id: str) -> None:
    """Delete the files' rows from both tables; between the two commits, nothing is made from them."""
    contracts = {kind: CONTRACTS[f"{source}_{kind}"] for kind in _KINDS}
    base = {kind: lake.ensure_table(contract) for kind, contract in contracts.items()}
    for kind in _KINDS:
        awaited = {contracts["quarantine"].name: version_of(base["quarantine"].current_snapshot())}
        going = Staged(
            contracts[kind],
            base[kind],
            folder="",
            files=(),
            replaces=_rows_that_go(retractions, kind),
            awaits=awaited if kind == "landing" else {},
        )
        publish(lake, going, {RUN_ID: run_id})


def _rows_that_go(retractions: Sequence[Retraction], kind: Kind) -> BooleanExpression:
    from pyiceberg.expressions import AlwaysFalse, And, EqualTo, NotIn, Or

    going: BooleanExpression = AlwaysFalse()
    for item in retractions:
        of_file: BooleanExpression = EqualTo(term="source_file", value=item.entry.source_file)
        if kind == "landing" and item.kept:
            of_file = And(of_file, NotIn(term="source_position", literals=item.kept))
        going = Or(going, of_file)
    return going
