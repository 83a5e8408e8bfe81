"""Who is held back by a quarantined customer record, and which devices are withheld for it."""

from stedi_assets_tests.builders.derived import derived
from stedi_assets_tests.builders.rows import (
    ANN,
    BOB,
    SERIAL,
    SERIAL_2,
    T0,
    customer,
    quarantined,
    reading,
    step,
    values,
)

EVE, ZOE = "eve@example.org", "zoe@example.org"


def record(persons=(), devices=(), at=None):
    return quarantined(persons=list(persons), devices=list(devices), snapshot_at=at)


def trusted(engine, customers, *records):
    return values(derived(engine, customers, quarantine=records)["customer_trusted"], "email", "serialNumber")


def steps_of(engine, customers, *records):
    """Devices whose steps are trusted, where everybody has readings."""
    readings = [reading(row["email"]) for row in customers]
    steps = [step(SERIAL), step(SERIAL_2)]
    tables = derived(engine, customers, readings, steps, quarantine=records)
    return values(tables["step_trainer_trusted"], "serialNumber")


def test_whoever_a_record_names_is_held_back_unless_it_is_surely_older_than_what_landed(engine):
    people = {"older": T0 - 1, "equal": T0, "newer": T0 + 1, "undated": None}
    customers = [customer(f"{person}@example.org", updated=T0) for person in people]
    records = [record([f"{person}@example.org"], at=at) for person, at in people.items()]

    assert trusted(engine, customers, *records) == [("older@example.org", SERIAL)]


def test_a_record_is_older_if_any_device_of_the_person_has_a_newer_snapshot(engine):
    customers = [customer(serial=SERIAL, updated=T0), customer(serial=SERIAL_2, updated=T0 + 2)]

    assert trusted(engine, customers, record([ANN], [SERIAL], at=T0 + 1)) == [(ANN, SERIAL), (ANN, SERIAL_2)]


def test_of_several_records_one_that_may_be_newer_is_enough(engine):
    assert trusted(engine, [customer(updated=T0)], record([ANN], at=T0 - 1), record([ANN], at=T0)) == []


def test_everybody_whom_a_record_names_is_held_back_with_every_device_and_nobody_else(engine):
    customers = [customer(ANN), customer(ANN, serial=SERIAL_2), customer(BOB), customer(EVE)]

    assert trusted(engine, customers, record([ANN, BOB], [SERIAL])) == [(EVE, SERIAL)]


def test_a_person_is_held_back_whatever_the_spelling_of_the_address(engine):
    customers = [customer(" ANN@Example.org"), customer(BOB)]

    assert trusted(engine, customers, record([ANN])) == [(BOB, SERIAL)]


def test_a_record_that_names_nobody_holds_nobody_back(engine):
    assert trusted(engine, [customer()], record(), record(devices=[SERIAL])) == [(ANN, SERIAL)]


def test_who_refuses_stays_out_whatever_is_quarantined(engine):
    assert trusted(engine, [customer(research=None, updated=T0)], record([ANN], at=T0 - 1)) == []


def test_readings_and_steps_of_who_is_held_back_are_in_no_table(engine):
    customers = [customer(ANN), customer(BOB, serial=SERIAL_2)]
    readings, steps = [reading(ANN), reading(BOB)], [step(SERIAL), step(SERIAL_2)]
    tables = derived(engine, customers, readings, steps, quarantine=[record([ANN])])

    assert values(tables["accelerometer_trusted"], "user") == [BOB]
    assert values(tables["customer_curated"], "email") == [BOB]
    assert values(tables["step_trainer_trusted"], "serialNumber") == [SERIAL_2]
    assert len(values(tables["machine_learning_curated"], "customer_key")) == 1


def test_a_device_is_withheld_that_a_record_names_with_somebody_untrusted(engine):
    customers = [customer(ANN), customer(BOB, serial=SERIAL_2)]

    assert steps_of(engine, customers, record([ZOE], [SERIAL], at=T0 - 1)) == [SERIAL_2]
    assert steps_of(engine, customers, record([BOB, ZOE], [SERIAL], at=T0 - 1)) == [SERIAL_2]


def test_a_device_is_withheld_that_a_record_names_and_nobody(engine):
    customers = [customer(ANN), customer(BOB, serial=SERIAL_2)]

    assert steps_of(engine, customers, record(devices=[SERIAL], at=T0 - 1)) == [SERIAL_2]


def test_a_device_is_withheld_whose_other_owner_is_held_back(engine):
    customers = [customer(ANN), customer(EVE), customer(BOB, serial=SERIAL_2)]

    assert steps_of(engine, customers, record([EVE])) == [SERIAL_2]


def test_a_device_is_not_withheld_that_older_records_name_with_trusted_people_alone(engine):
    customers = [customer(ANN), customer(BOB, serial=SERIAL_2)]

    assert steps_of(engine, customers, record([ANN, BOB], [SERIAL, SERIAL_2], at=T0 - 1)) == [
        SERIAL,
        SERIAL_2,
    ]


def test_of_records_that_name_the_same_device_one_in_doubt_is_enough(engine):
    customers = [customer(ANN), customer(BOB, serial=SERIAL_2)]
    records = [record([person], [SERIAL], at=T0 - 1) for person in (ANN, ZOE)]

    assert steps_of(engine, customers, *records) == [SERIAL_2]


def test_a_record_that_wraps_a_whole_delivery_holds_back_whom_it_names(sail_engine):
    """Of each, 30,000: paired with each other they would be 900 million."""
    count = 30_000
    people = [f"{number}@example.org" for number in range(count)]
    devices = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]

    assert (
        steps_of(sail_engine, [customer(ANN), customer(BOB, serial=SERIAL_2)], record(people, devices)) == []
    )
