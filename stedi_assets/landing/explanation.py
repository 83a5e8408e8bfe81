"""Reasons for quarantine in words, with what to do; and files with quarantined records, written out for repair."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.landing.files import list_landing
from stedi_assets.landing.ledger import read_entries
from stedi_assets.records.content import open_text
from stedi_assets.records.source import REASONS
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.files import LandingFile

_CORRECT = "have the source correct the record, and put the corrected file in the place of this one"
_TO_DO = {
    "truncated": "put the whole file in the place of this one",
    "column_wise": 'write it record by record, as `to_json(orient="records", lines=True)` does, and put the file in '
    "the place of this one",
    "bad_encoding": "save the file as UTF-8, and put it in the place of this one",
    "unknown_header": "give the file a header, and put it in the place of this one",
    "rule": f"{_CORRECT}; if the rule is too strict, change it in stedi_assets/contracts/models.py",
}
# Beside the files that are written out; by its name no delivery.
TO_REPAIR = "_to_repair.csv"
_BYTES_AT_ONCE = 16 * 1024 * 1024


class Explanation(NamedTuple):
    """What a reason means, and what to do."""

    meaning: str
    to_do: str


class Place(NamedTuple):
    """A quarantined record.

    Attributes:
        position: Where it begins in the text of its file, in bytes.
        reasons: Why it is in quarantine.
    """

    position: int
    reasons: list[str]


def explain(source: str, reason: str) -> Explanation:
    """What a reason of a source's quarantine means, and what to do."""
    rules = {f"rule:{item.name}": item.reason for item in CONTRACTS[f"{source}_landing"].rules}
    kind = reason.partition(":")[0]
    meaning = rules.get(reason) or REASONS.get(reason) or REASONS[kind]
    return Explanation(meaning, _TO_DO.get(kind, _CORRECT))


def write_out(
    lake: Lake, places: Mapping[str, Sequence[Place]], folder: Path
) -> tuple[list[Path], list[str]]:
    """Write files as text in UTF-8, and a list of the records to repair in them.

    Args:
        lake: The lake.
        places: The quarantined records of each file, by its path below the lake.
        folder: Where to; the files get their paths below it.

    Returns:
        The files, and the paths of those that are gone, or are not what was read.

    Raises:
        ContentError: A file was damaged since it was read.
    """
    written, gone = [], []
    present = dict(_files_as_read(lake))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TO_REPAIR).open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("file", "line", "byte", "reason", "meaning", "to_do"))
        for path, records in sorted(places.items()):
            if path not in present:
                gone.append(path)
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            lines = _copy_text(lake, present[path], target, sorted({place.position for place in records}))
            written.append(target)
            for place in sorted(records):
                for reason in place.reasons:
                    explained = explain(path.partition("/")[0], reason)
                    table.writerow((path, lines.get(place.position, ""), place.position, reason, *explained))
    return written, gone


def _files_as_read(lake: Lake) -> Iterator[tuple[str, LandingFile]]:
    for source in SOURCES:
        entries = read_entries(lake, source)
        for file in list_landing(lake, source).files:
            if file.path in entries and entries[file.path].has(file):
                yield file.path, file


def _copy_text(lake: Lake, file: LandingFile, target: Path, positions: Sequence[int]) -> dict[int, int]:
    """Write the text of a file; the number of the line in which each position is."""
    lines: dict[int, int] = {}
    offset, line = 0, 1
    with lake.filesystem.open(f"{lake.uri}/{file.path}") as stream, target.open("wb") as copy:
        _, text = open_text(stream, is_csv=file.is_csv, is_packed=file.is_packed)
        for part in _parts(text):
            copy.write(part)
            for position in positions:
                if offset <= position < offset + len(part):
                    lines[position] = line + part.count(b"\n", 0, position - offset)
            offset, line = offset + len(part), line + part.count(b"\n")
    return lines


def _parts(text: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: text.read(_BYTES_AT_ONCE), b"")
