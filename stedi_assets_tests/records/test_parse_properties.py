"""Files built from records by every kind of damage: what is intact lands once, the rest is quarantined."""

import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stedi_assets.records.json_plain import typed_rows
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.source import Field, Source
from stedi_assets.records.values import ABSENT
from stedi_assets_tests.records.sources import read_fast, read_in_pieces
from stedi_assets_tests.shares import drawn, examples, part_of

SOURCE = Source(
    "readings", (Field("s", "string", True), Field("i", "bigint", True), Field("d", "double", False))
)
BOM = b"\xef\xbb\xbf"

# What stands for an absent value is tested below.
texts = st.sampled_from(
    ["a", "}{", '"', "\\", "{", '{"s":"x"}', "\n", "],[", "a:b", "nul", "\u00e9\U0001f600"]
) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda text: text not in ABSENT
)
integers = st.integers(-(2**63), 2**63 - 1)
doubles = st.floats(allow_nan=False, allow_infinity=False) | st.none()
unknown = st.sampled_from(
    [None, {"n": {"s": "x"}}, {"n": [1, {"}": "{"}, []]}, {"t": "u"}, {"n": [{"s": "y"}]}]
)


@st.composite
def objects(draw) -> tuple[dict, tuple]:
    """The members of an intact record, and the row that it is."""
    row = draw(texts), draw(integers), draw(doubles)
    members = dict(zip("sid", row, strict=True)) | (draw(unknown) or {})
    return dict(draw(st.permutations(list(members.items())))), row


@st.composite
def pieces(draw) -> tuple[bytes, tuple | None, list[str] | None]:
    """Text of a record; its row if it is intact; its reasons if it is an object that must not land."""
    members, row = draw(objects())
    style = draw(st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}]))
    kind = draw(
        st.sampled_from(
            ["intact"] * 5 + ["truncated", "truncated", "junk", "missing", "type", "bytes", "same"]
        )
    )
    if kind == "missing":
        del members["i"]
    if kind == "type":
        members["i"] = draw(st.sampled_from([True, 0.5, [], {}, "x", 2**63]))
    text = json.dumps(members, **style).encode()
    if kind == "truncated":
        return text[: draw(st.integers(1, len(text) - 1))], None, None
    if kind == "junk":
        junk = [
            b"junk",
            b"null",
            b"[1, 2]",
            b'"text"',
            b'"open',
            b"12,",
            b"\xfd\xfe",
            b"a:b",
            b"\x00",
            b"s,i,d",
        ]
        return draw(st.sampled_from(junk)), None, None
    if kind == "bytes":
        return text.replace(b'"s":', b'"x": "\xff", "s":'), None, ["bad_encoding"]
    if kind == "same":
        return text[:-1] + b', "S": "other than that"}', None, ["duplicate_field:s"]
    return (
        text,
        row if kind == "intact" else None,
        {"missing": ["missing_field:i"], "type": ["wrong_type:i"]}.get(kind),
    )


between = st.sampled_from(
    [b"\n"] * 4
    + [b"\r\n", b"", b"", b" ", b",", b",\n", b"\n,", b"\x1e", b"[\n", b"]\n", b"\n[", b"\n" + BOM, b"\n\n"]
)
damaged_files = st.lists(st.tuples(pieces(), between), min_size=8, max_size=30).filter(
    lambda file: (
        not any(
            cut.rstrip().endswith(b":") and b"\n" not in gap and b"," in after and text.startswith(b'"')
            for ((cut, *_), gap), (_, after), ((text, *_), _) in zip(file, file[1:], file[2:], strict=False)
        )
    )
)
"""Without those where a cut record and what follows on its line read as one broken object around another,
`{"a": {…}, "text"`: nobody can tell a record there from a value."""


def check(file, cuts) -> int:
    text, expected, refused = b"", [], []
    for (record, row, why), separator in file:
        if row is not None:
            expected.append((*row, len(text)))
        if why is not None:
            refused.append((why, len(text)))
        text += record + separator
    whole = JsonReader(SOURCE).close(text)
    landed, quarantined = whole.landed, whole.quarantined
    assert [row[:4] for row in landed.rows()] == expected
    assert whole.records == landed.height + quarantined.height
    assert set(map(repr, refused)) <= set(map(repr, quarantined.select("reasons", "source_position").rows()))
    assert_bytes_are_conserved(text, file, quarantined)
    split = read_in_pieces(JsonReader(SOURCE), text, cuts)
    assert split.landed.equals(landed)
    assert split.quarantined.equals(quarantined)
    assert (split.records, split.repaired, split.drift) == (whole.records, whole.repaired, whole.drift)
    return sum(row is None or separator not in (b"\n", b"\r\n") for (_, row, _), separator in file)


