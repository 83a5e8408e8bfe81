"""Jobs for an instance made from ``deploy/dagster.yaml``: of the same table, beside it, failing and dying."""

import os
import signal
import threading

import dagster as dg

GREETING = "written to the output of the run"


@dg.asset
def beside() -> None:
    """Is in nobody's way."""


@dg.asset(pool="table")
def table(context: dg.AssetExecutionContext) -> None:
    """Goes on until a run of ``beside`` has ended; whatever was queued before that one had every chance to start."""
    print(GREETING)  # noqa: T201 - what the compute logs are to keep
    while not any(run.is_finished for run in context.instance.get_runs(dg.RunsFilter(job_name="go_beside"))):
        threading.Event().wait(0.2)


@dg.asset(pool="table")
def broken() -> None:
    """Fails, as for bad data."""
    raise dg.Failure("bad data")


@dg.asset(pool="table")
def dying(context: dg.AssetExecutionContext) -> None:
    """Loses its process, as for want of memory; not when the run is tried again."""
    if "dagster/retry_number" not in context.run.tags:
        os.kill(os.getpid(), signal.SIGKILL)


defs = dg.Definitions(
    assets=[beside, table, broken, dying],
    jobs=[
        dg.define_asset_job("go_beside", [beside]),
        dg.define_asset_job("write", [table]),
        dg.define_asset_job("fail", [broken]),
        dg.define_asset_job("die", [dying]),
    ],
    executor=dg.in_process_executor,
)
