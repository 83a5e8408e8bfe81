"""Records of erased people that are delivered again: which they are, told by marks that name nobody.

Here: the marks, and which records of a piece of text are not kept. Not here: where the marks are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.records.source import QUARANTINE_SCHEMA, Parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

# A clock of a source may be ahead. A record from further ahead says nothing of when it was made.
_SKEW_MS = 24 * 60 * 60 * 1000
_TIMES = ("lastUpdateDate", "timestamp", "sensorReadingTime")
# In the place of a text that names somebody who was erased, and others.
NOT_KEPT = "(not kept: it names a person who was erased)"


@dataclass(frozen=True)
class Marks:
    """Marks of people who were erased and of devices that were theirs alone, made with one salt.

    Attributes:
        salt: Stands before each name.
        persons: When the person was erased (epoch ms UTC), by mark.
        devices: When the device's only owner was erased (epoch ms UTC), by mark.
    """

    salt: str
    persons: Mapping[str, int]
    devices: Mapping[str, int]


def mark(salt: str, name: str) -> str:
    """The mark of a person or a device, as ``transforms.erased`` computes it, too."""
    return hashlib.sha256((salt + name).encode()).hexdigest()


def without_erased(parsed: Parsed, marks: Sequence[Marks], read_at: int) -> Parsed:
    """Leave out the records of erased people that are not surely from after the erasure, and count them.

    A quarantined record of several people withholds others, too. It stays without its text and without the names of
    those who were erased.

    Args:
        parsed: A piece of text as it was parsed.
        marks: Who was erased.
        read_at: When it is read, epoch ms UTC.
    """
    if not marks:
        return parsed
    landed = _landed(parsed.landed, marks, read_at)
    quarantined = _quarantined(parsed.quarantined, marks, read_at)
    gone = parsed.landed.height - landed.height + parsed.quarantined.height - quarantined.height
    return replace(parsed, landed=landed, quarantined=quarantined, erased=gone)


def _landed(rows: pl.DataFrame, marks: Sequence[Marks], read_at: int) -> pl.DataFrame:
    whose = "person" if "person" in rows.columns else "device"
    of_whom = _persons(marks) if whose == "person" else _devices(marks)
    erased = {name: at for name in rows[whose].unique() if (at := of_whom(name)) is not None}
    if not erased:
        return rows
    erased_at = pl.col(whose).replace_strict(erased, default=None, return_dtype=pl.Int64)
    time = pl.col(next(name for name in _TIMES if name in rows.columns))
    is_newer = time.is_between(erased_at, read_at + _SKEW_MS)
    return rows.filter(erased_at.is_null() | is_newer)


def _quarantined(records: pl.DataFrame, marks: Sequence[Marks], read_at: int) -> pl.DataFrame:
    persons = _erased(records["persons"], _persons(marks))
    devices = _erased(records["devices"], _devices(marks))
    if not persons and not devices:
        return records
    kept = (_kept(record, persons, devices, read_at) for record in records.iter_rows(named=True))
    return pl.DataFrame([record for record in kept if record is not None], schema=QUARANTINE_SCHEMA)


def _kept(
    record: dict[str, object], persons: Mapping[str, int], devices: Mapping[str, int], read_at: int
) -> dict[str, object] | None:
    """A quarantined record as it may be kept; None if it is of nobody else than people who were erased."""
    named, at = _names(record["persons"]), record["snapshot_at"]
    own_devices = [name for name in _names(record["devices"]) if name in devices]
    found = {name: persons[name] for name in named if name in persons} or (
        {} if named else {name: devices[name] for name in own_devices}
    )
    if not found or (isinstance(at, int) and max(found.values()) <= at <= read_at + _SKEW_MS):
        return record
    others = [name for name in named if name not in persons]
    other_devices = [name for name in _names(record["devices"]) if name not in own_devices]
    if not others and not other_devices:
        return None
    return record | {"raw_text": NOT_KEPT, "persons": others, "devices": other_devices}


def _names(value: object) -> list[str]:
    return value if isinstance(value, list) else []


def _erased(lists: pl.Series, of_whom: Callable[[str], int | None]) -> dict[str, int]:
    """When each of the names in lists was erased; names of others are left out."""
    names: Iterable[str] = lists.explode(empty_as_null=False).unique()
    return {name: at for name in names if (at := of_whom(name)) is not None}


def _persons(marks: Collection[Marks]) -> Callable[[str], int | None]:
    # White space within an address may be a slip, so that the record names the person with it and without it.
    return lambda name: max(
        (at for one in marks if (at := one.persons.get(mark(one.salt, "".join(name.split()))))), default=None
    )


def _devices(marks: Collection[Marks]) -> Callable[[str], int | None]:
    return lambda name: max(
        (at for one in marks if (at := one.devices.get(mark(one.salt, name)))), default=None
    )