def assert_bytes_are_conserved(text, file, quarantined):
    """Each byte is in one intact record, or in one quarantined, or is a separator."""
    kept = bytearray(text)
    position = 0
    for (record, row, _), separator in file:
        if row is not None:
            kept[position : position + len(record)] = b" " * len(record)
        position += len(record) + len(separator)
    for raw, position in quarantined.select("raw_text", "source_position").rows():
        # The text shows bytes that cannot be decoded as four characters, which these files have nowhere else.
        length = next(
            n
            for n in range(len(raw.encode()) + 1)
            if text[position : position + n].decode(errors="backslashreplace") == raw
        )
        assert BOM in kept[position : position + length] or kept[position : position + length].strip()
        kept[position : position + length] = b" " * length
    assert not kept.replace(BOM, b"").strip(b" \r\n,[]\x1e")


@drawn
def test_every_intact_record_lands_once_and_everything_else_is_in_quarantine():
    damaged = 0

    @examples(1_200)
    @given(damaged_files, st.lists(st.integers(0, 1500), max_size=6))
    def run(file, cuts):
        nonlocal damaged
        damaged += check(file, cuts)

    run()
    assert damaged >= part_of(10_000)


@drawn
@examples(300)
@given(
    st.lists(objects(), max_size=20), st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.integers(0, 2**40)
)
def test_plain_lines_are_the_same_on_both_ways(records, newline, ascii_only, offset):
    text = b"".join(json.dumps(members, ensure_ascii=ascii_only).encode() + newline for members, _ in records)
    fast = read_fast(text, SOURCE, offset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stedi_assets.records.json_objects.typed_rows", lambda *_: None)
        slow = JsonReader(SOURCE, offset).close(text)
    assert [row[:3] for row in slow.landed.rows()] == [row for _, row in records]
    assert fast is None or (fast.landed.equals(slow.landed) and fast.records == slow.records)


def test_the_fast_way_lands_nothing_that_the_careful_one_would_not(monkeypatch):
    generator = random.Random(3)
    values = [
        "1",
        "-0.5",
        '"t"',
        "null",
        "true",
        '""',
        '"7"',
        "[]",
        "{}",
        '["a"]',
        '{"s":1}',
        "1e2",
        '"\\u00e9"',
    ]
    values += ['"\\""', '"a:b"', '":null"', '"[\\\\"', '"\\"s\\":null"', '"null"']
    names = ['"s"', '"i"', '"d"', '"S"', '"u"', '"\\u0073"', '"\\"d"', '"null"', '""']
    accepted = 0
    for _ in range(6000):
        lines = []
        for _ in range(generator.randint(1, 3)):
            members = ['"s":"t"', '"i":1', '"d":1.5'][: generator.choice([1, 2, 2, 3, 3, 3])]
            for _ in range(generator.choice([0, 0, 1, 2])):
                members.append(f"{generator.choice(names)}:{generator.choice(values)}")
            generator.shuffle(members)
            lines.append("{" + ",".join(members) + "}")
        text = "\n".join(lines).encode()
        fast = read_fast(text, SOURCE)
        if fast is not None:
            accepted += 1
            with monkeypatch.context() as patch:
                patch.setattr("stedi_assets.records.json_objects.typed_rows", lambda *_: None)
                slow = JsonReader(SOURCE).close(text)
            assert fast.landed.equals(slow.landed), text
            assert (fast.records, fast.repaired, fast.drift) == (slow.records, slow.repaired, slow.drift), (
                text
            )
            assert slow.quarantined.is_empty(), text
    assert accepted > 500


CONSENT = Source(
    "consent", (Field("s", "string", True), Field("agreed", "bigint", False, is_consent=True, is_time=True))
)
consent_names = st.sampled_from(
    ['"agreed":', '"agreed": ', '"agreed" :', '"Agreed":', '"AGREED":', r'"\u0061greed":', '"u":', '"t":']
)
consent_values = st.sampled_from(
    ["5", "5", "null", "null", "0", "6", '"5"', '""', '"NULL"', "NaN", "false", '"agreed"', '{"agreed":null}']
)
consent_members = st.lists(st.tuples(consent_names, consent_values).map("".join), max_size=3)


@st.composite
def consent_windows(draw) -> bytes:
    """Lines of which each has the consent field as it likes; few kinds of lines, so that many are like the first."""
    kinds = draw(st.lists(consent_members, min_size=1, max_size=3))
    lines = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))
    where = draw(st.integers(0, 1))
    return b"\n".join(
        ("{" + ",".join([*line[:where], f'"s":"{number}"', *line[where:]]) + "}").encode()
        for number, line in enumerate(lines)
    )


