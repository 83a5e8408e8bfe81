"""Records taken out of text: the bytes that go, and that every other record is read as before."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stedi_assets.privacy.removal import RemovalError, remove_records
from stedi_assets.records.csv_rows import CsvReader
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.source import Field, Source
from stedi_assets_tests.records.sources import ACCELEROMETER
from stedi_assets_tests.records.test_parse_properties import SOURCE as DAMAGED_SOURCE
from stedi_assets_tests.records.test_parse_properties import damaged_files
from stedi_assets_tests.shares import drawn, examples

SOURCE = Source("readings", (Field("s", "string", True), Field("i", "bigint", False)))
A, X, Y, B = b'{"s":"a"}', b'{"s":"x"}', b'{"s": "x", "i": 1}', b'{"s":"b"}'


def of_x(parsed) -> set[int]:
    """Positions of what is x's: landed, or quarantined with an x in it."""
    landed = parsed.landed.filter(s="x")["source_position"]
    texts = parsed.quarantined.select("source_position", "raw_text").iter_rows()
    quarantined = [at for at, text in texts if '"x' in text]
    return {*landed, *quarantined}


def without_x(text: bytes, *, is_csv: bool = False) -> bytes | None:
    return remove_records(text, SOURCE, is_csv=is_csv, doomed=of_x)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(A + b"\n" + X + b"\n" + B + b"\n", A + b"\n" + B + b"\n", id="lines"),
        pytest.param(X + b"\n" + A + b"\n" + Y + b"\n", A + b"\n", id="first and last line"),
        pytest.param(A + b"\r\n" + X + b"\r\n" + B, A + b"\r\n" + B, id="lines of Windows"),
        pytest.param(A + b"\n\n  " + X + b"  \n" + B, A + b"\n\n  " + B, id="blank lines and indentation"),
        pytest.param(A + b"\n" + X, A + b"\n", id="no newline at the end"),
        pytest.param(b"\xef\xbb\xbf" + X + b"\n" + A, b"\xef\xbb\xbf" + A, id="byte order mark"),
        pytest.param(A + X + B + b"\n", A + B + b"\n", id="glued"),
        pytest.param(A + X + b"\n" + B, A + b"\n" + B, id="glued to a line"),
        pytest.param(A + b"\n" + X + B, A + b"\n" + B, id="glued to the next"),
        pytest.param(A + b",\n" + X + b",\n" + B + b",\n", A + b",\n" + B + b",\n", id="commas"),
        pytest.param(A + b",\n" + B + b",\n" + X + b"\n", A + b",\n" + B + b"\n", id="last of commas"),
        pytest.param(b"[" + A + b", " + X + b", " + B + b"]", b"[" + A + b", " + B + b"]", id="array"),
        pytest.param(b"[" + X + b"," + A + b"]\n", b"[" + A + b"]\n", id="first of an array"),
        pytest.param(b"[" + A + b", " + X + b"]\n", b"[" + A + b"]\n", id="last of an array"),
        pytest.param(b"[" + A + b"," + X + b"," + Y + b"]", b"[" + A + b"]", id="two of an array"),
        pytest.param(b"[" + X + b"," + Y + b"]\n", b"[]\n", id="all of an array"),
        pytest.param(
            b"[\n  " + A + b",\n  " + X + b",\n  " + B + b"\n]\n",
            b"[\n  " + A + b",\n  " + B + b"\n]\n",
            id="array over lines",
        ),
        pytest.param(
            b'{\n  "s": "a"\n}\n{\n  "s": "x"\n}\n{\n  "s": "b"\n}\n',
            b'{\n  "s": "a"\n}\n{\n  "s": "b"\n}\n',
            id="pretty-printed",
        ),
        pytest.param(A + b'\n{"s": "x", "i": \n' + B + b"\n", A + b"\n" + B + b"\n", id="truncated"),
        pytest.param(A + b'\nnoise "x"\n' + B + b"\n", A + b"\n" + B + b"\n", id="no JSON"),
        pytest.param(X, b"", id="nothing left"),
    ],
)
def test_json(text, expected):
    assert without_x(text) == expected
    assert rows(JsonReader(SOURCE).close(expected)) == rows(JsonReader(SOURCE).close(text), but=of_x)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"s,i\na,1\nx,2\nb,3\n", b"s,i\na,1\nb,3\n", id="rows"),
        pytest.param(b"s,i\r\nx,2\r\na,1\r\n", b"s,i\r\na,1\r\n", id="rows of Windows"),
        pytest.param(b"s,i\na,1\nx,2", b"s,i\na,1\n", id="last row"),
        pytest.param(b's,i\na,1\n"x","2"\n"b\nc",3', b's,i\na,1\n"b\nc",3', id="quoted, with a newline"),
        pytest.param(b's,i\na,1\n"x,2\nb,3\n', b"s,i\na,1\nb,3\n", id="quote never closed"),
        pytest.param(b"s,i\nx,1\n", b"s,i\n", id="header alone left"),
    ],
)
def test_csv(text, expected):
    assert without_x(text, is_csv=True) == expected
    after, before = (CsvReader(SOURCE).close(each) for each in (expected, text))
    assert rows(after) == rows(before, but=of_x)


