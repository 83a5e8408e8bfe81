"""A rule of a landing contract means the same to the record reader (polars) and to the audit (Spark)."""

import polars as pl
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.predicates import breaks
from stedi_assets.records.rules import failing
from stedi_assets_tests.builders.rows import SERIAL, T0, frame

LANDING = ("customer_landing", "accelerometer_landing", "step_trainer_landing")
NUMBERS = {
    "bigint": [
        None,
        -(2**63),
        -1,
        0,
        1,
        946_684_799_999,
        946_684_800_000,
        T0,
        4_102_444_800_000,
        4_102_444_800_001,
        2**63 - 1,
    ],
    "double": [
        None,
        float("nan"),
        float("inf"),
        float("-inf"),
        -0.0,
        5e-324,
        1.0,
        -1.0,
        1.0000000000000002,
        1000.0,
        -1000.0,
        1000.0000000000001,
        1e308,
    ],
}
TEXTS = [
    None,
    "",
    " ",
    "@",
    "a@b",
    " A@b.c\t",
    "a b@c",
    "a@b c",
    "a@@b",
    "a@b@c",
    "\n a@b",
    "ä@ö",
    SERIAL,
    SERIAL.upper(),
    f"{SERIAL} ",
    f" {SERIAL}",
    SERIAL[:-1],
    f"{SERIAL}0",
    SERIAL.replace("0", "g"),
    "1960-01-01",
    "993-01-01",
    "1960-1-1",
    "1960-01-01T00:00",
]
# Java and Rust differ on what white space, a digit and the end of a text are.
ODD_TEXTS = [
    "1960-01-01\n",
    f"{SERIAL}\n",
    "a@b\n",
    "\u00a0a@b",
    "a\u00a0b@c",
    "a\u2003@b",
    "a@b\x0b",
    "a@b\x85",
    "\u0661960-01-01",
    *(f"{odd}a@b" for odd in "!#$%&'*+-./=?^`{|}~()<>[]:;,_\\\"\x00\x1f\x7f\xb7\u2022\u2028\ufffd\U0001f4e7"),
    *(f"a@b{odd}" for odd in "!#$%&'*+-./=?^`{|}~()<>[]:;,_\\\"\x00\x1f\x7f\xb7\u2022\u2028\ufffd\U0001f4e7"),
    *(f"a{odd}a@b{odd}b" for odd in "!#$%&'*+-./=?^`{|}~_\xb7\u00e9\u0307\u3005\u65e5\U0001f4e7\U00020000"),
]


def verdicts(engine, table, values_by_type):
    """For every rule of a table the values that break it, by the reader and by the audit."""
    contract = CONTRACTS[table]
    types = {column.name: column.type for column in contract.columns}
    longest = max(map(len, values_by_type.values()))
    rows = [
        {name: (values_by_type[kind] + [None] * longest)[number] for name, kind in types.items()}
        for number in range(longest)
    ]
    rules = [rule.rule for rule in contract.rules]
    of_reader = pl.from_arrow(frame(engine, table, rows).toArrow()).select(
        failing(rule).alias(rule.name) for rule in rules
    )
    of_audit = frame(engine, table, rows).select(*(breaks(rule).alias(rule.name) for rule in rules)).toArrow()

    def broken(flags):
        return {
            rule.name: [row[rule.column] for row, flag in zip(rows, flags[rule.name], strict=True) if flag]
            for rule in rules
        }

    return broken(of_reader.to_dict(as_series=False)), broken(of_audit.to_pydict())


@pytest.mark.parametrize("table", LANDING)
def test_the_reader_and_the_audit_agree_on_every_value(engine, table):
    of_reader, of_audit = verdicts(engine, table, NUMBERS | {"string": TEXTS})

    assert str(of_reader) == str(of_audit)
    assert all(of_reader.values()), "every rule is broken by some value"


@pytest.mark.parametrize("table", LANDING)
def test_they_agree_on_odd_texts(engine, table):
    of_reader, of_audit = verdicts(engine, table, {"bigint": [None], "double": [None], "string": ODD_TEXTS})

    assert of_reader == of_audit


def test_nan_and_infinities_are_no_readings(engine):
    of_reader, _ = verdicts(engine, "accelerometer_landing", NUMBERS | {"string": [None]})

    assert str(of_reader["physical_x"]) == "[nan, inf, -inf, 1000.0000000000001, 1e+308]"
