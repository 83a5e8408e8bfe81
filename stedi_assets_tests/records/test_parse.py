"""What becomes of each record: landed with the right values, or in quarantine with the right reasons."""

import csv
import json

import polars as pl
import pytest

from stedi_assets.records import convert, tables
from stedi_assets.records.csv_rows import CsvReader
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.rules import failing
from stedi_assets.records.source import REASONS, REPAIRS, Field, Rule, Source
from stedi_assets_tests.records.sources import (
    ACCELEROMETER,
    CUSTOMER,
    STEP_TRAINER,
    read_fast,
    read_in_pieces,
    shared,
)

SMALL = Source(
    "small", (Field("s", "string", True), Field("i", "bigint", False), Field("d", "double", False))
)
PLAIN = b'{"s":"a","i":1,"d":2.5}'


def careful(text: bytes, source: Source = SMALL):
    parsed = JsonReader(source).close(text)
    assert parsed.records == parsed.landed.height + parsed.quarantined.height
    return parsed


def landed(text: bytes, source: Source = SMALL) -> list[tuple]:
    parsed = careful(text, source)
    assert parsed.quarantined.is_empty(), parsed.quarantined
    return [row[:-1] for row in parsed.landed.rows()]


def quarantined(parsed) -> list[tuple]:
    """Text, reasons and position of each quarantined record."""
    return parsed.quarantined.select("raw_text", "reasons", "source_position").rows()


def reasons(text: bytes, source: Source = SMALL) -> list[list[str]]:
    found = careful(text, source).quarantined["reasons"].to_list()
    assert {reason.split(":")[0] for record in found for reason in record} <= REASONS.keys()
    return found


# Real deliveries -----


def test_customers_glued_on_one_line():
    parsed = careful(shared("landing_samples", "customer_999_glued.json").read_bytes(), CUSTOMER)
    assert (parsed.landed.height, parsed.quarantined.height, parsed.records) == (999, 0, 999)
    assert parsed.repaired == {"glued": 998}


def test_readings_cut_off_in_the_middle_of_a_record():
    text = shared("landing_samples", "accelerometer_jsonl_truncated.json").read_bytes()
    parsed = careful(text, ACCELEROMETER)
    assert (parsed.landed.height, parsed.records) == (25_126, 25_127)
    [(raw, why, position)] = quarantined(parsed)
    assert (len(raw), why, position) == (56, ["truncated"], len(text) - 56)
    assert parsed.repaired == {"field_name": 25_126}


def test_steps_with_a_comma_after_every_object():
    name = "step_trainer_trailing_commas_29970_with_5_dup_keys.json"
    parsed = careful(shared("landing_samples", name).read_bytes(), STEP_TRAINER)
    assert (parsed.landed.height, parsed.quarantined.height) == (29_970, 0)


def test_customers_with_float_dates_and_numeric_phones():
    name = "customer_956_nulls_floatdates_numericphone.json"
    parsed = careful(shared("landing_samples", name).read_bytes(), CUSTOMER)
    assert (parsed.landed.height, parsed.quarantined.height) == (956, 0)
    assert parsed.landed["shareWithResearchAsOfDate"].null_count() == 474
    assert parsed.landed["phone"].unique().to_list() == ["8015551212"]
    assert parsed.repaired["number_as_text"] == 956


def test_an_empty_file_has_no_records():
    text = shared("landing_samples", "customer_empty_1.json").read_bytes()
    for parsed in (careful(text, CUSTOMER), read_fast(text, CUSTOMER)):
        assert (parsed.landed.height, parsed.quarantined.height, parsed.records) == (0, 0, 0)
        assert parsed.landed.schema == CUSTOMER.schema() | {"person": pl.String, "device": pl.String}


