"""Consent in the published tables, and in the older snapshots that a reader can still read.

Who is due to be in a table is computed in ``recompute``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.snapshot import require_files, snapshot_at
from stedi_assets.text import counted
from stedi_assets.verification.finding import Finding, number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import duckdb
    from pyiceberg.schema import Schema

    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.snapshot import Snapshot


def now(
    connection: duckdb.DuckDBPyConnection, name: str, stale: Collection[str], *, has_key: bool
) -> Finding:
    """Whether everybody in a table consents now."""
    # Of a stale table too: what is due is made from what has landed.
    if name == "machine_learning_curated" and not has_key:
        message = "nobody can be found in it without the key of pseudonyms: set STEDI_PSEUDONYM_KEY"
        return Finding(f"{name} consent", "waits", message)
    found = number(connection, _without_consent(name, name))
    noun = "device" if name == "step_trainer_trusted" else "person"
    if not found:
        return Finding(f"{name} consent", "holds", f"no {noun} in it is without consent")
    message = f"{_people(found, noun)} in it without consent"
    if name in stale:
        return Finding(f"{name} consent", "waits", f"{message}, until the next run: stedi run")
    return Finding(
        f"{name} consent", "broken", f"{message}, although the table was made from what is published now"
    )


def _without_consent(name: str, view: str) -> str:
    """The query for the number of people, or of devices, of a table who are not due to be in one of its snapshots."""
    if name == "step_trainer_trusted":
        what, due = "device", "due_step_trainer_trusted"
    elif name == "machine_learning_curated":
        what, due = "customer_key", "due_key INNER JOIN due_customer_trusted USING (person)"
    else:
        what, due = "person", "due_customer_trusted"
    # Nobody is not due, either: absent values would be in neither answer of NOT IN.
    return f"""
        SELECT count(DISTINCT coalesce({what}, '')) FROM {view}
        WHERE NOT EXISTS (SELECT 1 FROM (SELECT {what} AS name FROM {due}) WHERE name = {view}.{what})
    """  # noqa: S608 - names of ours


def _people(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {'people' if noun == 'person' else 'devices'}"


@dataclass
class Older:
    """The snapshots of a table but the current one.

    Attributes:
        readable: The columns and the snapshot of each that a reader can read, by its place.
        unreadable: Why each of the others cannot be read.
    """

    readable: dict[int, tuple[Schema, Snapshot]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def older(lake: Lake, name: str) -> Older:
    """Load the older snapshots of a table, and look for their data files."""
    found = Older()
    if (table := lake.find_table(name)) is None:
        return found
    for place, item in enumerate(table.snapshots()):
        if item.snapshot_id == table.metadata.current_snapshot_id:
            continue
        try:
            snapshot = snapshot_at(table, item)
            require_files(lake, name, snapshot)
        except (LakeError, OSError) as error:
            found.unreadable.append(str(error))
        else:
            found.readable[place] = (table.schema(), snapshot)
    return found


def in_older(
    connection: duckdb.DuckDBPyConnection, name: str, older: Older, retention_days: int
) -> Iterator[Finding]:
    """How many people who withdrew are in a table's older snapshots, which retention takes away."""
    if older.unreadable:
        message = (
            f"{counted(len(older.unreadable), 'older snapshot')} cannot be read here, so that nobody knows who is in "
            f"it ({older.unreadable[0]}); retention takes it after {retention_days} days"
        )
        yield Finding(f"{name} unread history", "waits", message)
    if not older.readable:
        return
    most = max(number(connection, _without_consent(name, f"{name}_{place}")) for place in older.readable)
    noun = "device" if name == "step_trainer_trusted" else "person"
    held = (
        f"at most {_people(most, noun)} without consent in one"
        if most
        else f"no {noun} without consent in them"
    )
    yield Finding(
        f"{name} history",
        "holds",
        f"{counted(len(older.readable), 'older snapshot')}, {held}; retention takes them after {retention_days} days",
    )