@drawn
@examples(1000)
@given(consent_windows())
@example(b'{"s":"a","agreed":5,"agreed":null}\n{"s":"b"}')
@example(b'{"s":"a","agreed":null,"agreed":5}\n{"s":"b"}')
@example(b'{"s":"a","agreed" :5,"agreed":null}\n{"s":"b"}')
def test_whoever_consents_on_the_fast_way_does_so_on_the_careful_one(text):
    fast = read_fast(text, CONSENT)
    if fast is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stedi_assets.records.json_objects.typed_rows", lambda *_: None)
            slow = JsonReader(CONSENT).close(text)
        assert fast.landed.equals(slow.landed)
        assert (fast.records, fast.repaired, fast.drift) == (slow.records, slow.repaired, slow.drift)
        assert slow.quarantined.is_empty()


VALUES = Source(
    "values",
    (
        Field("s", "string", True),
        Field("t", "string", False),
        Field("n", "string", False),
        Field("at", "bigint", False, is_time=True),
        Field("d", "double", False),
    ),
)
written_texts = st.sampled_from(
    [
        '"a"',
        '"a"',
        '"long text"',
        '""',
        '"NULL"',
        '"null"',
        '"nan"',
        r'"\\N"',
        '"None"',
        '"N/A"',
        "NaN",
        "8.0",
        "null",
    ]
)
written_numbers = st.sampled_from(
    [
        "1",
        "1",
        "2.5",
        "1.65556E+12",
        "1.655564376E12",
        "NaN",
        '"NaN"',
        '""',
        "null",
        "false",
        '"2022-06-18T14:59:36Z"',
    ]
)


@st.composite
def lines_of_values(draw) -> bytes:
    """Lines with the same fields, under the same names, of which few have what is unusual."""
    names = draw(st.permutations(["s", "t", "n", draw(st.sampled_from(["at", "AT"])), "d"]))
    written = {"s": written_texts, "t": written_texts, "n": written_texts}
    unusual = draw(st.sets(st.sampled_from(names), max_size=2))
    usual = {"s": '"a"', "t": '"b"', "n": '"c"'}
    return b"\n".join(
        "{{{}}}".format(
            ",".join(
                f'"{name}":'
                + (draw(written.get(name, written_numbers)) if name in unusual else usual.get(name, "1"))
                for name in names
            )
        ).encode()
        for _ in range(draw(st.integers(1, 4)))
    )


@drawn
def test_values_are_the_same_on_both_ways():
    taken = 0

    @examples(1000)
    @given(lines_of_values())
    def run(text):
        nonlocal taken
        fast = read_fast(text, VALUES)
        if fast is not None:
            taken += "absent_value" in fast.repaired
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("stedi_assets.records.json_objects.typed_rows", lambda *_: None)
                slow = JsonReader(VALUES).close(text)
            assert fast.landed.equals(slow.landed)
            assert (fast.records, fast.repaired, fast.drift) == (slow.records, slow.repaired, slow.drift)
            assert slow.quarantined.is_empty()

    run()
    assert taken > part_of(20)


