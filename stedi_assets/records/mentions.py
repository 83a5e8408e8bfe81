"""Whom the text of a quarantined record names: people, devices, and the time of its customer snapshot.

Nothing here parses the text, which may be JSON or CSV, whole or broken: patterns find what may be a name. Who is named
without need is held back until the record is settled; whoever were missed would be let through. A time that is in doubt
is none. The columns of a CSV row belong in ``csv_rows``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from stedi_assets.records.convert import bigint
from stedi_assets.records.identity import DEVICE_FIELDS, PERSON_FIELDS, device_of, person_of, visible
from stedi_assets.records.source import EARLIEST_MS, LATEST_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SNAPSHOT_FIELD = "lastUpdateDate"
MENTIONS_SCHEMA: dict[str, Any] = {
    "persons": pl.List(pl.String),
    "devices": pl.List(pl.String),
    "snapshot_at": pl.Int64,
}

# As JSON writes characters, and as quarantine writes bytes that are not UTF-8.
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([bfnrt"/\\]))')
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# A quote that opens, and no apostrophe.
_OPENING_QUOTE = re.compile(r"(?<![\w'`\u2018\u2019])['`\u2018\u2019\u201a\u201b]")
# An address reaches as far as its characters do: o'neill@example.org does not name neill@example.org. RFC 5322 allows
# bars and braces in it; they stand between fields far more often.
_NO_ADDRESS = r"\s\"\u201c-\u201f\u00ab\u00bb()\[\]{}|,:;<>\\@"
_ADDRESS = re.compile(rf"(?<![^{_NO_ADDRESS}])[^{_NO_ADDRESS}]++@[\w.\-]++")
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])")
_VALUE = r"""["']?\s*+[:=]\s*+(?:"((?:[^"\\\n]|\\.)*+)|'([^'\n]*+)|([^\s,;{}\[\]"']++))"""
_FIELD = re.compile(rf"\b({'|'.join((*PERSON_FIELDS, *DEVICE_FIELDS))}){_VALUE}", re.IGNORECASE)
_SNAPSHOT = re.compile(rf"{SNAPSHOT_FIELD}{_VALUE}(?=[\"'\s]*[,}}])", re.IGNORECASE)


class Mentions(NamedTuple):
    """Whom a record names.

    Attributes:
        persons: The people that it may be of, in order.
        devices: The devices that it may be of, in order.
        snapshot_at: When its customer snapshot was taken, epoch ms UTC; None where that is in doubt.
    """

    persons: list[str]
    devices: list[str]
    snapshot_at: int | None


def mentions_in(text: str) -> Mentions:
    """Find whom a text names: JSON, or CSV of which no header is known."""
    people: set[str] = set()
    devices: set[str] = set()
    level = text
    for level in _unescaped(text):
        for name, *values in map(re.Match.groups, _FIELD.finditer(level)):
            as_written, *meant = _unescaped("".join(value or "" for value in values))
            (people if name.lower() in PERSON_FIELDS else devices).update(meant or [as_written])
    whole = visible(level).lower()
    people.update(found[0] for found in _ADDRESS.finditer(_OPENING_QUOTE.sub(" ", whole)))
    devices.update(found[0] for found in _UUID.finditer(whole))
    persons = persons_of(people)
    in_doubt = len(persons) > 1 or whole.count("{") > 1
    return Mentions(persons, devices_of(devices), None if in_doubt else _snapshot_in(text))


def persons_of(values: Iterable[str]) -> list[str]:
    """The people that values of a field name, in order; white space within an address may be a slip."""
    spellings = {spelling for value in values for spelling in (value, "".join(value.split()))}
    return sorted({person for person in map(person_of, spellings) if "@" in person.strip("@")})


def devices_of(values: Iterable[str]) -> list[str]:
    """The devices that values of a field name, in order."""
    return sorted({device_of(value) for value in values} - {"", "null"})


def snapshot_time(value: str) -> int | None:
    """The time of a snapshot (epoch ms UTC) as text has it; None if it is no such time."""
    try:
        time, _ = bigint(value)
    except ValueError:
        return None
    return time if time is not None and EARLIEST_MS <= time <= LATEST_MS else None


def with_mentions(quarantined: pl.DataFrame) -> pl.DataFrame:
    """Add to quarantined records what their ``raw_text`` names: the columns of ``MENTIONS_SCHEMA``."""
    found = [mentions_in(text) for text in quarantined["raw_text"]]
    return quarantined.hstack(pl.DataFrame(found, schema=MENTIONS_SCHEMA, orient="row"))


def _snapshot_in(text: str) -> int | None:
    """The one snapshot time of a text; the end of its object or its value shows that the number was not cut."""
    found = _SNAPSHOT.findall(text)
    named = max(level.lower().count(SNAPSHOT_FIELD.lower()) for level in _unescaped(text))
    return snapshot_time("".join(found[0])) if len(found) == named == 1 else None


def _unescaped(text: str) -> Iterator[str]:
    """The text, and what it is without escapes, as often as there are any: JSON may hold JSON."""
    yield text
    while (after := _ESCAPE.sub(_character, text)) != text:
        # Two escapes may make one character. Half of one is none.
        text = after.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield text


def _character(escape: re.Match[str]) -> str:
    code, byte, other = escape.groups()
    return _CONTROLS.get(other, other) if other else chr(int(code or byte, 16))
