"""The command ``rescan``: whether storage has what was read."""

from __future__ import annotations

from typing import Any

import typer

from stedi_assets.cli.common import app, examples, require_folder
from stedi_assets.cli.output import AllRows, AsJson, Output, iso_time, say
from stedi_assets.settings import get_settings
from stedi_assets.sources import SOURCES
from stedi_assets.text import counted

# As ``stedi verify``.
_BROKEN, _WAITS = 1, 3


@app.command(
    short_help="Hold the landing files against what was read of them.",
    epilog=examples("stedi rescan", "stedi rescan --json", "stedi rescan --lake s3://my-bucket/lake"),
)
def rescan(*, as_json: AsJson = False, all_rows: AllRows = False) -> None:
    """Compare every landing file with the ledger, by its content, and show each file that differs.

    Files that are new, changed, moved or gone wait for a run. A file that is touched has other times and the content
    that was read. A file that is ignored has a name that nobody knows how to read. A file that is unnoticed has other
    content and no other times, so that no run sees it: touch it. Exits with 0 if storage has what was read, with 3 if
    something waits, with 1 if a file is unnoticed. Asks for no run and changes nothing.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.rescan import rescan as scan

    output = Output(as_json=as_json, all_rows=all_rows)
    lake = Lake(get_settings())
    require_folder(lake)
    scanned = [each for source in SOURCES for each in scan(lake, source)]
    rows: list[tuple[Any, ...]] = [
        (each.state, each.file, each.before, each.missing_since and iso_time(each.missing_since))
        for each in scanned
        if each.state != "as read"
    ]
    if rows or as_json:
        output.rows(("state", "file", "moved_from", "known_gone_since"), rows)
    if output.for_people:
        say(
            f"{lake.uri}: {counted(len(scanned) - len(rows), 'landing file')} as read, {len(rows):,} otherwise"
        )
    states = {each.state for each in scanned if each.waits}
    if code := _BROKEN if "unnoticed" in states else _WAITS if states else 0:
        raise typer.Exit(code)
