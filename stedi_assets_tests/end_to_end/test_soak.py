"""Two hundred deliveries over simulated days, through the sensor and its runs, in one process: a lake keeps going.

People withdraw, are erased and come anew; runs die and disks are full; each day ends with packing and retention. The
end equals a rebuild from the raw files, and neither files nor metadata nor memory grow from day to day.
"""

import random
from collections import Counter
from pathlib import Path

import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.packing import pack
from stedi_assets.sources import SOURCES
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import SERIAL, SERIAL_2, T0
from stedi_assets_tests.builders.three_people import VIC_SERIAL
from stedi_assets_tests.builders.writes import FAULTS
from stedi_assets_tests.end_to_end.histories import PEOPLE
from stedi_assets_tests.end_to_end.test_troubled import clock, points, writes
from stedi_assets_tests.end_to_end.troubled import TroubledHistories

__all__ = ["clock", "points", "writes"]

DAYS, DELIVERIES, SEED = 50, 4, 12
DEVICES = (SERIAL, SERIAL_2, VIC_SERIAL)
# By then every kind of thing has happened, and what is kept for later runs is loaded.
SETTLED = 20


def memory_mb() -> float:
    """What the process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1_000_000


class Days(TroubledHistories):
    """What happens on a day."""

    def deliver_something(self, draw: random.Random) -> None:
        who, device, moment = draw.choice(PEOPLE), draw.choice(DEVICES), T0 + self.number
        match draw.randrange(10):
            case 0 | 1 | 2:
                # One in four withdraws.
                self.a_snapshot(who, device, moment, draw.random() > 0.25, "{}")
            case 3:
                self.a_broken_snapshot(who, device, True)
            case 4:
                self.a_file_is_repaired(draw.randrange(1000))
            case 5:
                self.the_same_again(draw.randrange(1000), draw.random() < 0.5)
            case 6 | 7:
                self.steps(device, moment)
            case _:
                self.readings(who, moment, draw.random() < 0.5)

    def pass_by(self, day: int, draw: random.Random) -> None:
        """Deliveries, and the sensor's runs, of which one in six goes wrong; then the jobs of the night."""
        # The memory of a history in Dagster is not the lake's.
        self.graph = Graph(self.graph.lake_uri, self.graph.engine)
        for _ in range(DELIVERIES):
            self.deliver_something(draw)
        if day % 3 == 2:
            for path in self._files("customer"):
                self._repair(path)
        if asked := self._tick():
            if draw.random() < 1 / 6:
                fault = draw.choice(FAULTS)
                self._with(fault, draw.randrange(97), "run", lambda: self.graph.run(*asked, ok=False))
            else:
                self.graph.run(*asked)
        if day % 12 == 11:
            self.somebody_is_erased(draw.choice(PEOPLE))
        for name in (
            "landing_files",
            *(f"{source}_{kind}" for source in SOURCES for kind in ("landing", "quarantine")),
        ):
            self.reached["files packed"] += (
                packed := pack(self.graph.lake, CONTRACTS[name])
            ).before - packed.after
        self.retention()

    def files(self) -> Counter[str]:
        """How many files the lake's tables have, by kind."""
        found = Counter(
            path.suffix for path in self.folder.rglob("*") if path.is_file() and path.parent.name != "landing"
        )
        return Counter({kind: found[kind] for kind in (".parquet", ".avro", ".json")})


@pytest.mark.prove
def test_two_hundred_deliveries_leave_what_a_rebuild_makes_and_nothing_that_grows(
    kept_three_people, writes, points, clock
):
    reached: Counter[str] = Counter()
    days = Days(kept_three_people, reached, writes=writes, points=points, clock=clock)
    draw = random.Random(SEED)
    sizes, memory = [], []
    for day in range(DAYS):
        days.pass_by(day, draw)
        sizes.append(days.files())
        memory.append(memory_mb())
        print(f"day {day}: {dict(sizes[-1])}, {memory[-1]:.0f} MB", flush=True)  # noqa: T201 - a figure of the proof
    days.teardown()
    print(dict(sorted(reached.items())))  # noqa: T201 - a figure of the proof
    assert days.number >= DAYS * DELIVERIES
    assert reached["erased"] + reached["erased twice"] >= 2
    for kind in sizes[0]:
        early, late = (max(size[kind] for size in part) for part in (sizes[:SETTLED], sizes[SETTLED:]))
        assert late <= 1.3 * early, f"{kind}: {early} files, then {late}"
    assert memory[-1] <= 1.3 * memory[SETTLED]