@pytest.mark.parametrize(("name", "source"), [("accelerometer", ACCELEROMETER), ("customer", CUSTOMER)])
def test_all_rows_of_the_csv_exports(name, source):
    path = shared("landing_samples", f"{name}_export.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    parsed = CsvReader(source).close(path.read_bytes())
    assert (parsed.landed.height, parsed.quarantined.height, parsed.records) == (len(rows), 0, len(rows))
    assert len(rows) == {"accelerometer": 9, "customer": 387}[name]
    by_name = {field.name.casefold(): field.name for field in source.fields}
    for column in rows[0]:
        got = parsed.landed[by_name[column]].cast(pl.String).fill_null("").to_list()
        assert got == [row[column] for row in rows]


@pytest.mark.parametrize(
    ("source", "count"),
    [(CUSTOMER, 956), (ACCELEROMETER, 81_273), (STEP_TRAINER, 28_680)],
    ids=lambda v: str(v)[:20],
)
def test_both_ways_read_the_reference_data_alike(source, count, monkeypatch):
    texts = [path.read_bytes() for path in sorted(shared("reference", source.name, "landing").iterdir())]
    fast = [read_fast(text, source) for text in texts]
    assert sum(parsed.landed.height for parsed in fast) == count
    one_by_one(monkeypatch)
    for text, parsed in zip(texts[:2], fast[:2], strict=False):
        assert careful(text, source).landed.equals(parsed.landed)
        assert careful(text, source).records == parsed.records


def one_by_one(monkeypatch):
    monkeypatch.setattr("stedi_assets.records.json_objects.typed_rows", lambda *_: None)


# The fast way -----

PLAIN_VARIANTS = [
    PLAIN + b"\r\n" + PLAIN + b"\r\n",
    PLAIN + b"\n\n  \n" + PLAIN,
    b'{ "d" : -1e3 , "i": null, "s" :"x" }\n' + PLAIN,
    b'{"s":"x"}\n' + PLAIN,
    b'{"s":"nulls","i":null,"d":null}\n{"s":"a null","d":null}\n',
    '{"s":"\u00e9\u4e2d"}\n{"s":"\\u00e9\\n\\"{}"}\n'.encode(),
    b'{"S":"x","I":7}\n{"S":"y","I":8}\n',
    b'{"s":"x","new":1.5}\n{"s":"y","new":2.5}\n{"s":"z","new":null}\n',
    b'{"s":"x","new":"t","other":true}\n{"s":"y"}\n',
    b'{"s":"a","i":-9223372036854775808,"d":1e-320}\n{"s":"a","i":9223372036854775807,"d":0.1234567890123456789}\n',
]


@pytest.mark.parametrize("text", PLAIN_VARIANTS)
def test_plain_lines_are_read_fast_and_as_the_careful_way_would(text, monkeypatch):
    fast = read_fast(text, SMALL, 100)
    assert fast is not None
    one_by_one(monkeypatch)
    slow = JsonReader(SMALL, 100).close(text)
    assert fast.landed.equals(slow.landed)
    assert (fast.records, fast.repaired, fast.drift) == (slow.records, slow.repaired, slow.drift)


TRAPS = [
    b'{"s":"a","i":4.7}',
    b'{"s":"a","i":4.0}',
    b'{"s":"a","i":1e3}',
    b'{"s":"a","i":true}',
    b'{"s":"a","i":"12"}',
    b'{"s":"a","i":""}',
    b'{"s":"a","d":"1.5"}',
    b'{"s":8015551212}',
    b'{"s":1.0}',
    b'{"s":true}',
    b'{"s":{"t":1}}',
    b'{"s":{}}',
    b'{"s":["a"]}',
    b'{"s":[]}',
    b'{"s":"a","i":[1]}',
    b'{"s":"a","d":NaN}',
    b'{"s":"a","d":Infinity}',
    b'{"s":"a","d":-Infinity}',
    b'{"s":"a","d":1e400}',
    b'{"s":"a","i":9223372036854775808}',
    b'{"s":"a","i":99999999999999999999999}',
    b'{"s":"a"} junk',
    PLAIN + PLAIN,
    PLAIN + b" " + PLAIN,
    b"[" + PLAIN + b"]",
    b"\xef\xbb\xbf" + PLAIN,
    b"\x1e" + PLAIN,
    b"null",
    b"12",
    b'"text"',
    b"[1, 2]",
    b'{"s":"\xff"}',
    b'{"s":"\\ud800"}',
    b'{"s":"\\udc00x"}',
    b'{"s":"a","s":"b"}',
    b'{"s":"a","s":"a"}',
    b'{"s":"a","S":"a"}',
    b'{"s":"a","i":null,"i":1}',
    b'{"s":"a","i":1,"i":2}',
    b'{"s":"a","j":1}',
    b'{"t":"a"}',
    b"{}",
    b'{"s":null}',
    b'{"s":""}',
    b'{"s":"null"}',
    b'{"s":"NULL"}',
    b'{"i":1}',
    b'{"s":"a"',
    b'{"s":"a',
    b'{"s":"a",}',
    b"{'s':'a'}",
    b'{s:"a"}',
    b'{"s":"a\tb"}',
    b'{"s":"a\x00"}',
    b'{"s":"\\q"}',
    b'{"s":"a","i":012}',
    b'{"s":"a","i":+1}',
    b'{"s":"a"}\x00',
    b'{"s":"a","d":.5}',
    b"  " + b"junk",
    b'{"s":1,"t":"\\\\"}',
    b'{"s":"a","\\"i":null}',
]


@pytest.mark.parametrize("place", ["first", "amid"])
@pytest.mark.parametrize("trap", TRAPS)
def test_the_fast_way_refuses_whatever_is_not_plain(trap, place):
    before = b"" if place == "first" else PLAIN + b"\n"
    parsed = read_fast(before + trap + b"\n" + PLAIN + b"\n", SMALL)
    has_unknown_field = b'"j":' in trap
    assert parsed.drift == {"j": 1} if has_unknown_field else parsed is None


def test_an_odd_line_costs_no_other_line_its_speed(monkeypatch):
    odd = [
        b'{"s":"a","i":1.707460941516E12}',
        b'{"s":"a","i":"7"}',
        b'{"S":"a"}',
        b'{"s":"a:b"} x',
        b'{"s":"a"',
        b"junk",
        b'{"s":"\xff"}',
        b'{"s":"\\ud800"}',
        b'{"s":"a","s":"a"}',
        b'{"s":"a","i":null,"i":1}',
        b'{"s":""}',
        PLAIN + PLAIN,
    ]
    text = b"".join((PLAIN + b"\n") * 3 + line + b"\n" for line in odd)
    read_with_care = []
    convert_one = convert.Converter.convert

    def counted(self, members):
        read_with_care.append(members)
        return convert_one(self, members)

    monkeypatch.setattr(convert.Converter, "convert", counted)
    parsed = careful(text)
    assert parsed.landed.height == 3 * len(odd) + 8
    assert len(read_with_care) <= len(odd)


AROUND = b'{"s":"outer","n":[\n%s\n]}\n'
ONE, TWO = b'{"s":"one"}', b'{"s":"two"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (AROUND % ONE, ["outer"]),
        # Two in a row are records, whatever is around them.
        (AROUND % (ONE + b",\n" + TWO), ["one", "two"]),
        (AROUND % (ONE + b",\n" + b" " * 1000 + b"\n" + TWO), ["one", "two"]),
        # But not if they are far apart, or too long to show it.
        (AROUND % (ONE + b",\n" + b" " * 1100 + b"\n" + TWO), ["outer"]),
        (AROUND % (ONE + b',\n{"s":"long","t":"' + b"x" * 70_000 + b'"}'), ["outer"]),
    ],
)
def test_a_plain_line_is_no_record_inside_an_object(text, expected):
    plain = (PLAIN + b"\n") * 3
    assert careful(plain + text + plain).landed["s"].to_list() == ["a"] * 3 + expected + ["a"] * 3


