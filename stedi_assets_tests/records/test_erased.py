"""Records of erased people that are delivered again: not kept and counted, unless surely from after the erasure."""

import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.records.counts import Counts
from stedi_assets.records.erased import NOT_KEPT, Marks, mark, without_erased
from stedi_assets.records.read_task import reader_of
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, SERIAL_2, T0, customer, reading, step

ERASED_AT, NOW = T0 + 100, T0 + 1000
DAY = 24 * 60 * 60 * 1000
# Bob was erased, and a device that was his alone.
BOBS = (Marks("salt", {mark("salt", BOB): ERASED_AT}, {mark("salt", SERIAL_2): ERASED_AT}),)


def kept(source, *records, marks=BOBS):
    text = lines(*records)
    parsed = reader_of(source_of(CONTRACTS[f"{source}_landing"]), is_csv=False).close(text)
    found = without_erased(parsed, marks, NOW)
    counts = Counts.of(found)
    assert counts.records == counts.landed + counts.quarantined + counts.erased == len(records)
    return found


@pytest.mark.parametrize(
    ("updated", "erased"),
    [
        (ERASED_AT - 1, 1),
        (ERASED_AT, 0),
        (NOW + DAY, 0),
        # A snapshot from so far in the future is quarantined by the rules of its source, and there told by name.
    ],
)
def test_a_snapshot_from_before_the_erasure_is_not_kept_and_a_new_registration_is(updated, erased):
    found = kept("customer", customer(f" {BOB.upper()} ", serial=SERIAL_2, updated=updated), customer())
    assert found.erased == erased
    assert found.landed["person"].to_list() == [BOB, ANN][erased:]


def test_a_customer_with_a_device_of_somebody_erased_is_kept():
    assert kept("customer", customer(serial=SERIAL_2)).erased == 0


@pytest.mark.parametrize(
    ("at", "erased"), [(ERASED_AT - 1, 1), (ERASED_AT, 0), (NOW + DAY, 0), (NOW + DAY + 1, 1)]
)
def test_readings_from_before_are_not_kept_nor_those_whose_time_cannot_be_right(at, erased):
    assert kept("accelerometer", reading(BOB, at), reading(ANN, at)).erased == erased
    assert kept("step_trainer", step(SERIAL_2, at), step(SERIAL, at)).erased == erased


@pytest.mark.parametrize(
    "record",
    [
        b'{"email": "%s", "phone": {}}' % BOB.encode(),
        b'{"email": "bob @example.org", "phone": {}}',
        b'{"email": "bob\\u0040example.org", "phone": {}}',
        b'{"email": "%s", "serialNumber": "%s", "ema' % (BOB.encode(), SERIAL_2.encode()),
        b'{"email": "%s", "lastUpdateDate": %d}' % (BOB.encode(), ERASED_AT - 1),
        # It names nobody, and a device that was nobody else's.
        b'{"serialNumber": "%s", "ema' % SERIAL_2.encode(),
    ],
)
def test_a_quarantined_record_of_somebody_erased_is_not_kept(record):
    found = kept("customer", record, customer())
    assert (found.erased, found.quarantined.height) == (1, 0)


@pytest.mark.parametrize(
    "record",
    [
        b'{"email": "%s", "lastUpdateDate": %d}' % (BOB.encode(), ERASED_AT),
        b'{"email": "%s", "phone": {}}' % ANN.encode(),
        b'{"email": "x%s", "phone": {}}' % BOB.encode(),
        b'{"serialNumber": "%s", "ema' % SERIAL.encode(),
        b'{"email": "%s", "serialNumber": "%s", "ema' % (ANN.encode(), SERIAL_2.encode()),
        b"noise",
    ],
)
def test_any_other_quarantined_record_stays_as_it_is(record):
    found = kept("customer", record)
    assert found.quarantined["raw_text"].to_list() == [record.decode()]


@pytest.mark.parametrize(
    ("record", "persons", "devices"),
    [
        (b'{"email": "%s", "phone": {"email": "%s"}}' % (BOB.encode(), ANN.encode()), [ANN], []),
        # Whoever shares the device is held back by such a record.
        (b'{"email": "%s", "serialNumber": "%s", "ema' % (BOB.encode(), SERIAL.encode()), [], [SERIAL]),
    ],
)
def test_a_record_that_holds_others_back_stays_without_its_text(record, persons, devices):
    (row,) = kept("customer", record).quarantined.to_dicts()
    assert (row["raw_text"], row["persons"], row["devices"]) == (NOT_KEPT, persons, devices)


def test_who_was_erased_twice_counts_from_the_later_erasure():
    marks = (*BOBS, Marks("other", {mark("other", BOB): ERASED_AT + 50}, {}))
    assert kept("accelerometer", reading(BOB, ERASED_AT + 49), marks=marks).erased == 1


def test_where_nobody_was_erased_everything_is_kept():
    assert kept("customer", customer(BOB), marks=()).erased == 0
