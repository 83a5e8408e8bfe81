"""The IO manager of the lake's tables, one for folder and S3: publishes what an asset staged, reads snapshots.

What is staged has passed its audit before it gets here; see ``assets.lake_table``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.errors import explain, is_transient
from stedi_assets.lake.lake import Lake, Snapshot, Staged, read_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

    from stedi_assets.engine import SparkEngine

# Key of a snapshot's summary that names the Dagster run which published it.
RUN_ID = "stedi.run-id"
# Clients try again for some seconds by themselves; this is for what takes longer. Bad data is never tried again.
RETRIES, RETRY_AFTER_SECONDS = 2, 30


@contextmanager
def failing_clearly(lake: Lake) -> Iterator[None]:
    """Fail a run by what an error of AWS means for its user, instead of by the error's stack.

    A step is first tried again, if the error is one of network or storage.
    """
    try:
        yield
    except Exception as error:
        if (message := explain(error, lake.uri)) is None:
            raise
        failure = dg.Failure(message)
        if is_transient(error):
            raise dg.RetryRequested(RETRIES, RETRY_AFTER_SECONDS) from failure
        raise failure from None


class LakeIOManager(dg.IOManager):
    """Publishes staged tables; gives a run the same snapshot of a table whenever it reads it.

    Args:
        lake: The lake.
        engine: The run's engine.
    """

    def __init__(self, lake: Lake, engine: SparkEngine) -> None:
        self._lake = lake
        self._engine = engine
        self._pinned: dict[str, Snapshot] = {}

    def handle_output(self, context: dg.OutputContext, obj: Staged) -> None:
        """Publish a staged table.

        Raises:
            PublishConflictError: Another run published the table meanwhile.
        """
        with failing_clearly(self._lake):
            snapshot = self._lake.publish(obj, {RUN_ID: context.run_id})
        self._pinned[obj.contract.name] = snapshot
        context.add_output_metadata(publication_metadata(self._lake, obj.contract.name, snapshot))

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """The table as this run sees it; see ``read``."""
        return self.read(context.asset_key.path[-1])

    def read(self, table: str) -> DataFrame:
        """A table as a frame, in the snapshot that the run first saw.

        Raises:
            dg.Failure: The table was never published.
        """
        contract = CONTRACTS[table]
        with failing_clearly(self._lake):
            snapshot = self._pinned.get(table) or self._lake.snapshot(contract)
            if snapshot.snapshot_id is None:
                raise dg.Failure(
                    f"{table} has no rows to read, since it was never published: materialize it first",
                    allow_retries=False,
                )
            self._pinned[table] = snapshot
            return read_files(contract, snapshot.files, self._engine)


def publication_metadata(lake: Lake, table: str, snapshot: Snapshot) -> dict[str, Any]:
    """What the UI shows of a publication."""
    return {
        "dagster/row_count": snapshot.rows,
        "dagster/uri": lake.address(CONTRACTS[table].folder),
        "dagster/table_name": f"{lake.database}.{table}",
        "snapshot_id": str(snapshot.snapshot_id),
        "data_files": len(snapshot.files),
        "size_in_bytes": snapshot.bytes,
    }


@dg.io_manager(required_resource_keys={"lake", "engine"})
def lake_io_manager(context: dg.InitResourceContext) -> LakeIOManager:
    """Make the IO manager of a run."""
    return LakeIOManager(context.resources.lake, context.resources.engine)