def test_a_plain_line_that_is_too_long_is_none_among_plain_ones(monkeypatch):
    for module in ("json_objects", "split"):
        monkeypatch.setattr(f"stedi_assets.records.{module}.MAX_RECORD_BYTES", 100)
    lines = [PLAIN, PLAIN, b'{"s":"%s"}' % (b"x" * 120), PLAIN, PLAIN]
    parsed = careful(b"\n".join(lines) + b"\n")
    assert parsed.landed["s"].to_list() == ["a"] * 4
    assert parsed.quarantined["reasons"].to_list()[0] == ["too_long"]


def test_positions_are_byte_offsets_in_the_file():
    text = '{"s":"\u00e9"}\r\n\r\n{"s":"b"}\n'.encode()
    assert read_fast(text, SMALL, 1000).landed["source_position"].to_list() == [1000, 1014]


# Values -----


@pytest.mark.parametrize(
    ("written", "value", "repair"),
    [
        ('{"i": 1.655564376361E12}', 1655564376361, "float_as_integer"),
        ('{"i": 4.0}', 4, "float_as_integer"),
        ('{"i": 9007199254740993.0}', 9007199254740993, "float_as_integer"),
        ('{"i": "165"}', 165, "text_as_number"),
        ('{"i": " 165 "}', 165, "text_as_number"),
        ('{"i": "1.65e2"}', 165, "text_as_number"),
        ('{"i": 0}', 0, None),
        ('{"i": 0E5}', 0, "float_as_integer"),
        # Java writes every digit of a double but zeros at its end.
        ('{"i": 1.655564376E12}', 1655564376000, "float_as_integer"),
        ('{"i": null}', None, None),
        ('{"d": 3}', 3.0, None),
        ('{"d": "-0.5"}', -0.5, "text_as_number"),
        ('{"n": 8015551212}', "8015551212", "number_as_text"),
        ('{"n": 8015551212.0}', "8015551212", "number_as_text"),
        ('{"n": 8.015551212E9}', "8015551212", "number_as_text"),
        ('{"n": 1.50}', "1.50", "number_as_text"),
        ('{"n": "8015551212.0"}', "8015551212.0", None),
        ('{"n": "Nan"}', "Nan", None),
        ('{"N": "x"}', "x", "field_name"),
        ('{"n": "x", "N": "x"}', "x", "repeated_field"),
        ('{"n": null, "n": "x"}', "x", "repeated_field"),
        ('{"n": "\\u00e9 }{ \\n \\""}', '\u00e9 }{ \n "', None),
    ],
)
def test_values_are_read_when_their_meaning_is_certain(written, value, repair):
    fields = (
        Field("i", "bigint", False),
        Field("d", "double", False),
        Field("n", "string", False),
    )
    parsed = careful(written.encode(), Source("test", fields))
    assert [v for v in parsed.landed.row(0)[:-1] if v is not None] == ([] if value is None else [value])
    assert (repair in parsed.repaired) if repair else not parsed.repaired
    assert parsed.repaired.keys() <= REPAIRS.keys()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b'{"s":"a","i":4.7}', ["wrong_type:i"]),
        (b'{"s":"a","i":1.65556E+12}', ["wrong_type:i"]),
        (b'{"s":"a","i":"1.65556E+12"}', ["wrong_type:i"]),
        (b'{"s":"a","i":1.655564376E+12}', ["wrong_type:i"]),
        # As Java writes a float.
        (b'{"s":"a","i":1.6555644E12}', ["wrong_type:i"]),
        (b'{"s":"a","i":1e3}', ["wrong_type:i"]),
        (b'{"s":8.01555E+09}', ["wrong_type:s"]),
        (b'{"s":1e999999999}', ["wrong_type:s"]),
        (b'{"s":"a","i":false}', ["wrong_type:i"]),
        (b'{"s":"a","i":"2022-06-18T14:59:36Z"}', ["wrong_type:i"]),
        (b'{"s":"a","i":true,"d":false}', ["wrong_type:d", "wrong_type:i"]),
        (b'{"s":true}', ["wrong_type:s"]),
        (b'{"s":{"x":1}}', ["wrong_type:s"]),
        (b'{"s":["x"]}', ["wrong_type:s"]),
        (b'{"s":"a","i":9223372036854775808}', ["wrong_type:i"]),
        (b'{"s":"a","i":1e999999999}', ["wrong_type:i"]),
        (b'{"s":"a","i":1e99999999999999999999}', ["wrong_type:i"]),
        (b'{"s":"a","i":' + b"9" * 5000 + b"}", ["wrong_type:i"]),
        (b'{"s":"a","i":"12 apples"}', ["wrong_type:i"]),
        (b'{"s":"a","d":"Infinity"}', ["wrong_type:d"]),
        (b'{"s":"a","d":1e400}', ["wrong_type:d"]),
        (b'{"s":"a","d":-Infinity}', ["not_json"]),
        (b'{"s":"a","i":01}', ["not_json"]),
        (b'{"s":"a",}', ["not_json"]),
        (b"{'s':'a'}", ["not_json"]),
        (b'{"s":"a\tb"}', ["not_json"]),
        (b'{"s":' + b'{"s":' * 600 + b"1" + b"}" * 601, ["not_json"]),
        (b'{"s":' + b"[" * 450 + b"]" * 450 + b"}", ["wrong_type:s"]),
        (b"junk", ["not_json"]),
        (b'{"s":\x00}', ["not_json"]),
        (b"null", ["not_an_object"]),
        (b"null,", ["not_an_object"]),
        (b"[1, 2]", ["not_an_object"]),
        (b'"text"', ["not_an_object"]),
        (b'{"s":"a","i":', ["truncated"]),
        (b'{"s":"a', ["truncated"]),
        (b"{", ["truncated"]),
        (b'{"i":1}', ["missing_field:s"]),
        (b'{"s":null}', ["missing_field:s"]),
        (b'{"s":""}', ["missing_field:s"]),
        (b'{"s":"NULL"}', ["missing_field:s"]),
        (b"{}", ["missing_field:s"]),
        (b'{"s":"a","s":"b"}', ["duplicate_field:s"]),
        (b'{"s":"a","S":"b"}', ["duplicate_field:s"]),
        (b'{"i":1.5,"d":[]}', ["missing_field:s", "wrong_type:d", "wrong_type:i"]),
        (b'{"s":"\xff\xfe"}', ["bad_encoding"]),
        (b'{"s":"\xff', ["bad_encoding", "truncated"]),
        (b"\xff\xfe\x00", ["bad_encoding"]),
        (b'{"s":"\\ud800"}', ["bad_encoding"]),
    ],
)
def test_what_cannot_be_read_names_its_reasons(written, expected):
    assert reasons(written) == [expected]
    assert reasons(PLAIN + b"\n" + written + b"\n" + PLAIN) == [expected]
    assert careful(PLAIN + b"\n" + written + b"\n" + PLAIN).landed.height == 2


