"""Random small worlds through the transforms, held against the oracle."""

from collections import Counter

import pytest

from stedi_assets.records.identity import device_of, person_of
from stedi_assets.transforms import tables
from stedi_assets_tests.builders.rows import KEY, frame, rows_of
from stedi_assets_tests.builders.worlds import WORLDS, world_of
from stedi_assets_tests.transforms import oracle


class Computed:
    """The product's tables of all worlds; each is computed from those before as they were stored."""

    def __init__(self, engine, landing):
        self.frames = {name: frame(engine, name, rows) for name, rows in landing.items()}
        self.customer_landing = self._rows(oracle.Customer, "customer_landing")
        self.accelerometer_landing = self._rows(oracle.Reading, "accelerometer_landing")
        self.step_trainer_landing = self._rows(oracle.Step, "step_trainer_landing")
        self.customer_quarantine = [
            oracle.Quarantined(row["persons"], row["devices"], row["snapshot_at"])
            for row in landing["customer_quarantine"]
        ]
        self._engine = engine

    def _rows(self, kind, name):
        data = self.frames[name].select(*kind._fields)
        return [kind(*row) for row in rows_of(data)]

    def stored(self, kind, name, data):
        rows = [kind(*row) for row in rows_of(data)]
        self.frames[name] = frame(self._engine, name, [row._asdict() for row in rows])
        return rows


@pytest.fixture(scope="module")
def computed(engine, landing) -> Computed:
    """The landing tables, once for each engine, and the trusted customers, which are the same under every policy."""
    found = Computed(engine, landing)
    trusted = tables.trusted_customers(found.frames["customer_landing"], found.frames["customer_quarantine"])
    found.customer_trusted = found.stored(oracle.Customer, "customer_trusted", trusted)
    return found


@pytest.mark.parametrize("consent_from_date", [False, True])
def test_every_table_is_what_its_definition_says(computed, worlds, consent_from_date):
    frames = computed.frames
    policy = {"consent_from_date": consent_from_date}

    trusted = computed.customer_trusted
    candidates = oracle.customer_trusted(computed.customer_landing, computed.customer_quarantine)
    assert_same(((c.person, c.device) for c in trusted), candidates.keys(), worlds)
    assert [c for c in trusted if c not in candidates[c.person, c.device]] == []

    readings = computed.stored(
        oracle.Reading,
        "accelerometer_trusted",
        tables.readings_of(frames["accelerometer_landing"], frames["customer_trusted"], **policy),
    )
    expected = oracle.accelerometer_trusted(computed.accelerometer_landing, trusted, **policy)
    assert_same(readings, expected, worlds)

    curated = computed.stored(
        oracle.Customer,
        "customer_curated",
        tables.customers_with_readings(frames["customer_trusted"], frames["accelerometer_trusted"]),
    )
    assert_same(curated, oracle.customer_curated(trusted, readings), worlds)

    withheld = tables.shared_with_untrusted(
        frames["customer_landing"], frames["customer_quarantine"], frames["customer_trusted"]
    )
    steps = computed.stored(
        oracle.Step,
        "step_trainer_trusted",
        tables.steps_of(frames["step_trainer_landing"], frames["customer_curated"], withheld, **policy),
    )
    expected = oracle.step_trainer_trusted(
        computed.step_trainer_landing,
        computed.customer_landing,
        computed.customer_quarantine,
        trusted,
        curated,
        **policy,
    )
    assert_same(steps, expected, worlds)

    for on_timestamp_only in (False, True):
        pairs = tables.matched_readings(
            frames["step_trainer_trusted"],
            frames["accelerometer_trusted"],
            frames["customer_curated"],
            KEY,
            on_timestamp_only=on_timestamp_only,
        )
        expected = oracle.machine_learning_curated(
            steps, readings, curated, KEY, on_timestamp_only=on_timestamp_only
        )
        assert_same(rows_of(pairs), expected, worlds)


def test_the_engines_choose_the_same_snapshot_among_equals(engines, landing):
    sail, spark = (
        rows_of(
            tables.trusted_customers(
                *(frame(engine, name, landing[name]) for name in ("customer_landing", "customer_quarantine"))
            )
        )
        for engine in engines
    )

    assert sail == spark


def test_the_worlds_are_odd_enough(worlds, landing):
    """What the definitions distinguish happens often, or the comparison would show little."""
    snapshots = [
        oracle.Customer(**row | {"person": person_of(row["email"]), "device": device_of(row["serialNumber"])})
        for row in (
            {name: row[name] for name in oracle.Customer._fields if name in row}
            for row in landing["customer_landing"]
        )
    ]
    quarantine = [
        oracle.Quarantined(*(row[name] for name in oracle.Quarantined._fields))
        for row in landing["customer_quarantine"]
    ]
    by_person, owners = {}, {}
    for snapshot in snapshots:
        by_person.setdefault(snapshot.person, []).append(snapshot)
        owners.setdefault(snapshot.device, set()).add(snapshot.person)
    answers = [{snapshot.consents for snapshot in oracle.newest(of_one)} for of_one in by_person.values()]
    consenting = oracle.customer_trusted(snapshots, [])
    trusted = oracle.customer_trusted(snapshots, quarantine)
    named = {person for record in quarantine for person in record.persons}

    assert len(worlds) == WORLDS
    assert sum(len(answer) == 2 for answer in answers) > WORLDS / 20
    assert sum(len(people) > 1 for people in owners.values()) > WORLDS / 4
    assert len(trusted) > WORLDS / 2
    assert len(consenting) - len(trusted) > WORLDS / 20
    # Named by an older record, and trusted all the same.
    assert sum(person in named for person, _ in trusted) > WORLDS / 100


def assert_same(found, expected, worlds):
    """The same rows, each as often; else the smallest world in which they differ is shown."""
    found, expected = Counter(found), Counter(expected)
    if found == expected:
        return
    wrong = {"too many": found - expected, "too few": expected - found}
    numbers = {world_of(row) for rows in wrong.values() for row in rows}
    number = min(numbers, key=lambda number: len(str(worlds[number])))
    differences = {
        name: [row for row in rows.elements() if world_of(row) == number] for name, rows in wrong.items()
    }
    pytest.fail(f"{len(numbers)} worlds differ; world {number}: {worlds[number]}\n{differences}")
