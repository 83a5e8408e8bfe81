"""Published tables for people who ask: a table that cannot be read is told, and is no obstacle to the others.

A run stops at such a table instead; see ``pinned``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stedi_assets.lake.aws_errors import explain
from stedi_assets.lake.snapshot import Snapshot, require_files, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyiceberg.schema import Schema

    from stedi_assets.lake.lake import Lake


@dataclass
class ReadableTables:
    """Published tables as they are now.

    Attributes:
        snapshots: The columns and the snapshot of each table that can be read, by its name.
        unreadable: Why a table cannot be read, by its name.
    """

    snapshots: dict[str, tuple[Schema, Snapshot]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def readable_tables(lake: Lake, names: Iterable[str]) -> ReadableTables:
    """Load tables by name, and look for their data files.

    A table that is not there, or was never published, is left out without a word.
    """
    found = ReadableTables()
    for name in names:
        try:
            table = lake.find_table(name)
            if table is not None and table.current_snapshot() is not None:
                snapshot = snapshot_of(table)
                require_files(lake, name, snapshot)
                found.snapshots[name] = (table.schema(), snapshot)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one table, the others can be read
            found.unreadable[name] = f"{name} cannot be read: {explain(error, lake.uri) or error}"
    return found
