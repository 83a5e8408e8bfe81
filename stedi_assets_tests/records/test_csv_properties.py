"""CSV files of every kind that programs write, damaged or whole: what is intact lands once, all else is quarantined."""

import re
from itertools import pairwise
from typing import NamedTuple
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from stedi_assets.records import csv_rows
from stedi_assets.records.csv_plain import plain_rows
from stedi_assets.records.csv_rows import CsvReader, row_ends
from stedi_assets.records.source import Field, Source
from stedi_assets.records.typed import typed_columns
from stedi_assets.records.values import ABSENT
from stedi_assets_tests.records.sources import read_in_pieces
from stedi_assets_tests.shares import drawn, examples, part_of

SOURCE = Source(
    "readings", (Field("s", "string", True), Field("i", "bigint", True), Field("d", "double", False))
)
NAMES = ["s", "i", "d"]
VALUES = Source(
    "values",
    (Field("s", "string", True), Field("i", "bigint", False, is_time=True), Field("d", "double", False)),
)

texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
).filter(lambda text: text not in ABSENT)
rows_of_values = st.tuples(
    texts, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False) | st.none()
)


class Style(NamedTuple):
    """How a program writes CSV."""

    separator: str
    newline: str
    escape: str
    has_decimal_comma: bool
    is_spaced: bool

    def line(self, values) -> str:
        return (self.separator + " " * self.is_spaced).join(map(self.quoted, values)) + self.newline

    def quoted(self, value) -> str:
        text = "" if value is None else str(value)
        if isinstance(value, float) and self.has_decimal_comma:
            text = text.replace(".", ",")
        if self.escape == "\\":
            text = text.replace("\\", "\\\\")
        return f'"{text.replace(chr(34), self.escape + chr(34))}"'

    def is_certain(self, row) -> bool:
        """Whether no other style gives this row another meaning. A blank behind a separator belongs to no value."""
        text, _, number = row
        comma = str(number).replace(".", ",") if self.has_decimal_comma else ""
        return (
            not text.startswith(" ")
            and "\\" not in text
            and not re.fullmatch(r"-?[1-9][0-9]{0,2},[0-9]{3}", comma)
        )


styles = st.builds(
    Style,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
    st.sampled_from(['"', "\\"]),
    st.booleans(),
    st.booleans(),
)
# A row of too few values, one whose quote closes in mid-field, one that is no UTF-8, and an impossible number.
damages = st.sampled_from(["few", "quote", "bytes", "type"])
parts = st.one_of(
    rows_of_values, rows_of_values, rows_of_values, damages, st.permutations(NAMES), st.just("blank")
)


def damaged(style: Style, damage: str) -> bytes:
    text = {
        "few": style.line(["a", 1]),
        "quote": '"a"b' + style.newline,
        "bytes": style.line(["BAD", 1, 2.0]),
        "type": style.line(["a", "x", "x"]),
    }[damage]
    return text.encode().replace(b"BAD", b"\xff")


class Written(NamedTuple):
    """A file, the rows that it has with their places, the places of what must be in quarantine, and what is neither."""

    text: bytes
    rows: dict[int, tuple]
    bad: list[int]
    others: list[bytes]


@st.composite
def files(draw) -> Written:
    """Exports by one program, one behind the other, with damage in between."""
    style = draw(styles)
    beginning = draw(st.sampled_from(["", "\ufeff", f"sep={style.separator}{style.newline}"]))
    others = [style.line(NAMES)]
    text = (beginning + others[0]).encode()
    columns, rows, bad = NAMES, {}, []
    for part in draw(st.lists(parts, max_size=12)):
        at = len(text)
        if part == "blank":
            text += style.newline.encode()
        elif isinstance(part, list):
            columns = part
            others.append(style.line(part))
            text += others[-1].encode()
        elif isinstance(part, str):
            bad.append(at)
            text += damaged(style, part)
        elif style.is_certain(part):
            rows[at] = part
            text += style.line([part[NAMES.index(name)] for name in columns]).encode()
    return Written(text, rows, bad, [beginning.encode(), *(line.encode() for line in others)])


