"""Commands that write landing files: ``sample-data`` and ``upload``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stedi_assets.cli.common import app, examples
from stedi_assets.cli.instance import LOCKS, alone
from stedi_assets.cli.output import AsCsv, AsJson, Output, complain, say
from stedi_assets.settings import get_settings
from stedi_assets.sources import SourceName
from stedi_assets.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        kept = _set_aside(lake)
        say(f"What was in {lake} is now in {kept}; remove it when you do not need it")
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Writing records", total=None)
        write_sample_lake(
            lake, seed, scale, lambda done, total: progress.update(task, completed=done, total=total)
        )
    say(f"Wrote a sample lake to {lake}")


def _set_aside(lake: Path) -> Path:
    """Give the folder of a lake, and its history, a name with the time; the lake's new folder.

    Raises:
        CommandError: A run or the UI is at work on the lake.
    """
    lake = lake.resolve()
    kept = lake.with_name(f"{lake.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    history = lake.parent / ".dagster" / lake.name
    locked = Path(os.environ.get("DAGSTER_HOME") or history)
    with ExitStack() as locks:
        if locked.exists():
            for name in LOCKS:
                locks.enter_context(
                    alone(locked / name, f"the UI or a run is at work on {lake}: end it, then run this again")
                )
        if history.exists():
            history.rename(history.with_name(kept.name))
        lake.rename(kept)
    return kept


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
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Check files, or all files of a folder, and upload them to the landing folders.

    Content that is there already is skipped, also under another name. So are the tables that a folder holds. A file
    that cannot be read as its source is refused, the other files are uploaded, and the exit code is 1.
    """
    from stedi_assets.landing.upload import find_files

    output = Output(as_json, as_csv, all_rows=True)
    found = find_files(files)
    if not found:
        raise typer.BadParameter("the folders have no landing files: no .json, .jsonl, .ndjson or .csv")
    outcomes = []
    for outcome in _uploaded(found, source, replace=replace):
        outcomes.append(outcome)
        if output.for_people:
            outcome.tell()
    number = Counter(outcome.outcome for outcome in outcomes)
    if output.for_people:
        say(
            f"{counted(number['uploaded'], 'file')} uploaded, {number['there']:,} there already, "
            f"{number['refused']:,} refused"
        )
    else:
        names = [field.name for field in fields(_Outcome)]
        output.rows(names, (asdict(outcome).values() for outcome in outcomes))
    if number["refused"]:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Outcome:
    """What became of a file.

    Attributes:
        file: Its name, as given.
        outcome: What became of it; ``there`` is a file of which the content was in the lake already.
        path: Where its content is, below the lake.
        landed: Records that will land, if it was uploaded.
        quarantined: Records that will be quarantined, likewise.
        problem: Why it was refused.
    """

    file: str
    outcome: Literal["uploaded", "there", "refused"]
    path: str | None = None
    landed: int | None = None
    quarantined: int | None = None
    problem: str | None = None

    def tell(self) -> None:
        """Print it in words."""
        if self.outcome == "refused":
            complain(f"refused {self.file}: {self.problem}")
        elif self.outcome == "uploaded":
            records = f"{counted(self.landed or 0, 'record')}, and {self.quarantined:,} for quarantine"
            say(f"{self.file} -> {self.path}: {records}")
        else:
            same = PurePosixPath(self.path or "").name == Path(self.file).name
            say(f"{self.file}: there already{'' if same else ' under another name'}, as {self.path}")


def _uploaded(files: list[Path], source: SourceName | None, *, replace: bool) -> Iterator[_Outcome]:
    """Upload one file after the other, with a bar of the progress."""
    from rich.console import Console
    from rich.progress import Progress

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.upload import Uploader, UploadError

    done = 0
    with Progress(disable=not sys.stderr.isatty(), console=Console(stderr=True)) as progress:
        task = progress.add_task("Uploading", total=sum(file.stat().st_size for file in files))
        uploader = Uploader(
            Lake(get_settings()),
            source,
            replace=replace,
            sent=lambda sent: progress.update(task, completed=done + sent),
        )
        for file in files:
            try:
                result = uploader.upload(file)
            except UploadError as error:
                yield _Outcome(str(file), "refused", problem=str(error))
            else:
                counts = (result.landed, result.quarantined) if result.is_new else (None, None)
                yield _Outcome(str(file), "uploaded" if result.is_new else "there", result.path, *counts)
            done += file.stat().st_size
            progress.update(task, completed=done)
