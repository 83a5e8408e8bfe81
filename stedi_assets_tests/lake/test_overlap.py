"""Two runs at once, on a small graph that needs no engine: wherever they overlap, nobody who withdrew stays published.

A run stops at one of its points. Somebody withdraws, and another run begins and is killed at one of its own points, or
does all that it has to do. Then the first run goes on. Then stale tables are made again, as the sensor asks for them.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.expressions import AlwaysFalse

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake import maintenance, publication
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.lineage import Recipe, stale_tables
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.lake.publication import RUN_ID, PublishConflictError, Staged
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.graph import KeptFolder
from stedi_assets_tests.builders.points import KilledError, Points
from stedi_assets_tests.builders.rows import ANN, BOB, T0, Row, customer, reading
from stedi_assets_tests.shares import share

CAROL = "carol@example.org"
INPUTS = {
    "customer_trusted": ("customer_landing", "customer_quarantine"),
    "accelerometer_trusted": ("accelerometer_landing", "customer_trusted"),
}
RECIPES = {table: Recipe(frozenset(inputs), {}) for table, inputs in INPUTS.items()}
TABLES = ("accelerometer_landing", "customer_landing", "customer_quarantine", *INPUTS)
# As in ``Points``, for what is there without an engine.
STEPS = (
    (PinnedSnapshots, "base"),
    (PinnedSnapshots, "snapshot"),
    (publication, "new_folder"),
    (publication, "_require_current_consent"),
    (publication, "_commit"),
)


def rows_of(lake: Lake, files: tuple[str, ...]) -> list[dict[str, Any]]:
    return [row for file in files for row in pq.read_table(lake.path(file)).to_pylist()]


def published(lake: Lake, table: str) -> list[dict[str, Any]]:
    return rows_of(lake, lake.snapshot(table).files)


class RefusedError(Exception):
    """A step whose publication was refused until its run gave up, as the product's runs do."""


class SmallRun:
    """A run of three steps, each in the order in which the product's steps do what they do."""

    def __init__(self, lake: Lake, delivered: list[Row]) -> None:
        self.lake = lake
        self.delivered = delivered
        self.snapshots = PinnedSnapshots(lake, engine=None)

    def __call__(self) -> None:
        for step in (self.land, self.trust, self.readings):
            for _ in range(4):
                try:
                    step()
                    break
                except PublishConflictError:
                    self.snapshots.release()
            else:
                raise RefusedError(step.__name__)

    def land(self) -> None:
        """Publish what lies in the landing folder; refused customers count as quarantined."""
        for table, quarantined in (("customer_landing", False), ("customer_quarantine", True)):
            base = self.snapshots.base(CONTRACTS[table])
            rows = [row for row in self.delivered if row.get("quarantined", False) == quarantined]
            if base.current_snapshot() and len(rows) == len(published(self.lake, table)):
                staged = Staged(CONTRACTS[table], base, "", (), replaces=AlwaysFalse())
            else:
                staged = self.stage(table, rows)
            self.publish(staged)

    def trust(self) -> None:
        base = self.snapshots.base(CONTRACTS["customer_trusted"])
        customers, quarantined = (self.read(table) for table in INPUTS["customer_trusted"])
        made_from = self.snapshots.made_from(INPUTS["customer_trusted"])
        newest = {row["email"]: row for row in sorted(customers, key=lambda row: row["lastUpdateDate"])}
        held_back = {row["raw_text"] for row in quarantined}
        trusted = [
            row
            for email, row in newest.items()
            if row["shareWithResearchAsOfDate"] and email not in held_back
        ]
        self.publish(self.stage("customer_trusted", trusted, base, made_from))

    def readings(self) -> None:
        base = self.snapshots.base(CONTRACTS["accelerometer_trusted"])
        readings, customers = (self.read(table) for table in INPUTS["accelerometer_trusted"])
        made_from = self.snapshots.made_from(INPUTS["accelerometer_trusted"])
        trusted = {row["email"] for row in customers}
        kept = [row for row in readings if row["user"] in trusted]
        self.publish(self.stage("accelerometer_trusted", kept, base, made_from))

    def read(self, table: str) -> list[dict[str, Any]]:
        return rows_of(self.lake, self.snapshots.snapshot(table).files)

    def stage(
        self, table: str, rows: list[Row], base: Any = None, made_from: dict[str, int] | None = None
    ) -> Staged:
        contract = CONTRACTS[table]
        folder = publication.new_folder(self.lake, contract)
        if rows:
            with self.lake.filesystem.open(f"{folder}/part.parquet", "wb") as stream:
                pq.write_table(pa.Table.from_pylist(rows, schema=contract.arrow_schema), stream)
        base = base or self.snapshots.base(contract)
        return Staged(contract, base, folder, self.lake.parquet_files(folder), made_from=made_from or {})

    def publish(self, staged: Staged) -> None:
        snapshot = publication.publish(self.lake, staged, {RUN_ID: "small"})
        self.snapshots.published(staged.contract.name, snapshot)


