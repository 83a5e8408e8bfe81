"""One record at a time: from names and values as written to a row of the landing table, or why not.

Here: matching of names, the same for JSON and CSV. Not here: one value (``values.py``), finding records, or many at
once (``typed.py``, which must give the very same rows).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from stedi_assets.records.values import Fraction, Integer, NotANumber, read_value, with_decimal_points

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from stedi_assets.records.source import Field, Source

# As programs name fields. Not with dots, hyphens or signs: e-mails, serial and telephone numbers have been keys, too.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_DRIFT_NAMES = 50
# How DynamoDB says of a value what it is.
_DYNAMODB: dict[str, Callable[[Any], Any]] = {
    "S": lambda text: text,
    "N": lambda number: Integer(number) if re.fullmatch("-?[0-9]+", number) else Fraction(number),
    "BOOL": lambda value: value,
    "NULL": lambda _: None,
}
OTHER_NAMES = "(other)"


class Members(list[tuple[str, Any]]):
    """The members of a JSON object in their order, doubles included."""

    __slots__ = ()


def _constant(name: str) -> NotANumber:
    if name == "NaN":
        return NotANumber()
    raise ValueError(f"{name} is not JSON")


def json_decoder() -> Callable[[str], Any]:
    """A strict JSON decoder that keeps numbers as written, and every member of an object; it takes a bare ``NaN``, too.

    It raises ValueError, or RecursionError on deep nesting. It is made where it is used, as it cannot be
    pickled.
    """
    return json.JSONDecoder(
        object_pairs_hook=Members, parse_int=Integer, parse_float=Fraction, parse_constant=_constant
    ).decode


def count_drift(drift: Counter[str], name: str, records: int = 1) -> None:
    """Count an unknown field; of names that are not like a field's, or too many, only the number is kept."""
    known = name in drift or len(drift) < _DRIFT_NAMES
    drift[name if known and _FIELD_NAME.fullmatch(name) else OTHER_NAMES] += records


class Converter:
    """Turns the members of records into rows.

    Attributes:
        repaired: counts of records repaired, by kind (see ``records.REPAIRS``), to which it adds.
        drift: counts of records by unknown field name, to which it adds.
    """

    def __init__(self, source: Source, repaired: Counter[str], drift: Counter[str]) -> None:
        self.repaired = repaired
        self.drift = drift
        self._source = source
        self._fields = source.fields
        self._required = [f for f in source.fields if f.required]
        self._by_name = source.by_name()

    def _is_known(self, name: str) -> bool:
        return name.casefold() in self._by_name

    def convert_row(
        self, names: Sequence[str], values: Sequence[str], *repairs: str
    ) -> tuple[Any, ...] | set[str]:
        """As ``convert``, of the columns and values of a CSV row that needed these repairs to be read."""
        read = values
        if "," in "".join(values):
            fields = [self._by_name.get(name.casefold()) for name in names]
            numbers = [place for place, field in enumerate(fields) if field and field.type != "string"]
            read = with_decimal_points(values, numbers)
        row = self.convert(
            [(name, value or None) for name, value in zip(names, read, strict=True)], from_csv=True
        )
        if isinstance(row, tuple):
            self.repaired.update([*repairs, *(["decimal_comma"] if read is not values else [])])
        return row

    def convert(
        self, members: list[tuple[str, Any]], *, from_csv: bool = False
    ) -> tuple[Any, ...] | set[str]:
        """The values of the source's fields in their order, or a set of reasons.

        In CSV every value is text, so that text where a number belongs is no repair there.
        """
        values: dict[str, Any] = {}
        unknown: list[tuple[str, Any]] = []
        repairs: set[str] = set()
        reasons: set[str] = set()
        if len(members) == 1 and isinstance(members[0][1], Members) and not self._is_known(members[0][0]):
            members = members[0][1]
            repairs.add("wrapped")
        if is_column_wise(members) and any(self._is_known(name) for name, _ in members):
            return {"column_wise"}
        for name, written in members:
            field = self._by_name.get(name.casefold())
            if field is None:
                unknown.append((name, written))
                continue
            raw, repair = _untyped(written)
            repairs.add(repair)
            value, repair, reason = _read(raw, field)
            repairs.add(repair)
            reasons.add(reason)
            if value is not None and name != field.name:
                repairs.add("field_name")
            if field.name in values:
                value, repair, reason = _either(values[field.name], value, field)
                repairs.add(repair)
                reasons.add(reason)
            values[field.name] = value
        repairs |= self._heed(unknown, values)
        reasons |= {f"missing_field:{f.name}" for f in self._required if values.get(f.name) is None}
        if reasons := reasons - {""}:
            return reasons
        if from_csv:
            repairs = repairs - {"text_as_number"} | {"csv"}
        self.repaired.update(repairs - {""})
        return tuple([values.get(f.name) for f in self._fields])

    def _heed(self, unknown: list[tuple[str, Any]], values: dict[str, Any]) -> set[str]:
        """Count members of unknown names, and take the consent that one of nearly the field's name denies.

        Returns:
            The repairs that this is.
        """
        repairs = set()
        for name in dict(unknown):
            count_drift(self.drift, name)
        for name, written in unknown:
            field = self._source.nearly_consent(name)
            if field and values.get(field.name) and not _is_granted(written, field):
                values[field.name] = None
                repairs.add("repeated_consent")
        return repairs


def is_column_wise(members: list[tuple[str, Any]]) -> bool:
    """Whether each member is a column: an object with a value for each row, the same rows in each."""
    rows = [[name for name, _ in column] for _, column in members if isinstance(column, Members)]
    if not rows or not rows[0] or rows[0][0] in _DYNAMODB:
        return False
    return len(rows) == len(members) > 1 and all(names == rows[0] for names in rows)


def _untyped(raw: object) -> tuple[object, str]:
    """A value as it is without DynamoDB's type, and the repair that this is."""
    if isinstance(raw, Members) and len(raw) == 1 and raw[0][0] in _DYNAMODB:
        name, value = raw[0]
        if name != "N" or type(value) is str:
            return _DYNAMODB[name](value), "dynamodb"
    return raw, ""


# Stands for a value that is there but cannot be read, so that its field is not reported as missing too.
_UNREADABLE = object()


def _read(raw: object, field: Field) -> tuple[Any, str, str]:
    """Value, repair and reason; the latter two may be empty."""
    try:
        value, repair = read_value(raw, field)
    except (ValueError, ArithmeticError):
        return _UNREADABLE, "", f"wrong_type:{field.name}"
    if type(value) is str and not _is_unicode(value):
        return _UNREADABLE, "", "bad_encoding"
    return value, repair, ""


def _is_granted(written: Any, field: Field) -> bool:  # noqa: ANN401 - whatever JSON holds
    """Whether a consent field surely says that there is consent."""
    value, _, reason = _read(_untyped(written)[0], field)
    return not reason and bool(value)


def _either(before: Any, value: Any, field: Field) -> tuple[Any, str, str]:  # noqa: ANN401 - whatever JSON holds
    """The value of a repeated field, and the repair that this is, or a reason if its values differ."""
    if value == before:
        return value, "repeated_field", ""
    if field.is_consent and bool(value) != bool(before):
        return None, "repeated_consent", ""
    if before is None or value is None:
        return value if before is None else before, "repeated_field", ""
    return value, "", f"duplicate_field:{field.name}"


def _is_unicode(text: str) -> bool:
    """False for a lone surrogate, which JSON can write (as an escape) and no table can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
