"""CSV rows without a header: read by position where the kinds of their values leave no doubt about the columns.

Two columns of one kind may be exchanged: two dates of a customer, and one of them is the consent to research. So only a
source whose fields are all of different kinds, and none of any text, is read without a header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from stedi_assets.records.csv_text import SEPARATORS, values_of
from stedi_assets.records.identity import DEVICE_FIELDS, PERSON_FIELDS
from stedi_assets.records.source import EARLIEST_MS, LATEST_MS

if TYPE_CHECKING:
    from stedi_assets.records.source import Field, Source

_Kind = Literal["time", "number", "person", "device", "text"]

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_TIME = re.compile(r"[0-9]{12,13}")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_DEVICE = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def values_by_kind(row: str, source: Source) -> list[str] | None:
    """The values of the source's fields in their order; None if the row leaves any doubt which these are."""
    expected = [_kind_of_field(field) for field in source.fields]
    if len(set(expected)) < len(expected) or "text" in expected:
        return None
    found = []
    for separator in SEPARATORS:
        values = [value.strip(" ") for value in values_of(row, separator, len(expected)) or []]
        if [*map(_kind_of, values)] == expected:
            found.append(values)
    return found[0] if len(found) == 1 else None


def _kind_of_field(field: Field) -> _Kind:
    if field.type != "string":
        return "time" if field.is_time else "number"
    if field.name in PERSON_FIELDS:
        return "person"
    return "device" if field.name in DEVICE_FIELDS else "text"


def _kind_of(value: str) -> _Kind:
    """The kind of a value; ``text`` for all that is of no other kind for sure."""
    if _NUMBER.fullmatch(value):
        return "time" if _TIME.fullmatch(value) and EARLIEST_MS <= int(value) < LATEST_MS else "number"
    if _DEVICE.fullmatch(value):
        return "device"
    return "person" if _ADDRESS.fullmatch(value) else "text"
