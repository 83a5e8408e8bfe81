"""Histories with trouble end equal to a rebuild from the raw files, by the sensor alone; see ``troubled``."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

from stedi_assets import resources, sensors
from stedi_assets.assets import increment
from stedi_assets.lake import packing
from stedi_assets_tests.builders.points import Points
from stedi_assets_tests.builders.writes import FAULTS, Writes
from stedi_assets_tests.end_to_end.troubled import TroubledHistories

# Parts of the counters' names: what happens in some histories, and would prove nothing if it never did.
RARE = (
    *(f"{what}: " for what in ("run", "erasure", "retention", "packing")),
    *(f": {fault}" for fault in FAULTS),
    "erased",
    "retention amid a run",
    "runs overlapped",
    "snapshots expired",
)
# A history takes some 20 s of a processor: a dozen runs, with those of its end and of the rebuild.
BATCHES, HISTORIES, STEPS = 6, 10, 6


@pytest.fixture(scope="module")
def writes(kept_three_people) -> Writes:
    return Writes(kept_three_people.graph().lake_uri)


@pytest.fixture(scope="module")
def points() -> Iterator[Points]:
    with pytest.MonkeyPatch.context() as patch:
        yield Points(patch)


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The sensor's clock."""
    clock = SimpleNamespace(ahead=60.0)
    monkeypatch.setattr(sensors, "time", SimpleNamespace(time=lambda: time.time() + clock.ahead))
    monkeypatch.setattr(resources, "RETRY_AFTER_SECONDS", 0)
    monkeypatch.setattr(packing, "FEWEST_FILES", 2)
    # Much of so small a lake is new each time.
    monkeypatch.setattr(increment, "_MOST_NEW", 2.0)
    return clock


def play(number: int, make: Callable[[], TroubledHistories]) -> None:
    """Play a batch of histories, whose seed is its number. One that fails is shown step by step, as a program."""
    batch = get_state_machine_test(
        make,
        settings=settings(
            deadline=None,
            database=None,
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            # To shrink a history takes hours.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    seed(number)(batch)()


@pytest.mark.prove
def test_every_history_with_trouble_ends_as_its_raw_files_say(kept_three_people, writes, points, clock):
    reached: Counter[str] = Counter()
    for number in range(BATCHES):
        print(f"seed {number}")  # noqa: T201 - a figure of the proof
        play(
            number,
            lambda: TroubledHistories(kept_three_people, reached, writes=writes, points=points, clock=clock),
        )
    print(dict(sorted(reached.items())))  # noqa: T201 - a figure of the proof
    assert reached["histories"] == BATCHES * HISTORIES
    happened = [name for name, times in reached.items() if times]
    assert [part for part in RARE if not any(part in name for name in happened)] == []
