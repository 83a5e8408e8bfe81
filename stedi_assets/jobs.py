"""The jobs: what may be run as a whole; see https://docs.dagster.io/guides/build/jobs.

When a job runs by itself belongs in ``schedules`` and ``sensors``.
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.evolution import is_made_of_files
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.maintenance import retain
from stedi_assets.lake.packing import pack
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.resources import computed_again, failing_clearly
from stedi_assets.settings import Settings
from stedi_assets.withdrawal import take_out

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Read new and changed landing files, and bring every table up to date.",
)
ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.groups("landing", "quarantine"),
    description="Read new and changed landing files. What is made from them is stale until the next `refresh`.",
)


def take_out_of(name: str) -> dg.OpDefinition:
    """Make the op that takes people without consent out of a trusted or curated table."""
    contract = CONTRACTS[name]

    @dg.op(
        name=f"take_out_of_{name}",
        out=dg.Out(dg.Nothing),
        # As the table's own step: one run at a time writes the table.
        pool=name,
        description=f"Takes rows of people who do not consent now out of `{name}`; adds none.",
    )
    def take_out_of_table(
        context: dg.OpExecutionContext,
        settings: dg.ResourceParam[Settings],
        snapshots: dg.ResourceParam[PinnedSnapshots],
    ) -> None:
        with computed_again(snapshots, name, context.retry_number):
            figures: dict[str, Any] = dict(take_out(contract, snapshots, settings, context.run_id))
        if figures:
            # No materialization: the table is as stale as it was.
            context.log_event(dg.AssetObservation(name, metadata=figures))

    return take_out_of_table


@dg.job(
    executor_def=dg.in_process_executor,
    description=(
        "Take rows of people who do not consent now out of every trusted and curated table, even if no run can make "
        "these tables anew. Needs no configuration."
    ),
)
def enforce_consent() -> None:
    """One step a table: what is wrong with one table does not keep people in another."""
    for name, contract in CONTRACTS.items():
        if not is_made_of_files(contract):
            take_out_of(name)()


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Packs small files, expires superseded snapshots and deletes old files that no snapshot needs.",
)
def pack_and_delete(
    context: dg.OpExecutionContext, lake: dg.ResourceParam[Lake], settings: dg.ResourceParam[Settings]
) -> None:
    """Pack and apply retention to every table; what was packed and what went is metadata of the output."""
    keep = timedelta(days=settings.retention_days)
    with failing_clearly(lake, "retention"):
        packed = {name: pack(lake, contract) for name, contract in CONTRACTS.items()}
        removed = {name: retain(lake, name, keep=keep) for name in CONTRACTS}
    context.add_output_metadata(
        {
            "retention_days": settings.retention_days,
            "files_packed": sum(item.before - item.after for item in packed.values()),
            "files_deleted": sum(item.files for item in removed.values()),
            "bytes_deleted": sum(item.bytes for item in removed.values()),
            "tables": dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {
                            "table": name,
                            "files_packed": packed[name].before - packed[name].after,
                            "snapshots_expired": item.snapshots,
                            "files_deleted": item.files,
                            "bytes_deleted": item.bytes,
                        }
                    )
                    for name, item in removed.items()
                ]
            ),
        }
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description=(
        "Pack small data files, expire snapshots older than STEDI_RETENTION_DAYS, and delete files that no snapshot "
        "needs any more."
    ),
)
def retention() -> None:
    """Retention as a job, which needs no engine."""
    pack_and_delete()
