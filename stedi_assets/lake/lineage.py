"""What a published table was made from: the record in its snapshot's summary, and which tables are stale by it.

How a publication is refused whose record is out of date belongs in ``publication``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from stedi_assets.lake.erasures import entries_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

_OWN = "stedi."
# Keys of a snapshot's summary. Each table that a table was made from, with its version, as a JSON object; the
# tables that its checks read are among them.
MADE_FROM = "stedi.made-from"
# Tables that the run publishes after this one, with the version that each had before, as a JSON object.
AWAITS = "stedi.awaits"
# The snapshot whose rows a snapshot has, where the rows were only packed into other files.
ROWS_OF = "stedi.rows-of"
# That rows were taken out of the table, so that it is no longer all that it was made from leads to.
REDUCED = "stedi.reduced"
# Figures of the table, as a JSON object.
COUNTS = "stedi.counts"
# Number of entries that the register of erasures had.
ERASURES = "stedi.erasures"
# The policies in force, as a JSON object.
POLICIES = "stedi.policies"
# The digest of the code that made the table.
CODE_VERSION = "stedi.code-version"

# Whoever withdraws does so by a record of one of these tables. Every trusted and curated table is made from them.
DECIDE_CONSENT = ("customer_landing", "customer_quarantine")


@dataclass(frozen=True)
class Recipe:
    """How a trusted or curated table is to be made.

    Attributes:
        inputs: The tables that it is made from.
        made_by: Properties that the summary of its snapshot has if code and policies of now made it.
    """

    inputs: frozenset[str]
    made_by: Mapping[str, str]


def made_by(settings: Settings, code_version: str | None) -> dict[str, str]:
    """What the summary of a snapshot says of the code and the policies that made a table."""
    return {CODE_VERSION: code_version or "", POLICIES: policies(settings)}


def policies(settings: Settings) -> str:
    """The policies in force, as a snapshot records them."""
    return json.dumps(settings.policies, sort_keys=True)


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


def counts_of(snapshot: IcebergSnapshot) -> dict[str, int]:
    """Read the figures of a table that its snapshot says."""
    recorded: dict[str, int] = json.loads(own_properties(snapshot).get(COUNTS, "{}"))
    return recorded


def erasures_of(snapshot: IcebergSnapshot | None) -> int:
    """Read how many entries the register of erasures had when a snapshot was published."""
    properties = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    return int(properties.get(ERASURES, 0))


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


def stale_tables(lake: Lake, recipes: Mapping[str, Recipe]) -> set[str]:
    """Find the tables that were not made from what is published now, or by other code or under other policies.

    Only the current metadata of each table is read, and the listing of the register of erasures. A table that cannot be
    made yet, since an input was never published, is not stale. A table is stale whose record lacks what its recipe
    names, as in older lakes: the next run makes it once more, and records it.

    Args:
        lake: The lake.
        recipes: How each trusted and curated table is to be made.
    """
    entries = len(entries_of(lake))

    @cache
    def load(name: str) -> IcebergSnapshot | None:
        table = lake.find_table(name)
        return table.current_snapshot() if table else None

    def is_stale(name: str, recipe: Recipe) -> bool:
        needed = {*recipe.inputs, *DECIDE_CONSENT}
        if any(load(each) is None for each in needed):
            return False
        recorded = made_from(load(name))
        return (
            not needed <= recorded.keys()
            or any(version_of(load(each)) != version for each, version in recorded.items())
            or erasures_of(load(name)) != entries
            or REDUCED in own_properties(load(name))
            or not recipe.made_by.items() <= own_properties(load(name)).items()
        )

    return {name for name, recipe in recipes.items() if is_stale(name, recipe)}
