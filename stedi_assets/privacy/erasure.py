"""Erasure of a person from raw files, tables, staged leftovers and history; a fault at any point loses nothing.

The order is what makes it safe to begin again: customer records go last, since they say which devices and names are
the person's; raw files go before tables, since tables are made of them; history goes when no table needs it.
Whose a record is belongs in ``person``; how the graph is run, is for the caller to say.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

import polars as pl
from pyiceberg.expressions import And, BooleanExpression, EqualTo, In, Or

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.errors import StediError
from stedi_assets.lake.maintenance import Removed, delete, erase_history, unreferenced
from stedi_assets.lake.publication import RUN_ID, Staged, publish
from stedi_assets.landing import ledger
from stedi_assets.landing.files import list_landing
from stedi_assets.privacy.person import Person, identify, rows
from stedi_assets.privacy.raw_files import mentions, rewrite
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from stedi_assets.lake.lake import Lake
    from stedi_assets.records.source import Parsed
    from stedi_assets.settings import Settings

_KINDS = ("landing", "quarantine")
# Source by source, and of customers what is quarantined first.
_ORDER = (
    ("accelerometer", _KINDS),
    ("step_trainer", _KINDS),
    ("customer", ("quarantine",)),
    ("customer", _KINDS),
)
# The identity, in the ledger, of a file that is gone and some of whose rows were erased.
_ERASED = "erased"


class ErasureError(StediError):
    """A person could not be erased wholly; the message says why and what to do, and names nobody."""


@dataclass
class Findings:
    """What the lake has of a person.

    Attributes:
        rows: Rows by table, of tables that have any.
        records: Records by landing file.
        shared_devices: Number of the person's devices that others own too.
        shared_readings: Step readings of those; they stay, since they may be another owner's.
        files_not_read: Landing files that the tables do not speak of as they are now: new, changed or unreadable.
    """

    rows: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    shared_devices: int = 0
    shared_readings: int = 0
    files_not_read: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Erasure:
    """What was erased, and what is left to look at.

    Attributes:
        found: What there was.
        history: Snapshots and files deleted.
        mentions: Files in landing folders that still have the e-mail, by path, with how often: in other people's
            records, or since the file is one that is never read.
        unreadable: Landing files that cannot be read, so that nobody knows what they have.
    """

    found: Findings
    history: Removed
    mentions: dict[str, int]
    unreadable: list[str]


def survey(lake: Lake, settings: Settings, email: str) -> Findings:
    """Count what the published tables have of a person; changes nothing."""
    return _survey(lake, identify(lake, settings, email))


def forget(lake: Lake, settings: Settings, email: str, refresh: Callable[[], None]) -> Erasure:
    """Erase a person from the lake. Nothing else may write to it meanwhile; may be called again after any fault.

    Args:
        lake: The lake.
        settings: Has the key of pseudonyms.
        email: The person's e-mail, in any case.
        refresh: Reads new and changed landing files and brings every table up to date, or raises.

    Raises:
        RewriteError: A raw file cannot be rewritten.
        ErasureError: Another run brought something back.
    """
    # From here on the tables say where everything is.
    refresh()
    person = identify(lake, settings, email)
    found = _survey(lake, person)
    _delete_leftovers(lake, person)
    # Asked once, since rewriting makes files look unread.
    readable = {source: _landing_files(lake, source)[0] for source in SOURCES}
    for source, kinds in _ORDER:
        _erase_source(lake, source, kinds, person, readable[source])
    refresh()
    history = sum((erase_history(lake, name) for name in CONTRACTS), Removed())
    if left := _survey(lake, person).rows:
        raise ErasureError(
            f"rows are left in {', '.join(left)}: another run wrote to the lake meanwhile; let it end, then run this "
            "again"
        )
    unreadable = [path for source in SOURCES for path in _landing_files(lake, source)[1]]
    return Erasure(found, history, mentions(lake, person.email), unreadable)


def _survey(lake: Lake, person: Person) -> Findings:
    found = Findings(shared_devices=len(person.shared_devices))
    records: Counter[str] = Counter()
    for name in CONTRACTS:
        for batch in rows(lake, name):
            own = person.rows_of(batch)
            if own.height:
                found.rows[name] = found.rows.get(name, 0) + own.height
            if own.height and "source_position" in own.columns:
                records.update(own["source_file"])
            if name == "step_trainer_landing":
                shared = pl.col("serialNumber").is_in(list(person.shared_devices))
                found.shared_readings += batch.filter(shared).height
    found.records = dict(sorted(records.items()))
    for source in SOURCES:
        found.files_not_read += _landing_files(lake, source)[1]
    return found


def _landing_files(lake: Lake, source: str) -> tuple[list[str], list[str]]:
    """Paths of landing files that the tables speak of as they are now, and of the others."""
    entries = ledger.read_entries(lake, source) if lake.find_table("landing_files") else {}
    read: list[str] = []
    not_read: list[str] = []
    for file in list_landing(lake, source).files:
        is_read = file.path in entries and entries[file.path].identity == file.identity
        (read if is_read else not_read).append(file.path)
    return read, not_read


def _delete_leftovers(lake: Lake, person: Person) -> None:
    """Delete what runs staged of the person and never published, and what is too broken to tell."""
    for name in CONTRACTS:
        staged = [file for file in unreferenced(lake, name) if file.path.endswith(".parquet")]
        delete(lake, [file for file in staged if _may_hold(lake, file.path, person)])


def _may_hold(lake: Lake, path: str, person: Person) -> bool:
    try:
        with lake.filesystem.open(path) as stream:
            texts = pl.read_parquet(stream).select(pl.col(pl.String).str.to_lowercase())
    except (OSError, pl.exceptions.PolarsError):
        return True
    return any(column.str.contains_any(person.marks).any() for column in texts)


def _erase_source(
    lake: Lake, source: str, kinds: Collection[str], person: Person, readable: Collection[str]
) -> None:
    """Take the person's records out of a source's raw files, and out of its tables where no such file can be read."""
    files = {file.path: file for file in list_landing(lake, source).files if file.path in readable}
    run_id = f"forget-{uuid.uuid4()}"
    to_rewrite = set()
    for kind in kinds:
        unreadable: dict[str, list[int]] = {}
        for batch in rows(lake, f"{source}_{kind}"):
            for path, position in person.rows_of(batch).select("source_file", "source_position").iter_rows():
                if path in files:
                    to_rewrite.add(path)
                else:
                    unreadable.setdefault(path, []).append(position)
        _delete_rows(lake, f"{source}_{kind}", unreadable, run_id)
    _settle_ledger(lake, source, readable)
    for path in sorted(to_rewrite):
        rewrite(lake, source, files[path], lambda parsed: _positions(parsed, kinds, person))


def _positions(parsed: Parsed, kinds: Collection[str], person: Person) -> set[int]:
    frames = {"landing": parsed.landed, "quarantine": parsed.quarantined}
    return {position for kind in kinds for position in person.rows_of(frames[kind])["source_position"]}


def _delete_rows(lake: Lake, table: str, positions: Mapping[str, list[int]], run_id: str) -> None:
    """Delete rows of files that cannot be read again, since they are gone or unreadable."""
    if not positions:
        return
    clauses: list[BooleanExpression] = [
        And(EqualTo(term="source_file", value=file), In(term="source_position", literals=at))
        for file, at in positions.items()
    ]
    contract = CONTRACTS[table]
    going = Staged(contract, lake.ensure_table(contract), folder="", files=(), replaces=reduce(Or, clauses))
    publish(lake, going, {RUN_ID: run_id})


def _settle_ledger(lake: Lake, source: str, readable: Collection[str]) -> None:
    """Let the ledger say of files that cannot be read again what the tables still have of them.

    The run that it names for them is the one that deleted rows, so that tables and ledger are in step; should a file
    come back, it is read again.
    """
    entries = ledger.read_entries(lake, source)
    gone = [path for path in entries if path not in readable]
    if not gone:
        return
    tables = {kind: lake.ensure_table(CONTRACTS[f"{source}_{kind}"]) for kind in _KINDS}
    out_of_step = [
        run
        for table in tables.values()
        if not ledger.agrees_with(table, entries.values()) and (run := ledger.publisher(table))
    ]
    counts = {kind: _rows_by_file(lake, f"{source}_{kind}") for kind in _KINDS}
    settled = []
    for path in gone:
        entry, landed, quarantined = entries[path], counts["landing"][path], counts["quarantine"][path]
        if (entry.landed, entry.quarantined) != (landed, quarantined):
            settled.append(
                replace(
                    entry,
                    identity=_ERASED,
                    records=landed + quarantined,
                    landed=landed,
                    quarantined=quarantined,
                    run_id=next(iter(out_of_step), entry.run_id),
                )
            )
    ledger.amend(lake, settled)


def _rows_by_file(lake: Lake, table: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch in rows(lake, table, ("source_file",)):
        counts.update(batch["source_file"])
    return counts
