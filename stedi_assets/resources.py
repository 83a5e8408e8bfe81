"""The resources of assets, sensors and jobs: lake, engine, settings, the tables of a run, and the IO manager.

See https://docs.dagster.io/guides/build/external-resources. What a resource does belongs in its own package; here it
meets Dagster. An error of ours or of AWS becomes a failure of a run here, too.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from stedi_assets.contracts.contract import Contract
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.engine import memory
from stedi_assets.engine.gone import EngineGoneError
from stedi_assets.engine.probes import EngineError
from stedi_assets.engine.session import SparkEngine
from stedi_assets.errors import StediError
from stedi_assets.lake.aws_errors import explain, is_silence, is_transient
from stedi_assets.lake.disk_errors import explain_disk, is_locked
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.lineage import made_by
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.lake.publication import RUN_ID, PublishConflictError, Staged, publish
from stedi_assets.lake.snapshot import Snapshot
from stedi_assets.privacy.pseudonym import KEY_FINGERPRINT, fingerprint, pseudonym_key
from stedi_assets.settings import PREFIX, Settings, SettingsError
from stedi_assets.text import counted, markdown_table, megabytes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Clients try again for some seconds by themselves; this is for what takes longer. The wait doubles, and runs that
# failed together do not come back together. Bad data, wrong configuration and bugs are never tried again.
RETRIES, RETRY_AFTER_SECONDS = 2, 30
# Where storage takes requests and says nothing, clients have waited for minutes, and further steps of the run would
# wait as long, one after the other. So nothing is tried again, and steps that begin so soon afterwards do not try.
SILENT_SECONDS = 60
# As Sail 0.7.2 says that its own code came to a place where it must never come. It was seen once in some ten small
# deliveries, in a query that it answers rightly when it is asked again.
_DEFECT_OF_ENGINE = "panicked with message"
# How the message of a failure begins, beside what ``assets.lake_table`` says of data and code.
NO_ANSWER, ENGINE_GONE, CONFIGURATION = "Storage did not answer", "The engine is gone", "Configuration"
UNUSABLE = "The lake cannot be used as it is"
# How often a step is computed again since another run published what it depends on.
ATTEMPTS_AGAIN = 4


@contextmanager
def failing_clearly(lake: Lake, what: str, attempt: int = 0) -> Iterator[None]:
    """Turn an error into a failure whose message is for the user; a bug keeps its class and its stack.

    The message begins with the kind of the failure. A fault of network or storage asks Dagster to try the step again.
    What an engine says of an error is left out of the event log, since it may quote a row.

    Args:
        lake: The lake.
        what: What is being done, by the name of its table or op.
        attempt: How often Dagster has tried the step before.
    """
    if lake.silent_since is not None and time.monotonic() - lake.silent_since < SILENT_SECONDS:
        raise dg.Failure(
            f"{NO_ANSWER}: {what} did not try, since a step before it waited in vain", allow_retries=False
        )
    began = time.monotonic()
    try:
        yield
    except StediError as error:
        raise dg.Failure(f"{_kind(error)}: {error}", allow_retries=False) from error
    except Exception as error:
        if is_silence(error):
            lake.silent_since = time.monotonic()
            raise dg.Failure(
                f"{NO_ANSWER}: waited in vain, and not tried again ({what}, after {lake.silent_since - began:.0f} s): "
                f"{explain(error, lake.uri)}",
                allow_retries=False,
            ).with_traceback(error.__traceback__) from None
        if is_transient(error) or is_locked(error):
            tried = f"{NO_ANSWER}: tried {counted(attempt + 1, 'time')}"
            said = explain(error, lake.uri) or explain_disk(error, lake.uri)
            failure = dg.Failure(f"{tried}: {said}").with_traceback(error.__traceback__)
            wait = RETRY_AFTER_SECONDS * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
            raise dg.RetryRequested(RETRIES, wait) from failure
        if said := explain_disk(error, lake.uri):
            message: str | None = f"{UNUSABLE}: {said}"
        elif said := explain(error, lake.uri):
            message = f"{CONFIGURATION}: {said}"
        else:
            message = _of_engine(error, what)
        if message is None:
            raise
        if _DEFECT_OF_ENGINE in str(error):
            failure = dg.Failure(message).with_traceback(error.__traceback__)
            raise dg.RetryRequested(RETRIES, 0) from failure
        raise dg.Failure(message).with_traceback(error.__traceback__) from None


def _kind(error: StediError) -> str:
    if isinstance(error, PublishConflictError):
        return "Another run was first"
    if isinstance(error, EngineGoneError):
        return ENGINE_GONE
    return CONFIGURATION if isinstance(error, SettingsError | EngineError) else UNUSABLE


@contextmanager
def computed_again(snapshots: PinnedSnapshots, what: str, attempt: int) -> Iterator[None]:
    """Turn errors into failures as ``failing_clearly`` does, and compute a step again where another run was first.

    The step begins anew, on tables as they are then.

    Args:
        snapshots: The tables of the run.
        what: What is being done, by the name of its table.
        attempt: How often Dagster has tried the step before.
    """
    try:
        with failing_clearly(snapshots.lake, what, attempt), snapshots.engine.telling_if_gone():
            yield
    except dg.Failure as failure:
        if not isinstance(failure.__cause__, PublishConflictError) or attempt >= ATTEMPTS_AGAIN:
            raise
        snapshots.release()
        # The other run may be amid its tables: 0, 1, 3, 7 s later it may have come to the one that is missing.
        raise dg.RetryRequested(ATTEMPTS_AGAIN, 2**attempt - 1) from failure


def _of_engine(error: Exception, what: str) -> str | None:
    """What may be said of an engine's error; None if it is no engine's."""
    from pyspark.errors import PySparkException

    if not isinstance(error, PySparkException):
        return None
    if memory.is_exhausted(error):
        return (
            f"{CONFIGURATION}: {what}: the engine needs more memory than a run may take; raise STEDI_MEMORY (by "
            "default three quarters of the machine's memory), take a larger machine, or name a cluster by STEDI_SPARK"
        )
    return (
        f"{what}: the engine failed with {error.getCondition() or type(error).__name__}; its message is left out, "
        "since it may quote a person's data; the stack trace says where it failed"
    )


class PinnedSnapshotsResource(dg.ConfigurableResource[PinnedSnapshots]):
    """Makes the ``PinnedSnapshots`` of a run."""

    lake: dg.ResourceDependency[Lake]
    engine: dg.ResourceDependency[SparkEngine]

    def create_resource(self, context: dg.InitResourceContext) -> PinnedSnapshots:  # noqa: ARG002 - Dagster's signature
        """Make them when the run begins."""
        return PinnedSnapshots(self.lake, self.engine)


def recorded(settings: Settings, contract: Contract, code_version: str | None) -> dict[str, str]:
    """What the summary of a snapshot says of how a table was made: code, policies, and the key of pseudonyms."""
    said = made_by(settings, code_version)
    if contract.has_pseudonyms:
        said[KEY_FINGERPRINT] = fingerprint(pseudonym_key(settings))
    return said


class LakeIOManager(dg.ConfigurableIOManager):
    """Publishes what an asset staged, and reads the snapshots that the run has pinned; one for folder and S3.

    What is staged has passed its audit before it gets here; see ``assets.lake_table``.
    """

    settings: dg.ResourceDependency[Settings]
    lake: dg.ResourceDependency[Lake]
    snapshots: dg.ResourceDependency[PinnedSnapshots]

    def handle_output(self, context: dg.OutputContext, obj: Staged) -> None:
        """Publish a staged table.

        Raises:
            dg.RetryRequested: Another run published the table, or what decides consent, meanwhile.
            dg.Failure: That happened time after time, or a file is gone that the table was made from.
        """
        attempt = context.step_context.previous_attempt_count
        began = time.monotonic()
        previous = obj.base.metadata.current_snapshot_id  # the commit brings the base up to date
        with computed_again(self.snapshots, obj.contract.name, attempt):
            self.snapshots.require_files()
            snapshot = publish(
                self.lake,
                obj,
                {
                    RUN_ID: context.run_id,
                    **recorded(self.settings, obj.contract, context.asset_spec.code_version),
                },
            )
        self.snapshots.published(obj.contract.name, snapshot)
        context.add_output_metadata(
            publication_metadata(self.lake, obj.contract.name, snapshot)
            | {
                "previous_snapshot_id": str(previous or "none"),
                "seconds_publish": round(time.monotonic() - began, 2),
            }
        )

    def load_input(self, context: dg.InputContext) -> "DataFrame":
        """The table as this run sees it."""
        attempt = context.step_context.previous_attempt_count
        with (
            failing_clearly(self.lake, context.asset_key.path[-1], attempt),
            self.snapshots.engine.telling_if_gone(),
        ):
            if (contract := CONTRACTS.get(context.op_def.name)) is not None:
                # The base before the inputs: whoever publishes between the two is noticed.
                self.snapshots.base(contract)
            return self.snapshots.read(context.asset_key.path[-1])


def publication_metadata(lake: Lake, table: str, snapshot: Snapshot) -> dict[str, Any]:
    """What the UI shows of a publication."""
    return {
        "dagster/row_count": snapshot.rows,
        "dagster/uri": lake.address(CONTRACTS[table].folder),
        "dagster/table_name": f"{lake.database}.{table}",
        "snapshot_id": str(snapshot.snapshot_id),
        "data_files": len(snapshot.files),
        "size_mb": megabytes(snapshot.bytes),
    }


def build_resources(settings: Settings, engine: SparkEngine) -> dict[str, Any]:
    """The resources of the lake, the engine and the policies that the settings name."""
    lake = Lake(settings)
    # One for the whole run: Dagster makes a nested resource anew unless it is a partial one, which it looks up.
    snapshots: Any = PinnedSnapshotsResource.configure_at_launch(lake=lake, engine=engine)
    described = {
        "settings": (settings, _policies(settings)),
        "lake": (
            lake,
            f"The lake `{lake.uri}`. Its tables are in the database `{lake.database}` of its catalog.",
        ),
        "engine": (
            engine,
            _engine(settings),
        ),
    }
    resources: dict[str, Any] = {
        name: dg.ResourceDefinition.hardcoded_resource(value, description)
        for name, (value, description) in described.items()
    }
    return resources | {
        "snapshots": snapshots,
        "io_manager": LakeIOManager(settings=settings, lake=lake, snapshots=snapshots),
    }


def _engine(settings: Settings) -> str:
    # The kind alone: the address of a Connect server may hold a token.
    return f"The engine that computes every table: `{settings.spark.partition(':')[0]}`."


def _policies(settings: Settings) -> str:
    """What the UI shows of the settings: the policies, and no secret."""
    shown = settings.policies | {"retention_days": settings.retention_days}
    rows = ((f"`{PREFIX}{name.upper()}`", f"`{value}`") for name, value in shown.items())
    return f"The policies in force:\n\n{markdown_table(('setting', 'value'), rows)}"
