"""The error of the lake, whatever its cause: a folder, a bucket, the catalog or another program."""

from __future__ import annotations

from stedi_assets.errors import StediError


class LakeError(StediError):
    """The lake cannot be used as it is; the message names the table, file, folder or variable, and the remedy."""
