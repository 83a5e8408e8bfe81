"""The jobs: what may be run as a whole."""

from __future__ import annotations

import dagster as dg

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Read new and changed landing files, and bring every table up to date.",
)
