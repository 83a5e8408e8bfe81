"""Whom the text of a quarantined record names: people, devices, and the time of its customer snapshot.

Nothing here parses the text, which may be JSON or CSV, whole or broken: patterns find what may be a name. Who is named
without need is held back until the record is settled; whoever were missed would be let through. A time that is in doubt
is none. The columns of a CSV row belong in ``csv_rows``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from stedi_assets.records.convert import Fraction, Integer, Members, bigint
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
# An object of plain members that is cut: the members that are whole, and the name of the next one if it is whole.
_TEXT, _OPEN_TEXT = (rf'"(?:[^"\\\n]|\\.)*+{end}' for end in ('"', r"\\?\Z"))
_PLAIN_VALUE = rf'(?:{_TEXT}|[^\s{{}}\[\]",:\\]++)\s*+'
_CUT_OBJECT = re.compile(
    rf"(\{{\s*+(?:{_TEXT}\s*+:\s*+{_PLAIN_VALUE},\s*+)*+)"
    rf"(?:({_TEXT})\s*+(?::\s*+(?:{_PLAIN_VALUE}|{_OPEN_TEXT})?+)?+|{_OPEN_TEXT})?+"
)
_BYTE = re.compile(r"\\x(?=[0-9a-f]{2})")


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
    # Nobody can tell whose the time is.
    in_doubt = len(persons) > 1 or whole.count("{") > 1
    return Mentions(persons, devices_of(devices), None if in_doubt else _snapshot_in(text))


def persons_of(values: Iterable[str]) -> list[str]:
    """The people that values of a field name, in order; white space within an address may be a slip."""
    spellings = {spelling for value in values for spelling in (value, "".join(value.split()))}
    return sorted({person for person in map(person_of, spellings) if "@" in person.strip("@")})


def devices_of(values: Iterable[str]) -> list[str]:
    """The devices that values of a field name, in order."""
    return sorted({device_of(value) for value in values} - {"", "null"})


def snapshot_time(value: object) -> int | None:
    """The time of a snapshot (epoch ms UTC) as JSON or a text has it; None if it is no such time."""
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
    """The snapshot time of a text that is a JSON object, or is well formed as far as it goes; None of any other text.

    None too if a name stands in the object twice: it may be glued together from two records.
    """
    # Bytes that are not UTF-8 take nothing from the other values.
    text = _BYTE.sub(r"\\u00", text)
    if cut := _CUT_OBJECT.fullmatch(text):
        members, name = cut.groups()
        # The value may be cut, so it stands for no time.
        text = f"{members}{name}:0}}" if name else members.rstrip().removesuffix(",") + "}"
    try:
        # NaN, which is no JSON, takes nothing from the other values either.
        record = json.loads(text, object_pairs_hook=Members, parse_int=Integer, parse_float=Fraction)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, Members):
        return None
    values = {name.casefold(): value for name, value in record}
    return snapshot_time(values.get(SNAPSHOT_FIELD.casefold())) if len(values) == len(record) else None


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
