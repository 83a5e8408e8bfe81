"""Errors of a disk, and of the file of a catalog, put into words for a user of the lake."""

from __future__ import annotations

import errno
import os
import re

from stedi_assets.lake.errors import causes

_ROOM = "make room, then run this again"
_NOT_PERMITTED = "let the user who runs this read and write it, or name another place"
_REMEDIES = {
    errno.EACCES: _NOT_PERMITTED,
    errno.EPERM: _NOT_PERMITTED,
    errno.EROFS: "make it writable, or name a place that can be written",
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
}
# SQLite's words, which SQLAlchemy hands on.
_OF_CATALOG = {
    "readonly database": "make it writable, or name a place that can be written",
    "disk is full": _ROOM,
    "disk I/O error": "look at the disk, then run this again",
    "unable to open database file": _NOT_PERMITTED,
}
_LOCKED = "database is locked"
# The words of Sail's writers, of any other of Rust, and of our reader of landing files.
_OF_ENGINE = re.compile(rf"\(os error ({'|'.join(map(str, _REMEDIES))})\)")


def explain_disk(error: BaseException, lake_uri: str) -> str | None:
    """Say what to do about a file that cannot be read or written; None for any other error."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in _REMEDIES:
            return f"{cause.filename or lake_uri}: {cause.strerror}: {_REMEDIES[cause.errno]}"
        if words := _words_of_catalog(cause):
            if _LOCKED in words:
                return f"another program has locked the catalog {lake_uri}/catalog.db: let it end, then run this again"
            for known, remedy in _OF_CATALOG.items():
                if known in words:
                    return f"{lake_uri}/catalog.db: {words}: {remedy}"
        elif found := _words_of_engine(cause):
            return f"{lake_uri}, or the folder of temporary files: {found}"
    return None


def is_locked(error: BaseException) -> bool:
    """Whether another program has locked the catalog, which passes."""
    return any(_LOCKED in (_words_of_catalog(cause) or "") for cause in causes(error))


def _words_of_catalog(error: BaseException) -> str | None:
    from sqlalchemy.exc import DBAPIError

    return str(error.orig) if isinstance(error, DBAPIError) else None


def _words_of_engine(error: BaseException) -> str | None:
    from pyspark.errors import PySparkException

    if not isinstance(error, PySparkException):
        return None
    if (found := _OF_ENGINE.search(str(error))) is None:
        return None
    number = int(found[1])
    return f"{os.strerror(number)}: {_REMEDIES[number]}"
