"""Whose a quarantined record is."""

import pytest

from stedi_assets.privacy.person import Person
from stedi_assets_tests.builders.three_people import VIC, VIC_NAME, VIC_SERIAL

PERSON = Person(VIC, names=frozenset([VIC_NAME, ""]), devices=frozenset([VIC_SERIAL]))


@pytest.mark.parametrize(
    "text",
    [
        f'{{"email": "{VIC}"',
        f'{{"email": " {VIC.upper()} "',
        f"{VIC}",
        '{"email": "vic.tim\\u0040example.org"',
        f"{{\\n{VIC}\\n",
        f"1,{VIC}.",
        f"\\xff\\xfe{VIC}",
        # A record cut off in the e-mail, or before it.
        f'{{"customerName": "{VIC_NAME}", "email": "vic.tim@exa',
        f'{{"customerName":"{VIC_NAME.lower()}","ema',
        f'{{"serialNumber": "{VIC_SERIAL.upper()}", "distanceFromObject": -1}}',
        # Two records that damage made one: the person's goes, and the other with it.
        f'{{"user": "{VIC}", "x": {{"user": "ann@example.org"}}',
    ],
)
def test_it_is_the_persons(text):
    assert PERSON.is_in(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"email": "ann@example.org"}',
        f'{{"email": "ludo{VIC}"}}',
        f'{{"email": "x.{VIC}"}}',
        f'{{"email": "{VIC}.au"}}',
        f'{{"email": "{VIC}ization"}}',
        # Someone else of the same name, as another address says.
        f'{{"customerName": "{VIC_NAME}", "email": "ann@example.org"}}',
        f'{{"customerName": "{VIC_NAME}son"',
        '{"customerName": "Victoria", "phone": "1"',
        f'{{"serialNumber": "{VIC_SERIAL}0"}}',
        "",
    ],
)
def test_it_is_not_the_persons(text):
    assert not PERSON.is_in(text)


def test_a_person_of_whom_only_the_address_is_known_is_found_by_that_alone():
    person = Person(VIC)
    assert person.is_in(VIC)
    assert not person.is_in('{"customerName": "", "ema')


def test_a_person_is_not_shown():
    assert VIC not in repr(PERSON)
    assert VIC_NAME not in repr(PERSON)
    assert VIC_SERIAL not in repr(PERSON)