def test_raw_text_shows_bytes_that_cannot_be_decoded():
    assert quarantined(careful(b'\n{"s":"\xff"}')) == [('{"s":"\\xff"}', ["bad_encoding"], 1)]


def test_rows_that_break_a_rule_keep_their_text_on_both_ways():
    good = b'{"user":"u@x","timestamp":5,"x":1.0,"y":1,"z":0}'
    bad = good.replace(b"5", b"-5")
    text = good + b"\r\n" + bad + b" \r\n" + good
    for parsed in (
        read_fast(text, ACCELEROMETER, 10),
        JsonReader(ACCELEROMETER, 10).close(text),
    ):
        assert quarantined(parsed) == [(bad.decode(), ["rule:timestamp_positive"], 60)]
        assert parsed.landed["source_position"].to_list() == [10, 10 + len(good + bad) + 5]
        assert parsed.records == 3


@pytest.mark.parametrize(("name", "reasons_why"), [(rb"\ud800", []), (b"\xed\xa0\x80", [["bad_encoding"]])])
def test_an_unknown_name_that_no_text_can_hold_costs_its_own_record_at_most(name, reasons_why):
    odd = b'{"' + name + b'":1,"s":"a"}'
    parsed = careful(b"\n".join([PLAIN] * 3 + [odd] + [PLAIN] * 3))
    assert parsed.landed.height == 7 - len(reasons_why)
    assert parsed.quarantined["reasons"].to_list() == reasons_why