class World:
    """A lake in which Ann and Bob are published, and what was delivered since."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(Settings(lake_uri=str(folder)))
        self.delivered: list[Row] = [customer(ANN), customer(BOB)]

    def run(self) -> None:
        SmallRun(self.lake, self.delivered)()

    def people(self) -> set[str]:
        """Everybody in a trusted table."""
        return {row["email"] for row in published(self.lake, "customer_trusted")} | {
            row["user"] for row in published(self.lake, "accelerometer_trusted")
        }

    def is_settled(self) -> bool:
        landed = sum(
            len(published(self.lake, table)) for table in ("customer_landing", "customer_quarantine")
        )
        return landed == len(self.delivered) and not stale_tables(self.lake, RECIPES)

    def settle(self) -> None:
        for _ in range(2):
            if not self.is_settled():
                self.run()
        assert self.is_settled()


def withdraws(world: World) -> None:
    world.delivered.append(customer(BOB, updated=T0 + 1, research=None))


def withdraws_illegibly(world: World) -> None:
    world.delivered.append(
        {"quarantined": True, "raw_text": BOB, "reasons": ["not_json"]}
        | {name: customer()[name] for name in ("source_file", "source_position", "ingested_at")}
    )


def withdraws_and_is_delivered_again(world: World) -> None:
    withdraws(world)
    world.delivered += [customer(BOB), customer(ANN)]


def withdraws_and_history_expires(world: World) -> None:
    withdraws(world)
    for table in TABLES:
        maintenance._expire(world.lake, table, superseded_until=datetime.now(UTC))


EVENTS = (withdraws, withdraws_illegibly, withdraws_and_is_delivered_again, withdraws_and_history_expires)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> KeptFolder:
    world = World(tmp_path_factory.mktemp("overlap") / "lake")
    run = SmallRun(world.lake, world.delivered)
    run.publish(run.stage("accelerometer_landing", [reading(who) for who in (ANN, BOB, CAROL)]))
    run()
    assert world.people() == {ANN, BOB}
    assert world.is_settled()
    return KeptFolder(Path(world.lake.uri))


@pytest.fixture(scope="module")
def points() -> Iterator[Points]:
    with pytest.MonkeyPatch.context() as patch:
        yield Points(patch, STEPS)


def overlap(
    kept: KeptFolder, points: Points, event: Callable[[World], None], *, at: int, killed_at: int | None
) -> bool:
    """Have two runs overlap, and say whether the first one came to the point, and the second one to its end."""
    kept.restore()
    world = World(kept.folder)
    met = []

    def meanwhile() -> None:
        event(world)
        try:
            points.run(world.run, at=killed_at)
        except KilledError:
            met.append("killed")
        else:
            met.append("done")

    world.delivered.append(customer(CAROL))
    try:
        points.run(world.run, at=at, act=meanwhile)
    except RefusedError:
        # The killed run left a table that the later steps of this run must not read. The next run does its work.
        assert met == ["killed"]
    if met == ["done"]:
        assert BOB not in world.people(), (
            "the first run brought the person back after the second one was done"
        )
    world.settle()
    assert world.people() == ({ANN, CAROL} if met else {ANN, BOB, CAROL})
    return met == ["killed"] or (met == ["done"] and killed_at is None)


@pytest.mark.parametrize("event", share(EVENTS, withdraws, withdraws_illegibly))
def test_a_run_that_began_before_a_withdrawal_never_undoes_it(kept, points, event):
    """At each point of the first run, while the other one does everything."""
    at = 0
    while overlap(kept, points, event, at=at, killed_at=None):
        at += 1
    assert at > 20


@pytest.mark.prove
@pytest.mark.parametrize("event", EVENTS)
def test_a_run_that_is_killed_amid_a_withdrawal_leaves_what_the_next_one_does(kept, points, event):
    """At each pair of points of the two runs."""
    at = pairs = 0
    while overlap(kept, points, event, at=at, killed_at=0):
        killed_at = 1
        while overlap(kept, points, event, at=at, killed_at=killed_at):
            killed_at += 1
        pairs += killed_at
        at += 1
    assert pairs > 400