MIXED = Source(
    "mixed",
    (
        Field("s", "string", True),
        Field("t", "string", False),
        Field("i", "bigint", True),
        Field("d", "double", False),
        Field("agreed", "bigint", False, is_consent=True, is_time=True),
    ),
)
odd_texts = st.sampled_from(
    [
        "a",
        "a:b",
        "[",
        "}{",
        "\u00e9",
        r"\u00e9",
        r"\"",
        r"\\",
        r"\\N",
        ":null",
        r"\"i\":null",
        "i",
        r"\ud83d\ude00",
    ]
)
plain_lines = st.tuples(
    st.sampled_from(
        [
            '{"s":"%s","i":1,"d":2.5}',
            '{"s": "%s", "i": 3, "t": "x", "agreed": 5}',
            '{"i":-3,"s":"%s","d":null}',
            '{"s":"%s","i":4,"agreed":null}',
            '{"s":"%s","i":9,"d":1e3,"t":"NULL"}',
            '{"s":"%s","i":9,"u":"n"}',
            '{"s":"%s","i":9,"u":1}',
        ]
    ),
    st.just("a") | odd_texts,
).map(lambda parts: parts[0] % parts[1])
odd_names = st.sampled_from(
    ["t", "i", "d", "S", "AGREED", "agr_eed", "u", r"\u0073", r"\"d", r"\ud800", "null", "", "("]
) | st.just("agreed")
odd_numbers = [
    "1",
    "-0",
    "1.5",
    "1e2",
    "1e400",
    "01",
    "1.70746094E12",
    "1.707460941516E12",
    "9223372036854775808",
]
odd_quoted = [
    '"t"',
    '""',
    '"NULL"',
    '"7"',
    r'"\ud800"',
    '":null"',
    '"a:b"',
    '"2022-06-18T14:59:36Z"',
    '"\udcff"',
]
odd_values = st.sampled_from(
    [*odd_numbers, *odd_quoted, "null", "true", "NaN", "[]", "{}", '["a"]', '{"s":1}']
)
odd_members = st.builds('"{}"{}{}'.format, odd_names, st.sampled_from([":", " : "]), odd_values)
no_objects = st.sampled_from(
    [
        "junk",
        "null",
        "[1, 2]",
        '"open',
        "12,",
        "[",
        "]",
        "}",
        ",",
        "",
        " ",
        '{"n":',
        "]}",
        "}}",
        "{}",
        '{"n":{"m":',
        "\x1e",
    ]
) | st.sampled_from(
    [
        '{"s":"u","i":5,"n":[',
        '{"s":"z","i":1}{"s":"y","i":2}',
        '{"s":"a","i":1} x',
        ' {"s":"a","i":1}',
        " " * 1100,
    ]
    + [
        f'{{"s":"u","i":5,"n":[\n{inside}\n]}}'
        for inside in ('{"s":"v","i":6}', '{"s":"v","i":6},\n{"s":"w","i":7}')
    ]
)


@st.composite
def odd_lines(draw) -> str:
    """An object with members of any kind, perhaps some of them twice, and perhaps cut short; or what is none."""
    if draw(st.integers(0, 3)) == 0:
        return draw(no_objects)
    members = [f'"s":"{draw(odd_texts)}"', '"i":1', '"d":1.5', '"agreed":5'][: draw(st.integers(1, 4))]
    members += draw(st.lists(odd_members, max_size=2))
    text = "{" + ",".join(draw(st.permutations(members))) + "}"
    return text[: draw(st.integers(1, len(text)))] if draw(st.integers(0, 9)) == 0 else text


newlines = st.sampled_from(
    ["\n"] * 12 + ["\r\n", ",\n", ",\r\n", "", " ", ",", "\r", "\n\n", " \n", ",,\n", "\n,\n"]
)
mixed_files = st.lists(
    st.tuples(st.one_of(plain_lines, plain_lines, plain_lines, odd_lines()), newlines),
    min_size=3,
    max_size=25,
).map(lambda lines: "".join(part for line in lines for part in line).encode(errors="surrogateescape"))


@drawn
def test_odd_lines_among_plain_ones_are_what_they_are_on_the_careful_way():
    taken = doubtful = 0

    def counted(*lines):
        nonlocal taken, doubtful
        typed = typed_rows(*lines)
        if typed is not None:
            taken += typed.certain.sum()
            doubtful += (~typed.certain).sum()
        return typed

    @examples(2000)
    @given(mixed_files, st.lists(st.integers(0, 600), max_size=3), st.sampled_from([1, 64]))
    def run(text, cuts, worthwhile):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stedi_assets.records.json_objects._WORTHWHILE_OBJECTS", worthwhile)
            patch.setattr("stedi_assets.records.json_objects.typed_rows", counted)
            fast = JsonReader(MIXED).close(text)
            in_pieces = read_in_pieces(JsonReader(MIXED), text, cuts)
            patch.setattr("stedi_assets.records.json_objects.typed_rows", lambda *_: None)
            slow = JsonReader(MIXED).close(text)
        for read in (fast, in_pieces):
            assert read.landed.equals(slow.landed)
            assert read.quarantined.equals(slow.quarantined)
            assert (read.records, read.repaired, read.drift) == (slow.records, slow.repaired, slow.drift)

    run()
    # Of lines in one window some were plain, and others not.
    assert min(taken, doubtful) > part_of(10_000)
