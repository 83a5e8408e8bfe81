"""A process that is killed before any of its writes, or whose write fails: what readers see, and what a next run does.

After the fault, each table is as it was before or as it is after. One further run of the same makes the lake what it is
without a kill, and ``stedi verify`` finds nothing to object to.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from stedi_assets import cli
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.engine.session import SparkEngine
from stedi_assets.lake import packing
from stedi_assets.lake.maintenance import retain, unreferenced
from stedi_assets.settings import get_settings
from stedi_assets.sources import SOURCES
from stedi_assets.verification.verify import verify
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import KEY, Graph, KeptFolder
from stedi_assets_tests.builders.killed import Killing
from stedi_assets_tests.builders.rows import ANN, SERIAL, T0, customer, reading, step
from stedi_assets_tests.builders.three_people import MARKS, VIC, deliver_three_people, vic
from stedi_assets_tests.builders.writes import Fault, Writes
from stedi_assets_tests.byte_search import holding


def run(lake: str) -> None:
    Graph(lake, SparkEngine(spark="sail")).run()


def apply_retention(lake: str) -> None:
    graph = Graph(lake, SparkEngine(spark="sail"))
    for name in CONTRACTS:
        retain(graph.lake, name, keep=timedelta(0), grace=timedelta(0))


def pack(lake: str) -> None:
    packing.FEWEST_FILES = 2
    graph = Graph(lake, SparkEngine(spark="sail"))
    for name in ("accelerometer_landing", "customer_landing", "landing_files"):
        packing.pack(graph.lake, CONTRACTS[name])


def forget(lake: str) -> None:
    os.environ |= {"STEDI_LAKE_URI": lake, "STEDI_PSEUDONYM_KEY": KEY}
    get_settings.cache_clear()
    sys.argv = ["stedi", "forget", VIC, "--yes"]
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code


def nothing(_: Path) -> None:
    """Nothing is delivered."""


def deliver_more(lake: Path) -> None:
    deliver(lake, "customer", [customer("carol@example.org", serial="c")], "2.json")
    deliver(lake, "accelerometer", [reading(who, T0 + 9) for who in (ANN, "carol@example.org")], "2.json")
    deliver(lake, "step_trainer", [step(serial, T0 + 9) for serial in (SERIAL, "c")], "2.json")


def withdraw(lake: Path) -> None:
    deliver(lake, "customer", [vic(updated=T0 + 1, research=None)], "2.json")


def change_files(lake: Path) -> None:
    deliver(lake, "customer", [customer(), vic(updated=T0 + 2)])
    deliver(lake, "accelerometer", [reading(ANN, T0 + 1), b"broken"])


@dataclass(frozen=True)
class Scenario:
    """What is there, what is delivered then, and what is done with it, perhaps in vain.

    Attributes:
        before: Done with the empty lake.
        then: Delivered then.
        action: Done by the process that is killed, and once more by one that is not.
    """

    before: tuple[Callable[[Path], None], ...]
    then: Callable[[Path], None]
    action: Callable[[str], None]


SCENARIOS = {
    "first run": Scenario((), deliver_three_people, run),
    "delivery": Scenario((deliver_three_people,), deliver_more, run),
    "withdrawal": Scenario((deliver_three_people,), withdraw, run),
    "changed files": Scenario((deliver_three_people,), change_files, run),
    "retention": Scenario((deliver_three_people, deliver_more), nothing, apply_retention),
    "forget": Scenario((deliver_three_people, deliver_more), nothing, forget),
    "packing": Scenario((deliver_three_people, deliver_more), nothing, pack),
}


def tables(graph: Graph) -> dict[str, list[str]]:
    """The rows of each table as a reader sees them, but for when they were ingested and by which run.

    Of the ledger, each source's entries are apart, since the step of each source commits its own.
    """
    found: dict[str, list[str]] = {}
    for name in CONTRACTS:
        table = graph.lake.find_table(name)
        rows = [] if table is None else table.scan().to_arrow().to_pylist()
        parts = [f"{name} {source}" for source in SOURCES] if name == "landing_files" else [name]
        found |= {part: [] for part in parts}
        for row in rows:
            part = f"{name} {row['source']}" if name == "landing_files" else name
            found[part].append(
                repr({key: row[key] for key in row if key not in {"ingested_at", "run_id", "identity"}})
            )
    return {part: sorted(rows) for part, rows in found.items()}


class Stage:
    """A scenario, ready to be played again and again in one folder."""

    def __init__(self, scenario: Scenario, folder: Path, engine: SparkEngine, killing: Killing) -> None:
        self.scenario, self.killing = scenario, killing
        self.graph = Graph(str(folder), engine)
        folder.mkdir()
        for deliver_to in scenario.before:
            deliver_to(folder)
            self.graph.run()
        self.before = tables(self.graph)
        scenario.then(folder)
        self.kept = KeptFolder(folder)
        assert killing.run(scenario.action, str(folder), at=-1)
        self.after = tables(self.graph)

    def play(self, at: int) -> bool:
        """Kill the process before one of its writes, if it comes to it, and say whether it did."""
        self.kept.restore()
        is_done = self.killing.run(self.scenario.action, str(self.kept.folder), at=at)
        self.require_made_good()
        return not is_done

    def fail(self, writes: Writes, at: int, fault: Fault) -> bool:
        """Let a write fail, if there are so many, and say whether it did."""
        self.kept.restore()
        # Whatever the action says of it. A write may fail without harm, too: that of a file that is deleted later.
        with writes.failing(at, fault), suppress(Exception):
            self.scenario.action(str(self.kept.folder))
        failed = writes.failed > 0
        self.require_made_good()
        return failed

    def require_made_good(self) -> None:
        """Each table is as before or as after, and one further run leaves nothing to object to."""
        for name, rows in tables(self.graph).items():
            assert rows in (self.before[name], self.after[name]), f"{name} is half done"
        assert self.killing.run(self.scenario.action, str(self.kept.folder), at=-1)
        assert tables(self.graph) == self.after
        assert self.objections() == []
        apply_retention(str(self.kept.folder))
        assert [file for name in CONTRACTS for file in unreferenced(self.graph.lake, name)] == []
        if self.scenario.action is forget:
            assert holding(self.kept.folder, *MARKS) == []

    def objections(self) -> list[str]:
        return [
            f"{found.name}: {found.message}"
            for found in verify(self.graph.lake, self.graph.settings)
            if found.state != "holds"
        ]


@pytest.fixture(scope="module")
def killing() -> Killing:
    return Killing()


@pytest.mark.prove
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_before_any_write_is_made_good_by_the_next_run(name, tmp_path, sail_engine, killing):
    stage = Stage(SCENARIOS[name], tmp_path / "lake", sail_engine, killing)
    at = 0
    while stage.play(at):
        at += 1
    assert at > 20


@pytest.mark.prove
@pytest.mark.parametrize("fault", ["refused", "full"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_any_write_that_fails_is_made_good_by_the_next_run(name, fault, tmp_path, sail_engine, killing):
    stage = Stage(SCENARIOS[name], tmp_path / "lake", sail_engine, killing)
    writes, at = Writes(str(tmp_path / "lake")), 0
    while stage.fail(writes, at, fault):
        at += 1
    assert at > 10
