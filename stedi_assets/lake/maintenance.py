"""Retention: old snapshots of a table expire, and files that no snapshot needs any more are deleted.

Expiring a snapshot only removes an entry from a metadata file. The rows go when the files go, and with them the rows of
people who have withdrawn since. The caller says which tables there are, and how long a snapshot is kept.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.publication import compare_and_set

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

    from stedi_assets.lake.files import StoredFile
    from stedi_assets.lake.lake import Lake

# No snapshot names the files of a run before the run publishes them. And a reader may still read a snapshot that was
# superseded a moment ago. Neither takes a day.
GRACE = timedelta(days=1)


@dataclass(frozen=True)
class Removed:
    """What was removed from a table: how many snapshots and files, and the size of the files in bytes."""

    snapshots: int = 0
    files: int = 0
    bytes: int = 0

    def __add__(self, other: Removed) -> Removed:
        """Add two of them up."""
        return Removed(self.snapshots + other.snapshots, self.files + other.files, self.bytes + other.bytes)


@dataclass(frozen=True)
class _Needed:
    """Paths of the files that snapshots need: data files, and the manifests and lists that name data files."""

    data: set[str]
    metadata: set[str]


def retain(lake: Lake, name: str, *, keep: timedelta, grace: timedelta = GRACE) -> Removed:
    """Expire a table's snapshots that were superseded long ago, and delete old files that no snapshot needs.

    This is safe beside runs that publish the table, and beside readers that began less than ``grace`` ago.

    Args:
        lake: The lake.
        name: Name of the table, which need not exist.
        keep: How long a snapshot stays after another has taken its place; at least ``grace``.
        grace: How old a file must be at least to be deleted.

    Raises:
        CommitFailedException: Other runs published the table first, time after time.
        LakeError: The table belongs to another lake, or files that it needs are missing; then no file is deleted.
    """
    now = datetime.now(UTC)
    expired = _expire(lake, name, superseded_until=now - max(keep, grace))
    stale = [file for file in unreferenced(lake, name) if file.modified <= now - grace]
    return Removed(snapshots=expired) + delete(lake, stale)


def erase_history(lake: Lake, name: str) -> Removed:
    """Expire all snapshots of a table but the current one at once, and delete the files that only they needed.

    The branches and tags that name such a snapshot go with it.

    Whoever reads an older snapshot fails. Data files are deleted before the snapshots that name them expire, so that
    after a fault the next call still knows these files. Then no data of a person is left: metadata has no bounds of
    columns that identify a person.

    Raises:
        CommitFailedException: Other runs published the table first, time after time.
        LakeError: As ``retain`` raises.
    """
    table = lake.find_table(name)
    if table is None:
        return Removed()
    found = _stored(lake, table)
    current = table.metadata.current_snapshot_id
    kept = _needed(lake, table, [item for item in table.snapshots() if item.snapshot_id == current])
    gone = _needed(lake, table, [item for item in table.snapshots() if item.snapshot_id != current])
    removed = delete(lake, [found[path] for path in gone.data - kept.data if path in found])
    removed += Removed(snapshots=_expire(lake, name, superseded_until=datetime.now(UTC)))
    left = {file.path for file in unreferenced(lake, name)}
    return removed + delete(lake, [found[path] for path in gone.metadata & left if path in found])


def unreferenced(lake: Lake, name: str) -> list[StoredFile]:
    """List the files in a table's folder that no snapshot needs: leftovers, and files of runs in progress.

    Raises:
        LakeError: The listing of the folder and the table's metadata contradict each other.
    """
    table = lake.find_table(name)
    if table is None:
        return []
    # The files are listed before the snapshots are read, so that no file that is published in between looks unneeded.
    found = _stored(lake, table)
    table = table.refresh()
    needed = _needed(lake, table, table.snapshots())
    metadata = table.metadata
    tables_own = {
        table.metadata_location,
        *(entry.metadata_file for entry in metadata.metadata_log),
        *(item.statistics_path for item in (*metadata.statistics, *metadata.partition_statistics)),
    }
    in_use = needed.data | needed.metadata | _paths(lake, tables_own)
    _require_agreement(lake, table, found, in_use)
    return [file for path, file in found.items() if path not in in_use]


def _require_agreement(lake: Lake, table: Table, found: Collection[str], in_use: Collection[str]) -> None:
    """Refuse to delete by a listing that lacks a file which the table needs now.

    Raises:
        LakeError: The table has files elsewhere, or files of its current snapshot are missing.
    """
    name, root = table.name()[-1], lake.path(table.location()) + "/"
    if elsewhere := next((path for path in in_use if not path.startswith(root)), None):
        raise LakeError(
            f"{name} has files outside its folder, such as {elsewhere}, so that no file was deleted: make the table "
            "anew (docs/move-a-lake.md)"
        )
    current = _needed(lake, table, _heads(table))
    # A file that was published after the listing exists, although the listing lacks it.
    unlisted = (current.data | current.metadata).difference(found)
    if missing := [path for path in unlisted if not lake.filesystem.exists(path)]:
        raise LakeError(
            f"{name} needs {len(missing)} files that are missing, such as {missing[0]}, so that no file was deleted: "
            "restore them from a backup, or make the table anew (docs/move-a-lake.md)"
        )


def _heads(table: Table) -> list[IcebergSnapshot]:
    """List the current snapshot, and the snapshots that branches and tags name."""
    heads = {reference.snapshot_id for reference in table.metadata.refs.values()}
    return [item for item in table.snapshots() if item.snapshot_id in heads]


def delete(lake: Lake, files: Collection[StoredFile]) -> Removed:
    """Delete files; a file that another process deleted first counts too."""
    paths = [file.path for file in files]
    if lake.on_s3 and paths:
        lake.filesystem.rm(paths)  # a thousand to a request
    elif paths:
        for path in map(Path, paths):
            path.unlink(missing_ok=True)
        for folder in {Path(path).parent for path in paths}:
            # Every run stages into folders of its own, so that an emptied folder belongs to no run. A bucket has none.
            with suppress(OSError):
                folder.rmdir()
    return Removed(files=len(paths), bytes=sum(file.bytes for file in files))


def _expire(lake: Lake, name: str, *, superseded_until: datetime) -> int:
    """Expire the snapshots that were superseded before a time, with the branches and tags that name them.

    A branch or a tag would keep people who have withdrawn since, or were erased, for as long as it is there.
    """
    from pyiceberg.table.update.snapshot import ExpireSnapshots, ManageSnapshots

    until_ms = superseded_until.timestamp() * 1000

    def change(table: Table) -> int:
        # A branch may have made another snapshot of the same one later.
        newest_first = sorted(table.snapshots(), key=lambda item: item.timestamp_ms, reverse=True)
        superseded_at = {item.parent_snapshot_id: item.timestamp_ms for item in newest_first}
        expired = [
            item.snapshot_id
            for item in table.snapshots()
            if item.snapshot_id != table.metadata.current_snapshot_id
            and superseded_at.get(item.snapshot_id, item.timestamp_ms) <= until_ms
        ]
        refs = [key for key, ref in table.metadata.refs.items() if ref.snapshot_id in expired]
        if expired:
            with table.transaction() as transaction:
                with ManageSnapshots(transaction) as references:
                    for reference in refs:
                        references.remove_tag(reference)  # a branch goes by it, too
                with ExpireSnapshots(transaction) as expiry:
                    expiry.by_ids(expired)
        return len(expired)

    table = lake.find_table(name)
    return 0 if table is None else compare_and_set(lake, CONTRACTS[name], change, first=table)


def _stored(lake: Lake, table: Table) -> dict[str, StoredFile]:
    return {file.path: file for file in lake.list_files(table.location())}


def _needed(lake: Lake, table: Table, snapshots: Iterable[IcebergSnapshot]) -> _Needed:
    lists, data = set(), set()
    manifests = {}
    for snapshot in snapshots:
        lists.add(snapshot.manifest_list)
        manifests.update({manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)})
    for manifest in manifests.values():
        data |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    return _Needed(_paths(lake, data), _paths(lake, {*lists, *manifests}))


def _paths(lake: Lake, addresses: Iterable[str]) -> set[str]:
    return {lake.path(address) for address in addresses}
