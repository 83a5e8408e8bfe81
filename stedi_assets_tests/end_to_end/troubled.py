"""Histories with trouble: runs that die or meet a full disk, runs that overlap, and a sensor that has to notice it all.

Such a history ends by the sensor alone: nobody knows what a run that died has left but the sensor.
"""

from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.maintenance import retain
from stedi_assets.lake.packing import pack
from stedi_assets.privacy.erasure import ErasureError, forget
from stedi_assets.sensors import LONGEST_PAUSE_SECONDS
from stedi_assets_tests.builders.daemon import Daemon
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.graph import Graph, KeptLake
from stedi_assets_tests.builders.points import Points
from stedi_assets_tests.builders.rows import T0, customer
from stedi_assets_tests.builders.writes import FAULTS, DiedError, Fault, Writes
from stedi_assets_tests.end_to_end.histories import Histories, any_one, people

# A small run without much news makes fewer writes than this, and passes some 60 points.
writes_of_a_run = st.integers(0, 60)
points_of_a_run = st.integers(0, 60)
faults = st.sampled_from(FAULTS)
# Each tick after the longest pause; more of them than there are tables that may fail in turn.
_TICKS = 20


class TroubledHistories(Histories):
    """One history, in which anything may happen amid anything.

    Args:
        kept: The lake as it begins.
        reached: Counts what happened in all histories.
        writes: Watches the lake's folder.
        points: Those of a run, for another run to come between.
        clock: The sensor's; ``ahead`` is moved.
    """

    def __init__(
        self,
        kept: KeptLake,
        reached: Counter[str],
        *,
        writes: Writes,
        points: Points,
        clock: SimpleNamespace,
    ) -> None:
        super().__init__(kept, reached)
        self.writes, self.points, self.clock = writes, points, clock
        self.daemon = Daemon(self.graph.settings, self.graph.engine)

    @rule(at=writes_of_a_run, fault=faults)
    def a_run_goes_wrong(self, at: int, fault: Fault) -> None:
        self._with(fault, at, "run", lambda: self.graph.run(ok=False))

    @rule(at=st.integers(0, 40), fault=faults, keeps=st.booleans())
    def retention_or_packing_goes_wrong(self, at: int, fault: Fault, keeps: bool) -> None:
        contract = CONTRACTS["accelerometer_landing"]
        self._with(
            fault,
            at,
            "packing" if keeps else "retention",
            lambda: pack(self.graph.lake, contract) if keeps else self.retention(),
        )

    @rule(who=people, at=writes_of_a_run, fault=faults)
    def an_erasure_goes_wrong_and_is_done_again(self, who: str, at: int, fault: Fault) -> None:
        def erase() -> None:
            self.copies |= {path: (self.folder / path).read_bytes() for path in self._files()}
            forget(self.graph.lake, self.graph.settings, [who], self.graph.run)

        self._with(fault, at, "erasure", erase)
        self.somebody_is_erased(who)

    @rule(at=points_of_a_run, who=people, withdraws=st.booleans())
    def two_runs_at_once(self, at: int, who: str, withdraws: bool) -> None:
        """The second run does all it has to do amid the first one; somebody may have withdrawn just before."""
        others: list[bool] = []

        def meanwhile() -> None:
            if withdraws:
                self._deliver("customer", lines(customer(who, updated=T0 + 5, research=None)))
            others.append(Graph(self.graph.lake_uri, self.graph.engine).run(ok=False).success)

        first = self.points.run(lambda: self.graph.run(ok=False), at=at, act=meanwhile)
        self.reached["runs overlapped"] += bool(others)
        if others == [True]:
            assert self._published() <= self._due(), first[: at + 1]

    @rule(at=points_of_a_run)
    def retention_amid_a_run(self, at: int) -> None:
        """With the product's own day of grace for files."""

        def meanwhile() -> None:
            for name in CONTRACTS:
                retain(self.graph.lake, name, keep=timedelta(0))
            for name in ("customer_landing", "accelerometer_landing", "landing_files"):
                pack(self.graph.lake, CONTRACTS[name])
            self.reached["retention amid a run"] += 1

        self.points.run(lambda: self.graph.run(ok=False), at=at, act=meanwhile)

    @rule(one=any_one)
    def the_sensor_looks(self, one: int) -> None:
        """And its run dies, time and again."""
        if asked := self._tick():
            fault = FAULTS[one % len(FAULTS)]
            self._with(fault, one % 97, "run", lambda: self.graph.run(*asked, ok=False))

    def teardown(self) -> None:
        quiet = 0
        for _ in range(_TICKS):
            asked = self._tick()
            quiet = 0 if asked else quiet + 1
            if asked:
                self.graph.run(*asked, ok=False)
            # The sensor asks at the second look for what a run has left.
            if quiet == 3:
                break
        assert quiet == 3, "the sensor asks for ever"
        self._hold_to_its_end()

    def _tick(self) -> list[str]:
        self.clock.ahead += LONGEST_PAUSE_SECONDS
        requests = self.daemon.tick().run_requests or []
        return [key.to_user_string() for request in requests for key in request.asset_selection or []]

    def _with(self, fault: Fault, at: int, what: str, act: Any) -> None:
        with self.writes.failing(at, fault):
            try:
                act()
            except ErasureError:
                self.reached["erasure refused"] += 1
            except (Exception, DiedError):
                # What is told to a user then is the concern of other tests.
                if not self.writes.failed:
                    raise
        self.reached[f"{what}: {fault}"] += self.writes.failed > 0
        # A reader sees each table whole, whatever became of the run.
        for table in ("customer_trusted", "accelerometer_trusted", "machine_learning_curated"):
            self.graph.table(table)
