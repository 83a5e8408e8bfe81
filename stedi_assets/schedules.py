"""What runs by itself at a time of day; see https://docs.dagster.io/guides/automate/schedules.

What a job does belongs in ``jobs``.
"""

import dagster as dg

from stedi_assets.jobs import enforce_consent, refresh, retention

# The sensor runs nothing without news. With this run, a table that is older than a day is overdue, and no news is not
# taken for a pipeline that stands still.
daily_refresh = dg.ScheduleDefinition(
    job=refresh,
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Brings every table up to date every night, whatever the sensor has seen.",
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
