"""The command ``stedi``: sample data, row counts, SQL, quarantine, erasure and more, without a Dagster server.

What a command prints is decided here; what it computes, elsewhere.
"""

from __future__ import annotations

import sys
from typing import Any

import typer

from stedi_assets.cli import (
    dev,
    doctor,
    files,
    instance,
    lake,
    privacy,
    published,
    quarantine,
    rescan,
    retract,
    run,
    spark,
    status,
    tables,
    verify,
)
from stedi_assets.cli.common import app
from stedi_assets.cli.output import complain
from stedi_assets.errors import StediError
from stedi_assets.settings import get_settings
from stedi_assets.text import printable

__all__ = [
    "app",
    "dev",
    "doctor",
    "files",
    "instance",
    "lake",
    "main",
    "privacy",
    "published",
    "quarantine",
    "rescan",
    "retract",
    "run",
    "spark",
    "status",
    "tables",
    "verify",
]

# Typer's root of wrong usage, which it does not export.
_ClickException: type[Any] = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command and exit; what a user can put right is one line, not a stack.

    The exit code is 0, or 1 for an error, or 2 for wrong usage, or what a command says of itself.
    """
    try:
        sys.exit(app(prog_name="stedi", standalone_mode=False))
    except _ClickException as error:
        error.message = printable(error.message)
        error.show()
        sys.exit(error.exit_code)
    except typer.Abort:
        complain("stedi: aborted")
    except StediError as error:
        complain(f"stedi: {error}")
    except Exception as error:
        from stedi_assets.lake.aws_errors import explain
        from stedi_assets.lake.disk_errors import explain_disk

        lake_uri = get_settings().lake_uri
        message = explain_disk(error, lake_uri) or explain(error, lake_uri)
        if message is None:
            raise
        complain(f"stedi: {message}")
    sys.exit(1)
