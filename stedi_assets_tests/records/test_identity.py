"""Whose a record is: one person for every spelling of an address, one device for every spelling of a serial number."""

import unicodedata

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stedi_assets.records.identity import device_of, named, person_of, visible, with_identities

STABLE = settings(derandomize=True, deadline=None, database=None)
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
@settings(STABLE, max_examples=500)
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
    ],
)
def test_forms_of_characters_and_invisible_ones_make_no_other_person(spelling):
    assert person_of(spelling) == ANN


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
@settings(STABLE, max_examples=2000)
def test_a_name_names_itself(text):
    for identity in (person_of, device_of):
        assert identity(identity(text)) == identity(text)


@given(
    st.lists(anything | st.none() | st.sampled_from([ANN, "Ann@Example.org", "a", "A-1", "a:b", "x.", "'x"]))
)
@settings(STABLE, max_examples=500)
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
