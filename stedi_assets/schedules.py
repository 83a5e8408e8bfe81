"""What runs by itself at a time of day; see https://docs.dagster.io/guides/automate/schedules.

What a job does belongs in ``jobs``.
"""

import dagster as dg

from stedi_assets.jobs import retention

# Runs unless it is stopped: what people withdrew must not stay for want of a switch.
daily_retention = dg.ScheduleDefinition(
    job=retention,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Applies retention every night.",
)
