"""The command ``stedi``: sample data, row counts, SQL, quarantine, erasure and more, without a Dagster server.

What a command prints is decided here; what it computes, elsewhere.
"""

from __future__ import annotations

import errno
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

_NOT_PERMITTED = "let the user who runs this read and write it, or name another place"
_DENIED = {
    errno.EACCES: _NOT_PERMITTED,
    errno.EPERM: _NOT_PERMITTED,
    errno.EROFS: "name a place that can be written",
    errno.ENOSPC: "make room, then run this again",
}


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

        message = _denied(error) or explain(error, get_settings().lake_uri)
        if message is None:
            raise
        complain(f"stedi: {message}")
    sys.exit(1)


def _denied(error: Exception) -> str | None:
    """What to do about a file that the system does not let be read or written; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _DENIED:
        return None
    return f"{error.filename}: {error.strerror}: {_DENIED[error.errno]}"
