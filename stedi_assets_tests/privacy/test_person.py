"""Whose a row is: told by the columns in which the reader stored it, and by nothing else."""

import polars as pl
import pytest

from stedi_assets.privacy.person import People
from stedi_assets.records.identity import person_of
from stedi_assets.records.mentions import with_mentions
from stedi_assets_tests.builders.rows import SERIAL
from stedi_assets_tests.builders.three_people import VIC, VIC_NAME, VIC_SERIAL

PERSON = People({VIC: frozenset([VIC_SERIAL, SERIAL])}, of_others=frozenset([SERIAL]))


def is_of(person: People, text: str) -> bool:
    quarantined = pl.DataFrame({"raw_text": [text], "source_position": [0]})
    return person.rows_of(with_mentions(quarantined)).height == 1


@pytest.mark.parametrize(
    "text",
    [
        f'{{"email": "{VIC}"',
        f'{{"email": " {VIC.upper()} "',
        f"{VIC}",
        '{"email": "vic.tim\\u0040example.org"',
        f"{{\\n{VIC}\\n",
        f"1,{VIC}.",
        f"\\x00\\x1f{VIC}",
        f'{{"serialNumber": "{VIC_SERIAL.upper()}", "distanceFromObject": -1}}',
        f'{{"customerName":"{VIC_NAME.lower()}","serialNumber": "{VIC_SERIAL}","ema',
        # Two records that damage made one: the person's goes, and the other with it.
        f'{{"user": "{VIC}", "x": {{"user": "ann@example.org"}}',
    ],
)
def test_a_quarantined_record_is_the_persons(text):
    assert is_of(PERSON, text)


@pytest.mark.parametrize(
    "text",
    [
        '{"email": "ann@example.org"}',
        f'{{"email": "ludo{VIC}"}}',
        f'{{"email": "x.{VIC}"}}',
        f'{{"email": "{VIC}.au"}}',
        f'{{"email": "{VIC}ization"}}',
        # The device is the person's, and the record somebody else's.
        f'{{"serialNumber": "{VIC_SERIAL}", "email": "ann@example.org"}}',
        # The device is another's, too.
        f'{{"serialNumber": "{SERIAL}", "ema',
        # Two people of one name are two people, and nobody knows which of them this is.
        f'{{"customerName": "{VIC_NAME}", "ema',
        f'{{"serialNumber": "{VIC_SERIAL}0"}}',
        "",
    ],
)
def test_a_quarantined_record_is_not_the_persons(text):
    assert not is_of(PERSON, text)


@pytest.mark.parametrize(
    "other",
    [
        "o'neill@x.org",
        "éneill@x.org",
        "bob&neill@x.org",
        "neill@x.org_x",
        "o\u2019neill@x.org",
        "neill@x.organ",
    ],
)
def test_an_address_within_another_is_another_persons(other):
    records = [f'{{"email": "{email}", "phone": {{}}}}' for email in (other, "neill@x.org")]
    assert [is_of(People({"neill@x.org": frozenset()}), record) for record in records] == [False, True]
    assert [is_of(People({person_of(other): frozenset()}), record) for record in records] == [True, False]


def test_a_person_of_whom_only_the_address_is_known_is_found_by_that_alone():
    person = People({VIC: frozenset()})
    assert is_of(person, VIC)
    assert not is_of(person, f'{{"serialNumber": "{VIC_SERIAL}", "ema')


def test_records_that_name_nobody_are_found_by_device_alone():
    nameless = PERSON.by_device_alone()
    assert is_of(nameless, f'{{"serialNumber": "{VIC_SERIAL}", "ema')
    assert not is_of(nameless, f'{{"serialNumber": "{VIC_SERIAL}", "email": "{VIC}"')
    assert nameless.rows_of(pl.DataFrame({"person": [VIC]})).is_empty()


@pytest.mark.parametrize(
    ("rows", "own"),
    [
        # A customer is told by the person: the device is another's, too.
        ({"person": [VIC, "ann@example.org"], "device": [SERIAL, VIC_SERIAL]}, [0]),
        ({"person": ["ann@example.org", VIC]}, [1]),
        ({"device": [SERIAL, VIC_SERIAL]}, [1]),
        ({"customer_key": ["1", "2"]}, [1]),
        ({"source": [VIC]}, []),
    ],
)
def test_rows_of_other_tables(rows, own):
    person = People({VIC: frozenset([VIC_SERIAL])}, customer_keys={VIC: "2"})
    numbered = pl.DataFrame(rows).with_row_index("number")
    assert person.rows_of(numbered)["number"].to_list() == own


def test_a_person_is_not_shown():
    assert VIC not in repr(PERSON)
    assert VIC_SERIAL not in repr(PERSON)
