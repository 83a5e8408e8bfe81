"""What verification finds: one sentence each, with figures, and without anything of a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection

    import duckdb

_NAMED = 3
State = Literal["holds", "waits", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What was looked at.
        state: Whether it holds, waits for the next run or for somebody's look, or is broken.
        message: A sentence with figures; names of tables and files, never a value of a record.
    """

    name: str
    state: State
    message: str


def number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query answers."""
    return int(connection.execute(query).fetchall()[0][0])


def some(paths: Collection[str]) -> str:
    """The first few of many paths or names, and how many more there are."""
    names = list(paths)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
