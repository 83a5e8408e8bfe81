"""Commands that write landing files: ``sample-data`` and ``upload``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stedi_assets.cli.common import app, complain, say
from stedi_assets.settings import get_settings
from stedi_assets.sources import SourceName


@app.command("sample-data")
def sample_data(
    lake: Annotated[Path, typer.Option(help="Folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed writes the same files.")] = 0,
    scale: Annotated[int, typer.Option(min=1, help="How many times the reference's size.")] = 1,
) -> None:
    """Write generated landing files, with the row counts that they must give."""
    from rich.progress import Progress

    from stedi_assets.sample_data import write_sample_lake

    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Writing records", total=None)
        write_sample_lake(
            lake, seed, scale, lambda done, total: progress.update(task, completed=done, total=total)
        )
    say(f"Wrote a sample lake to {lake}")


@app.command()
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
    """Check files and upload them to the landing folders; files that are there already are skipped.

    Exits with 1 if a file was refused; the others are uploaded.
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
                say(
                    f"{file} -> {result.path}: {result.landed:,} records, and {result.quarantined:,} for quarantine"
                    if result.is_new
                    else f"{file}: there already, as {result.path}"
                )
            done += file.stat().st_size
            progress.update(task, completed=done)
    refused = len(found) - uploaded - skipped
    say(f"{uploaded:,} files uploaded, {skipped:,} there already, {refused:,} refused")
    if refused:
        raise typer.Exit(1)
