"""The command ``register-pools``, for whoever sets up a Dagster instance."""

from __future__ import annotations

import os

from stedi_assets.cli.common import CommandError, app, examples
from stedi_assets.cli.output import say
from stedi_assets.settings import get_settings


@app.command(
    short_help="Let one run at a time write a table of this instance.",
    epilog=examples("DAGSTER_HOME=/opt/dagster stedi register-pools"),
)
def register_pools() -> None:
    """Register the tables' pools with the Dagster instance (DAGSTER_HOME), so that one run at a time writes a table.

    May be repeated. Needed before the first run, and again after an upgrade that brings new tables.
    """
    import dagster as dg

    from stedi_assets import pools
    from stedi_assets.definitions import build_definitions
    from stedi_assets.engine.session import SparkEngine

    if not os.environ.get("DAGSTER_HOME"):
        raise CommandError("DAGSTER_HOME is not set: set it to the folder of the instance's dagster.yaml")
    settings = get_settings()
    with dg.DagsterInstance.get() as instance:
        names = pools.register_pools(instance, build_definitions(settings, SparkEngine.of(settings)))
    say(f"{len(names)} pools let one run at a time write a table: {', '.join(names)}")
