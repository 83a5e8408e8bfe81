"""The consent queries: silent on right tables, and each finds exactly the rows that should not be there."""

import inspect
from functools import partial
from types import SimpleNamespace

import pytest

from stedi_assets.contracts import consent
from stedi_assets.transforms import held_back, tables
from stedi_assets_tests.builders.derived import Derived, derived
from stedi_assets_tests.builders.rows import (
    ANN,
    BOB,
    KEY,
    SERIAL,
    SERIAL_2,
    T0,
    customer,
    frame,
    quarantined,
    reading,
    step,
    values,
)
from stedi_assets_tests.shares import share

EVE = "eve@example.org"
SERIAL_3 = "00000000-0000-4000-8000-000000000003"

# Ann consents for one device and not for the other, which Bob shares. Eve withdrew on another device.
CUSTOMERS = [
    customer(ANN, serial=SERIAL, updated=T0 + 1, research=T0 + 10),
    customer(ANN, serial=SERIAL_2, research=None),
    customer(BOB, serial=SERIAL_2, research=T0 + 20),
    customer(EVE, serial=SERIAL_3, research=T0),
    customer(EVE, serial="another", updated=T0 + 1, research=0),
]
READINGS = [reading(ANN, at=T0 + 30), reading(BOB, at=T0 + 30)]
STEPS = [step(SERIAL, at=T0 + 30), step(SERIAL_2, at=T0 + 30), step(SERIAL_3, at=T0 + 30)]


def sources_of(engine, customers=CUSTOMERS, quarantine=()):
    """The two tables that say who consents."""
    return frame(engine, "customer_landing", customers), frame(engine, "customer_quarantine", quarantine)


@pytest.mark.parametrize("table", ["customer_trusted", "customer_curated"])
def test_customers_without_consent_are_found(engine, table):
    planted = [customer(ANN, serial=SERIAL_2), customer(EVE, serial=SERIAL_3), customer("nobody@x")]
    right = [customer(" ANN@Example.org", serial=SERIAL), customer(BOB, serial=SERIAL_2)]
    found = consent.customers_without_consent(
        frame(engine, table, right + planted), *sources_of(engine), from_date=False
    )

    assert values(found, "email") == [ANN, EVE, "nobody@x"]


@pytest.mark.parametrize("refused", [None, 0])
def test_a_tie_is_settled_against_consent(engine, refused):
    sources = sources_of(engine, [customer(ANN), customer(ANN, research=refused), customer(BOB)])
    table = frame(engine, "customer_trusted", [customer(ANN), customer(BOB)])

    assert values(consent.customers_without_consent(table, *sources, from_date=False), "email") == [ANN]


def test_a_withdrawal_counts_whatever_the_spelling_of_the_e_mail(engine):
    withdrawal = customer(f"\u200b{ANN.upper()}\t\n", updated=T0 + 1, research=0)
    sources = sources_of(engine, [customer(ANN), withdrawal])
    table = frame(engine, "customer_trusted", [customer(ANN)])

    assert values(consent.customers_without_consent(table, *sources, from_date=False), "email") == [ANN]


def record(persons=(), devices=(), at=None):
    return quarantined(persons=list(persons), devices=list(devices), snapshot_at=at)


def test_people_whose_newest_record_may_be_quarantined_have_no_consent(engine):
    people = {"older": T0 - 1, "equal": T0, "newer": T0 + 1, "undated": None}
    customers = [customer(f"{person}@x", updated=T0) for person in people]
    sources = sources_of(engine, customers, [record([f"{person}@x"], at=at) for person, at in people.items()])
    table = frame(engine, "customer_trusted", customers)
    found = consent.customers_without_consent(table, *sources, from_date=False)

    assert values(found, "email") == ["equal@x", "newer@x", "undated@x"]


def test_steps_are_found_of_devices_that_a_quarantined_record_names(engine):
    devices = ["withdrawn", "unknown owner", "no owner", "older", "older with a stranger"]
    customers = [customer(f"{device}@x", serial=device, updated=T0) for device in devices]
    records = [
        record(["withdrawn@x"], ["withdrawn"]),
        record(["nobody@x"], ["unknown owner"], at=T0 - 1),
        record([], ["no owner"], at=T0 - 1),
        record(["older@x"], ["older"], at=T0 - 1),
        record(["older@x", "stranger@x"], ["older with a stranger"], at=T0 - 1),
    ]
    table = frame(engine, "step_trainer_trusted", [step(device) for device in devices])
    found = consent.steps_without_consent(table, *sources_of(engine, customers, records), from_date=False)

    assert values(found, "device") == sorted({*devices} - {"older"})


