"""The command ``spark-defaults``, for whoever runs a Spark Connect server."""

from __future__ import annotations

from stedi_assets.cli.common import app, say
from stedi_assets.settings import get_settings


@app.command()
def spark_defaults() -> None:
    """Print the spark-defaults.conf that a Spark Connect server needs for the lake: jars, storage, encryption."""
    from stedi_assets.engine.session import SparkEngine

    for name, value in SparkEngine.of(get_settings()).server_config().items():
        say(f"{name} {value}")
