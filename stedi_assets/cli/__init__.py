"""The command ``stedi``: sample data, row counts, SQL, quarantine, erasure and more, without a Dagster server.

What a command prints is decided here; what it computes, elsewhere.
"""

from __future__ import annotations

import sys

import typer

from stedi_assets.cli import files, instance, privacy, spark, tables
from stedi_assets.cli.common import app
from stedi_assets.errors import StediError
from stedi_assets.settings import get_settings

__all__ = ["app", "files", "instance", "main", "privacy", "spark", "tables"]


def main() -> None:
    """Run the command; what a user can put right is one line, not a stack."""
    try:
        app()
    except StediError as error:
        typer.echo(f"stedi: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        from stedi_assets.lake.aws_errors import explain

        if (message := explain(error, get_settings().lake_uri)) is None:
            raise
        typer.echo(f"stedi: {message}", err=True)
        sys.exit(1)