def test_a_file_without_such_records_is_left_alone():
    assert without_x(A + b"\n" + B) is None


def test_what_kept_broken_records_apart_is_replaced_by_a_newline():
    text = b'{"s": ' + X + b'{"i": "q",\n' + B
    assert without_x(text) == b'{"s": \n{"i": "q",\n' + B
    assert without_x(b"noise" + X + b"noise") == b"noise\nnoise"


def test_a_removal_that_would_change_another_record_is_refused():
    # Without the record in its middle this would be one object.
    text = b'{"n": ' + X + B + b"}"
    assert rows(JsonReader(SOURCE).close(text), but=of_x)[0] == ("b", None)
    with pytest.raises(RemovalError) as refused:
        without_x(text)
    assert str(refused.value) == ""


def rows(parsed, but=lambda _: set()) -> list[tuple]:
    gone = but(parsed)
    return [
        row[1:]
        for frame in (parsed.landed, parsed.quarantined)
        for row in frame.select("source_position", pl.exclude("source_position")).rows()
        if row[0] not in gone
    ]


@drawn
@settings(examples(100), suppress_health_check=[HealthCheck.data_too_large])
@given(damaged_files, st.sets(st.integers(0, 40), min_size=1, max_size=6))
def test_whatever_the_damage_other_records_stay_or_the_file_does(file, numbers):
    text = b"".join(record + separator for (record, _, _), separator in file)

    def chosen(parsed) -> set[int]:
        positions = sorted([*parsed.landed["source_position"], *parsed.quarantined["source_position"]])
        return {at for number, at in enumerate(positions) if number in numbers}

    before = JsonReader(DAMAGED_SOURCE).close(text)
    try:
        shortened = remove_records(text, DAMAGED_SOURCE, is_csv=False, doomed=chosen)
    except RemovalError:
        return
    if shortened is None:
        assert chosen(before) == set()
    else:
        after = JsonReader(DAMAGED_SOURCE).close(shortened)
        assert rows(after) == rows(before, but=chosen)
        assert len(shortened) < len(text)


@pytest.mark.parametrize("separator", [";", "\t", "|", ", "])
@pytest.mark.parametrize("before", ["", "sep=;\n"])
def test_rows_are_left_out_whatever_separates_their_values(separator, before):
    names = separator.join(field.name for field in ACCELEROMETER.fields)
    row_of = {who: separator.join([f'"{who}@example.org"', "5", "1", "0", "0"]) for who in ("ann", "bob")}
    text = before + "\n".join([names, row_of["ann"], row_of["bob"], row_of["ann"]]) + "\n"
    kept = remove_records(
        text.encode(), ACCELEROMETER, is_csv=True, doomed=lambda parsed: {parsed.landed["source_position"][1]}
    )
    assert kept == (before + "\n".join([names, row_of["ann"], row_of["ann"]]) + "\n").encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"s,i\na,1\nx,2\ni,s\n3,b\n", b"s,i\na,1\ni,s\n3,b\n"),
        (b"s,i\nx,2\ns,i\nx,3\nb,4\n", b"s,i\ns,i\nb,4\n"),
        (b"s;i\r\nx;2\r\n\r\n\xef\xbb\xbfi;s\r\n3;x\r\n4;b", b"s;i\r\ni;s\r\n4;b"),
    ],
)
def test_a_header_in_mid_file_stays_for_the_rows_behind_it(text, expected):
    assert without_x(text, is_csv=True) == expected
