"""When people trained: accelerometer readings of their phones and step readings of their devices.

Quotas make the tables come out at the reference data's row counts. Who the people are is not decided here.
"""

import random
from typing import NamedTuple

from stedi_assets.sample_data.people import Person, spelled

DAY_MS = 24 * 60 * 60 * 1000
FIRST_SESSIONS_MS = 1_709_542_800_000  # 2024-03-04 09:00 UTC
_WINDOW_MS = 45 * 60 * 1000  # within which everybody starts
_BEAT_MS = (2000, 8600)  # each session keeps one beat of this range

# One cohort has the reference data's rows: 30 steps for each row of customer_trusted, 85 readings on average.
_STEPS_PER_TRUSTED_ROW = 30
_TRUSTED_READINGS, _LANDED_READINGS = 40_981, 81_273
_TRUSTED_STEPS, _LANDED_STEPS = 14_460, 28_680

# Delivered twice: the last rows of so many trusted and as many other people.
_REDELIVERED_PEOPLE, _REDELIVERED_READINGS, _REDELIVERED_STEPS = 4, 50, 15
# Steps on a trusted person's device whose readings are not to be used: it is shared, or lacks consent.
_WITHHELD_STEPS = 5

# Most moments have three readings, many two. A few have none (phone off), one or four.
_RARE_BURSTS = (0,) * 20 + (1,) * 40 + (4,) * 4
_BEATS = (1, 1, 1, 2, 3)  # beats between two recorded steps
_SIDE_BY_SIDE_SHARE = 0.07
# The phone missed one step, the trainer recorded another twice, at two distances: so many people.
_UNSTEADY_PEOPLE = 20

_POSITIONS = tuple((x, y, z) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0) for z in (-1.0, 0.0))
_STRIDES = (1, 5, 7, 11, 13, 17)  # coprime to the 18 positions, so a burst never repeats one
_NEAREST, _DISTANCES = 201, 100


class Reading(NamedTuple):
    """One accelerometer reading; ``timestamp`` in epoch ms."""

    user: str
    timestamp: int
    x: float
    y: float
    z: float


class Step(NamedTuple):
    """One step trainer reading; ``time`` in epoch ms."""

    time: int
    serial: str
    distance: int


def record_sessions(
    rng: random.Random, people: list[Person], cohort: int
) -> tuple[list[Reading], list[Step]]:
    """Let everybody train on the cohort's own day: returns readings and steps in file order, sets ``times``."""
    trusted = [person for person in people if person.trusted]
    withheld = sum(len(person.unrecorded) for person in trusted) * _WITHHELD_STEPS
    again = 2 * _REDELIVERED_PEOPLE
    other_steps = _LANDED_STEPS - _TRUSTED_STEPS - again * _REDELIVERED_STEPS - withheld
    other_readings = _LANDED_READINGS - _TRUSTED_READINGS - again * _REDELIVERED_READINGS
    bursts = {
        True: _bursts(rng, _TRUSTED_STEPS, _TRUSTED_READINGS),
        False: _bursts(rng, other_steps, other_readings),
    }
    clock = _Clock(rng, FIRST_SESSIONS_MS + cohort * DAY_MS)
    before = {True: 0, False: 0}
    readings: list[Reading] = []
    steps: list[Step] = []
    readings_again: list[Reading] = []
    steps_again: list[Step] = []
    for person in people:
        nth = before[person.trusted]
        before[person.trusted] += 1
        if person.trusted:
            length = _STEPS_PER_TRUSTED_ROW * person.story.trusted_rows
        else:  # an even share of what is left for the others
            others = len(people) - len(trusted)
            length = other_steps * (nth + 1) // others - other_steps * nth // others
        own_bursts = [bursts[person.trusted].pop() for _ in range(length)]
        person.times = clock.session(person, length)
        own_readings = _readings(rng, spelled(rng, person.email), person.times, own_bursts)
        own_steps = _steps(rng, person)
        if person.trusted and nth < _UNSTEADY_PEOPLE and own_bursts[0] == own_bursts[1]:
            # The first moment loses its step, the second gets another: as many rows match as before.
            own_steps[-1] = _repeated(rng, own_steps[-2])
        readings += own_readings
        steps += own_steps
        if nth < _REDELIVERED_PEOPLE:
            readings_again += own_readings[-_REDELIVERED_READINGS:]
            steps_again += own_steps[-_REDELIVERED_STEPS:]
        if person.trusted:
            steps += [
                Step(time, person.serials[device], _distance(rng))
                for device in person.unrecorded
                for time in person.times[-_WITHHELD_STEPS:]
            ]
    return readings + readings_again, steps + steps_again


class _Clock:
    """Hands out moments. No two trusted people share one, unless they train side by side on own devices.

    So every coincidence is one of strangers, which only a match on time alone takes for a pair.
    """

    def __init__(self, rng: random.Random, opens: int) -> None:
        self._rng = rng
        self._opens = opens
        self._taken: set[int] = set()
        self._neighbour: tuple[int, int, set[int]] | None = None

    def session(self, person: Person, length: int) -> list[int]:
        """Ascending epoch milliseconds, so many, on a beat of some seconds."""
        start, beat = self._opens + self._rng.randrange(_WINDOW_MS), self._rng.randrange(*_BEAT_MS)
        beside: set[int] = set()
        own_device = person.trusted and not person.shares_device
        if own_device and self._neighbour and self._rng.random() < _SIDE_BY_SIDE_SHARE:
            start, beat, beside = self._neighbour
        times = []
        moment = start
        for _ in range(length):
            moment += beat * self._rng.choice(_BEATS)
            free = moment
            while person.trusted and free in self._taken and free not in beside:
                free += 1
            times.append(free)
        if person.trusted:
            self._taken.update(times)
        if own_device:
            self._neighbour = (start, beat, set(times))
        return times


def _bursts(rng: random.Random, moments: int, readings: int) -> list[int]:
    """Readings per moment, shuffled: exactly so many moments with exactly so many readings in all."""
    common = moments - len(_RARE_BURSTS)
    threes = readings - sum(_RARE_BURSTS) - 2 * common
    bursts = [*_RARE_BURSTS, *[3] * threes, *[2] * (common - threes)]
    rng.shuffle(bursts)
    return bursts


def _readings(rng: random.Random, user: str, times: list[int], bursts: list[int]) -> list[Reading]:
    """Different readings at each moment, the latest moment first as the phone app sends them."""
    rows = []
    for time, burst in zip(reversed(times), reversed(bursts), strict=True):
        place, stride = rng.randrange(len(_POSITIONS)), rng.choice(_STRIDES)
        rows += [
            Reading(user, time, *_POSITIONS[(place + nth * stride) % len(_POSITIONS)]) for nth in range(burst)
        ]
    return rows


def _steps(rng: random.Random, person: Person) -> list[Step]:
    """A step at each moment, the latest first, on one device after the other."""
    serials = [person.serials[device] for device in person.story.recorded_on]
    count = len(person.times)
    return [
        Step(time, serials[nth * len(serials) // count], _distance(rng))
        for nth, time in enumerate(reversed(person.times))
    ]


def _repeated(rng: random.Random, step: Step) -> Step:
    """The same moment on the same device at another distance."""
    return step._replace(
        distance=_NEAREST + (step.distance - _NEAREST + rng.randrange(1, _DISTANCES)) % _DISTANCES
    )


def _distance(rng: random.Random) -> int:
    return _NEAREST + rng.randrange(_DISTANCES)
