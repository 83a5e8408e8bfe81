"""What runs by itself at a time of day; see https://docs.dagster.io/guides/automate/schedules.

What a job does belongs in ``jobs``.
"""

from typing import Any

import dagster as dg

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.jobs import enforce_consent, refresh, retention
from stedi_assets.lake.evolution import is_made_of_files

_SUNDAY = 6


def _whole_on_sundays(context: dg.ScheduleEvaluationContext) -> dict[str, Any]:
    """Make whole once a week what deliveries have added rows to: so every row is held against all inputs again."""
    if context.scheduled_execution_time.weekday() != _SUNDAY:
        return {}
    tables = [name for name, contract in CONTRACTS.items() if not is_made_of_files(contract)]
    return {"ops": {name: {"config": {"full_refresh": True}} for name in tables}}


# The sensor runs nothing without news. With this run, a table that is older than a day is overdue, and no news is not
# taken for a pipeline that stands still.
daily_refresh = dg.ScheduleDefinition(
    job=refresh,
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    run_config_fn=_whole_on_sundays,
    description=(
        "Brings every table up to date every night, whatever the sensor has seen. On Sundays trusted and curated "
        "tables are made whole."
    ),
)
# Before retention, so that the snapshots of people who withdrew are superseded when their days begin to count.
daily_enforcement = dg.ScheduleDefinition(
    job=enforce_consent,
    cron_schedule="45 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Takes people who do not consent now out of every table, every night.",
)
# Runs unless it is stopped: what people withdrew must not stay for want of a switch.
daily_retention = dg.ScheduleDefinition(
    job=retention,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Applies retention every night.",
)
