"""Whose snapshots are trusted and curated: the newest, of people who consent to research now."""

import pytest

from stedi_assets_tests.builders.derived import derived
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, SERIAL_2, T0, customer, reading, values


def trusted(engine, *customers, columns=("email", "serialNumber", "lastUpdateDate")):
    return values(derived(engine, customers)["customer_trusted"], *columns)


def test_the_newest_snapshot_of_a_person_and_device_stands_for_both(engine):
    snapshots = [customer(updated=T0 + day, phone=str(day)) for day in (1, 3, 2)]

    assert trusted(engine, *snapshots, columns=("email", "phone")) == [(ANN, "3")]


def test_who_withdrew_consent_in_the_newest_snapshot_is_out(engine):
    assert trusted(engine, customer(updated=T0), customer(updated=T0 + 1, research=None)) == []


def test_who_gave_consent_in_the_newest_snapshot_is_in(engine):
    assert trusted(engine, customer(updated=T0, research=None), customer(updated=T0 + 1)) == [
        (ANN, SERIAL, T0 + 1)
    ]


@pytest.mark.parametrize("absent", [None, 0])
def test_absent_and_zero_consent_dates_are_no_consent(engine, absent):
    assert trusted(engine, customer(research=absent), customer(BOB, research=1)) == [(BOB, SERIAL, T0)]


def test_a_negative_consent_date_is_no_consent(engine):
    assert trusted(engine, customer(research=-1)) == []


def test_consent_to_share_with_others_is_no_consent_to_research(engine):
    snapshot = customer(research=None, shareWithPublicAsOfDate=T0, shareWithFriendsAsOfDate=T0)

    assert trusted(engine, snapshot) == []


@pytest.mark.parametrize("refusal_first", [True, False])
def test_of_two_newest_snapshots_of_a_device_the_one_without_consent_wins(engine, refusal_first):
    snapshots = [customer(research=0), customer(research=T0)]
    newer_consent = customer(serial=SERIAL_2, updated=T0 + 1)

    assert trusted(engine, newer_consent, *(snapshots if refusal_first else reversed(snapshots))) == [
        (ANN, SERIAL_2, T0 + 1)
    ]


def test_of_two_newest_snapshots_of_a_person_the_one_without_consent_wins(engine):
    assert trusted(engine, customer(serial=SERIAL), customer(serial=SERIAL_2, research=None)) == []


def test_of_equal_snapshots_one_is_left(engine):
    assert trusted(engine, customer(), customer()) == [(ANN, SERIAL, T0)]


def test_a_person_is_trusted_with_every_device(engine):
    assert trusted(engine, customer(serial=SERIAL), customer(serial=SERIAL_2, updated=T0 + 1)) == [
        (ANN, SERIAL, T0),
        (ANN, SERIAL_2, T0 + 1),
    ]


def test_a_withdrawal_on_another_device_counts_for_all(engine):
    assert (
        trusted(engine, customer(serial=SERIAL), customer(serial=SERIAL_2, updated=T0 + 1, research=0)) == []
    )


def test_consent_on_another_device_does_not_cover_a_device_that_was_refused(engine):
    assert trusted(
        engine, customer(serial=SERIAL, research=0), customer(serial=SERIAL_2, updated=T0 + 1)
    ) == [(ANN, SERIAL_2, T0 + 1)]


@pytest.mark.parametrize("spelling", ["  Ann@Example.ORG ", f"\t{ANN}\r\n", f"{ANN}\v\f"])
def test_a_person_is_known_by_e_mail_whatever_its_case_and_the_white_space_around_it(engine, spelling):
    withdrawn = customer(spelling, updated=T0 + 1, research=None)

    assert trusted(engine, customer(ANN), withdrawn) == []


def test_the_e_mail_stays_as_the_newest_snapshot_spells_it(engine):
    assert trusted(engine, customer(" ANN@example.org", updated=T0 + 1), customer()) == [
        (" ANN@example.org", SERIAL, T0 + 1)
    ]


def test_people_who_share_a_serial_number_are_judged_one_by_one(engine):
    assert trusted(engine, customer(ANN), customer(BOB, updated=T0 + 1, research=0)) == [(ANN, SERIAL, T0)]


def test_odd_years_of_birth_pass_as_they_are(engine):
    assert trusted(engine, customer(birthDay="993-01-01"), columns=("birthDay",)) == ["993-01-01"]


def test_curated_are_all_devices_of_people_with_a_reading(engine):
    tables = derived(
        engine,
        [customer(serial=SERIAL), customer(serial=SERIAL_2), customer(BOB)],
        [reading("ANN@example.org "), reading("ANN@example.org ", at=T0 + 1)],
    )

    assert values(tables["customer_curated"], "email", "serialNumber") == [(ANN, SERIAL), (ANN, SERIAL_2)]


def test_readings_from_before_consent_make_nobody_curated_where_dates_count(engine):
    tables = derived(
        engine,
        [customer(research=T0), customer(BOB, serial=SERIAL_2, research=T0)],
        [reading(at=T0 - 1), reading(BOB, at=T0)],
        consent_from_date=True,
    )

    assert values(tables["customer_curated"], "email") == [BOB]
