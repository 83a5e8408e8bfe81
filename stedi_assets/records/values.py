"""One value: from what a file has written to a value of the field's type, where its meaning is certain.

Here: what each type takes, what stands for an absent value, and which repair that is. Not here: records, their
names and their fields (``convert.py``), or many values at once (``typed.py``, which must give the very same values).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stedi_assets.records.source import Field

# As databases, pandas, Python and people write a value that is absent. A text is exactly one of these; "Nan" may be a
# name. Around and within a number neither blanks nor case matter.
ABSENT = frozenset({"", "NULL", "null", r"\N", "NaN", "None", "N/A"})
_ABSENT_NUMBER = frozenset(text.casefold() for text in ABSENT)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER_DIGITS = 19
# As Java writes a double in full: every digit that is not there is zero. Of a float it writes at most nine digits.
_SHORTEST_DOUBLE = re.compile(r"-?[1-9]\.[0-9]{9,}E[0-9]+")
# A time that names its zone, to the millisecond; further digits are zeros.
_ISO_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,3})0*)? ?"
    r"(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)"
)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?\s*")
# The comma may as well part thousands.
_THOUSANDS = re.compile(r"\s*[+-]?[1-9][0-9]{0,2},[0-9]{3}\s*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Integer(str):
    """An integer as the file writes it."""

    __slots__ = ()


class Fraction(str):
    """A number with a fraction or an exponent as the file writes it."""

    __slots__ = ()


class NotANumber:
    """JSON's bare ``NaN``, which is no JSON and which pandas and Python write for an absent number."""

    __slots__ = ()


def read_value(raw: object, field: Field) -> tuple[Any, str]:
    """A value of a field, None if it is absent, and the repair that this is, which may be empty.

    Raises:
        ValueError, ArithmeticError: It cannot be read as the field's type without guessing.
    """
    if raw is None:
        return None, ""
    if _is_absent(raw, field):
        return None, "absent_value"
    if field.is_consent and (raw is False or (type(raw) is str and raw.strip().casefold() == "false")):
        return None, "refused_consent"
    if field.is_time and type(raw) is str and (time := _iso_time(raw.strip())) is not None:
        return time, "iso_time"
    return _CONVERSIONS[field.type](raw)


def milliseconds(raw: object) -> int:
    """A time in milliseconds from a number, its text or ISO text.

    Raises:
        ValueError, ArithmeticError: It is no such time.
    """
    time = _iso_time(raw.strip()) if type(raw) is str else None
    return _bigint(raw)[0] if time is None else time


def with_decimal_points(values: Sequence[str], numbers: Iterable[int]) -> Sequence[str]:
    """The values of a row with decimal points for its decimal commas; the very same values if it has none for sure.

    ``1,234`` is what it is in another number of the row, which one program wrote: a decimal comma beside ``0,5``, in
    doubt alone, and in doubt beside ``0.5``.
    """
    with_comma = [place for place in numbers if "," in values[place]]
    if not with_comma or any("." in values[place] for place in numbers):
        return values
    written = [values[place] for place in with_comma]
    if not all(map(_DECIMAL_COMMA.fullmatch, written)) or all(map(_THOUSANDS.fullmatch, written)):
        return values
    return [value.replace(",", ".") if place in with_comma else value for place, value in enumerate(values)]


def _is_absent(raw: object, field: Field) -> bool:
    if type(raw) is str:
        return raw in ABSENT if field.type == "string" else raw.strip().casefold() in _ABSENT_NUMBER
    return isinstance(raw, NotANumber)


def _iso_time(text: str) -> int | None:
    """The time in milliseconds, UTC; None if the text is not of that form.

    Raises:
        ValueError: The text has the form, and there is no such time.
    """
    found = _ISO_TIME.fullmatch(text)
    if found is None:
        return None
    date, time, fraction, zone = found.groups("0")
    moment = datetime.fromisoformat(f"{date}T{time}{zone.replace('UTC', 'Z')}")
    return round((moment - _EPOCH).total_seconds()) * 1000 + int(fraction.ljust(3, "0"))


def _text(raw: object) -> tuple[str, str]:
    """Text as it is written; a whole number by its digits, since no telephone number ends with ``.0``."""
    if type(raw) is str:
        return raw, ""
    if isinstance(raw, Fraction) and _is_whole(raw):
        return str(_bigint(raw)[0]), "number_as_text"
    if isinstance(raw, Integer | Fraction):
        return str.__str__(raw), "number_as_text"
    raise ValueError("neither text nor number")


def _is_whole(literal: str) -> bool:
    number = Decimal(literal)
    # One that is too large for an integer is whole as well, and is refused where it is read as one.
    return number.adjusted() >= _INTEGER_DIGITS or number == int(number)


def _number(raw: object) -> tuple[str, str]:
    """A number's literal. Text may have white space around a number."""
    if isinstance(raw, Integer | Fraction):
        return raw, ""
    if type(raw) is str and _NUMBER.fullmatch(raw.strip()):
        return raw.strip(), "text_as_number"
    raise ValueError("not a number")


def _bigint(raw: object) -> tuple[int, str]:
    literal, repair = _number(raw)
    number = Decimal(literal)
    if number and number.adjusted() >= _INTEGER_DIGITS:  # before int(), which 1e999999999 would keep busy
        raise ValueError("beyond 64 bits")
    value = int(number)
    if value != number or not -(2**63) <= value < 2**63:
        raise ValueError("not an integer of 64 bits")
    if (
        number
        and len(number.as_tuple().digits) <= number.adjusted()
        and not _SHORTEST_DOUBLE.fullmatch(literal)
    ):
        # Excel shows 1655564376361 as 1.65556E+12, and saves what it shows.
        raise ValueError("fewer digits than the integer has")
    return value, repair or ("float_as_integer" if type(literal) is Fraction else "")


def _double(raw: object) -> tuple[float, str]:
    literal, repair = _number(raw)
    value = float(literal)
    if value in (float("inf"), float("-inf")):
        raise ValueError("beyond a double")
    return value, repair


_CONVERSIONS: dict[str, Callable[[Any], tuple[Any, str]]] = {
    "string": _text,
    "bigint": _bigint,
    "double": _double,
}
