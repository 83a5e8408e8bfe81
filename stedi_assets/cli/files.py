"""Commands that write landing files: ``sample-data`` and ``upload``."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from stedi_assets.cli.common import app, examples
from stedi_assets.cli.instance import set_aside
from stedi_assets.cli.output import complain, say
from stedi_assets.settings import get_settings
from stedi_assets.sources import SourceName
from stedi_assets.text import counted

if TYPE_CHECKING:
    from stedi_assets.landing.upload import Uploaded


@app.command(
    "sample-data",
    short_help="Write generated landing files to try things on.",
    epilog=examples(
        "stedi sample-data --lake data",
        "stedi sample-data --lake big --scale 10",
        "stedi sample-data --lake data --anew",
    ),
)
def sample_data(
    lake: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed writes the same files.")] = 0,
    scale: Annotated[int, typer.Option(min=1, help="How many times the reference's size.")] = 1,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="First give the folder that is there another name; nothing is removed."),
    ] = False,
) -> None:
    """Write generated landing files, with the row counts that they must give."""
    from rich.progress import Progress

    from stedi_assets.sample_data import write_sample_lake

    if anew and lake.exists():
        kept = set_aside(lake)
        say(f"What was in {lake} is now in {kept}; remove it when you do not need it")
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Writing records", total=None)
        write_sample_lake(
            lake, seed, scale, lambda done, total: progress.update(task, completed=done, total=total)
        )
    say(f"Wrote a sample lake to {lake}")


@app.command(
    short_help="Check files and bring them to the landing folders.",
    epilog=examples(
        "stedi upload customers.json readings.json.gz", "stedi upload export/ --source accelerometer"
    ),
)
def upload(
    files: Annotated[list[Path], typer.Argument(exists=True, help="Files, or folders of files.")],
    *,
    source: Annotated[
        SourceName | None,
        typer.Option(help="What the files hold; recognised by their content if not given."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace files of the same name that have other content.")
    ] = False,
) -> None:
    """Check files, or all files of a folder, and upload them to the landing folders.

    Content that is there already is skipped, also under another name. So are the tables that a folder holds. A file
    that cannot be read as its source is refused, the other files are uploaded, and the exit code is 1.
    """
    from rich.console import Console
    from rich.progress import Progress

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.upload import Uploader, UploadError, find_files

    found = find_files(files)
    if not found:
        raise typer.BadParameter("the folders have no landing files: no .json, .jsonl, .ndjson or .csv")
    done = uploaded = skipped = 0
    with Progress(disable=not sys.stderr.isatty(), console=Console(stderr=True)) as progress:
        task = progress.add_task("Uploading", total=sum(file.stat().st_size for file in found))
        uploader = Uploader(
            Lake(get_settings()),
            source,
            replace=replace,
            sent=lambda sent: progress.update(task, completed=done + sent),
        )
        for file in found:
            try:
                result = uploader.upload(file)
            except UploadError as error:
                complain(f"refused {file}: {error}")
            else:
                uploaded, skipped = uploaded + result.is_new, skipped + (not result.is_new)
                say(f"{file}{_outcome(file, result)}")
            done += file.stat().st_size
            progress.update(task, completed=done)
    refused = len(found) - uploaded - skipped
    say(f"{counted(uploaded, 'file')} uploaded, {skipped:,} there already, {refused:,} refused")
    if refused:
        raise typer.Exit(1)


def _outcome(file: Path, result: Uploaded) -> str:
    if result.is_new:
        return f" -> {result.path}: {counted(result.landed, 'record')}, and {result.quarantined:,} for quarantine"
    other = "" if PurePosixPath(result.path).name == file.name else " under another name"
    return f": there already{other}, as {result.path}"
