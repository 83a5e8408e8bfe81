"""The jobs: what may be run as a whole, and what runs by itself every day."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.io_manager import failing_clearly
from stedi_assets.lake.maintenance import retain

if TYPE_CHECKING:
    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Read new and changed landing files, and bring every table up to date.",
)


@dg.op(
    out=dg.Out(dg.Nothing),
    required_resource_keys={"lake", "settings"},
    description="Expires superseded snapshots and deletes old files that no snapshot needs.",
)
def expire_and_delete(context: dg.OpExecutionContext) -> None:
    """Apply retention to every table; what went is metadata of the output."""
    lake: Lake = context.resources.lake
    settings: Settings = context.resources.settings
    keep = timedelta(days=settings.retention_days)
    with failing_clearly(lake):
        removed = {name: retain(lake, name, keep=keep) for name in CONTRACTS}
    context.add_output_metadata(
        {
            "retention_days": settings.retention_days,
            "files_deleted": sum(item.files for item in removed.values()),
            "bytes_deleted": sum(item.bytes for item in removed.values()),
            "tables": dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {
                            "table": name,
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
    description="Expire snapshots older than STEDI_RETENTION_DAYS and delete files that no snapshot needs any more.",
)
def retention() -> None:
    """Retention as a job, which needs no engine."""
    expire_and_delete()


# Runs unless it is stopped: what people withdrew must not stay for want of a switch.
daily_retention = dg.ScheduleDefinition(
    job=retention,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Applies retention every night.",
)
