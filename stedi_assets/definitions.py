"""What Dagster loads: assets, checks, jobs, schedules, sensors and resources, put together."""

from __future__ import annotations

import dagster as dg

from stedi_assets.assets import curated, landing, trusted
from stedi_assets.engine import SparkEngine
from stedi_assets.jobs import daily_retention, refresh, retention
from stedi_assets.lake.io_manager import lake_io_manager
from stedi_assets.lake.lake import Lake
from stedi_assets.sensors import landing_files_sensor
from stedi_assets.settings import Settings, get_settings


def build_definitions(settings: Settings, engine: SparkEngine) -> dg.Definitions:
    """Put the definitions together for a lake, an engine and policies."""
    return dg.Definitions(
        assets=[*landing.ingests, *dg.load_assets_from_modules([trusted, curated])],
        jobs=[refresh, retention],
        schedules=[daily_retention],
        sensors=[landing_files_sensor],
        resources={
            "settings": settings,
            "lake": Lake(settings),
            "engine": engine,
            "io_manager": lake_io_manager,
        },
        # Each process of the multiprocess executor would start an engine of its own: 26 s where this takes 5 s.
        executor=dg.in_process_executor,
    )


_settings = get_settings()
defs = build_definitions(_settings, SparkEngine.of(_settings))
