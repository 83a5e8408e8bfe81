"""A rescan: storage held against the ledger, file by file, content and all. Nothing is changed and no run asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stedi_assets.landing.contents import recognise, take_digests
from stedi_assets.landing.files import list_landing
from stedi_assets.landing.ledger import read_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.files import LandingFile
    from stedi_assets.landing.ledger import Entry

State = Literal["as read", "new", "changed", "moved", "touched", "gone", "ignored", "unnoticed"]


@dataclass(frozen=True)
class Scanned:
    """How a landing file is in storage, beside what the ledger says.

    Attributes:
        file: Its path, below the lake.
        state: A ``touched`` file has other times and the content that was read; nobody knows how to read an ``ignored``
            one, by its name; an ``unnoticed`` one has other content and no other times, so that no run sees it.
        before: The name that a moved file had.
        missing_since: Since when a run has known that a file is gone, epoch ms UTC; its rows stay.
    """

    file: str
    state: State
    before: str | None = None
    missing_since: int | None = None

    @property
    def waits(self) -> bool:
        """Whether a run, or somebody's look, would settle it."""
        return self.state not in {"as read", "touched"} and self.missing_since is None


def rescan(lake: Lake, source: str) -> Iterator[Scanned]:
    """Compare a source's landing files with the ledger; in a folder, each file is read for its digest.

    Raises:
        LakeError: The landing folder cannot be listed.
    """
    ledger, listing = read_ledger(lake, source), list_landing(lake, source)
    take_digests(listing.files)
    known = recognise(ledger, listing)
    for file in listing.files:
        before = known.moved.get(file.path)
        yield Scanned(file.path, "moved" if before else _state(ledger.entries.get(file.path), file), before)
    gone = ledger.entries.keys() - {file.path for file in listing.files} - set(known.moved.values())
    for path in sorted(gone):
        yield Scanned(path, "gone", missing_since=ledger.entries[path].missing_since)
    for path in listing.unknown:
        yield Scanned(path, "ignored")


def _state(entry: Entry | None, file: LandingFile) -> State:
    if entry is None or entry.missing_since is not None:
        return "new"
    if not entry.has(file):
        return "changed"
    if entry.digest is not None and file.digest != entry.digest:
        return "unnoticed"
    return "as read" if entry.identity == file.identity else "touched"
