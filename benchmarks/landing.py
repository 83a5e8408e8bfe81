"""What landing costs: a large source landed by the product, against what the same engine takes for less.

Run: `python -m benchmarks.landing LAKE`, where LAKE was made by `stedi sample-data --scale 100 --lake LAKE`. All on
Sail, in one process, in turn, five rounds; ratios are of medians:

- landing: the product's step, from listing the files to the entry in the ledger: read, quarantine, conservation,
  audit, publication;
- from_json: the engine's text scan and `from_json`, written to Parquet; broken lines become rows of nulls;
- JSON reader: the engine's own, written to Parquet. It fails on a broken line, so it is given copies of the files
  without these lines, made beforehand;
- one more: the product's step again, after a file of 10,000 lines was added.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pyspark.sql import functions as F

from benchmarks.sail_runs import link_landing, sail_session, step_seconds
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

ROUNDS = 5
LINES_ADDED = 10_000
SOURCE = "accelerometer"
TABLES = [dg.AssetKey(f"{SOURCE}_{kind}") for kind in ("landing", "quarantine")]
FIELDS = source_of(CONTRACTS[f"{SOURCE}_landing"]).fields
SCHEMA = ", ".join(f"`{field.name}` {field.type}" for field in FIELDS)


def land(lake: Path) -> float:
    """Land what is new; the seconds of the step."""
    (seconds,) = step_seconds(lake, TABLES).values()
    return seconds


def text_scan(session: SparkSession, files: list[str], target: Path) -> None:
    lines = session.read.text(files)
    lines.select(F.from_json("value", SCHEMA).alias("row")).select("row.*").write.parquet(str(target))


def json_reader(session: SparkSession, files: list[str], target: Path) -> None:
    session.read.schema(SCHEMA).json(files).write.parquet(str(target))


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def add_file(lake: Path) -> None:
    folder = lake / SOURCE / "landing"
    with min(folder.iterdir()).open("rb") as lines:
        (folder / "added.json").write_bytes(b"".join(islice(lines, LINES_ADDED)))


def sound_lines(files: list[str], folder: Path) -> list[str]:
    """Copies of files without the lines that no reader could make a row of the source of."""
    folder.mkdir()
    for file in map(Path, files):
        with file.open("rb") as lines, (folder / file.name).open("wb") as copy:
            copy.writelines(line for line in lines if _is_sound(line))
    return sorted(map(str, folder.iterdir()))


def _is_sound(line: bytes) -> bool:
    try:
        record = json.loads(line)
        return all(isinstance(record[field.name], str) == (field.type == "string") for field in FIELDS)
    except (ValueError, KeyError, TypeError):
        return False


def main(given: Path, session: SparkSession) -> None:
    # Beside the lake, so that files can be linked.
    with tempfile.TemporaryDirectory(dir=given.parent) as name:
        scratch = Path(name)
        seconds: dict[str, list[float]] = {
            work: [] for work in ("landing", "from_json", "JSON reader", "one more")
        }
        sound: list[str] = []
        for number in range(ROUNDS):
            lake = scratch / f"lake{number}"
            link_landing(given, lake, [SOURCE])
            files = sorted(map(str, (lake / SOURCE / "landing").iterdir()))
            sound = sound or sound_lines(files, scratch / "sound")
            seconds["landing"].append(land(lake))
            seconds["from_json"].append(seconds_of(partial(text_scan, session, files, scratch / "text")))
            seconds["JSON reader"].append(seconds_of(partial(json_reader, session, sound, scratch / "json")))
            add_file(lake)
            seconds["one more"].append(land(lake))
            for folder in (lake, scratch / "text", scratch / "json"):
                shutil.rmtree(folder)
    median = {work: statistics.median(figures) for work, figures in seconds.items()}
    for work, figures in seconds.items():
        spread = " ".join(f"{figure:.2f}" for figure in sorted(figures))
        print(f"{work:12} {median[work]:6.2f} s   ({spread})")
    print(f"landing / from_json   {median['landing'] / median['from_json']:.2f}   (at most 1.50)")
    print(f"landing / JSON reader {median['landing'] / median['JSON reader']:.2f}")
    print(f"one more / landing    {median['one more'] / median['landing']:.1%}  (at most 5.0%)")


if __name__ == "__main__":
    with sail_session() as started:
        main(Path(sys.argv[1]), started)