def test_unknown_fields_are_counted_by_name_and_strange_names_are_not_shown():
    text = b'{"s":"a","new":1,"x@y.com":2}\n{"s":"b","new":{"s":[3]}}\n{"s":"c"}'
    assert careful(text).drift == {"new": 2, convert.OTHER_NAMES: 1}
    names = {f"n{number}": 1 for number in range(200)}
    drift = careful(json.dumps({"s": "a", "l": [], **names}).encode()).drift
    assert sum(drift.values()) == 201
    assert len(drift) == 51


def test_a_record_of_ten_megabytes_lands():
    long = "x" * 10_000_000
    for text in (json.dumps({"s": long}), json.dumps({"s": long, "more": {"a": ["{"]}})):
        assert landed(text.encode() + PLAIN) == [(long, None, None), ("a", 1, 2.5)]


ABSENT = ['""', '"NULL"', '"null"', r'"\\N"', '"NaN"', '"None"', '"N/A"', "NaN"]


@pytest.mark.parametrize("written", ABSENT)
def test_what_stands_for_an_absent_value_is_absent_or_missing(written):
    source = Source(
        "test", (Field("i", "bigint", False), Field("n", "string", False), Field("d", "double", False))
    )
    for name in ("i", "n", "d"):
        parsed = careful(f'{{"{name}": {written}}}\n{{"i":1}}'.encode(), source)
        assert [row[:3] for row in parsed.landed.rows()] == [(None, None, None), (1, None, None)]
        assert parsed.repaired == {"absent_value": 1}
        required = Source("test", (*source.fields, Field("r", source.by_name()[name].type, True)))
        assert reasons(f'{{"r": {written}, "i":1}}'.encode(), required) == [["missing_field:r"]]


def test_what_stands_for_an_absent_number_has_any_case_and_blanks_around_it():
    parsed = careful(b'{"s":"a","i":" Null ","d":"nan"}')
    assert parsed.landed.row(0)[:3] == ("a", None, None)


# Records in objects -----


@pytest.mark.parametrize("around", ['{"Item": %s}', '{"_source": %s}', "%s"])
def test_a_record_in_an_object_and_values_with_their_types_are_read(around):
    typed = b'{"s": {"S": "8015"}, "i": {"N": "1655564376361"}, "d": {"NULL": true}, "new": {"BOOL": true}}'
    parsed = careful(PLAIN + (around % typed.decode()).encode())
    assert [row[:3] for row in parsed.landed.rows()] == [("a", 1, 2.5), ("8015", 1655564376361, None)]
    assert parsed.repaired == {"glued": 1, "dynamodb": 1} | ({"wrapped": 1} if "{" in around else {})
    assert parsed.drift == {"new": 1}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"s": {"S": 1, "N": "1"}}', ["wrong_type:s"]),
        ('{"s": {"T": "a"}}', ["wrong_type:s"]),
        ('{"s": "a", "i": {"N": 1}}', ["wrong_type:i"]),
        ('{"s": "a", "i": {"N": "1.65556E+12"}}', ["wrong_type:i"]),
        ('{"s": {"NULL": true}}', ["missing_field:s"]),
        ('{"a": {"s": "b"}, "b": {"s": "c"}}', ["missing_field:s"]),
    ],
)
def test_other_objects_are_no_values(written, expected):
    assert reasons(written.encode()) == [expected]


# Times -----

