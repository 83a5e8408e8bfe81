"""Whom the text of a quarantined record names: people, devices, and the time of its customer snapshot.

Nothing here parses the text, which may be JSON or CSV, whole or broken: patterns find what may be a name. Who is named
without need is held back until the record is settled; whoever were missed would be let through. A time that is in doubt
is none. The columns of a CSV row belong in ``csv_rows``.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import polars as pl

from stedi_assets.records.convert import Members
from stedi_assets.records.identity import (
    DEVICE_FIELDS,
    NO_DOMAIN,
    NO_LOCAL,
    ODD_START,
    PERSON_FIELDS,
    device_of,
    folded,
    person_of,
)
from stedi_assets.records.source import EARLIEST_MS, LATEST_MS
from stedi_assets.records.values import Fraction, Integer, milliseconds

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
_OPENING_QUOTE = re.compile(rf"(?<![^{NO_LOCAL}!#-&*+\-./=?^~])['`]|[\u201a\u201b]")
_SPELLED_OUT = re.compile(r"(?<!\s)\s*+[(\[{<]\s*+(?:(at)|dot)\s*+[)\]}>]\s*+")
# An address reaches as far as its characters do: o'neill@example.org does not name neill@example.org.
_ADDRESS = re.compile(rf"(?<![^{NO_LOCAL}])[^{NO_LOCAL}]++@[^{NO_DOMAIN}]++")
# An address may have these, and a file may have them between fields. A quoted text that is an address is none but that.
_SEPARATOR = re.compile(rf'"(?![!#-&*/=?^~])[^{NO_LOCAL}]++@[^{NO_DOMAIN}]++"|[!#-&*/=?^~]++')
_UNQUOTED_SEPARATOR = re.compile(r"[\x00-\x1f!#-&*+/=?^|~]")
# A run at once, here and above: each match takes memory, and a record may be megabytes of them.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]++")
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])")
_PEOPLE, _DEVICES = (
    "|".join(re.sub("(?=[A-Z])", r"[\\W_]?+", field) for field in fields)
    for fields in (PERSON_FIELDS, DEVICE_FIELDS)
)
_SCALAR = r"""(?:"((?:[^"\\\n]|\\.)*+)|'([^'\n]*+)|([^\s,;{}\[\]"']++))"""
# The values of an array or an object, up to the next bracket in it. It is looked at without passing it: there may be
# fields in it.
_VALUES = r"""(?:[^"\[\]{}]|"(?:[^"\\\n]|\\.)*+"?+)*+"""
_NESTED = rf"""(?=((?:[\[{{]\s*+(?:"[^"\\\n]*+"\s*+:\s*+)?+){{1,4}}+{_VALUES}(?:[\]}}]\s*+,\s*+[\[{{]{_VALUES})*+))"""
_FIELD = re.compile(
    rf"""(?:({_PEOPLE})|{_DEVICES})["']?\s*+[:=]>?+\s*+(?:{_SCALAR}|{_NESTED})""", re.IGNORECASE
)
_NAME_OR_VALUE = re.compile(rf"""(?:"[^"\\\n]*+"|'[^'\n]*+')\s*+:|{_SCALAR}["']?+""")
# An object of plain members that is cut: the members that are whole, and the name of the next one if it is whole.
_TEXT, _OPEN_TEXT = (rf'"(?:[^"\\\n]|\\.)*+{end}' for end in ('"', r"\\?\Z"))
_PLAIN_VALUE = rf'(?:{_TEXT}|[^\s{{}}\[\]",:\\]++)\s*+'
_CUT_OBJECT = re.compile(
    rf"(\{{\s*+(?:{_TEXT}\s*+:\s*+{_PLAIN_VALUE},\s*+)*+)"
    rf"(?:({_TEXT})\s*+(?::\s*+(?:{_PLAIN_VALUE}|{_OPEN_TEXT})?+)?+|{_OPEN_TEXT})?+"
)
# As URLs write bytes. A run is cut where no address is as long, since each byte of a run takes memory.
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){1,1024}")
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
    *_, plain = levels = [*_unescaped(text)]
    readings = [*_readings(plain)]
    for level in dict.fromkeys(levels + readings):
        for field in _FIELD.finditer(level):
            (people if field[1] else devices).update(_values_of(field))
    wholes = [*map(folded, dict.fromkeys(readings))]
    for whole in wholes:
        people.update(_addresses_in(whole))
        devices.update(_UUID.findall(whole))
    persons = persons_of(people)
    # Nobody can tell whose the time is.
    in_doubt = len(persons) > 1 or wholes[0].count("{") > 1
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
        time = milliseconds(value)
    except (ValueError, ArithmeticError):
        return None
    return time if EARLIEST_MS <= time <= LATEST_MS else None


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


def _values_of(field: re.Match[str]) -> Iterator[str]:
    """What stands in a field of a text, in an array and an object too, without escapes."""
    _, *scalar, nested = field.groups()
    found = [scalar] if nested is None else map(re.Match.groups, _NAME_OR_VALUE.finditer(nested))
    for groups in found:
        as_written, *meant = _unescaped("".join(group or "" for group in groups))
        yield from meant or [as_written]
        yield _UNQUOTED_SEPARATOR.split(groups[-1] or "")[0]


def _readings(text: str) -> Iterator[str]:
    """The ways in which a text may be meant: as it is, as a URL or HTML writes it, and with controls between fields."""
    yield text
    yield (plain := html.unescape(_PERCENT.sub(lambda run: unquote(run[0]), text)))
    yield _CONTROL.sub(" ", plain)


def _addresses_in(text: str) -> Iterator[str]:
    """The addresses in a folded text, and what they are without what an address seldom begins and never ends with."""
    text = _SPELLED_OUT.sub(lambda word: "@" if word[1] else ".", text)
    text = _OPENING_QUOTE.sub(" ", text)
    apart = _SEPARATOR.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    for address in {*_ADDRESS.findall(text), *_ADDRESS.findall(apart)}:
        yield from (address, address.lstrip(ODD_START).rstrip("_.-"))


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
