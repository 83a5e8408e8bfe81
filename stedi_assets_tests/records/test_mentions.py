"""Whom the text of a quarantined record names, whatever its format and however broken it is."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stedi_assets.records.csv_rows import CsvReader
from stedi_assets.records.identity import device_of, person_of
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.mentions import mentions_in, with_mentions
from stedi_assets_tests.records.sources import CUSTOMER
from stedi_assets_tests.shares import drawn, examples

T0 = 1_704_067_200_000
UUID = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("text", "persons"),
    [
        ('{"email": "Ann@X.org"', ["ann@x.org"]),
        ("o'neill@x.org", ["o'neill@x.org"]),
        ('"o\u2019neill@x.org"', ["o'neill@x.org"]),
        ("o''neill@x.org", ["o''neill@x.org"]),
        ("éneill@x.org", ["éneill@x.org"]),
        (r'"\u00e9neill@x.org"', ["éneill@x.org"]),
        (r"\xe9neill@x.org", ["éneill@x.org"]),
        ('"bob&neill@x.org"', ["bob&neill@x.org"]),
        ('{"email":"bob&neill@x.org","s', ["bob&neill@x.org"]),
        ("first+tag@x.org", ["first+tag@x.org"]),
        ("neill@x.org_x", ["neill@x.org_x"]),
        ("neill@x.org.uk", ["neill@x.org.uk"]),
        ('"a.b+c%d/e=f!g#h$i*j?k^l~m-n_o@x.org"', ["a.b+c%d/e=f!g#h$i*j?k^l~m-n_o@x.org"]),
        # Perhaps a separator.
        ("bob&neill@x.org", ["bob&neill@x.org", "neill@x.org"]),
        ("S1^neill@x.org^0", ["neill@x.org", "s1^neill@x.org"]),
        ("email=neill@x.org&t=1", ["email=neill@x.org", "neill@x.org", "neill@x.org&t=1"]),
        ("ann@x.org/neill@x.org", ["ann@x.org", "neill@x.org"]),
        ('{"m":"S1~neill@x.org~0"}', ["neill@x.org", "s1~neill@x.org"]),
        ("S1\x01neill@x.org\x010", ["neill@x.org", "s1neill@x.org0"]),
        ('{"m":"S1\\u001fneill@x.org\\u001f"}', ["neill@x.org", "s1neill@x.org"]),
        ('"+neill@x.org"', ["+neill@x.org", "neill@x.org"]),
        ("neill@x.org-", ["neill@x.org", "neill@x.org-"]),
        # Written for machines, or against them.
        ("neill%40x.org", ["neill@x.org"]),
        ("neill&#64;x.org neill&commat;y.org", ["neill@x.org", "neill@y.org"]),
        ("neill(at)x.org, bob [AT] x (dot) org", ["bob@x.org", "neill@x.org"]),
        ("mailto:neill@x.org?subject=a", ["neill@x.org"]),
        ("neill@xn--bcher-kva.org neill@x\u3002org", ["neill@bücher.org", "neill@x.org"]),
        ("NE\u0130LL@X\u0130.ORG", ["neill@xi.org"]),
        ("'neill@x.org'", ["neill@x.org"]),
        ("`neill@x.org`", ["neill@x.org"]),
        ("\u201cneill@x.org\u201d", ["neill@x.org"]),
        ("\u2018neill@x.org\u2019", ["neill@x.org"]),
        ("{'email':'neill@x.org','s':1}", ["neill@x.org"]),
        ("<a mail='neill@x.org'>", ["neill@x.org"]),
        ("Neill <neill@x.org>; mailto:bob@x.org.", ["bob@x.org", "neill@x.org"]),
        ("Neill|neill@x.org|1", ["neill@x.org"]),
        ("Neill\tneill@x.org\t1", ["neill@x.org"]),
        (r'"neill\u0040x.org"', ["neill@x.org"]),
        (r'"a\/b@x.org"', ["a/b@x.org"]),
        (r'{"m":"{\"email\":\"neill\\u0040x.org\"}"}', ["neill@x.org"]),
        ("n\0e\0i\0l\0l\0@\0x\0.\0o\0r\0g\0", ["neill@x.org"]),
        ("nei\u200bll\uff20x.org\u00a0", ["neill@x.org"]),
        ('{"email": "neill @x.org"}', ["neill @x.org", "neill@x.org"]),
        ('{"email": "@"} @ nobody@ @x', []),
    ],
)
def test_addresses_are_found_whole(text, persons):
    assert mentions_in(text).persons == persons


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        (f"x{UUID.upper()}y", [UUID]),
        (f"a{UUID}", []),
        ('{"serialNumber": " S-1 ", "a"', ["s-1"]),
        ('{"SERIALNUMBER":17}', ["17"]),
        ('{"serialNumber":null,"a":1}', []),
        (r'{"serialN\u0075mber":"\u0053-1"', ["s-1"]),
        ('{"Items":[{"serialNumber":"a b"},{"serialNumber":"c"}]}', ["a b", "c"]),
        ('{"serialNumber": "S-1', ["s-1"]),
        ('{"serialNumber":["S-1", 2,"S[3]"]}', ["2", "s-1", "s[3]"]),
        ('{"serialNumber":{"id":"S-1"}}', ["s-1"]),
        ('{"serialNumber":{"a":{"id":"S-1","b":"S-2', ["s-1", "s-2"]),
        ('{"serialNumber":[{"id":"S-1"},{"id":"S-2"}],"phone":"3"}', ["s-1", "s-2"]),
        ("{'serialNumber': {'id': 'S-1'}}", ["s-1"]),
        ('{"user":{"name":"Ann","serialNumber":"S-1"}}', ["s-1"]),
        ('"serial_number":"S-1","serial-number":"S-2","Serial Number":"S-3"', ["s-1", "s-2", "s-3"]),
        ('{"deviceSerialNumber":"S-1"}', ["s-1"]),
        ('"serialNumber" => "S-1"', ["s-1"]),
        (f"x\x01{UUID}\x01", [UUID]),
        (f"a\x1f{UUID}\x1f", [UUID]),
        ("serialNumber=S-1&x=2", ["s-1", "s-1&x=2"]),
    ],
)
def test_devices_are_found_by_their_form_or_their_field(text, devices):
    assert mentions_in(text).devices == devices


@pytest.mark.parametrize(
    "field", ['"email":["neill @x.org"]', '"user":{"mail":"neill @x.org"}', '"customerEmail":"neill @x.org"']
)
def test_people_are_found_in_arrays_and_objects_too(field):
    assert mentions_in(f"{{{field}}}").persons == ["neill @x.org", "neill@x.org"]


@pytest.mark.parametrize(
    ("text", "snapshot_at"),
    [
        (f'{{"email":"a@x","lastUpdateDate":{T0},"y"', T0),
        (f'{{"email":"a@x","LASTUPDATEDATE": "{T0}" }}', T0),
        ('{"lastUpdateDate":1.704067200000E12}', T0),
        ('{"lastUpdateDate":"2024-01-01T00:00:00.000Z"}', T0),
        # Perhaps cut off by Excel.
        ('{"lastUpdateDate":1.70407E+12}', None),
        ('{"lastUpdateDate":3993753600000}', 3_993_753_600_000),
        # Perhaps cut off.
        (f'{{"lastUpdateDate":{T0}', None),
        (f'{{"lastUpdateDate":{T0 // 1000}}}', None),
        (f'{{"lastUpdateDate":{T0}000}}', None),
        (f'{{"lastUpdateDate":{T0}.5}}', None),
        (f'{{"lastUpdateDate":-{T0}}}', None),
        ('{"lastUpdateDate":"2024-01-01"}', None),
        ('{"lastUpdateDate":NaN}', None),
        ('{"lastUpdateDate":1e999999999}', None),
        ('{"lastUpdateDate":null}', None),
        (f'{{"lastUpdateDate":{T0},"lastUpdateDate":{T0}}}', None),
        (f'{{"lastUpdateDate":{T0},"LastUpdateDate":null}}', None),
        (rf'{{"lastUpdateDate":{T0},"lastUpdateD\u0061te":1}}', None),
        # Of which of the two it is, cannot be known.
        (f'{{"email":"a@x"{{"lastUpdateDate":{T0},"email":"b@x"}}', None),
        (f'{{"lastUpdateDate":{T0},"n":{{"a":1}}}}', None),
        # Of something else than the record.
        (f'{{"email":"a@x","previous_lastUpdateDate":{T0},"y"', None),
        (f'{{"email":"a@x","x.lastUpdateDate":{T0}}}', None),
        (f'{{"email":"a@x","old lastUpdateDate":{T0},"y":1}}', None),
        (f'{{"email":"a@x","old":{{"lastUpdateDate":{T0}}}}}', None),
        (f'{{"email":"a@x","old":["lastUpdateDate",{T0}],"y"', None),
        (f'{{"email":"a@x","note":"\\"lastUpdateDate\\":{T0},"}}', None),
        (f'{{"email":"a@x","note":"lastUpdateDate={T0},"}}', None),
        (f'["lastUpdateDate",{T0}]', None),
        ("null", None),
        (f"{T0}", None),
        # Perhaps glued together from two records.
        (f'"email":"a@x","lastUpdateDate":{T0}}}', None),
        (f'{{"email":"a@x","email":"lastUpdateDate":{T0}}}', None),
        (f'{{"email":"a@x","phone":"1"lastUpdateDate":{T0}}}', None),
        (f'{{"email":"a@x","phone":"1","lastUpdateDate":{T0},"phone":"2"}}', None),
        (f'{{"email":"a@x","phone":"1","lastUpdateDate":{T0},"PHONE":"2', None),
        (f'{{"email":"a@x","lastUpdateDate":{T0},"a":["b"],"email":"a@x"', None),
        (f'{{"email":"a@x","lastUpdateDate":{T0},"la\u017ftUpdateDate":', None),
        (rf'{{"email":"a@x","lastUpdateDate":{T0},"lastUpdateD\u0061te":1', None),
        # Not JSON.
        (f"{{'email':'a@x','lastUpdateDate':{T0},'y':None}}", None),
        (f"email=a@x&lastUpdateDate={T0},", None),
        (f"a@x,{T0},lastUpdateDate", None),
        (f'{{"email":a@x,"lastUpdateDate":{T0}}}', None),
        # Well formed as far as it goes.
        (f'{{\n  "email": "a@x",\n  "lastUpdateDate": {T0},\n  "customerName": "Neill, A', T0),
        (f'{{"email":"a@x","lastUpdateDate":{T0},"customerName":"Neill \\', T0),
        (f'{{"email":"a@x","lastUpdateDate":{T0},"customerN', T0),
        (f'{{"email":"a@x","lastUpdateDate":{T0},"customerName":', T0),
        (f'{{"email":"a@x","lastUpdateDate":{T0},"phone":1', T0),
        (rf'{{"email":"a@x","customerName":"Jos\xe9","lastUpdateDate":{T0}}}', T0),
        (rf'{{"email":"a@x","lastUpdateD\u0061te":{T0}}}', T0),
    ],
)
def test_a_time_that_is_in_doubt_is_none(text, snapshot_at):
    assert mentions_in(text).snapshot_at == snapshot_at


rest = st.text("a,:{}[]\"\\' \n1", max_size=30)
fragments = st.lists(
    st.sampled_from(
        ['{"email":"a@x",', '"lastUpdateDate":', f"{T0}", "1", '"y":', '"', "{", "}", "[", "]", ",", "\\"]
    )
).map("".join)


@given(
    st.lists(st.sampled_from(["email", "phone", "LASTUPDATEDATE", "lastUpdateDate", "é"]), max_size=4), rest
)
@drawn
@examples(500)
def test_a_whole_record_has_the_time_that_json_says_it_has(names, note):
    members = [(name, "a@x" if name == "email" else T0 + place) for place, name in enumerate(names)]
    text = (
        "{"
        + ",".join(json.dumps(each) + ":" + json.dumps(value) for each, value in [*members, ("n", note)])
        + "}"
    )
    times = [value for name, value in members if name.lower() == "lastupdatedate"]
    certain = (
        len(times) == 1 and len({name.lower() for name, _ in members}) == len(members) and "{" not in note
    )

    assert mentions_in(text).snapshot_at == (times[0] if certain else None)


@given(fragments)
@drawn
@examples(2000)
def test_a_time_is_certain_only_in_text_that_more_text_would_make_one_record(text):
    if mentions_in(text).snapshot_at is None:
        return
    ends = ("", "}", '"}', '":0}', '":"', ":0}", "0}", '\\"}')
    found = [json.loads(text + end, object_pairs_hook=list) for end in ends if is_json(text + end)]

    assert found
    for members in found:
        names = [name.lower() for name, _ in members]
        assert names.count("lastupdatedate") == 1
        assert len(set(names)) == len(names)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


HEADER = b"serialNumber,EMAIL,lastUpdateDate,shareWithResearchAsOfDate\n"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (f"S 1,Ann@x.org,{T0},never", (["ann@x.org"], ["s 1"], T0)),
        (f'"S ""1""","ann@x.org", {T0} ,never', (["ann@x.org"], ['s "1'], T0)),
        # A column too many or too few: counted from both ends, and no time is certain.
        (f"x,S 1,ann@x.org,{T0},never", (["ann@x.org"], ["s 1", "x"], None)),
        (f"ann@x.org,{T0},never", (["ann@x.org"], ["ann@x.org"], None)),
        (f'"S 1,ann@x.org,{T0},never', (["ann@x.org"], ["s 1"], None)),
        (f"ann@x.org,S 1,{T0},never", (["ann@x.org"], ["ann@x.org"], None)),
    ],
)
def test_a_csv_row_names_what_its_columns_hold(row, expected):
    parsed = CsvReader(CUSTOMER).close(HEADER + row.encode() + b"\n")

    assert parsed.quarantined.select("persons", "devices", "snapshot_at").rows() == [expected]


