"""Whose a record is: one person for every spelling of an address, one device for every spelling of a serial number."""

import json
import unicodedata

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stedi_assets.records.identity import (
    PERSON_PATTERN,
    device_of,
    named,
    person_of,
    visible,
    with_identities,
)
from stedi_assets.records.mentions import mentions_in
from stedi_assets.records.rules import failing
from stedi_assets.records.source import Rule
from stedi_assets_tests.shares import drawn, examples

ANN = "ann@example.org"
AROUND = [
    *" \t\n\r\f\v\u00a0\u2003\u202f\u3000\u2028\u1680",
    *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202e\u2066\x00\x1f\x85\u2800\u3164",
    *"\"'`\u00b4\u2018\u2019\u201c\u201d\u00ab\u00bb<>,;.",
    "mailto:",
    "MailTo:",
]
around = st.lists(st.sampled_from(AROUND), max_size=6).map("".join)
behind = st.lists(st.sampled_from([each for each in AROUND if ":" not in each]), max_size=6).map("".join)
anything = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(
    st.sampled_from([*AROUND, *"aAé@\u0130\u03a3\u03c2ﬁ\uff20K\u0301:"])
).map("".join)


@given(around, behind, st.booleans())
@drawn
@examples(500)
def test_whatever_is_around_an_address_it_names_the_same_person(before, after, shout):
    address = ANN.upper() if shout else ANN
    assert person_of(before + address + after) == ANN


@pytest.mark.parametrize(
    "spelling",
    [
        "\uff41\uff4e\uff4e\uff20example.org",
        "a\u00adnn@exam\u200bple.org",
        "ann@example.org\u0000",
        "ANN@EXAMPLE.ORG",
        "ann@example\u3002org",
        "ann@example\uff61org",
        "ann@example\uff0eorg\u3002",
    ],
)
def test_forms_of_characters_and_invisible_ones_make_no_other_person(spelling):
    assert person_of(spelling) == ANN


@pytest.mark.parametrize(
    ("spelling", "person"),
    [
        ("NE\u0130LL@X.ORG", "neill@x.org"),
        ("nei\u0307ll@x.org", "neill@x.org"),
        ("ne\u0131ll@x.org", "neill@x.org"),
        ("Stra\u00dfe@x.org", "strasse@x.org"),
        ("o\u2019neill@x.org", "o'neill@x.org"),
        ("o\u00b4neill@x.org", "o'neill@x.org"),
        ("a@XN--bcher-kva.org", "a@b\u00fccher.org"),
        ("a@sub.xn--bcher-kva.xn--p1ai", "a@sub.b\u00fccher.\u0440\u0444"),
        ("a@xn--strae-oqa.org", "a@strasse.org"),
        # No Punycode, and none that stands for text.
        ("a@xn--\u00fc.org", "a@xn--\u00fc.org"),
        ("a@xn--99999999.org", "a@xn--99999999.org"),
        ("xn--bcher-kva@x.org", "xn--bcher-kva@x.org"),
    ],
)
def test_letters_of_one_meaning_make_no_other_person(spelling, person):
    assert person_of(spelling) == person
    assert named(pl.Series([spelling]), person_of).to_list() == [person]


LANDS = Rule("is_person", "person", "str_matches", (PERSON_PATTERN,))
# Whatever no address has at an end, or has there far less often than something else has put it there. An underscore
# before an address is of the address.
DECORATION = [
    *(
        chr(code)
        for code in range(0x3000)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zs", "Zl", "Zp")
    ),
    *"!#$%&'*+-./=?^`{|}~()<>[]:;@,\\\"",
    *"\u2022\u00b7\u2013\u2014\u2026\u25cf\u25aa\u2713\u00a7\u00bf\u00a1\ufffd\u300c\u300d\U0001f4e7",
]
decorated_before = st.lists(st.sampled_from([*DECORATION, "mailto:", "Ann "]), max_size=3).map("".join)
decorated_behind = st.lists(
    st.sampled_from([*DECORATION, "_", "?subject=hi", "|x", "(home)", ";bob@example.org"]), max_size=3
).map("".join)


