"""Which accelerometer and step trainer readings are trusted."""

import pytest

from stedi_assets_tests.builders.derived import derived
from stedi_assets_tests.builders.rows import (
    ANN,
    BOB,
    SERIAL,
    SERIAL_2,
    T0,
    customer,
    reading,
    rows_of,
    step,
    values,
)

SPELLED = "fade1eaf-0000-4000-8000-000000000001"


def accelerometer(engine, customers, readings, **policy):
    trusted = derived(engine, customers, readings, **policy)["accelerometer_trusted"]
    return rows_of(trusted.drop("person"))


def steps_at(engine, customers, readings, steps, **policy):
    trusted = derived(engine, customers, readings, steps, **policy)["step_trainer_trusted"]
    return values(trusted, "serialNumber", "sensorReadingTime")


def test_readings_of_people_without_consent_and_of_strangers_are_dropped(engine):
    customers = [customer(ANN), customer(BOB, research=0)]

    assert accelerometer(engine, customers, [reading(ANN), reading(BOB), reading("eve@example.org")]) == [
        (ANN, T0, 0.5, 0.5, 0.5)
    ]


def test_a_reading_is_kept_once_however_many_devices_its_person_has(engine):
    customers = [customer(serial=SERIAL), customer(serial=SERIAL_2)]

    assert accelerometer(engine, customers, [reading()]) == [(ANN, T0, 0.5, 0.5, 0.5)]


def test_different_readings_in_one_millisecond_are_both_kept(engine):
    assert accelerometer(engine, [customer()], [reading(x=0.1), reading(x=0.2)]) == [
        (ANN, T0, 0.1, 0.5, 0.5),
        (ANN, T0, 0.2, 0.5, 0.5),
    ]


def test_equal_readings_are_one(engine):
    again = reading() | {"source_file": "landing/again.json", "source_position": 7, "ingested_at": T0 + 1}

    assert accelerometer(engine, [customer()], [reading(), reading(), again]) == [(ANN, T0, 0.5, 0.5, 0.5)]


def test_zero_and_minus_zero_are_one_reading(engine):
    assert accelerometer(engine, [customer()], [reading(x=0.0), reading(x=-0.0)]) == [
        (ANN, T0, 0.0, 0.5, 0.5)
    ]


def test_e_mails_match_whatever_their_case_and_the_spaces_around_them(engine):
    assert accelerometer(engine, [customer(" Ann@Example.org")], [reading("ANN@EXAMPLE.ORG ")]) == [
        ("ANN@EXAMPLE.ORG ", T0, 0.5, 0.5, 0.5)
    ]


def test_a_reading_that_was_delivered_under_two_spellings_is_one_and_keeps_the_least(engine):
    readings = [reading(ANN), reading("ANN@example.org"), reading(f"\u200b{ANN}\u00a0")]

    assert accelerometer(engine, [customer()], readings) == [("ANN@example.org", T0, 0.5, 0.5, 0.5)]


@pytest.mark.parametrize(("consent_from_date", "kept"), [(False, [T0 - 1, T0, T0 + 1]), (True, [T0, T0 + 1])])
def test_readings_from_before_consent_are_dropped_where_dates_count(engine, consent_from_date, kept):
    readings = [reading(at=at) for at in (T0 - 1, T0, T0 + 1)]
    found = accelerometer(engine, [customer(research=T0)], readings, consent_from_date=consent_from_date)

    assert [row[1] for row in found] == kept


def test_a_persons_latest_consent_over_all_devices_counts(engine):
    customers = [customer(serial=SERIAL, research=T0), customer(serial=SERIAL_2, research=T0 + 10)]
    readings = [reading(at=T0 + 9), reading(at=T0 + 10)]

    assert [row[1] for row in accelerometer(engine, customers, readings, consent_from_date=True)] == [T0 + 10]