def test_a_csv_row_names_what_columns_of_like_names_hold():
    header = b'lastUpdateDate, "serial_number","Customer E-Mail",previous_lastUpdateDate\n'
    row = f"x,S 1,neill @x.org,{T0}\n".encode()
    parsed = CsvReader(CUSTOMER).close(header + row)

    assert parsed.quarantined.select("persons", "devices", "snapshot_at").rows() == [
        (["neill @x.org", "neill@x.org"], ["s 1"], None)
    ]


addresses = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(
    lambda t: f"a{t}b@x.org"
)


@given(addresses, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), st.booleans())
@drawn
@examples(1000)
def test_a_quarantined_record_names_whom_it_would_name_if_it_landed(email, serial, ascii_only):
    record = {
        "email": email,
        "serialNumber": serial,
        "lastUpdateDate": T0,
        "shareWithResearchAsOfDate": False,
    }
    text = json.dumps(record, ensure_ascii=ascii_only)
    parsed = JsonReader(CUSTOMER).close(text.encode())
    (found,) = parsed.quarantined.to_dicts()

    assert person_of(email) in found["persons"]
    assert device_of(serial) in found["devices"] or device_of(serial) in ("", "null")


def test_texts_already_in_quarantine_are_searched_by_the_same_code():
    texts = ['{"email":"a@x","serialNumber":"S"', "junk"]
    found = with_mentions(pl.DataFrame({"raw_text": texts, "reasons": [["truncated"], ["not_json"]]}))

    assert found.select("persons", "devices", "snapshot_at").rows() == [
        (["a@x"], ["s"], None),
        ([], [], None),
    ]
    assert with_mentions(pl.DataFrame({"raw_text": []}, schema={"raw_text": pl.String})).height == 0


def test_a_long_text_is_searched_in_a_time_that_grows_with_its_length():
    for piece in (
        "a",
        '"email":"',
        "serialNumber='",
        "@",
        "a@",
        "\\",
        "{",
        "'",
        "a'",
        '"lastUpdateDate":',
        '"serialNumber":{',
        '"serialNumber":[{},',
        '"serialNumber":[{"a":1},{',
        " ",
        "(at)",
        '"\\"',
        "%",
        "&",
        '"a',
        "^",
    ):
        mentions_in(piece * (400_000 // len(piece)))
