"""The command ``spark-defaults``, for whoever runs a Spark Connect server."""

from __future__ import annotations

from stedi_assets.cli.common import app, examples
from stedi_assets.cli.output import say
from stedi_assets.settings import get_settings


@app.command(
    short_help="Print what a Spark Connect server must be configured with.",
    epilog=examples("stedi spark-defaults > spark-defaults.conf"),
)
def spark_defaults() -> None:
    """Print the spark-defaults.conf that a Spark Connect server needs for the lake: jars, storage, encryption.

    docs/deploy.md says when.
    """
    from stedi_assets.engine.session import SparkEngine

    for name, value in SparkEngine.of(get_settings()).server_config().items():
        say(f"{name} {value}")
