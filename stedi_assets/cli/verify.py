"""The command ``verify``: whether a lake keeps its promises, computed again by another engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stedi_assets.cli.common import app, examples, require_folder
from stedi_assets.cli.output import AsJson, print_json, say
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from stedi_assets.verification.finding import Finding

_MARKS = {"holds": "+", "waits": "!", "broken": "x"}
_BROKEN, _WAITS = 1, 3


@app.command(
    short_help="Check the lake's promises again, with another engine.",
    epilog=examples("stedi verify", "stedi verify --json", "stedi verify --lake s3://my-bucket/lake"),
)
def verify(*, as_json: AsJson = False) -> None:
    """Read raw files, ledger and tables again, compute each table anew in DuckDB, and compare.

    Each line is marked: + holds, ! waits for a run or for your look, x broken. Writes nothing. Exits with 0 if all
    holds, with 3 if something waits, with 1 if something is broken.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.verification.verify import verify as verify_lake

    settings = get_settings()
    lake = Lake(settings)
    require_folder(lake)
    findings = []
    for finding in verify_lake(lake, settings):
        findings.append(finding)
        if not as_json:
            say(_line(finding))
    states = [finding.state for finding in findings]
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        counts = ", ".join(f"{states.count(state)} {word}" for state, word in _WORDS if state in states)
        say(f"{lake.uri}: {counts}")
    if code := _BROKEN if "broken" in states else _WAITS if "waits" in states else 0:
        raise typer.Exit(code)


_WORDS = (("holds", "hold"), ("waits", "wait"), ("broken", "broken"))


def _line(finding: Finding) -> str:
    return f"{_MARKS[finding.state]} {finding.name}: {finding.message}"
