"""What waits for a run: files that the ledger lacks, tables that are stale, and what retention should have taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.maintenance import unreferenced
from stedi_assets.landing.files import list_landing
from stedi_assets.landing.ledger import read_ledger
from stedi_assets.sources import SOURCES
from stedi_assets.text import counted
from stedi_assets.verification.finding import Finding, some
from stedi_assets.verification.recompute import DERIVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stedi_assets.lake.erasures import Register
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.snapshot import Snapshot

# Retention runs once a day, and keeps for a day what nobody needs any more.
_RETENTION_SLACK = timedelta(days=2)
_MAIN = "main"


def stale_tables(snapshots: Mapping[str, Snapshot], register: Register, in_force: str) -> dict[str, str]:
    """Tables that were not made from what is published now, or under other policies, and why."""
    versions = {name: snapshot.version for name, snapshot in snapshots.items()}
    stale = {}
    for name, snapshot in snapshots.items():
        if waits := [table for table, before in snapshot.awaits.items() if versions.get(table) == before]:
            stale[name] = f"was published by a run that did not come to {', '.join(waits)}"
    for name in DERIVED:
        if name not in snapshots:
            stale[name] = "cannot be read, or was never published"
            continue
        if snapshots[name].erasures != register.version:
            stale[name] = "was made before somebody was erased"
        made_from = snapshots[name].made_from
        # Of another state of a table, or of a table that is stale itself.
        changed = [table for table, at in made_from.items() if versions.get(table) != at or table in stale]
        if not made_from or changed:
            stale[name] = f"was made before {', '.join(changed) or 'versions were recorded'}"
        elif snapshots[name].is_reduced:
            stale[name] = "lacks rows that were taken out for want of consent"
        elif snapshots[name].policies != in_force:
            stale[name] = "was made under other policies than those in force"
    return stale


def fresh(stale: Mapping[str, str]) -> Finding:
    """Whether every table was made from what is published now."""
    if not stale:
        return Finding(
            "fresh", "holds", "every table was made from what is published now, under the policies in force"
        )
    told = "; ".join(f"{name} {why}" for name, why in stale.items())
    return Finding("fresh", "waits", f"{told}: stedi run")


def files(lake: Lake) -> Iterator[Finding]:
    """Whether the ledger has each landing file as it is."""
    for source in SOURCES:
        listing, ledger = list_landing(lake, source), read_ledger(lake, source)
        changes = ledger.changes(listing)
        waits = [
            f"{counted(len(paths), 'file')} {kind} ({some(paths)})"
            for kind, paths in (
                ("new", changes.new),
                ("changed", changes.changed),
                ("gone", changes.gone),
                ("twice in the ledger", sorted(ledger.repeated)),
                ("with a name that nobody can read", listing.unknown),
            )
            if paths
        ]
        name = f"{source} files"
        if waits:
            yield Finding(name, "waits", f"{'; '.join(waits)}: stedi run")
        else:
            yield Finding(
                name, "holds", f"{counted(len(listing.files), 'landing file')}, in the ledger as it is"
            )


def history(lake: Lake, name: str, keep: timedelta) -> Iterator[Finding]:
    """What of a table is older than retention leaves it, and what retention does not know."""
    table = lake.find_table(name)
    if table is None:
        return
    if refs := sorted(ref for ref in table.metadata.refs if ref != _MAIN):
        yield Finding(
            f"{name} refs",
            "waits",
            f"{counted(len(refs), 'tag or branch')} keeps old rows, whoever withdraws ({some(refs)}): drop it when it "
            "is not needed",
        )
    now = datetime.now(UTC)
    parents = {item.parent_snapshot_id: item.timestamp_ms for item in table.snapshots()}
    limit = (now - max(keep, timedelta(days=1)) - _RETENTION_SLACK).timestamp() * 1000
    late = [item for item in table.snapshots() if parents.get(item.snapshot_id, limit + 1) <= limit]
    if late:
        yield Finding(
            f"{name} history",
            "waits",
            f"{counted(len(late), 'snapshot')} should have expired: run the job retention",
        )
    try:
        left = [file for file in unreferenced(lake, name) if file.modified < now - _RETENTION_SLACK]
    except LakeError as error:
        yield Finding(f"{name} files", "broken", str(error))
        return
    if left:
        yield Finding(
            f"{name} leftovers",
            "waits",
            f"{counted(len(left), 'file')} that no snapshot needs, such as {left[0].path}: run the job retention",
        )
