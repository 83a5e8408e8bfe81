"""What Dagster loads: assets, checks, jobs, schedules, sensors and resources, put together on demand.

See https://docs.dagster.io/guides/build/projects-and-components. Importing this module reads nothing.
"""

from __future__ import annotations

import dagster as dg

from stedi_assets.alerts import alerts_sensor
from stedi_assets.assets import curated, landing, raw, trusted
from stedi_assets.engine.session import SparkEngine
from stedi_assets.jobs import enforce_consent, ingest, refresh, retention
from stedi_assets.resources import build_resources
from stedi_assets.schedules import daily_enforcement, daily_refresh, daily_retention
from stedi_assets.sensors import consent_sensor, landing_files_sensor
from stedi_assets.settings import Settings, get_settings


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions for the lake, the engine and the policies that the environment names."""
    settings = get_settings()
    return build_definitions(settings, SparkEngine.of(settings))


def build_definitions(settings: Settings, engine: SparkEngine) -> dg.Definitions:
    """Put the definitions together for a lake, an engine and policies."""
    return dg.Definitions(
        assets=[
            *raw.folders,
            *landing.ingests,
            landing.ledger,
            *dg.load_assets_from_modules([trusted, curated]),
        ],
        jobs=[refresh, ingest, retention, enforce_consent],
        schedules=[daily_refresh, daily_enforcement, daily_retention],
        sensors=[landing_files_sensor, consent_sensor, *([alerts_sensor] if settings.alerts else [])],
        resources=build_resources(settings, engine),
        # Each process of the multiprocess executor would start an engine of its own: 26 s where this takes 5 s.
        executor=dg.in_process_executor,
    )
