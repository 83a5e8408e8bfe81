"""Landing files known by what is in them: the same content at another time, or under another name.

Which files there are belongs in ``files``; what was read of them, in ``ledger``.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stedi_assets.landing.ledger import ERASED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stedi_assets.landing.files import LandingFile, Listing
    from stedi_assets.landing.ledger import Entry, Ledger


@dataclass(frozen=True)
class Recognised:
    """What of a listing the ledger knows by its content.

    Attributes:
        entries: Entries by path that are to be put into the ledger, of files that need not be read: their content is
            what it was when it was read, or taken back.
        moved: For each file that has another name now, the name that it had.
    """

    entries: Mapping[str, Entry]
    moved: Mapping[str, str]


def recognise(ledger: Ledger, listing: Listing) -> Recognised:
    """Look for the content of new and changed files in the ledger.

    A lake that is copied, or a file whose owner changes, gives files other times and leaves their content. A file with
    the content of a file that is gone is that file under another name, whose records are there already.
    """
    listed = {file.path: file for file in listing.files}
    take_digests(file for file in listing.files if not _is_entered(ledger.entries.get(file.path), file))
    known = {
        path: replace(entry, identity=file.identity, digest=file.digest)
        for path, file in listed.items()
        if (entry := ledger.entries.get(path)) and not _is_entered(entry, file) and entry.has(file)
    }
    gone = defaultdict(list)
    for path, entry in ledger.entries.items():
        # Empty files have the same content, and are not the same file.
        if path not in listed and entry.digest and entry.bytes:
            gone[entry.digest].append(entry)
    moved = {}
    for path, file in listed.items():
        entered = ledger.entries.get(path)
        if (entered and entered.has(file)) or not (before := gone.get(file.digest or "")):
            continue
        entry = before.pop()
        if entry.retracted_at is None:
            moved[path] = entry.source_file
        elif entered is None:
            known[path] = _taken_back(entry, file)
    return Recognised(known, moved)


def take_digests(files: Iterable[LandingFile]) -> None:
    """Have the files know their digests.

    A digest that is taken before a file is read is of what was read, if the file is the same when it is listed again.
    """
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda file: file.digest, files))


def _is_entered(entry: Entry | None, file: LandingFile) -> bool:
    """Whether an entry says of a file all that can be known without a look at its content."""
    if entry is None:
        return False
    return entry.identity == ERASED or (entry.identity == file.identity and entry.digest is not None)


def _taken_back(entry: Entry, file: LandingFile) -> Entry:
    """The entry of a file that was taken back under another name; rows that stay in force are those of the old name."""
    return replace(
        entry,
        source_file=file.path,
        identity=file.identity,
        records=0,
        landed=0,
        quarantined=0,
        erased=0,
        missing_since=None,
    )
