"""Random small worlds of people, devices and readings, in which ties, shares and withdrawals are the rule.

A query costs the same for one world as for thousands. So Hypothesis draws the worlds, each gets people,
devices and times of its own, and all of them go through the transforms at once.
"""

from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stedi_assets_tests.builders.rows import T0, customer, quarantined, reading, step

WORLDS = 2_000
SPAN_MS = 100


class World(NamedTuple):
    customers: list
    readings: list
    steps: list
    quarantine: list


people = st.sampled_from(["ann{}@x", "ANN{}@x ", " bob{}@X\n", "bob{}@x", "eve{}@x"])
serials = st.sampled_from(["{}-one", " {}-ONE", "{}-two", "{}-three"])
moments = st.sampled_from([10, 20, 30])
world = st.builds(
    World,
    customers=st.lists(
        st.tuples(people, serials, st.sampled_from([1, 2, 3]), st.sampled_from([None, 0, 10, 20, 30])),
        max_size=6,
    ),
    readings=st.lists(st.tuples(people, moments, st.sampled_from([0.1, 0.2])), max_size=6),
    steps=st.lists(st.tuples(serials, moments, st.sampled_from([100, 200])), max_size=5),
    # Of half the worlds, nothing is quarantined.
    quarantine=st.just([])
    | st.lists(
        st.tuples(
            st.sets(st.sampled_from(["ann{}@x", "bob{}@x", "eve{}@x", "zoe{}@x"]), max_size=2),
            st.sets(st.sampled_from(["{}-one", "{}-two", "{}-three"]), max_size=2),
            st.sampled_from([None, 1, 2, 3]),
        ),
        min_size=1,
        max_size=2,
    ),
)


def draw_worlds() -> list[World]:
    """The same worlds each time."""
    drawn: list[World] = []

    @settings(
        max_examples=WORLDS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(world)
    def draw(one: World) -> None:
        drawn.append(one)

    draw()
    return drawn


def landing_rows(worlds: list[World]) -> dict[str, list]:
    """Rows of all worlds, by table; a world's number is in its e-mails, serial numbers and times."""
    tables = ("customer_landing", "accelerometer_landing", "step_trainer_landing", "customer_quarantine")
    rows: dict[str, list] = {table: [] for table in tables}
    for number, one in enumerate(worlds):
        start = T0 + number * SPAN_MS
        for email, serial, updated, consent in one.customers:
            research = consent and start + consent
            rows["customer_landing"].append(
                customer(
                    email.format(number), serial=serial.format(number), updated=updated, research=research
                )
            )
        rows["accelerometer_landing"] += [
            reading(user.format(number), start + at, x) for user, at, x in one.readings
        ]
        rows["step_trainer_landing"] += [
            step(serial.format(number), start + at, distance) for serial, at, distance in one.steps
        ]
        rows["customer_quarantine"] += [
            quarantined(
                persons=sorted(person.format(number) for person in persons),
                devices=sorted(device.format(number) for device in devices),
                snapshot_at=at,
            )
            for persons, devices, at in one.quarantine
        ]
    return rows


def world_of(row: tuple) -> int:
    """The number of the world that a row is of, by the first serial number or time in it."""
    for value in row:
        if isinstance(value, str) and value.lower().endswith(("-one", "-two", "-three")):
            return int(value.partition("-")[0])
        if isinstance(value, int) and value > T0:
            return (value - T0) // SPAN_MS
    raise AssertionError(row)
