"""The jobs: what may be run as a whole; see https://docs.dagster.io/guides/build/jobs.

When a job runs by itself belongs in ``schedules`` and ``sensors``.
"""

from datetime import timedelta

import dagster as dg

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.evolution import is_made_of_files
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.maintenance import retain
from stedi_assets.lake.packing import Packed, pack
from stedi_assets.resources import failing_clearly
from stedi_assets.settings import Settings

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Read new and changed landing files, and bring every table up to date.",
)


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
        packed = {
            name: pack(lake, contract) if is_made_of_files(contract) else Packed()
            for name, contract in CONTRACTS.items()
        }
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
