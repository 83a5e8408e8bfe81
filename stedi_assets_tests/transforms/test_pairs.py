"""Pairs of step and accelerometer readings, and the pseudonym under which they are studied."""

import hashlib
import hmac

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.builders.derived import derived
from stedi_assets_tests.builders.rows import (
    ANN,
    BOB,
    KEY,
    SERIAL,
    SERIAL_2,
    T0,
    customer,
    reading,
    rows_of,
    step,
    values,
)

ANN_KEY = hmac.new(KEY, b"ann@example.org", hashlib.sha256).hexdigest()
BOB_KEY = hmac.new(KEY, b"bob@example.org", hashlib.sha256).hexdigest()

TWO_PEOPLE = [customer(ANN, serial=SERIAL), customer(BOB, serial=SERIAL_2)]


def pairs(engine, customers, readings, steps, **policy):
    return rows_of(derived(engine, customers, readings, steps, **policy)["machine_learning_curated"])


def test_readings_of_a_person_in_the_same_millisecond_are_paired(engine):
    readings = [reading(at=T0, x=0.1, y=0.2, z=0.3), reading(at=T0 + 1)]

    assert pairs(engine, [customer()], readings, [step(distance=250), step(at=T0 + 2)]) == [
        (ANN_KEY, T0, 250, 0.1, 0.2, 0.3)
    ]


def test_different_people_in_the_same_millisecond_are_not_paired(engine):
    assert pairs(engine, TWO_PEOPLE, [reading(ANN), reading(BOB, at=T0 + 1)], [step(SERIAL_2)]) == []


def test_different_people_are_paired_on_request_under_the_accelerometers_person(engine):
    readings = [reading(ANN), reading(BOB, at=T0 + 1)]

    assert pairs(engine, TWO_PEOPLE, readings, [step(SERIAL_2)], on_timestamp_only=True) == [
        (ANN_KEY, T0, 100, 0.5, 0.5, 0.5)
    ]


def test_every_reading_pairs_with_every_step_of_its_millisecond(engine):
    found = pairs(
        engine, [customer()], [reading(x=0.1), reading(x=0.2)], [step(distance=1), step(distance=2)]
    )

    assert [(row[2], row[3]) for row in found] == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]


def test_owners_of_a_shared_device_are_each_paired_with_their_own_reading(engine):
    found = pairs(
        engine, [customer(ANN), customer(BOB)], [reading(ANN, x=0.1), reading(BOB, x=0.2)], [step()]
    )

    assert sorted((row[0], row[3]) for row in found) == sorted([(ANN_KEY, 0.1), (BOB_KEY, 0.2)])


def test_hundreds_of_owners_of_a_device_do_not_multiply_its_pairs(engine):
    owners = [customer(f"{number}@example.org") for number in range(200)]
    readings = [reading(f"{number}@example.org", at=T0 + 1) for number in range(200)]

    assert len(pairs(engine, [customer(), *owners], [reading(ANN), *readings], [step()])) == 1


def test_snapshots_and_devices_of_a_person_do_not_multiply_pairs(engine):
    customers = [customer(updated=T0), customer(updated=T0 + 1), customer("ANN@example.org", serial=SERIAL_2)]

    assert len(pairs(engine, customers, [reading()], [step(SERIAL)])) == 1


def test_re_delivered_readings_are_paired_once(engine):
    assert len(pairs(engine, [customer()], [reading()] * 3, [step()] * 2)) == 1


def test_two_devices_of_a_person_that_read_the_same_make_one_pair(engine):
    customers = [customer(serial=SERIAL), customer(serial=SERIAL_2)]

    assert len(pairs(engine, customers, [reading()], [step(SERIAL), step(SERIAL_2)])) == 1


def test_two_peoples_devices_that_read_the_same_make_two_pairs_on_request(engine):
    found = pairs(
        engine, TWO_PEOPLE, [reading(ANN), reading(BOB)], [step(), step(SERIAL_2)], on_timestamp_only=True
    )

    assert [row[0] for row in found] == sorted([ANN_KEY, ANN_KEY, BOB_KEY, BOB_KEY])


def test_a_shared_device_yields_pairs_only_from_each_owners_consent_on_where_dates_count(engine):
    customers = [customer(ANN, research=T0), customer(BOB, research=T0 + 10)]
    readings = [reading(person, at=at) for person in (ANN, BOB) for at in (T0 + 5, T0 + 15)]
    found = pairs(engine, customers, readings, [step(at=T0 + 5), step(at=T0 + 15)], consent_from_date=True)

    assert sorted(row[:2] for row in found) == sorted(
        [(ANN_KEY, T0 + 5), (ANN_KEY, T0 + 15), (BOB_KEY, T0 + 15)]
    )


def test_the_key_is_of_the_person_and_not_of_a_spelling_of_the_e_mail(engine):
    readings = [reading("Ann@Example.org ", x=0.1), reading(" ann@EXAMPLE.org", x=0.2)]

    assert [row[0] for row in pairs(engine, [customer()], readings, [step()])] == [ANN_KEY, ANN_KEY]


def test_the_table_names_nobody(engine):
    customers = [customer(customerName="Ann Lee", phone="8015551212")]
    table = derived(engine, customers, [reading()], [step()])["machine_learning_curated"]

    assert tuple(table.columns) == CONTRACTS["machine_learning_curated"].column_names
    texts = " ".join(str(value) for row in rows_of(table) for value in row)
    assert not [secret for secret in (ANN, "Ann", "Lee", "8015551212", SERIAL) if secret in texts]


def test_the_secret_is_not_in_the_query(engine):
    table = derived(engine, [customer()], [reading()], [step()]).query("machine_learning_curated")

    assert values(table, "customer_key") == [ANN_KEY]
    assert KEY.decode() not in table._explain_string(extended=True)


def test_without_input_every_table_is_empty_and_has_its_columns(engine):
    for name, table in derived(engine).items():
        assert rows_of(table) == []
        assert tuple(table.columns) == CONTRACTS[name].column_names