TIMES = Source("times", (Field("s", "string", True), Field("at", "bigint", False, is_time=True)))


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2022-06-18T14:59:36.361Z", 1655564376361),
        ("2022-06-18T16:59:36.361+02:00", 1655564376361),
        ("2022-06-18 14:59:36.3610+00", 1655564376361),
        ("2022-06-18 14:59:36.361 UTC", 1655564376361),
        ("2022-06-18T09:29:36.36-0530", 1655564376360),
        ("2022-06-18T14:59:36Z", 1655564376000),
        ("1970-01-01T00:00:00.000Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_iso_times_that_are_exact_and_name_their_zone_are_milliseconds(written, time):
    for text in (f'{{"s":"a","at":"{written}"}}'.encode(), b"s,at\na," + written.encode()):
        parsed = csv_rows(text, TIMES) if text.startswith(b"s,") else careful(text, TIMES)
        assert parsed.landed["at"].to_list() == [time]
        assert parsed.repaired["iso_time"] == 1


@pytest.mark.parametrize(
    "written",
    [
        "2022-06-18T14:59:36.361",
        "2022-06-18T14:59:36.361482Z",
        "2022-06-18T14:59Z",
        "2022-06-18",
        "2022-02-30T14:59:36.361Z",
        "2022-06-18T14:59:36.361Q",
        "18.06.2022 14:59:36.361Z",
    ],
)
def test_other_times_in_words_are_quarantined(written):
    assert reasons(f'{{"s":"a","at":"{written}"}}'.encode(), TIMES) == [["wrong_type:at"]]


# Consent -----

CONSENT = Source(
    "consent", (Field("s", "string", True), Field("agreed", "bigint", False, is_consent=True, is_time=True))
)


@pytest.mark.parametrize("written", ["false", '"false"', '"FALSE"'])
def test_false_for_a_date_of_consent_is_no_consent(written):
    parsed = careful(f'{{"s":"a","agreed":{written}}}'.encode(), CONSENT)
    assert parsed.landed["agreed"].to_list() == [None]
    assert parsed.repaired == {"refused_consent": 1}


@pytest.mark.parametrize("written", ["true", '"true"', '"yes"', '"no"', "1.65556E+12", "{}", '"2022-06-18"'])
def test_an_answer_that_is_in_doubt_never_becomes_consent(written):
    assert reasons(f'{{"s":"a","agreed":{written}}}'.encode(), CONSENT) == [["wrong_type:agreed"]]


@pytest.mark.parametrize("twice", ["agreed", "AGREED"])
@pytest.mark.parametrize("without", ["null", "0", '""', "0.0", '"0"', '"NULL"', "false"])
def test_one_consent_field_twice_with_and_without_is_without(twice, without):
    values = ["5", without]
    for first, second in (values, values[::-1]):
        text = f'{{"s":"a","agreed":{first},"{twice}":{second}}}'.encode()
        parsed = careful(PLAIN_CONSENT + text + b"\n" + PLAIN_CONSENT, CONSENT)
        assert parsed.landed["agreed"].to_list() == [5, None, 5]
        assert parsed.repaired["repeated_consent"] == 1
        assert read_fast(PLAIN_CONSENT + text, CONSENT) is None


@pytest.mark.parametrize("nearly", ["agreed ", "a_greed", "Agr-eed"])
@pytest.mark.parametrize("without", ["null", "0", '"NULL"', "false", '"soon"'])
def test_a_refusal_by_nearly_the_name_of_a_consent_field_counts(nearly, without):
    for first, second in ((("agreed", "5"), (nearly, without)), ((nearly, without), ("agreed", "5"))):
        text = f'{{"s":"a","{first[0]}":{first[1]},"{second[0]}":{second[1]}}}'.encode()
        parsed = careful(PLAIN_CONSENT + text + b"\n" + PLAIN_CONSENT, CONSENT)
        assert parsed.landed["agreed"].to_list() == [5, None, 5]
        assert parsed.repaired["repeated_consent"] == 1
        assert read_fast(text + b"\n" + text, CONSENT) is None
    named = csv_rows(f"s,agreed,{nearly}\na,5,\nb,5,5\n".encode(), CONSENT)
    assert named.landed["agreed"].to_list() == [None, 5]


def test_nearly_the_name_of_a_consent_field_gives_no_consent():
    assert careful(b'{"s":"a","a_greed":5}', CONSENT).landed["agreed"].to_list() == [None]


PLAIN_CONSENT = b'{"s":"p","agreed":5}\n'


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ('"agreed":5,"Agreed":6', ["duplicate_field:agreed"]),
        ('"agreed":5,"agreed":true', ["duplicate_field:agreed", "wrong_type:agreed"]),
        ('"agreed":null,"agreed":"never"', ["wrong_type:agreed"]),
    ],
)
def test_one_consent_field_twice_otherwise_is_quarantined(members, expected):
    assert reasons(f'{{"s":"a",{members}}}'.encode(), CONSENT) == [expected]


def test_equal_answers_to_one_question_are_one_answer():
    parsed = careful(b'{"s":"a","agreed":5,"AGREED":5}\n{"s":"b","agreed":null,"agreed":0}', CONSENT)
    assert parsed.landed["agreed"].to_list() == [5, 0]
    assert parsed.repaired == {"field_name": 1, "repeated_field": 2}


def test_a_repeated_column_of_consent_is_without_where_one_of_the_two_is():
    parsed = csv_rows(b"s,agreed,Agreed\na,5,\nb,,5\nc,0,5\nd,5,5\ne,5,6\nf,,\n", CONSENT)
    assert parsed.landed["agreed"].to_list() == [None, None, None, 5, None]
    assert parsed.repaired["repeated_consent"] == 3
    assert quarantined(parsed) == [("e,5,6", ["duplicate_field:agreed"], 38)]


ROWS = [{"s": "a\u00e9", "i": 1, "d": 0.5}, {"s": 'b"', "i": 2, "d": None}]


def table(orient: str, rows: list[dict] = ROWS) -> str:
    """A table as pandas writes it."""
    names = [*rows[0]]
    if orient == "split":
        data = [[*row.values()] for row in rows]
        return json.dumps({"columns": names, "index": [*range(len(rows))], "data": data})
    if orient == "list":
        return json.dumps({name: [row[name] for row in rows] for name in names}, ensure_ascii=False, indent=1)
    return json.dumps({name: {f"r {at}": row[name] for at, row in enumerate(rows)} for name in names})


