"""The consent queries: silent on right tables, and each finds exactly the rows that should not be there."""

import inspect
from types import SimpleNamespace

import pytest

from stedi_assets.contracts import consent
from stedi_assets.transforms import tables
from stedi_assets_tests.builders.rows import (
    ANN,
    BOB,
    KEY,
    SERIAL,
    SERIAL_2,
    T0,
    customer,
    derived,
    frame,
    reading,
    step,
    values,
)

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


def landing_of(engine, customers=CUSTOMERS):
    return frame(engine, "customer_landing", customers)


@pytest.mark.parametrize("table", ["customer_trusted", "customer_curated"])
def test_customers_without_consent_are_found(engine, table):
    planted = [customer(ANN, serial=SERIAL_2), customer(EVE, serial=SERIAL_3), customer("nobody@x")]
    right = [customer(" ANN@Example.org", serial=SERIAL), customer(BOB, serial=SERIAL_2)]
    found = consent.customers_without_consent(
        frame(engine, table, right + planted), landing_of(engine), from_date=False
    )

    assert values(found, "email") == [ANN, EVE, "nobody@x"]


@pytest.mark.parametrize("refused", [None, 0])
def test_a_tie_is_settled_against_consent(engine, refused):
    landing = landing_of(engine, [customer(ANN), customer(ANN, research=refused), customer(BOB)])
    table = frame(engine, "customer_trusted", [customer(ANN), customer(BOB)])

    assert values(consent.customers_without_consent(table, landing, from_date=False), "email") == [ANN]


def test_a_withdrawal_counts_whatever_white_space_is_around_the_e_mail(engine):
    landing = landing_of(engine, [customer(ANN), customer(f" {ANN.upper()}\t\n", updated=T0 + 1, research=0)])
    table = frame(engine, "customer_trusted", [customer(ANN)])

    assert values(consent.customers_without_consent(table, landing, from_date=False), "email") == [ANN]


@pytest.mark.parametrize(("from_date", "early"), [(False, []), (True, [ANN, BOB])])
def test_readings_without_consent_are_found(engine, from_date, early):
    right = [reading(" Ann@EXAMPLE.org", at=T0 + 10), reading(BOB, at=T0 + 20)]
    before = [reading(ANN, at=T0 + 9), reading(BOB, at=T0 + 19)]
    table = frame(engine, "accelerometer_trusted", [*right, *before, reading(EVE), reading("nobody@x")])
    found = consent.readings_without_consent(table, landing_of(engine), from_date=from_date)

    assert values(found, "user") == sorted([*early, EVE, "nobody@x"])


@pytest.mark.parametrize(("from_date", "early"), [(False, []), (True, [SERIAL])])
def test_steps_without_consent_are_found(engine, from_date, early):
    rows = [step(SERIAL, at=T0 + 10), step(SERIAL, at=T0 + 9), step(SERIAL_2, at=T0 + 30)]
    rows += [step(SERIAL_3, at=T0 + 30), step("unknown", at=T0 + 30)]
    table = frame(engine, "step_trainer_trusted", rows)
    found = consent.steps_without_consent(table, landing_of(engine), from_date=from_date)

    assert values(found, "serialNumber") == sorted([*early, SERIAL_2, SERIAL_3, "unknown"])


@pytest.mark.parametrize(("from_date", "early"), [(False, []), (True, [T0 + 9])])
def test_pairs_without_consent_are_found(engine, from_date, early):
    everybody = [customer(ANN), customer(EVE)]
    readings = [reading(ANN, at=T0 + 9), reading(ANN, at=T0 + 10), reading(EVE, at=T0 + 11)]
    table = derived(engine, everybody, readings, [step(at=T0 + at) for at in (9, 10, 11)])
    found = consent.pairs_without_consent(
        table["machine_learning_curated"], landing_of(engine), from_date=from_date, key=KEY
    )

    assert values(found, "sensorReadingTime") == [*early, T0 + 11]


def test_pairs_under_another_key_are_of_nobody_with_consent(engine):
    table = derived(engine, CUSTOMERS, READINGS, STEPS)["machine_learning_curated"]
    found = consent.pairs_without_consent(table, landing_of(engine), from_date=False, key=b"another key")

    assert values(found, "sensorReadingTime") == [T0 + 30]


def test_pairs_of_strangers_are_not_of_one_person(engine):
    customers = [customer(ANN, serial=SERIAL), customer(BOB, serial=SERIAL_2)]
    readings = [reading(ANN, at=T0), reading(BOB, at=T0 + 1), reading(ANN, at=T0 + 1)]
    built = derived(
        engine, customers, readings, [step(SERIAL, at=T0), step(SERIAL_2, at=T0 + 1)], on_timestamp_only=True
    )
    pairs = built["machine_learning_curated"]
    own = consent.pairs_of_one_person(
        pairs,
        built["step_trainer_trusted"],
        built["accelerometer_trusted"],
        built["customer_curated"],
        key=KEY,
    )

    assert len(values(pairs, "sensorReadingTime")) == 3
    assert values(own, "sensorReadingTime") == [T0, T0 + 1]


@pytest.mark.parametrize("from_date", [False, True])
def test_right_tables_pass(engine, landing, from_date):
    """On thousands of random worlds, so that the two routes to consent are seen to agree."""
    assert violations(engine, landing, tables, from_date=from_date) == dict.fromkeys(RIGHT, 0)


RIGHT = ("customers", "readings", "steps", "pairs", "strangers")


def violations(engine, landing, transforms, *, from_date):
    """Rows that the consent queries flag, by what they are, in tables that ``transforms`` computes."""

    def stored(data):
        return engine.session.createDataFrame(data.toArrow())

    customers, accelerometer, step_trainer = (frame(engine, name, rows) for name, rows in landing.items())
    trusted = stored(transforms.trusted_customers(customers))
    readings = stored(transforms.readings_of(accelerometer, trusted, consent_from_date=from_date))
    curated = stored(transforms.customers_with_readings(trusted, readings))
    shared = transforms.shared_with_untrusted(customers, trusted)
    steps = stored(transforms.steps_of(step_trainer, curated, shared, consent_from_date=from_date))
    pairs = stored(transforms.matched_readings(steps, readings, curated, KEY))
    own = consent.pairs_of_one_person(pairs, steps, readings, curated, key=KEY)
    return {
        "customers": consent.customers_without_consent(trusted, customers, from_date=from_date).count(),
        "readings": consent.readings_without_consent(readings, customers, from_date=from_date).count(),
        "steps": consent.steps_without_consent(steps, customers, from_date=from_date).count(),
        "pairs": consent.pairs_without_consent(pairs, customers, from_date=from_date, key=KEY).count(),
        "strangers": pairs.count() - own.count(),
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
    "pairs match on time alone": (
        "if on_timestamp_only:",
        "if True:",
        {"strangers"},
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
    [(name, False) for name in MUTANTS] + [(name, True) for name in MUTANTS_FROM_DATE],
)
def test_a_condition_turned_around_is_seen(sail_engine, landing, mutant, from_date):
    original, replacement, seen = (MUTANTS | MUTANTS_FROM_DATE)[mutant]
    found = violations(sail_engine, landing, mutated(original, replacement), from_date=from_date)

    assert {name for name, count in found.items() if count} >= seen


def mutated(original, replacement):
    """The module of the transforms with one condition replaced."""
    source = inspect.getsource(tables)
    assert source.count(original) == 1, f"the transforms no longer say {original}: adapt the mutant"
    namespace = {}
    exec(compile(source.replace(original, replacement), "mutant", "exec"), namespace)
    return SimpleNamespace(**namespace)
