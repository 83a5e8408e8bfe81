"""Erasure of people from raw files, tables, staged leftovers and history; a fault at any point loses nothing.

The order makes it safe to begin again. The register of erasures goes first, so that no run brings anybody back, and so
that a repetition knows who is to go. Customer records go last, since they say which devices are the people's. Raw
files go before tables, since tables are made of them. History goes when no table needs it. Whose a record is belongs
in ``person``; the caller says how the graph is run.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

import polars as pl
from pyiceberg.expressions import And, BooleanExpression, EqualTo, In, Or

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.errors import StediError
from stedi_assets.lake.erasures import ANNOUNCED, Entry, ErasedPerson, Register, enter, finish, read_register
from stedi_assets.lake.maintenance import Removed, delete, erase_history, unreferenced
from stedi_assets.lake.publication import RUN_ID, Staged, compare_and_set, publish
from stedi_assets.landing import ledger
from stedi_assets.landing.files import list_landing
from stedi_assets.privacy.findings import (
    Findings,
    delivered_again,
    findings_of,
    landing_files,
    nameless_records,
)
from stedi_assets.privacy.person import People, identify, identity_columns, newest_snapshot, rows
from stedi_assets.privacy.raw_files import rewrite
from stedi_assets.privacy.search import search
from stedi_assets.records.erased import Marks, mark, without_erased
from stedi_assets.records.identity import person_of
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from pyiceberg.table import Table

    from stedi_assets.lake.lake import Lake
    from stedi_assets.records.source import Parsed
    from stedi_assets.settings import Settings

_KINDS = ("landing", "quarantine")


class ErasureError(StediError):
    """People cannot be erased wholly; the message says why and what to do, and names nobody."""


@dataclass(frozen=True)
class Erasure:
    """What was erased, and which files somebody should look at.

    Attributes:
        run_id: The pass.
        finished_at: When it came to its end, epoch ms UTC.
        found: What the lake had of the people.
        found_of: What it had of each, by the person.
        history: Snapshots and files deleted.
        mentions: How often files in landing folders still name one of the people, by path: in records of others, or in
            a file that no run reads.
        nameless: Quarantined customer records that name nobody and may be somebody's of them, by landing file.
        unreadable: Files in landing folders that cannot be read or searched and may hold records of the people.
    """

    run_id: str
    finished_at: int
    found: Findings
    found_of: Mapping[str, Findings] = field(repr=False)
    history: Removed
    mentions: dict[str, int]
    nameless: dict[str, int]
    unreadable: list[str]


def survey(lake: Lake, settings: Settings, emails: Collection[str]) -> Findings:
    """Count what the published tables have of people; changes nothing.

    Args:
        lake: The lake.
        settings: Has the key of pseudonyms.
        emails: The people's e-mails, in any spelling.

    Raises:
        LakeError: A data file of a table is missing or damaged.
        SchemaError: Another version of this package made the lake.
        SettingsError: The settings have another key than the lake's pseudonyms.
    """
    return findings_of(lake, identify(lake, settings, emails))[0]


def is_unfinished(lake: Lake, emails: Collection[str]) -> bool:
    """Whether an erasure of one of the people began and did not come to its end."""
    register = read_register(lake)
    entries = (entry for email in emails for entry, _ in register.of(person_of(email)))
    return any(entry.run_id not in register.finished for entry in entries)


def forget(lake: Lake, settings: Settings, emails: Collection[str], refresh: Callable[[], None]) -> Erasure:
    """Erase people from the lake. Nothing else may write to it meanwhile; may be called again after any fault.

    Args:
        lake: The lake.
        settings: Has the key of pseudonyms.
        emails: The people's e-mails, in any spelling.
        refresh: Reads new and changed landing files and brings every table up to date, or raises.

    Raises:
        RewriteError: A raw file cannot be rewritten.
        ErasureError: A record of the people holds others back, or another run wrote to the lake meanwhile.
        LakeError, SchemaError, SettingsError: As ``survey`` does.
    """
    # From here on the tables say where everything is.
    refresh()
    people = identify(lake, settings, emails)
    _require_records_of_nobody_else(lake, people)
    found, *each = findings_of(lake, people, *map(people.one, people.owned))
    found_of = dict(zip(people.owned, each, strict=True))
    run_id = f"forget-{uuid.uuid4()}"
    register = _registered(lake, people, found_of, run_id)
    _delete_leftovers(lake, people)
    # Asked once, since rewriting makes files look unread.
    readable = {source: landing_files(lake, source)[0] for source in SOURCES}
    doomed = _Doomed(people, register.marks())
    # Customers last. A record that names nobody is found by its device, and whose the device is only the others say.
    for source in (source for source in SOURCES if source != "customer"):
        _erase_source(lake, source, doomed, readable[source], run_id)
    nameless = _Doomed(people.by_device_alone(), ())
    _erase_source(lake, "customer", nameless, readable["customer"], run_id)
    _erase_source(lake, "customer", doomed, readable["customer"], run_id)
    refresh()
    history = sum((erase_history(lake, name) for name in CONTRACTS), Removed())
    if left := [*findings_of(lake, people)[0].rows, *delivered_again(lake)]:
        raise ErasureError(
            f"records are left in {', '.join(left)}: a run or a delivery wrote to the lake meanwhile; let it end, then "
            "run this again"
        )
    unread = {path for source in SOURCES for path in landing_files(lake, source)[1]}
    searched = search(lake, people.persons)
    _finish(lake, people, register)
    return Erasure(
        run_id=run_id,
        finished_at=_now(),
        found=found,
        found_of=found_of,
        history=history,
        mentions=searched.mentions,
        nameless=nameless_records(lake),
        unreadable=sorted(unread.union(searched.unsearched)),
    )


def _now() -> int:
    return time.time_ns() // 1_000_000


def _finish(lake: Lake, people: People, register: Register) -> None:
    """Say of the entries of these people that their erasure is done, unless an entry has others, too."""
    for entry in register.entries:
        marks = {mark(entry.salt, person) for person in people.owned}
        if entry.run_id not in register.finished and {one.person for one in entry.people} <= marks:
            finish(lake, entry)


def _registered(lake: Lake, people: People, found_of: Mapping[str, Findings], run_id: str) -> Register:
    """Enter the people of whom the lake has records, or who were never entered, and read the register.

    Records of whom the tables know nothing may be in a file that nobody can read yet, or in a backup.
    """
    register = read_register(lake)
    going = {person: found for person, found in found_of.items() if found.rows or not register.of(person)}
    if not going:
        return register
    salt = register.salt
    # A snapshot may be dated a little later than it was read. It is from before all the same.
    erased_at = max(_now(), newest_snapshot(lake, people) + 1)
    entered = []
    for person, found in going.items():
        own = people.one(person)
        devices, shared = (
            tuple(sorted(mark(salt, device) for device in some)) for some in (own.devices, own.shared_devices)
        )
        counts = {"rows": sum(found.rows.values()), "files": len(found.records)}
        entered.append(ErasedPerson(mark(salt, person), devices, shared, **counts))
    _announce(lake, register.version + 1)
    enter(lake, Entry(run_id, erased_at, salt, tuple(entered)))
    return read_register(lake)


def _announce(lake: Lake, version: int) -> None:
    """Have the sensor look for the entry, should this process die behind it.

    It looks closer only where files or tables have changed, or while an entry is announced that is not there yet.
    """

    def change(table: Table) -> None:
        with table.transaction() as transaction:
            transaction.set_properties({ANNOUNCED: str(version)})

    compare_and_set(lake, CONTRACTS["customer_landing"], change)


def _require_records_of_nobody_else(lake: Lake, people: People) -> None:
    """Refuse to erase a record that may be of others, too: it would be lost, and its withdrawal with it.

    Raises:
        ErasureError: A quarantined record names one of the people together with others, or with a device of others,
            whose readings it withholds.
    """
    paths: set[str] = set()
    for table in (f"{source}_quarantine" for source in SOURCES):
        for batch in rows(lake, table):
            # White space within an address may be a slip, so that the record names the person with it and without it.
            person_named = pl.element().str.replace_all(r"\s", "").is_in(people.persons)
            own_device = pl.element().is_in(list(people.devices))
            of_others = ~(
                pl.col("persons").list.eval(person_named).list.all()
                & pl.col("devices").list.eval(own_device).list.all()
            )
            paths.update(people.rows_of(batch).filter(of_others)["source_file"])
    if paths:
        raise ErasureError(
            f"{', '.join(sorted(paths))}: a quarantined record names the person together with others, or a device of "
            "others; repair the record, or deliver the file again so that each record can be read, then run this again"
        )


def _delete_leftovers(lake: Lake, people: People) -> None:
    """Delete what runs staged of the people and never published, and files that are too broken to tell."""
    for name in filter(identity_columns, CONTRACTS):
        staged = [file for file in unreferenced(lake, name) if file.path.endswith(".parquet")]
        delete(lake, [file for file in staged if _may_hold(lake, name, file.path, people)])


def _may_hold(lake: Lake, table: str, path: str, people: People) -> bool:
    """Whether a staged file may hold rows of the people: it does, or it cannot be read as a file of the table."""
    try:
        with lake.filesystem.open(path) as stream:
            return not people.rows_of(pl.read_parquet(stream, columns=identity_columns(table))).is_empty()
    except (OSError, pl.exceptions.PolarsError):
        return True


@dataclass(frozen=True, repr=False)
class _Doomed:
    """Whose records go from raw files: those of the people, and of who was erased before and is delivered again."""

    people: People
    marks: tuple[Marks, ...]

    def positions(self, parsed: Parsed) -> set[int]:
        """Positions of their records in a file, told by the columns that the reader stores, too."""
        kept = without_erased(parsed, self.marks, _now())
        found: set[int] = set()
        for frame, left in ((parsed.landed, kept.landed), (parsed.quarantined, kept.quarantined)):
            found.update(self.people.rows_of(frame)["source_position"])
            found.update(set(frame["source_position"]).difference(left["source_position"]))
        return found


def _erase_source(lake: Lake, source: str, doomed: _Doomed, readable: Collection[str], run_id: str) -> None:
    """Take records out of a source's raw files, and out of its tables where no such file can be read."""
    taken_back = {path for path, entry in ledger.read_entries(lake, source).items() if entry.retracted_at}
    # A run reads these again when they are rewritten. It does not read a file that was taken back.
    readable = set(readable) - taken_back
    files = {file.path: file for file in list_landing(lake, source).files if file.path in readable}
    to_rewrite = {path for path in delivered_again(lake) if path in files}
    for kind in _KINDS:
        unreadable: dict[str, list[int]] = {}
        for path, position in _places(lake, f"{source}_{kind}", doomed.people):
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
        rewrite(lake, source, files[path], doomed.positions)
    _rewrite_unread(lake, source, doomed, taken_back)


def _rewrite_unread(lake: Lake, source: str, doomed: _Doomed, paths: Collection[str]) -> None:
    """Take records out of files that were taken back; they stay taken back.

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
        rewrite(lake, source, file, doomed.positions)
    rewritten = {file.path for file in files}
    now = [file for file in list_landing(lake, source).files if file.path in rewritten]
    ledger.amend(
        lake,
        [replace(entries[file.path], identity=file.identity, digest=file.digest) for file in now],
    )


def _places(lake: Lake, table: str, people: People) -> Iterator[tuple[str, int]]:
    """File and position of each of the people's records in a landing or quarantine table."""
    for batch in rows(lake, table):
        yield from people.rows_of(batch).select("source_file", "source_position").iter_rows()


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
                    records=landed + quarantined + (entry.erased or 0),
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
