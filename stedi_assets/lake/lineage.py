"""What a published table was made from: the record in its snapshot's summary, and which tables are stale by it.

How a publication is refused whose record is out of date belongs in ``publication``.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

    from stedi_assets.lake.lake import Lake

_OWN = "stedi."
# Keys of a snapshot's summary. Each table that a table was made from, with its version, as a JSON object; the
# tables that its checks read are among them.
MADE_FROM = "stedi.made-from"
# Tables that the run publishes after this one, with the version that each had before, as a JSON object.
AWAITS = "stedi.awaits"
# The snapshot whose rows a snapshot has, where the rows were only packed into other files.
ROWS_OF = "stedi.rows-of"
# The policies in force, as a JSON object.
POLICIES = "stedi.policies"
# The digest of the code that made the table.
CODE_VERSION = "stedi.code-version"

# Whoever withdraws does so by a record of one of these tables. Every trusted and curated table is made from them.
DECIDE_CONSENT = ("customer_landing", "customer_quarantine")


def made_from(snapshot: IcebergSnapshot | None) -> dict[str, int]:
    """Read which snapshot of which table a snapshot was made from; empty where no record says it, as in older lakes."""
    if snapshot is None or snapshot.summary is None:
        return {}
    recorded: dict[str, int] = json.loads(snapshot.summary.additional_properties.get(MADE_FROM, "{}"))
    return recorded


def awaits(snapshot: IcebergSnapshot) -> dict[str, int | None]:
    """Read which tables the run of a snapshot was to publish after it, and the snapshot that each had before."""
    if snapshot.summary is None:
        return {}
    recorded: dict[str, int | None] = json.loads(snapshot.summary.additional_properties.get(AWAITS, "{}"))
    return recorded


def version_of(snapshot: IcebergSnapshot | None) -> int | None:
    """The snapshot that first had the rows: to pack a table makes a snapshot, and changes nothing for its readers."""
    if snapshot is None:
        return None
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    return int(properties.get(ROWS_OF, snapshot.snapshot_id))


def own_properties(snapshot: IcebergSnapshot | None) -> dict[str, str]:
    """The properties of ours in a snapshot's summary, for another snapshot of the same records."""
    if snapshot is None or snapshot.summary is None:
        return {}
    properties = snapshot.summary.additional_properties
    return {key: value for key, value in properties.items() if key.startswith(_OWN) and key != ROWS_OF}


def stale_tables(lake: Lake, inputs: Mapping[str, Collection[str]]) -> set[str]:
    """Find the tables that were not made from what is published now.

    Only the current metadata of each table is read. A table that cannot be made yet, since an input was never
    published, is not stale.

    Args:
        lake: The lake.
        inputs: For each trusted and curated table, the tables that it is made from.
    """

    @cache
    def load(name: str) -> tuple[int | None, dict[str, int]]:
        table = lake.find_table(name)
        return (
            (None, {})
            if table is None
            else (version_of(table.current_snapshot()), made_from(table.current_snapshot()))
        )

    def is_stale(name: str, needed: set[str]) -> bool:
        if any(load(each)[0] is None for each in needed):
            return False
        _, recorded = load(name)
        return not needed <= recorded.keys() or any(
            load(each)[0] != version for each, version in recorded.items()
        )

    return {name for name, names in inputs.items() if is_stale(name, {*names, *DECIDE_CONSENT})}
