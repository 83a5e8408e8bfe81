"""The tables of a run, each in one state: what the run reads, and what it publishes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.erasures import Register, read_register, require_entries
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.evolution import is_made_of_files, require_columns
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
    from collections.abc import Iterable

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
        snapshot = self.snapshot(table)
        if self._read.get(table) is not snapshot:
            require_files(self.lake, table, snapshot)
            self._read[table] = snapshot
        self._used.add(table)
        if table not in self._frames:
            # One frame for the whole run: Sail looks for each file once a frame.
            self._frames[table] = read_files(CONTRACTS[table], snapshot.files, self.engine)
        frame = self._frames[table]
        if table == "customer_quarantine" and self.register.version:
            return frame.unionByName(self._refusals(), allowMissingColumns=True)
        return frame

    def _refusals(self) -> DataFrame:
        erasures = self.engine.session.createDataFrame(self.register.erasures(), erased.ERASURES)
        return erased.refusals(self.read("customer_landing"), erasures)

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
        """
        for table in sorted(self._used):
            require_files(self.lake, table, self._read[table])
        self._used.clear()