def test_steps_are_kept_of_devices_of_curated_customers_alone(engine):
    customers = [customer(ANN, serial=SERIAL), customer(BOB, serial=SERIAL_2)]
    steps = [step(SERIAL), step(SERIAL_2), step("no such device")]

    assert steps_at(engine, customers, [reading(ANN)], steps) == [(SERIAL, T0)]


def test_a_step_that_was_delivered_under_two_spellings_of_the_device_is_one_and_keeps_the_least(engine):
    spellings = [SPELLED, SPELLED.upper(), f" {SPELLED} "]
    steps = [step(spelling) for spelling in spellings]

    assert steps_at(engine, [customer(serial=SPELLED.title())], [reading()], steps) == [(f" {SPELLED} ", T0)]


def test_steps_are_withheld_whatever_the_spelling_of_the_device_that_the_other_owner_registered(engine):
    customers = [customer(ANN, serial=SPELLED), customer(BOB, serial=f"{SPELLED.upper()}  ", research=0)]

    assert steps_at(engine, customers, [reading(ANN)], [step(SPELLED)]) == []


def test_steps_of_a_device_that_trusted_people_share_are_kept_once(engine):
    customers = [customer(ANN), customer(BOB)]

    assert steps_at(engine, customers, [reading(ANN), reading(BOB)], [step()]) == [(SERIAL, T0)]


def test_steps_of_a_device_shared_with_somebody_untrusted_are_withheld(engine):
    customers = [customer(ANN), customer(BOB, research=0), customer(ANN, serial=SERIAL_2)]

    assert steps_at(engine, customers, [reading(ANN)], [step(SERIAL), step(SERIAL_2)]) == [(SERIAL_2, T0)]


def test_steps_are_withheld_where_the_other_owner_refuses_for_that_device_alone(engine):
    customers = [
        customer(ANN, serial=SERIAL),
        customer(BOB, serial=SERIAL, research=0),
        customer(BOB, serial=SERIAL_2, updated=T0 + 1),
    ]

    assert steps_at(engine, customers, [reading(ANN), reading(BOB)], [step(SERIAL), step(SERIAL_2)]) == [
        (SERIAL_2, T0)
    ]


def test_a_trusted_co_owner_without_readings_withholds_nothing(engine):
    assert steps_at(engine, [customer(ANN), customer(BOB)], [reading(ANN)], [step()]) == [(SERIAL, T0)]


def test_equal_steps_are_one_and_different_ones_in_a_millisecond_two(engine):
    steps = [step(distance=100), step(distance=100), step(distance=200)]
    trusted = derived(engine, [customer()], [reading()], steps)["step_trainer_trusted"]

    assert rows_of(trusted) == [(T0, SERIAL, 100, SERIAL), (T0, SERIAL, 200, SERIAL)]


@pytest.mark.parametrize(
    ("consent_from_date", "kept"), [(False, [T0, T0 + 5, T0 + 9]), (True, [T0 + 5, T0 + 9])]
)
def test_where_dates_count_steps_begin_when_the_first_owner_had_consented(engine, consent_from_date, kept):
    customers = [customer(ANN, research=T0 + 5), customer(BOB, research=T0 + 9)]
    readings = [reading(ANN, at=T0 + 20), reading(BOB, at=T0 + 20)]
    steps = [step(at=T0), step(at=T0 + 5), step(at=T0 + 9)]

    found = steps_at(engine, customers, readings, steps, consent_from_date=consent_from_date)
    assert [at for _, at in found] == kept


def test_where_dates_count_an_owners_latest_consent_over_all_devices_counts(engine):
    customers = [customer(serial=SERIAL, research=T0), customer(serial=SERIAL_2, research=T0 + 10)]
    steps = [step(at=T0 + 9), step(at=T0 + 10)]

    assert steps_at(engine, customers, [reading(at=T0 + 20)], steps, consent_from_date=True) == [
        (SERIAL, T0 + 10)
    ]
