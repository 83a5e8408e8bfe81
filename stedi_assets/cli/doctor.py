"""The command ``doctor``: what is wrong with this machine, the settings or the lake, and what to do."""

from __future__ import annotations

import sys

import typer

from stedi_assets.cli.common import app, examples
from stedi_assets.cli.output import AsCsv, AsJson, Output, say_of

# On a terminal, and in a pipe.
_MARKS = {"ok": ("✓", "+"), "warning": ("!", "!"), "wrong": ("✗", "x")}
# Where what was found begins.
_INDENT = 12


@app.command(
    short_help="Find what is wrong with the set-up, and what to do.",
    epilog=examples("stedi doctor", "stedi doctor --lake s3://my-bucket/lake"),
)
def doctor(*, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Look at Python, versions, memory, disk, port 3000, Dagster's instance, engine, lake, catalog, tables and key.

    Each has one line: right, to be minded, or wrong and what to do. It tries credentials and permissions by reading,
    and writes nothing. Exits with 1 if something is wrong.
    """
    from stedi_assets.cli.examine import examine

    output = Output(as_json=as_json, as_csv=as_csv)
    findings = []
    for finding in examine():
        findings.append(finding)
        if output.for_people:
            mark = _MARKS[finding.state][0 if sys.stdout.isatty() else 1]
            say_of(f"{mark} {finding.name}", " ".join(finding.message.split()), _INDENT)
    if not output.for_people:
        rows = ((finding.name, finding.state, finding.message) for finding in findings)
        output.rows(("name", "state", "message"), rows)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
