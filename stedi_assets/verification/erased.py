"""Whether people who were erased are gone from the landing tables.

That nobody of them is in a trusted or curated table is looked at in ``consent``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.text import counted
from stedi_assets.verification.finding import Finding, State, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from stedi_assets.lake.erasures import Register

_TIMES = {"customer_landing": "lastUpdateDate", "accelerometer_landing": "timestamp"}


def erased(connection: duckdb.DuckDBPyConnection, register: Register) -> Iterator[Finding]:
    """Look for records of erased people from before the erasure; nothing is said where nobody was erased.

    Args:
        connection: Has the landing tables, and ``erasures`` as ``recompute.compute_due`` makes it.
        register: The register of erasures.
    """
    people = {(entry.salt, one.person) for entry in register.entries for one in entry.people}
    if not people:
        return
    found = {table: count for table in _TIMES if (count := number(connection, _from_before(table)))}
    unfinished = [entry.run_id for entry in register.entries if entry.run_id not in register.finished]
    again = "run stedi forget again with the same addresses"
    if found:
        told = ", ".join(f"{counted(rows, 'record')} in {table}" for table, rows in found.items())
        state: State = "waits" if unfinished else "broken"
        yield Finding("erased", state, f"people who were erased are there still, with {told}: {again}")
    elif unfinished:
        yield Finding("erased", "waits", f"{unfinished[0]} did not come to its end: {again}")
    else:
        told = counted(len(people), "person", "people")
        yield Finding("erased", "holds", f"{told} erased, and no landing table has a record from before")


def _from_before(table: str) -> str:
    """The query for the number of records of erased people that are older than the erasure."""
    return f"""
        WITH gone AS (SELECT salt, person AS of_person, max(erased_at) AS at FROM erasures GROUP BY ALL),
        known AS (
            SELECT salt, person, sha256(salt || person) AS of_person
            FROM (SELECT DISTINCT person FROM {table}) CROSS JOIN (SELECT DISTINCT salt FROM erasures)
        )
        SELECT count(*)
        FROM {table} INNER JOIN known USING (person) INNER JOIN gone USING (salt, of_person)
        WHERE "{_TIMES[table]}" < gone.at
    """  # noqa: S608 - names of ours