@given(decorated_before, decorated_behind, st.booleans())
@example("*", "*", True)
@example("", "(home)", True)
@example("", "|x", False)
@example("(", ")", False)
@drawn
@examples(3000)
def test_more_than_an_address_is_the_person_or_lands_as_nobody_and_names_the_person(before, behind, as_json):
    email = before + ANN + behind
    rows = pl.DataFrame({"person": [person_of(email)]})
    if rows.filter(~failing(LANDS)).is_empty():
        raw_text = json.dumps({"email": email, "serialNumber": "S"}) if as_json else f"1,{email},2"
        assert ANN in mentions_in(raw_text).persons
    else:
        assert person_of(email) == ANN


@given(anything, anything)
@drawn
@examples(2000)
def test_a_text_names_each_person_that_may_land(before, behind):
    person = person_of(f"{before}a@b{behind}")
    if not pl.DataFrame({"person": [person]}).filter(~failing(LANDS)).is_empty():
        assert person in mentions_in(json.dumps({"email": person})).persons
        assert person in mentions_in(person).persons


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org",
        "o'ann@example.org",
        "\u00e9ann@example.org",
        "ann@example.org_x",
        "bob&ann@example.org",
        "first+tag@example.org",
        "_ann_@example.org",
        "ann!#$%&*+-/=?^`~@example.org",
        "\u0430\u043d\u043d\u0430@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
        "a@paral\u00b7lel.cat",
        "a@\u65e5\u672c\u3005.jp",
    ],
)
def test_an_address_lands_as_it_is(address):
    assert person_of(address) == address
    assert not pl.DataFrame({"person": [address]}).filter(~failing(LANDS)).is_empty()


@pytest.mark.parametrize(
    "other", ["o'ann@example.org", "éann@example.org", "ann@example.org_x", "bob&ann@example.org"]
)
def test_another_address_is_another_person(other):
    assert person_of(other) == other


@pytest.mark.parametrize("nobody", ["", " ", "\u00a0\u200b", '""', "mailto:", " , ;"])
def test_an_address_of_nothing_names_nobody(nobody):
    assert person_of(nobody) == ""


@pytest.mark.parametrize("spelling", [" S-1  ", "s-1\u00a0", "\ufeffS-1", '"s-1"', "\uff33-1"])
def test_padding_case_and_quotes_make_no_other_device(spelling):
    assert device_of(spelling) == "s-1"


@given(anything)
@example("\u00b4ann@x\u00b4")
@example("mailto:<mailto:a@x>")
@drawn
@examples(2000)
def test_a_name_names_itself(text):
    for identity in (person_of, device_of):
        assert identity(identity(text)) == identity(text)


@given(
    st.lists(anything | st.none() | st.sampled_from([ANN, "Ann@Example.org", "a", "A-1", "a:b", "x.", "'x"]))
)
@drawn
@examples(500)
def test_a_column_is_named_as_its_values_are(values):
    for identity in (person_of, device_of):
        found = named(pl.Series("email", values, dtype=pl.String), identity)
        assert found.to_list() == [None if value is None else identity(value) for value in values]


def test_rows_get_the_columns_that_their_fields_name():
    rows = pl.DataFrame({"user": [" A@x", "a@X"], "serialNumber": ["S ", "s"], "z": [1, 2]})

    assert with_identities(rows).to_dict(as_series=False) == {
        "user": [" A@x", "a@X"],
        "serialNumber": ["S ", "s"],
        "z": [1, 2],
        "person": ["a@x", "a@x"],
        "device": ["s", "s"],
    }
    assert with_identities(rows.select("z")).columns == ["z"]


def test_invisible_is_what_unicode_says_is_for_control_and_format():
    kept = set(visible("".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, 0x110000)))))
    hidden = {chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf")}

    assert kept & hidden == set("\t\n\v\f\r")
