"""Objects around the records of a file, and objects that are records themselves."""

import json

import fsspec
import polars as pl
import pytest

from stedi_assets.privacy.removal import remove_records
from stedi_assets.records.counts import Counts
from stedi_assets.records.envelope import ENVELOPE_BYTES, UNDECIDED, head_of, without_envelope
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.read_task import FileRange, ReadPlan, run_task
from stedi_assets_tests.records.sources import ACCELEROMETER, read_in_pieces

MEMORY = fsspec.filesystem("memory")

READING = {"user": "ann@example.org", "timestamp": 1655564376361, "x": 0.5, "y": -0.25, "z": 0.125}
READINGS = [READING | {"timestamp": READING["timestamp"] + number} for number in range(3)]
ENVELOPES = [
    {"Items": READINGS},
    {"Items": READINGS, "Count": 3, "ScannedCount": 3, "ConsumedCapacity": None},
    {"Count": 3, "Items": READINGS, "LastEvaluatedKey": {"id": "x"}},
    {"meta": {"page": {"number": 1, "of": [1, 2]}}, "links": [], "tags": ["a"], "data": READINGS},
    {"data": READINGS, "\u00e9": 'a "quoted" ]} text'},
    {"response": {"status": "ok", "data": {"readings": READINGS, "next": None}}, "at": [1]},
    {
        "_links": [{"href": "x"}],
        "Items": READINGS,
        "LastEvaluatedKey": {"user": {"S": "x"}, "timestamp": {"N": "1"}},
    },
]


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_around_the_records_is_blank_and_the_records_stay_where_they_are(envelope, indent):
    text = ("\ufeff" + json.dumps(envelope, indent=indent, ensure_ascii=False) + "\r\n").encode()
    bare = without_envelope(text, ACCELEROMETER)
    assert len(bare) == len(text)
    assert json.loads(b"[" + bare + b"]") == READINGS
    assert bare.index(b'{"user"' if indent is None else b'"user"') == text.index(
        b'{"user"' if indent is None else b'"user"'
    )


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(READING),
        json.dumps(READING | {"tags": [{"user": "bob@example.org"}]}),
        json.dumps({"tags": [{"k": 1}]} | READING),
        json.dumps({"Item": READING}),
        json.dumps({"Items": ["a", 1]}),
        json.dumps({"Items": [], "User": "ann@example.org"}),
        json.dumps(READINGS),
        '{"Items": }',
        "{]",
        "junk",
    ],
)
def test_what_is_no_envelope_is_left_as_it_is(text):
    assert without_envelope(text.encode(), ACCELEROMETER) == text.encode()


def test_an_envelope_without_records_has_none():
    assert not without_envelope(b'{"Items": [], "Count": 0}\n', ACCELEROMETER).strip()


def test_an_envelope_is_seen_when_it_is_whole_or_longer_than_what_shows_it():
    text = json.dumps({"meta": {"a": [1]}, "data": READINGS}).encode()
    found = {head_of(text[:end], ACCELEROMETER, final=False) for end in range(len(text))}
    head = text.index(b'{"user"')
    assert found == {UNDECIDED}
    assert head_of(text, ACCELEROMETER, final=True) == head
    assert head_of(text[:-1], ACCELEROMETER, final=True) == 0
    long = json.dumps({"meta": {"a": [1]}, "data": READINGS * 2_000}).encode()
    assert head_of(long[: ENVELOPE_BYTES - 1], ACCELEROMETER, final=False) == UNDECIDED
    assert head_of(long[:ENVELOPE_BYTES], ACCELEROMETER, final=False) == head


def test_a_record_with_an_array_of_its_own_is_no_envelope():
    text = json.dumps({"readings": READINGS} | READINGS[0]).encode()
    assert head_of(text, ACCELEROMETER, final=True) == 0


def test_an_envelope_is_told_from_a_long_text():
    assert head_of(b'{"a": "' + b"x" * ENVELOPE_BYTES, ACCELEROMETER, final=False) == 0


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_an_envelope_is_the_same_however_its_text_is_divided(envelope, size):
    text = json.dumps(envelope, indent=1, ensure_ascii=False).encode()
    reader, landed, counts = JsonReader(ACCELEROMETER), [], Counts()
    for start in range(0, len(text), size):
        parsed = reader.feed(text[start : start + size])
        landed, counts = landed + parsed.landed.rows(), counts + Counts.of(parsed)
    parsed = reader.close()
    landed, counts = landed + parsed.landed.rows(), counts + Counts.of(parsed)
    assert [row[:5] for row in landed] == [tuple(reading.values()) for reading in READINGS]
    assert (counts.records, counts.quarantined) == (3, 0)
    assert counts.repaired == {"envelope": 1, "comma": 2, "pretty_printed": 3}


def pages(between: str, size: int = 1_000) -> bytes:
    """The pages of an answer, one of them empty."""
    readings = [READING | {"timestamp": READING["timestamp"] + number} for number in range(4 * size)]
    parts = [readings[:size], [], readings[size : 3 * size], readings[3 * size :]]
    return between.join(json.dumps({"Items": part, "Count": len(part)}) for part in parts).encode()


@pytest.mark.parametrize("between", ["\n", "", "\n\n"])
@pytest.mark.parametrize("line", [", ", ",\n"])
@pytest.mark.parametrize("size", [2, 1_000])
def test_each_page_of_an_answer_is_an_envelope(between, line, size):
    text = pages(between, size).replace(b"}, {", b"}" + line.encode() + b"{")
    for pieces in ([], [*range(0, len(text), 30_001)]):
        parsed = read_in_pieces(JsonReader(ACCELEROMETER), text, pieces)
        assert (parsed.landed.height, parsed.records, parsed.repaired["envelope"]) == (4 * size, 4 * size, 4)


