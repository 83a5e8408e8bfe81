"""Consent in the published tables, and in the older snapshots that a reader can still read.

Who is due to be in a table is computed in ``recompute``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.snapshot import require_files, snapshot_at
from stedi_assets.text import counted
from stedi_assets.verification.finding import Finding, number

if TYPE_CHECKING:
    from collections.abc import Collection

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


def older(lake: Lake, name: str) -> dict[int, tuple[Schema, Snapshot]]:
    """Snapshots of a table, but the current one, that a reader can read, by their place."""
    table = lake.find_table(name)
    if table is None:
        return {}
    found = {}
    for place, item in enumerate(table.snapshots()):
        with suppress(LakeError, OSError):
            snapshot = snapshot_at(table, item)
            require_files(lake, name, snapshot)
            if item.snapshot_id != table.metadata.current_snapshot_id:
                found[place] = (table.schema(), snapshot)
    return found


def in_older(
    connection: duckdb.DuckDBPyConnection, name: str, numbers: Collection[int], retention_days: int
) -> Finding:
    """How many people who withdrew are in a table's older snapshots, which retention takes away."""
    most = max(number(connection, _without_consent(name, f"{name}_{place}")) for place in numbers)
    noun = "device" if name == "step_trainer_trusted" else "person"
    held = (
        f"at most {_people(most, noun)} without consent in one"
        if most
        else f"no {noun} without consent in them"
    )
    message = (
        f"{counted(len(numbers), 'older snapshot')}, {held}; retention takes them after {retention_days} days"
    )
    return Finding(f"{name} history", "holds", message)
