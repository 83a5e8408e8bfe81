"""Whose a table is: a lake owns the tables in its own folders, and leaves every other table alone.

A catalog may name tables of another lake: the folder was copied or moved with its catalog, another bucket uses the
same database, or somebody made a table by hand.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from stedi_assets.contracts.folders import FOLDERS
from stedi_assets.lake.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stedi_assets.lake.files import StoredFile

# The property of a catalog that names the lake for the file layer.
LAKE = "stedi.lake"
# Metadata of a table that was published at least once; a run that was killed while it made a table leaves number 0.
_PUBLISHED = re.compile(r"/0*[1-9][0-9]*-[^/]*\.metadata\.json$")


class ElsewhereError(LakeError):
    """A file belongs to another lake.

    Attributes:
        address: Its address.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(f"{address} lies outside this lake, so that it is neither read nor written")


def is_below(address: str, folder: str) -> bool:
    """Whether a file or folder is in a folder; both by their addresses, however their schemes are spelled."""
    return _plain(address).startswith(_plain(folder) + "/")


def owns(lake: str, name: str, location: str) -> bool:
    """Whether a table of a name is a lake's own.

    Args:
        lake: Address of the lake.
        name: Name of the table. One that this package does not know may be in any folder of the lake.
        location: Address of the table's folder.
    """
    if name not in FOLDERS:
        return is_below(location, lake)
    return _plain(location) == _plain(f"{lake}/{FOLDERS[name]}")


def foreign(lake: str, name: str, address: str, *, database: str, has_own_catalog: bool) -> LakeError:
    """The error of a table that belongs to another lake.

    Args:
        lake: Address of this lake.
        name: Name of the table.
        address: Address of its folder, or of a file in it.
        database: The catalog's database.
        has_own_catalog: Whether the catalog is a file in this lake.
    """
    owner = lake_of(name, address)
    whose = (
        f"a table of the lake {owner.removeprefix('file://')}"
        if owner
        else f"at {address}, which is not its folder in this lake"
    )
    if has_own_catalog:
        return LakeError(
            f"{name} is {whose}, and the catalog is the one of {lake}: if this lake was moved or copied, run "
            "`stedi relocate` (docs/move-a-lake.md)"
        )
    return LakeError(
        f"{name} in the database {database} is {whose}, and STEDI_LAKE_URI is {lake}: set STEDI_DATABASE to a database "
        "of this lake's own, or STEDI_LAKE_URI to the other lake"
    )


def require_unused(name: str, database: str, metadata: Iterable[StoredFile]) -> None:
    """Refuse to make a table in a folder that holds a published one, which the new table would take files from.

    Args:
        name: Name of the table, which the catalog does not know.
        database: The catalog's database.
        metadata: Files in the folder of its metadata.

    Raises:
        LakeError: There is metadata of a published table.
    """
    if found := next((file.path for file in metadata if _PUBLISHED.search(file.path)), None):
        raise LakeError(
            f"the catalog has no {name} in its database {database}, but there is such a table, as {found} shows: "
            "restore the catalog, or set STEDI_DATABASE as it was; to make the table anew, move its folder away first"
        )


def lake_of(name: str, address: str) -> str | None:
    """Address of the lake that a table is in; None if the table is in no folder of its name.

    Args:
        name: Name of the table.
        address: Address of its folder, or of a file in it.
    """
    found = re.fullmatch(rf"(.+)/{FOLDERS[name]}(?:/.*)?", address) if name in FOLDERS else None
    return found[1] if found else None


def _plain(address: str) -> str:
    """An address in one spelling of its scheme, without a slash at the end."""
    scheme, has_scheme, path = address.partition("://")
    if has_scheme and scheme != "file":
        return f"s3://{path.rstrip('/')}" if scheme in ("s3a", "s3n") else address.rstrip("/")
    return os.path.normpath(path if has_scheme else address.removeprefix("file:"))
