"""The tables of a run, each in one state: what the run reads, and what it publishes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.erasures import Register, read_register, require_entries
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.evolution import is_made_of_files, require_columns
from stedi_assets.lake.growth import added_files, snapshots_of
from stedi_assets.lake.lineage import DECIDE_CONSENT, erasures_of
from stedi_assets.lake.publication import PublishConflictError
from stedi_assets.lake.snapshot import (
    UNPUBLISHED,
    Snapshot,
    read_files,
    require_files,
    snapshot_of,
)
from stedi_assets.transforms import erased

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pyiceberg.table import Table
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.engine.session import SparkEngine
    from stedi_assets.lake.lake import Lake


class PinnedSnapshots:
    """Gives a run the same snapshot of a table whenever the run reads it.

    Attributes:
        lake: The lake.
        engine: The engine of the run.
    """

    def __init__(self, lake: Lake, engine: SparkEngine) -> None:
        self.lake = lake
        self.engine = engine
        self._pinned: dict[str, Snapshot] = {}
        self._bases: dict[str, Table] = {}
        self._read: dict[str, Snapshot] = {}
        self._used: set[str] = set()
        self._files: dict[str, bytes | None] = {}
        self._frames: dict[str, DataFrame] = {}
        # Other snapshots that were read, beside those in ``_read``.
        self._others: list[tuple[str, Snapshot]] = []
        self._register: Register | None = None

    @property
    def register(self) -> Register:
        """The register of erasures, as the run first saw it.

        Raises:
            LakeError: It cannot be read, or lacks an entry that it had when the trusted customers were made.
        """
        if self._register is None:
            found = read_register(self.lake)
            # A landing table may be older than the newest erasure, if it had nothing of the person.
            if (trusted := self.lake.find_table("customer_trusted")) is not None:
                require_entries(found.version, erasures_of(trusted.current_snapshot()), "customer_trusted")
            self._register = found
        return self._register

    def base(self, contract: Contract) -> Table:
        """The table that a step publishes, as it was when the step asked first: before the step read its inputs.

        Raises:
            SchemaError: Another version of this package made the table, and its rows are to stay.
        """
        if contract.name not in self._bases:
            table = self.lake.ensure_table(contract)
            if is_made_of_files(contract):
                require_columns(table, contract)
            self._bases[contract.name] = table
        return self._bases[contract.name]

    def published(self, table: str, snapshot: Snapshot) -> None:
        """Have later steps of the run read what the run has published."""
        self._pinned[table] = snapshot
        self._bases.pop(table, None)
        self._frames.pop(table, None)

    def release(self) -> None:
        """Have the run read every table as it is now, since another run published one of them."""
        self._pinned.clear()
        self._bases.clear()
        self._read.clear()
        self._used.clear()
        self._frames.clear()
        self._others.clear()
        self._register = None

    def made_from(self, tables: Iterable[str]) -> dict[str, int]:
        """Pin what a table is made from, and name the versions: of the tables given, and of what decides consent.

        Raises:
            LakeError: One of the tables was never published.
            SchemaError: Another version of this package made one of them.
            PublishConflictError: One of them was made from another snapshot of what decides consent than the run
                reads, or from another register of erasures: a run died before it had refreshed all tables, or is at it.
                Who has withdrawn or was erased may be in there.
        """
        self._others.clear()  # of a step that failed
        pinned = {name: self.snapshot(name) for name in {*tables, *DECIDE_CONSENT}}
        for name in DECIDE_CONSENT:
            for awaited, before in pinned[name].awaits.items():
                if pinned[awaited].version == before:
                    raise PublishConflictError(
                        f"a run published {name} and has not come to {awaited} yet, so that a withdrawal may be in "
                        f"neither, and nothing is made from them: materialize {name} and {awaited} first"
                    )
        for name, snapshot in pinned.items():
            if is_made_of_files(CONTRACTS[name]):
                continue
            if snapshot.erasures != self.register.version:
                raise PublishConflictError(
                    f"{name} was not made from the register of erasures as it is now, and may hold people who were "
                    f"erased, so that nothing is made from it: materialize {name} first"
                )
            for decides in DECIDE_CONSENT:
                if snapshot.made_from.get(decides) != pinned[decides].version:
                    raise PublishConflictError(
                        f"{name} was not made from {decides} as it is now, and may hold people who have withdrawn, so "
                        f"that nothing is made from it: materialize {name} first"
                    )
        return {name: snapshot.version for name, snapshot in pinned.items() if snapshot.version is not None}

    def snapshot(self, table: str) -> Snapshot:
        """The snapshot of a table that the run reads.

        Raises:
            LakeError: The table was never published.
            SchemaError: Another version of this package made the table.
        """
        if table not in self._pinned:
            loaded = self.lake.find_table(table)
            snapshot = UNPUBLISHED if loaded is None else snapshot_of(loaded)
            if loaded is None or snapshot.snapshot_id is None:
                raise LakeError(
                    f"{table} has no rows to read, since it was never published: materialize it first"
                )
            require_columns(loaded, CONTRACTS[table])
            self._pinned[table] = snapshot
        return self._pinned[table]

    def read(self, table: str) -> DataFrame:
        """A table as a frame; quarantined customers with a record for whoever was erased and is there still.

        Raises:
            LakeError: The table was never published, or one of its data files is missing or damaged.
            SchemaError: Another version of this package made the table.
        """
        frame = self._pinned_frame(table)
        if table == "customer_quarantine" and self.register.version:
            return self._with_refusals(frame, self.read("customer_landing"))
        return frame

    def _pinned_frame(self, table: str) -> DataFrame:
        snapshot = self.snapshot(table)
        if self._read.get(table) is not snapshot:
            require_files(self.lake, table, snapshot)
            self._read[table] = snapshot
        self._used.add(table)
        if table not in self._frames:
            # One frame for the whole run: Sail looks for each file once a frame.
            self._frames[table] = read_files(CONTRACTS[table], snapshot.files, self.engine)
        return self._frames[table]

    def _with_refusals(self, customer_quarantine: DataFrame, customer_landing: DataFrame) -> DataFrame:
        erasures = self.engine.session.createDataFrame(self.register.erasures(), erased.ERASURES)
        refusals = erased.refusals(customer_landing, erasures)
        return customer_quarantine.unionByName(refusals, allowMissingColumns=True)

    def read_snapshot(
        self, table: str, snapshot: Snapshot, files: Collection[str] | None = None
    ) -> DataFrame:
        """A snapshot of a table that is not the one that the run has pinned, as a frame.

        Args:
            table: Name of the table.
            snapshot: The snapshot.
            files: Addresses of some of its files; all of them if None.

        Raises:
            LakeError: One of the snapshot's data files is missing or damaged.
        """
        require_files(self.lake, table, snapshot)
        self._others.append((table, snapshot))
        return read_files(CONTRACTS[table], snapshot.files if files is None else files, self.engine)

    def files_since(self, table: str, since: int) -> dict[str, int] | None:
        """The data files that a table has got since a version; None if other rows may have gone or changed."""
        now = self.snapshot(table)
        if now.version == since:
            return {}
        loaded = self.lake.find_table(table)
        return None if loaded is None else added_files(loaded, since, now)

    def before(self, tables: Mapping[str, int]) -> dict[str, DataFrame] | None:
        """Tables as they were at a version of each, as ``read`` gives them; None if a version is no longer there.

        Args:
            tables: The version of each table, by the table's name.
        """
        frames = {}
        for name, number in tables.items():
            if self.snapshot(name).version == number:
                frames[name] = self._pinned_frame(name)
                continue
            loaded = self.lake.find_table(name)
            found = None if loaded is None else next(snapshots_of(loaded, number), None)
            if found is None:
                return None
            try:
                frames[name] = self.read_snapshot(name, found)
            except LakeError:
                return None
        if "customer_quarantine" in frames and self.register.version:
            quarantine, landing = frames["customer_quarantine"], frames["customer_landing"]
            frames["customer_quarantine"] = self._with_refusals(quarantine, landing)
        return frames

    def file(self, name: str) -> bytes | None:
        """A small file of the lake, as the run first saw it; None if it was not there."""
        if name not in self._files:
            try:
                self._files[name] = self.lake.filesystem.cat_file(f"{self.lake.uri}/{name}")
            except FileNotFoundError:
                self._files[name] = None
        return self._files[name]

    def require_files(self) -> None:
        """Look again for the files that were read, before what was computed from them is published.

        Raises:
            LakeError: A data file of a snapshot that was read is missing or damaged.
            PublishConflictError: Another state of a table that was read is gone; computed again, the step does without.
        """
        for table in sorted(self._used):
            require_files(self.lake, table, self._read[table])
        others, self._others = self._others, []
        for table, snapshot in others:
            try:
                require_files(self.lake, table, snapshot)
            except LakeError:
                raise PublishConflictError(
                    f"{table}: files of an earlier state went while the run read them: run it again"
                ) from None
        self._used.clear()
