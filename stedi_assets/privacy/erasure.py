"""Erasure of a person from raw files, tables, staged leftovers and history; a fault at any point loses nothing.

The order makes it safe to begin again. Customer records go last, since they say which devices are the person's. Raw
files go before tables, since tables are made of them. History goes when no table needs it. Whose a record is belongs
in ``person``; the caller says how the graph is run.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, replace
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
from stedi_assets.privacy.findings import Findings, findings_of, landing_files, nameless_records
from stedi_assets.privacy.person import Person, identify, identity_columns, rows
from stedi_assets.privacy.raw_files import mentions, rewrite
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from stedi_assets.lake.lake import Lake
    from stedi_assets.records.source import Parsed
    from stedi_assets.settings import Settings

_KINDS = ("landing", "quarantine")


class ErasureError(StediError):
    """A person cannot be erased wholly; the message says why and what to do, and names nobody."""


@dataclass(frozen=True)
class Erasure:
    """What was erased, and which files somebody should look at.

    Attributes:
        found: What the lake had of the person.
        history: Snapshots and files deleted.
        mentions: How often files in landing folders still name the person, by path: in records of others, or in a
            file that no run reads.
        nameless: Quarantined customer records that name nobody and may be the person's, by landing file.
        unreadable: Landing files that cannot be read and may hold records of the person.
    """

    found: Findings
    history: Removed
    mentions: dict[str, int]
    nameless: dict[str, int]
    unreadable: list[str]


def survey(lake: Lake, settings: Settings, email: str) -> Findings:
    """Count what the published tables have of a person; changes nothing.

    Args:
        lake: The lake.
        settings: Has the key of pseudonyms.
        email: The person's e-mail, in any spelling.

    Raises:
        LakeError: A data file of a table is missing or damaged.
        SchemaError: Another version of this package made the lake.
        SettingsError: The settings have another key than the lake's pseudonyms.
    """
    return findings_of(lake, identify(lake, settings, email))


def forget(lake: Lake, settings: Settings, email: str, refresh: Callable[[], None]) -> Erasure:
    """Erase a person from the lake. Nothing else may write to it meanwhile; may be called again after any fault.

    Args:
        lake: The lake.
        settings: Has the key of pseudonyms.
        email: The person's e-mail, in any spelling.
        refresh: Reads new and changed landing files and brings every table up to date, or raises.

    Raises:
        RewriteError: A raw file cannot be rewritten.
        ErasureError: A record of the person holds others back, or another run wrote to the lake meanwhile.
        LakeError, SchemaError, SettingsError: As ``survey`` does.
    """
    # From here on the tables say where everything is.
    refresh()
    person = identify(lake, settings, email)
    _require_records_of_one_person(lake, person)
    found = findings_of(lake, person)
    _delete_leftovers(lake, person)
    # Asked once, since rewriting makes files look unread.
    readable = {source: landing_files(lake, source)[0] for source in SOURCES}
    # Customers last. A record that names nobody is found by its device, and whose the device is only the others say.
    for source in (source for source in SOURCES if source != "customer"):
        _erase_source(lake, source, person, readable[source])
    _erase_source(lake, "customer", person.by_device_alone(), readable["customer"])
    _erase_source(lake, "customer", person, readable["customer"])
    refresh()
    history = sum((erase_history(lake, name) for name in CONTRACTS), Removed())
    if left := findings_of(lake, person).rows:
        raise ErasureError(
            f"rows are left in {', '.join(left)}: another run wrote to the lake meanwhile; let it end, then run this "
            "again"
        )
    unreadable = [path for source in SOURCES for path in landing_files(lake, source)[1]]
    return Erasure(found, history, mentions(lake, email), nameless_records(lake), unreadable)


def _require_records_of_one_person(lake: Lake, person: Person) -> None:
    """Refuse to erase a record that may be of others, too: it would be lost, and its withdrawal with it.

    Raises:
        ErasureError: A quarantined record names the person together with others, or with a device of others, whose
            readings it withholds.
    """
    paths: set[str] = set()
    for table in (f"{source}_quarantine" for source in SOURCES):
        for batch in rows(lake, table):
            # White space within an address may be a slip, so that the record names the person with it and without it.
            person_named = pl.element().str.replace_all(r"\s", "") == pl.lit(person.person, pl.String)
            own_device = pl.element().is_in(list(person.devices))
            of_others = ~(
                pl.col("persons").list.eval(person_named).list.all()
                & pl.col("devices").list.eval(own_device).list.all()
            )
            paths.update(person.rows_of(batch).filter(of_others)["source_file"])
    if paths:
        raise ErasureError(
            f"{', '.join(sorted(paths))}: a quarantined record names the person together with others, or a device of "
            "others; repair the record, or deliver the file again so that each record can be read, then run this again"
        )


def _delete_leftovers(lake: Lake, person: Person) -> None:
    """Delete what runs staged of the person and never published, and files that are too broken to tell."""
    for name in filter(identity_columns, CONTRACTS):
        staged = [file for file in unreferenced(lake, name) if file.path.endswith(".parquet")]
        delete(lake, [file for file in staged if _may_hold(lake, name, file.path, person)])


def _may_hold(lake: Lake, table: str, path: str, person: Person) -> bool:
    """Whether a staged file may hold rows of the person: it does, or it cannot be read as a file of the table."""
    try:
        with lake.filesystem.open(path) as stream:
            return not person.rows_of(pl.read_parquet(stream, columns=identity_columns(table))).is_empty()
    except (OSError, pl.exceptions.PolarsError):
        return True


def _erase_source(lake: Lake, source: str, person: Person, readable: Collection[str]) -> None:
    """Take the person's records out of a source's raw files, and out of its tables where no such file can be read."""
    taken_back = {path for path, entry in ledger.read_entries(lake, source).items() if entry.retracted_at}
    # A run reads these again when they are rewritten. It does not read a file that was taken back.
    readable = set(readable) - taken_back
    files = {file.path: file for file in list_landing(lake, source).files if file.path in readable}
    run_id = f"forget-{uuid.uuid4()}"
    to_rewrite = set()
    for kind in _KINDS:
        unreadable: dict[str, list[int]] = {}
        for path, position in _places(lake, f"{source}_{kind}", person):
            if path in files:
                to_rewrite.add(path)
            else:
                unreadable.setdefault(path, []).append(position)
        _delete_rows(lake, f"{source}_{kind}", unreadable, run_id)
    _settle_ledger(lake, source, readable)
    # A file may have no record left when it is rewritten. The ledger tells erasure from a file that lost its content.
    entries = ledger.read_entries(lake, source)
    ledger.amend(lake, [replace(entries[path], identity=ledger.ERASED) for path in sorted(to_rewrite)])
    for path in sorted(to_rewrite):
        rewrite(lake, source, files[path], lambda parsed: _positions(parsed, person))
    _rewrite_unread(lake, source, person, taken_back)


def _rewrite_unread(lake: Lake, source: str, person: Person, paths: Collection[str]) -> None:
    """Take the person's records out of files that were taken back; they stay taken back.

    No table says whose records are in such a file, so that every one of them is looked through.
    """
    entries = ledger.read_entries(lake, source)
    files = [
        file
        for file in list_landing(lake, source).files
        if file.path in paths and entries[file.path].has(file)
    ]
    ledger.amend(lake, [replace(entries[file.path], identity=ledger.ERASED) for file in files])
    for file in files:
        rewrite(lake, source, file, lambda parsed: _positions(parsed, person))
    rewritten = {file.path for file in files}
    now = [file for file in list_landing(lake, source).files if file.path in rewritten]
    ledger.amend(lake, [replace(entries[file.path], identity=file.identity) for file in now])


def _places(lake: Lake, table: str, person: Person) -> Iterator[tuple[str, int]]:
    """File and position of each of the person's records in a landing or quarantine table."""
    for batch in rows(lake, table):
        yield from person.rows_of(batch).select("source_file", "source_position").iter_rows()


def _positions(parsed: Parsed, person: Person) -> set[int]:
    """Positions of the person's records in a file, told by the columns that the reader stores, too."""
    frames = (parsed.landed, parsed.quarantined)
    return {position for frame in frames for position in person.rows_of(frame)["source_position"]}


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
    """Let the ledger say how many rows the tables still have of each file that cannot be read again.

    As the run of these files the ledger names the run that deleted their rows, so that tables and ledger agree. Should
    such a file come back, it is read again.
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
                    identity=ledger.ERASED,
                    records=landed + quarantined,
                    landed=landed,
                    quarantined=quarantined,
                    run_id=next(iter(out_of_step), entry.run_id),
                )
            )
    ledger.amend(lake, settled)


def _rows_by_file(lake: Lake, table: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch in rows(lake, table):
        counts.update(batch["source_file"])
    return counts