@pytest.mark.parametrize("orient", ["columns", "split", "list"])
@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_a_table_column_by_column_lands_its_records(orient, size):
    text = (table(orient) + "\n").encode()
    parsed = read_in_pieces(JsonReader(SMALL), text, [*range(size, len(text), size)])
    assert [row[:3] for row in parsed.landed.rows()] == [("a\u00e9", 1, 0.5), ('b"', 2, None)]
    assert (parsed.records, parsed.quarantined.height, parsed.repaired["table"]) == (2, 0, 1)


@pytest.mark.parametrize("orient", ["columns", "split", "list"])
def test_a_record_of_a_table_that_cannot_land_is_in_quarantine_alone(orient):
    parsed = careful(table(orient, [*ROWS, {"s": "x", "i": 1.5, "d": None}]).encode())
    assert parsed.landed.height == 2
    assert [(text, why) for text, why, _ in quarantined(parsed)] == [
        ('{"s": "x", "i": 1.5, "d": null}', ["wrong_type:i"])
    ]


def test_a_table_beside_other_text_or_without_a_field_is_one_record_with_a_reason_that_says_so():
    for text in (table("columns") * 2, '{"i": {"0": 1, "1": 2}, "d": {"0": 1, "1": 2}}'):
        assert {tuple(row[1]) for row in quarantined(careful(text.encode()))} == {("column_wise",)}
    typed = careful(b'{"s": {"S": "a"}, "i": {"N": "1"}}')
    assert (typed.landed.height, typed.repaired["dynamodb"]) == (1, 1)


def test_a_table_that_is_too_large_to_hold_is_no_table(monkeypatch):
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 50)
    assert [row[1] for row in quarantined(careful(table("columns").encode()))] == [["column_wise"]]


# CSV -----

HEADER = b"s,i,d\n"


def csv_rows(text: bytes, source: Source = SMALL):
    parsed = CsvReader(source).close(text)
    assert parsed.records == parsed.landed.height + parsed.quarantined.height
    return parsed


def test_csv_values_quotes_and_line_ends():
    text = b'\xef\xbb\xbf"S",I,d\r\n"a ""b"",\nc",1,2.5\r\n\r\n x ,,\n5" pipe," 7 ",1e3'
    parsed = csv_rows(text)
    assert parsed.landed.rows() == [
        ('a "b",\nc', 1, 2.5, 12),
        (" x ", None, None, 34),
        ('5" pipe', 7, 1000.0, 40),
    ]
    assert parsed.repaired == {"bom": 1, "csv": 3, "field_name": 3}
    assert parsed.quarantined.is_empty()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b"a,1", ["field_count"]),
        (b"a,1,2,3", ["field_count"]),
        (b",1,2", ["missing_field:s"]),
        (b"a,x,1.5.", ["wrong_type:d", "wrong_type:i"]),
        (b"a,1,Infinity", ["wrong_type:d"]),
        (b'"a,1,2', ["not_csv"]),
        (b'"a"b,1,2', ["not_csv"]),
        (b"\xff,1,2", ["bad_encoding"]),
    ],
)
def test_csv_rows_that_cannot_be_read_name_their_reasons(row, expected):
    parsed = csv_rows(HEADER + b"a,1,2\n" + row + b"\nb,3,4\n")
    assert quarantined(parsed) == [(row.decode(errors="backslashreplace"), expected, 12)]
    assert parsed.landed["i"].to_list() == [1, 3]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("before", ["", "sep=%s\r\n", "\ufeffsep=%s\n"])
def test_csv_is_read_by_the_separator_of_its_header(separator, blank, before):
    quoted = '"a ""b"", ;|\t\n"'
    rows = [["s", "i", "d"], [quoted, "1", '"2.5"'], ["b c", "", "1"], ['"open', "1", "2"], ["d", "4", "5"]]
    lines = [(separator + blank).join(row) for row in rows]
    text = (before.replace("%s", separator) + "\r\n".join(lines)).encode()
    parsed = csv_rows(text)
    assert [row[:3] for row in parsed.landed.rows()] == [
        ('a "b", ;|\t\n', 1, 2.5),
        ("b c", None, 1.0),
        ("d", 4, 5.0),
    ]
    assert [row[1] for row in quarantined(parsed)] == [["not_csv"]]
    for size in range(1, len(text)):
        assert windows(text, size) == (parsed.landed.rows(), parsed.quarantined.rows(), parsed.records)


def test_a_blank_between_separator_and_quote_is_no_part_of_the_value():
    assert [row[:3] for row in csv_rows(b's,i,d\n "a", "1",  2\n').landed.rows()] == [("a", 1, 2.0)]
    assert reasons_of(b's,i,d\n "a"b,1,2\n') == [["not_csv"]]


def reasons_of(text: bytes) -> list[list[str]]:
    return csv_rows(text).quarantined["reasons"].to_list()