@drawn
@examples(600)
@given(files(), st.lists(st.integers(0, 400), max_size=5))
def test_every_row_lands_or_is_in_quarantine_once_however_it_is_written(file, cuts):
    parsed = read_in_pieces(CsvReader(SOURCE), file.text, cuts)
    landed = {row[-1]: row[:3] for row in parsed.landed.rows()}
    found = sorted([*parsed.landed["source_position"], *parsed.quarantined["source_position"]])
    assert landed == file.rows
    assert parsed.quarantined["source_position"].to_list() == file.bad
    assert parsed.records == len(found)
    assert all(a < b for a, b in pairwise(found))
    assert without(file.text, row_ends(file.text, SOURCE)).split() == b"".join(file.others).split()


@st.composite
def texts_of_rows(draw) -> bytes:
    """Rows of values as programs write them, of which few are unusual, under names of fields and others."""
    names = draw(st.permutations(["s", "i", draw(st.sampled_from(["d", "D", "I", "u"])), "note"]))
    usual = {"s": ["a", "b c"], "i": ["1", "-20", "9" * 18], "d": ["0.5", "1", "-0.1"]}
    unusual = [
        "",
        "007",
        "-0",
        "1e3",
        "1.",
        "+1",
        " 1",
        "9" * 19,
        "NULL",
        "nan",
        "false",
        "2022-06-18T14:59:36Z",
        "x",
    ]
    odd = draw(st.sets(st.sampled_from(names), max_size=1))
    return (
        "\n".join(
            ",".join(
                draw(st.sampled_from(usual.get(name.lower(), ["x"]) + unusual * (name in odd)))
                for name in names
            )
            for _ in range(draw(st.integers(1, 4)))
        )
        .join([",".join(names) + "\n", "\n"])
        .encode()
    )


@drawn
def test_values_are_the_same_one_by_one_and_many_at_once():
    taken = {typed_columns: 0, plain_rows: 0}

    def counting(read):
        def at_once(*rows):
            found = read(*rows)
            taken[read] += found is not None
            return found

        return at_once

    ways = [
        {
            "_WORTHWHILE_ROWS": 1,
            "typed_columns": counting(typed_columns),
            "plain_rows": mock.Mock(return_value=None),
        },
        {"plain_rows": counting(plain_rows)},
    ]

    @examples(1000)
    @given(texts_of_rows())
    def run(text):
        with mock.patch.object(csv_rows, "plain_rows", return_value=None):
            slow = CsvReader(VALUES).close(text)
        for way in ways:
            with mock.patch.multiple(csv_rows, **way):
                fast = CsvReader(VALUES).close(text)
            assert fast.landed.equals(slow.landed)
            assert fast.quarantined.equals(slow.quarantined)
            assert (fast.records, fast.repaired, fast.drift) == (slow.records, slow.repaired, slow.drift)

    run()
    assert min(taken.values()) > part_of(200)


def without(text: bytes, spans: dict[int, int]) -> bytes:
    """What is left of a text without its records."""
    ends = [0, *spans.values()]
    return b"".join(text[a:b] for a, b in zip(ends, [*spans, len(text)], strict=True))


@drawn
@examples(300)
@given(st.lists(rows_of_values, max_size=10), styles, st.lists(st.integers(0, 400), max_size=5))
def test_rows_of_any_text_land_whole_where_quotes_are_doubled(rows, style, cuts):
    style = style._replace(escape='"', has_decimal_comma=False)
    rows = [row for row in rows if '\\"' not in style.quoted(row[0])]
    text = (style.line(NAMES) + "".join(map(style.line, rows))).encode()
    parsed = read_in_pieces(CsvReader(SOURCE), text, cuts)
    assert parsed.quarantined.is_empty()
    assert [row[1:3] for row in parsed.landed.rows()] == [row[1:] for row in rows]
