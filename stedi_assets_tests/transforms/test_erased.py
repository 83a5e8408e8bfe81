"""Erased people as records that hold back: the person until a new registration, a shared device for good."""

import pytest

from stedi_assets.records.erased import mark
from stedi_assets.transforms.erased import ERASURES, refusals
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, SERIAL_2, T0, customer, frame

SALT, OTHER_SALT = "a salt", "another salt"
COLUMNS = ["persons", "devices", "snapshot_at", "ingested_at"]


def refused(engine, erased, customers, salt=SALT):
    """The refusals of people erased at ``T0``, as people, devices and time."""
    rows = [(salt, mark(salt, who), which and mark(salt, which), at) for who, which, at in erased]
    found = refusals(
        frame(engine, "customer_landing", customers), engine.session.createDataFrame(rows, ERASURES)
    )
    assert found.columns == COLUMNS
    return sorted((row.persons, row.devices, row.snapshot_at, row.ingested_at) for row in found.collect())


def test_who_is_in_no_table_refuses_nothing(engine):
    assert refused(engine, [(BOB, SERIAL_2, T0), (BOB, None, T0)], [customer()]) == []


def test_a_device_that_somebody_else_has_is_withheld_and_the_record_names_nobody(engine):
    assert refused(engine, [(BOB, SERIAL, T0)], [customer()]) == [([], [SERIAL], T0 - 1, T0)]


def test_who_is_there_still_has_refused_until_the_erasure(engine):
    there = [customer(), customer(BOB, serial=SERIAL)]
    assert refused(engine, [(BOB, SERIAL, T0)], there) == [
        ([BOB], [], T0 - 1, T0),
        ([BOB], [SERIAL], T0 - 1, T0),
    ]


def test_who_has_no_device_or_another_one_now_holds_back_himself(engine):
    assert refused(engine, [(BOB, None, T0)], [customer(BOB)]) == [([BOB], [], T0 - 1, T0)]
    # Bob came again, with another device than the one that Ann has, too.
    there = [customer(), customer(BOB, serial=SERIAL_2)]
    assert refused(engine, [(BOB, SERIAL, T0)], there) == [
        ([], [SERIAL], T0 - 1, T0),
        ([BOB], [], T0 - 1, T0),
    ]


@pytest.mark.parametrize("name", ["é-1", "日本-2"])
def test_marks_are_of_names_in_utf_8_and_each_salt_counts(engine, name):
    erased = [(ANN, name, T0), (ANN, name, T0 + 5)]
    for salt in (SALT, OTHER_SALT):
        found = refused(engine, erased, [customer(BOB, serial=name)], salt=salt)
        assert found == [([], [name], T0 - 1, T0), ([], [name], T0 + 4, T0 + 5)]