def test_csv_without_a_header_loses_no_row():
    parsed = csv_rows(b"a,1,2\nb,3,4\n")
    assert parsed.quarantined["reasons"].to_list() == [["unknown_header"]] * 2


def test_csv_in_windows_gives_what_it_gives_at_once():
    text = HEADER + b'"a\n""b",1,2\r\nx,y,z\n"open,1,2\n\nlast,3,4'
    whole = csv_rows(text)
    for size in range(1, len(text)):
        assert windows(text, size) == (whole.landed.rows(), whole.quarantined.rows(), whole.records)


def windows(text, size):
    got = read_in_pieces(CsvReader(SMALL), text, [*range(size, len(text), size)])
    return got.landed.rows(), got.quarantined.rows(), got.records


@pytest.mark.parametrize("newline", [b"\r", b"\r\r\n", b"\n\r", b"\r\n\r"])
def test_csv_rows_end_at_any_line_end(newline):
    text = newline.join([b"s,i,d", b"a,1,2", b'"b\rb",3,4', b'"open,5,6', b"c,7,8"])
    parsed = csv_rows(text)
    assert parsed.landed["s"].to_list() == ["a", "b\rb", "c"]
    assert [row[:2] for row in quarantined(parsed)] == [('"open,5,6', ["not_csv"])]
    for size in range(1, len(text)):
        assert windows(text, size) == (parsed.landed.rows(), parsed.quarantined.rows(), parsed.records)


@pytest.mark.parametrize(
    "first",
    [
        "s,i,d\u2028a,1,2\u2028b,3,4",
        "s,i,d\x85a,1,2",
        "s,i,d\x0ba,1,2",
        "s,i,da@example.org,1,2",
        "s,i,da,1,2",
        's,i,"d\na",1,2',
        "s,i,d;a",
        "s,i,1950-01-01",
    ],
)
def test_a_csv_header_that_holds_more_than_names_is_a_record(first):
    parsed = csv_rows(f"{first}\nb,3,4\n".encode())
    assert [row[:2] for row in quarantined(parsed)] == [
        (first, ["unknown_header"]),
        ("b,3,4", ["unknown_header"]),
    ]


def test_names_of_a_csv_header_have_neither_blanks_nor_quotes():
    assert csv_rows(b'"s ", "i",\td ,\nb,3,4,\n').landed.rows() == [("b", 3, 4.0, 15)]


def test_each_csv_header_holds_for_the_rows_behind_it():
    text = b"s,i,d\na,1,2\ns,i,d\nb,3,4\nD,S,I,u\n5,c,6,7\n5,c@example.org,x,7\ni,s\n8,e\n"
    parsed = csv_rows(text)
    assert [row[:3] for row in parsed.landed.rows()] == [
        ("a", 1, 2.0),
        ("b", 3, 4.0),
        ("c", 6, 5.0),
        ("e", 8, None),
    ]
    assert [row[:2] for row in quarantined(parsed)] == [("5,c@example.org,x,7", ["wrong_type:i"])]
    for size in range(1, len(text)):
        assert windows(text, size) == (parsed.landed.rows(), parsed.quarantined.rows(), parsed.records)


def test_a_title_before_a_csv_header_is_the_only_row_that_is_not_read():
    parsed = csv_rows(b"Export of Monday\n" + HEADER + b"a,1,2\n")
    assert quarantined(parsed) == [("Export of Monday", ["unknown_header"], 0)]
    assert parsed.landed["s"].to_list() == ["a"]


# Rules -----


@pytest.mark.parametrize(
    ("check", "arguments", "values", "bad"),
    [
        ("greater_than", (0,), [1, 0, None], [0]),
        ("greater_than_or_equal_to", (0,), [1, 0, -1], [-1]),
        ("less_than", (5.0,), [4.9, 5.0, float("nan")], [5.0, float("nan")]),
        ("greater_than", (5.0,), [5.1, float("nan"), float("inf")], [float("nan")]),
        ("less_than_or_equal_to", (5,), [5, 6], [6]),
        ("in_range", (1, 3), [0, 1, 2, 3, 4], [0, 4]),
        ("in_range", (1, 3, False, False), [1, 2, 3], [1, 3]),
        ("zero_or_in_range", (2, 3), [None, -1, 0, 1, 2, 3, 4], [-1, 1, 4]),
        ("isin", (("a", "b"),), ["a", "c", None], ["c"]),
        ("str_matches", (r"[^@]+@",), ["a@b", "@a@", "b"], ["@a@", "b"]),
        ("str_matches", (r"a|b",), ["ax", "xb"], ["xb"]),
        ("greater_than", ("m",), ["a", "z"], ["a"]),
    ],
)
def test_rules_find_the_values_that_break_them(check, arguments, values, bad):
    frame = pl.DataFrame({"v": values})
    broken = frame.filter(failing(Rule("rule", "v", check, arguments)))
    assert broken.equals(pl.DataFrame({"v": bad}))


def test_an_unknown_check_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="rule odd: unknown check 'prime'"):
        failing(Rule("odd", "v", "prime", ()))