def test_envelopes_in_an_array_behind_a_record_and_in_an_envelope_are_opened():
    envelopes = [{"Items": [reading]} for reading in READINGS]
    for delivered in (envelopes, {"pages": envelopes}, [READING, *envelopes]):
        parsed = JsonReader(ACCELEROMETER).close(json.dumps(delivered).encode())
        expected = [tuple(reading.values()) for reading in READINGS]
        assert [row[:5] for row in parsed.landed.rows()][-3:] == expected
        assert parsed.quarantined.is_empty()


@pytest.mark.parametrize(
    "envelope",
    [
        {"newest": READING, "Items": READINGS},
        {"page": {"newest": READING, "Items": READINGS}},
        {"groups": [{"k": 1, "readings": READING}], "Items": READINGS},
        {"Items": READINGS, "newest": READING},
        {"Items": READINGS, "others": READINGS},
    ],
)
@pytest.mark.parametrize("times", [1, 1_000])
def test_what_is_around_the_records_loses_no_record(envelope, times):
    envelope = {name: value * times if name == "Items" else value for name, value in envelope.items()}
    text = json.dumps(envelope).encode()
    parsed = JsonReader(ACCELEROMETER).close(text)
    places = {at for at in range(len(text)) if text.startswith(b'{"user"', at)}
    spans = [
        (at, at + len(raw)) for raw, at in parsed.quarantined.select("raw_text", "source_position").rows()
    ]
    quarantined = {at for at in places if any(start <= at < end for start, end in spans)}
    assert {*parsed.landed["source_position"]} == places - quarantined


def test_an_envelope_of_lines_that_is_larger_than_a_range_is_one_range():
    readings = [READING | {"timestamp": READING["timestamp"] + number} for number in range(4_000)]
    text = json.dumps({"Items": readings, "Count": 4_000}).replace("}, {", "},\n{").encode()
    MEMORY.pipe_file("/lake/a.json", text)
    plan = ReadPlan(ACCELEROMETER, "memory://lake", {}, "memory://landed", "memory://quarantined", 7)
    ranges = [
        FileRange("a.json", start, min(start + 100_000, len(text)), len(text), is_csv=None, is_packed=False)
        for start in range(0, len(text), 100_000)
    ]
    counts = sum((found.counts for found in run_task(plan, tuple(ranges)).ranges), Counts())
    MEMORY.store.clear()
    assert (counts.records, counts.landed) == (4_000, 4_000)


@pytest.mark.parametrize("separators", [(",", ":"), (",\n", ":")])
def test_an_envelope_of_any_size_is_read_in_bounded_memory(separators):
    readings = [READING | {"timestamp": READING["timestamp"] + number} for number in range(20_000)]
    text = (
        json.dumps({"Items": readings, "Count": len(readings)})
        .replace("}, {", "}" + separators[0] + "{")
        .encode()
    )
    reader, landed = JsonReader(ACCELEROMETER), 0
    for start in range(0, len(text), 100_000):
        parsed = reader.feed(text[start : start + 100_000])
        landed += parsed.landed.height
        assert parsed.quarantined.is_empty()
        assert len(reader._rest) < 200_000
    parsed = reader.close()
    assert (landed + parsed.landed.height, parsed.quarantined.height) == (20_000, 0)


@pytest.mark.parametrize("size", [1_000, 40_000, 10_000_000])
def test_of_an_envelope_that_breaks_off_every_byte_is_in_quarantine_or_a_record(size):
    readings = [READING | {"timestamp": READING["timestamp"] + number} for number in range(2_000)]
    head = '\n{"by": "eve@example.org", "Items": ['
    text = (head + json.dumps(readings)[1:-1])[:-20].encode()
    reader = JsonReader(ACCELEROMETER)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    parts = [*map(reader.feed, pieces), reader.close()]
    quarantined = pl.concat([part.quarantined for part in parts]).sort("source_position")
    assert sum(part.landed.height for part in parts) == 1_999
    assert sum(part.records for part in parts) == 2_001
    assert quarantined["reasons"].to_list() == [["truncated"], ["truncated"]]
    assert quarantined.select("raw_text", "source_position", "persons").rows()[0] == (
        head.strip(),
        1,
        ["eve@example.org"],
    )


def test_a_person_is_taken_out_of_the_pages_of_an_answer():
    bob = READING | {"user": "bob@example.org"}
    text = "\n".join(json.dumps([{"Items": [reading]}]) for reading in (READING, bob)).encode()
    left = remove_records(
        text, ACCELEROMETER, is_csv=False, doomed=lambda parsed: {parsed.landed["source_position"].max()}
    )
    assert [json.loads(line) for line in left.splitlines()] == [[{"Items": [READING]}], [{"Items": []}]]


def test_a_person_is_taken_out_of_an_envelope_and_the_rest_stays():
    bob = READING | {"user": "bob@example.org"}
    for kept in ([READING], [READING, READING], []):
        text = json.dumps({"Items": [bob, *kept, bob], "Count": 2}).encode()
        left = remove_records(
            text,
            ACCELEROMETER,
            is_csv=False,
            doomed=lambda parsed: {
                at
                for who, at in parsed.landed.select("person", "source_position").rows()
                if who.startswith("bob")
            },
        )
        assert left is not None
        assert b"bob@" not in left
        assert json.loads(left) == {"Items": kept, "Count": 2}
