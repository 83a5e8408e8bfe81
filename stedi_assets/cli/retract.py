"""The command ``retract``, which takes landing files back."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from stedi_assets.cli.common import CommandError, app, examples, require_folder
from stedi_assets.cli.instance import require_idle
from stedi_assets.cli.output import say
from stedi_assets.settings import get_settings
from stedi_assets.text import counted

if TYPE_CHECKING:
    from stedi_assets.landing.retract import Retraction

_NEXT = "stedi run takes the files' rows out of the tables below; the sensor asks for the same."


@app.command(
    short_help="Take delivered files back, with all their rows.",
    epilog=examples(
        'stedi retract accelerometer/landing/a.json --why "delivered to the wrong folder"',
        "stedi retract accelerometer/landing/a.json --undo",
    ),
)
def retract(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Paths below the lake, as in landing_files.")
    ],
    *,
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; the ledger keeps it, so it must name no person.")
    ] = "",
    undo: Annotated[
        bool, typer.Option("--undo", help="Have the next run read files again that were taken back.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take landing files back: their rows leave landing and quarantine, and no run reads them until they change.

    The files stay where they are. A withdrawal that landed from a customer file stays in force until a newer snapshot
    of the person lands. Nothing else may write to the lake meanwhile. docs/undo.md has the rules.
    """
    from pyiceberg.exceptions import CommitFailedException

    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.publication import PublishConflictError
    from stedi_assets.landing import retract as landing

    settings = get_settings()
    lake = Lake(settings)
    require_folder(lake)
    if not (undo or why):
        raise typer.BadParameter("say with --why why the files are taken back")
    require_idle(settings)
    if undo:
        landing.undo(lake, files)
        say(f"The next run reads {counted(len(files), 'file')} again: stedi run")
        return
    retractions = landing.plan(lake, files)
    for item in retractions:
        _print_plan(item)
    if not yes:
        typer.confirm(f"Take {counted(len(retractions), 'file')} back?", abort=True)
    try:
        landing.retract(lake, retractions, who=getpass.getuser(), why=why)
    except (PublishConflictError, CommitFailedException) as error:
        raise CommandError(f"not finished: {error}") from None
    say(f"Taken back: {counted(len(retractions), 'file')}. {_NEXT}")


def _print_plan(item: Retraction) -> None:
    entry = item.entry
    say(
        f"{entry.source_file}: {counted(entry.landed - len(item.kept), 'row')} of {entry.source}_landing and "
        f"{counted(entry.quarantined, 'row')} of {entry.source}_quarantine go"
    )
    if item.kept:
        say(
            f"  {counted(len(item.kept), 'row')} without consent stay: no newer snapshot says otherwise, and "
            f"{counted(item.people_kept, 'person')} stay withdrawn"
        )
    if item.people_released or item.nameless:
        say(
            f"  its quarantined records may be withdrawals: they name {counted(item.people_released, 'person')}, "
            f"held back no longer, and {item.nameless:,} of them name nobody"
        )