def test_what_waits_to_be_settled_is_counted(engine):
    records = [
        record([ANN], ["a"]),
        record([ANN, BOB], ["a", "b"], at=T0),
        record([EVE], ["e"], at=T0 - 1),
        record(["zoe@x"], ["z"], at=T0 - 1),
        record([], ["n"]),
        record(),
    ]
    customers = [customer(person, updated=T0) for person in (ANN, BOB, EVE)]
    sources = sources_of(engine, customers, records)
    trusted = frame(engine, "customer_trusted", [customer(EVE)])

    assert consent.held_back(*sources, trusted).collect()[0].asDict() == {
        "people_held_back": 3,
        "records_naming_nobody": 2,
        "devices_withheld": 4,
    }


def test_without_quarantined_records_nothing_waits(engine):
    sources = sources_of(engine)

    assert set(consent.held_back(*sources, frame(engine, "customer_trusted", [])).collect()[0]) == {0}


@pytest.mark.parametrize(("from_date", "early"), [(False, []), (True, [ANN, BOB])])
def test_readings_without_consent_are_found(engine, from_date, early):
    right = [reading(" Ann@EXAMPLE.org", at=T0 + 10), reading(BOB, at=T0 + 20)]
    before = [reading(ANN, at=T0 + 9), reading(BOB, at=T0 + 19)]
    table = frame(engine, "accelerometer_trusted", [*right, *before, reading(EVE), reading("nobody@x")])
    found = consent.readings_without_consent(table, *sources_of(engine), from_date=from_date)

    assert values(found, "user") == sorted([*early, EVE, "nobody@x"])


@pytest.mark.parametrize(("from_date", "early"), [(False, []), (True, [SERIAL])])
def test_steps_without_consent_are_found(engine, from_date, early):
    rows = [step(SERIAL, at=T0 + 10), step(SERIAL, at=T0 + 9), step(SERIAL_2, at=T0 + 30)]
    rows += [step(SERIAL_3, at=T0 + 30), step("unknown", at=T0 + 30)]
    table = frame(engine, "step_trainer_trusted", rows)
    found = consent.steps_without_consent(table, *sources_of(engine), from_date=from_date)

    assert values(found, "serialNumber") == sorted([*early, SERIAL_2, SERIAL_3, "unknown"])


@pytest.mark.parametrize(("from_date", "early"), [(False, []), (True, [T0 + 9])])
def test_pairs_without_consent_are_found(engine, from_date, early):
    everybody = [customer(ANN), customer(EVE)]
    readings = [reading(ANN, at=T0 + 9), reading(ANN, at=T0 + 10), reading(EVE, at=T0 + 11)]
    table = derived(engine, everybody, readings, [step(at=T0 + at) for at in (9, 10, 11)])
    found = consent.pairs_without_consent(
        table["machine_learning_curated"], *sources_of(engine), from_date=from_date, key=KEY
    )

    assert values(found, "sensorReadingTime") == [*early, T0 + 11]


def test_pairs_under_another_key_are_of_nobody_with_consent(engine):
    table = derived(engine, CUSTOMERS, READINGS, STEPS)["machine_learning_curated"]
    found = consent.pairs_without_consent(table, *sources_of(engine), from_date=False, key=b"another key")

    assert values(found, "sensorReadingTime") == [T0 + 30]


@pytest.mark.parametrize("from_date", [False, True])
def test_right_tables_pass(engine, landing, from_date):
    """On thousands of random worlds, so that the two routes to consent are seen to agree."""
    assert violations(engine, landing, tables, from_date=from_date) == dict.fromkeys(QUERIES, 0)


QUERIES = {
    "customers": ("customer_trusted", consent.customers_without_consent),
    "readings": ("accelerometer_trusted", consent.readings_without_consent),
    "steps": ("step_trainer_trusted", consent.steps_without_consent),
    "pairs": ("machine_learning_curated", partial(consent.pairs_without_consent, key=KEY)),
}


def violations(engine, landing, transforms, *, from_date):
    """Rows that the consent queries flag, by what they are, in tables that ``transforms`` computes."""
    sources = {name: frame(engine, name, rows) for name, rows in landing.items()}
    found = Derived(sources, transforms, consent_from_date=from_date)
    customers = found["customer_landing"], found["customer_quarantine"]
    return {
        name: query(found[table], *customers, from_date=from_date).count()
        for name, (table, query) in QUERIES.items()
    }


