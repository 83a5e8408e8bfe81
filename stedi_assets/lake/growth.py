"""What a table has got since an earlier version of it, and the table as it was then.

A later step may compute the rows that new data files lead to, and nothing else, if the table has only grown. Which
tables are made so belongs in ``assets.increment``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lineage import version_of
from stedi_assets.lake.snapshot import Snapshot, snapshot_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table import Table


def snapshots_of(table: Table, version: int) -> Iterator[Snapshot]:
    """Find the snapshots that have the rows of a version, the newest first: packing makes more than one.

    None is found where retention has expired the snapshots, and a snapshot is left out that cannot be read.
    """
    for each in reversed(table.snapshots()):
        if version_of(each) == version:
            with suppress(LakeError, FileNotFoundError):
                yield snapshot_at(table, each)


def added_files(table: Table, since: int, now: Snapshot) -> dict[str, int] | None:
    """The data files, with their sizes, that a table has got since a version.

    Args:
        table: The table, loaded when ``now`` was its current snapshot, or later.
        since: The version.
        now: A snapshot of the table.

    Returns:
        None if a row may have gone or changed, or if the version is no longer known. A file that was packed since then
        counts as gone, too.
    """
    for before in snapshots_of(table, since):
        if before.files.items() <= now.files.items():
            return {address: size for address, size in now.files.items() if address not in before.files}
    return None