# A condition of the transforms, what it is turned into, and where the consent queries must see it.
MUTANTS = {
    "consent of 0 is consent": (
        'F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)) > 0',
        'F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)) >= 0',
        {"customers", "readings", "steps", "pairs"},
    ),
    "consent is not asked for": ('"rank = 1 AND refuses = 0"', '"rank = 1"', {"customers"}),
    "an older snapshot's consent counts": (
        '"rank = 1 AND refuses = 0"',
        '"refuses = 0"',
        {"customers"},
    ),
    "the oldest snapshot counts": (
        'F.col("lastUpdateDate").desc()',
        'F.col("lastUpdateDate").asc()',
        {"customers"},
    ),
    "a device's tie is settled for consent": (
        'F.col("refuses").desc()',
        'F.col("refuses").asc()',
        {"customers"},
    ),
    "a person's tie is settled for consent": (
        '"newest.refuses = 1"',
        '"newest.refuses = 1 AND false"',
        {"customers", "readings", "steps", "pairs"},
    ),
    "e-mails match by spelling": (
        'snapshots.groupBy("person")',
        'snapshots.groupBy(F.col("email").alias("person"))',
        {"customers", "readings", "pairs"},
    ),
    "anybody's readings are trusted": (
        'kept = readings.join(people, "person", "left_semi")',
        "kept = readings",
        {"readings"},
    ),
    "any device's steps are trusted": (
        'kept = steps.join(devices, "device", "left_semi")',
        "kept = steps",
        {"steps"},
    ),
    "shared devices are not withheld": (
        '.join(withheld_devices, "device", "left_anti")',
        "",
        {"steps"},
    ),
    "a trusted person's refused device is not withheld": (
        'owner, "left_anti"',
        '["person"], "left_anti"',
        {"steps"},
    ),
    "a quarantined record as old as what landed holds nobody back": (
        'F.col("snapshot_at") < F.col("newest")',
        'F.col("snapshot_at") <= F.col("newest")',
        {"customers", "readings", "pairs"},
    ),
    "an undated quarantined record holds nobody back": (
        'F.col("newest"), F.lit(False)',
        'F.col("newest"), F.lit(True)',
        {"customers", "readings", "pairs"},
    ),
    "people held back are trusted": (
        "outside = refusing.unionByName(people_held_back(customer_landing, customer_quarantine))",
        "outside = refusing",
        {"customers", "readings", "pairs"},
    ),
    "devices of quarantined records are not withheld": (
        ".unionByName(devices_held_back(customer_quarantine, customer_trusted))",
        "",
        {"steps"},
    ),
    "a quarantined record that names nobody withholds no device": (
        'F.explode_outer("persons")',
        'F.explode("persons")',
        {"steps"},
    ),
}
MUTANTS_FROM_DATE = {
    "readings from before consent are trusted": (
        'F.col("timestamp") >= F.col("since")',
        "F.lit(True)",
        {"readings", "pairs"},
    ),
    "the earliest consent counts": (
        'F.max("shareWithResearchAsOfDate")',
        'F.min("shareWithResearchAsOfDate")',
        {"readings", "pairs", "steps"},
    ),
    "steps from before consent are trusted": (
        'F.col("sensorReadingTime") >= F.col("since")',
        "F.lit(True)",
        {"steps"},
    ),
}


@pytest.mark.parametrize(
    ("mutant", "from_date"),
    share(
        [(name, False) for name in MUTANTS] + [(name, True) for name in MUTANTS_FROM_DATE],
        ("consent of 0 is consent", False),
        ("a device's tie is settled for consent", False),
        ("a person's tie is settled for consent", False),
        ("shared devices are not withheld", False),
        ("an undated quarantined record holds nobody back", False),
        ("people held back are trusted", False),
        ("the earliest consent counts", True),
    ),
)
def test_a_condition_turned_around_is_seen(sail_engine, landing, mutant, from_date):
    original, replacement, seen = (MUTANTS | MUTANTS_FROM_DATE)[mutant]
    found = violations(sail_engine, landing, mutated(original, replacement), from_date=from_date)

    assert {name for name, count in found.items() if count} >= seen


def mutated(original, replacement):
    """The functions of the transforms, with one condition replaced."""
    # The second module's functions take the place of those that the first imports.
    sources = [inspect.getsource(module) for module in (tables, held_back)]
    assert "".join(sources).count(original) == 1, f"the transforms no longer say {original}: adapt the mutant"
    namespace = {}
    for source in sources:
        exec(compile(source.replace(original, replacement), "mutant", "exec"), namespace)
    return SimpleNamespace(**namespace)
