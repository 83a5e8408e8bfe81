"""This product against other ways to the same five tables: whole processes, in turn, on landing files of one size.

Run: `python -m benchmarks.bench --scale 1 --rounds 5`, or `make bench SCALE=1`. The result goes to
`benchmarks/results/`, and the page `docs/benchmarks.md` is written anew from what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow.parquet as pq

from benchmarks.contenders import FIELDS, KEY
from benchmarks.landing_files import new_readings, well_formed
from benchmarks.measure import Cost, measured
from benchmarks.page import RESULTS, write_page
from benchmarks.sail_runs import link_landing

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)
PACKAGES = ("dagster", "pysail", "pyspark", "duckdb", "polars", "pyiceberg")


@dataclass(frozen=True)
class Contender:
    """A way to the tables.

    Attributes:
        name: As the page has it.
        commands: One command after another; ``{lake}`` and ``{output}`` stand for folders.
        settings: Settings of this product, if that is what the commands are.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def _product(spark: str, memory: str = "") -> Contender:
    stedi = str(Path(sys.executable).with_name("stedi"))
    settings = {"STEDI_SPARK": spark} | ({"STEDI_MEMORY": memory} if memory else {})
    name = ", ".join(["stedi run", *settings.values()])
    return Contender(name, ((stedi, "run", "--lake", "{output}", "--json"),), settings)


def _script(module: str, *before: str, after: tuple[str, ...] = ()) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.contenders.{module}", *before, "{lake}", "{output}", *after)


CONTENDERS = (
    _product("sail"),
    _product("local[2]"),
    Contender("PySpark script, sail", (_script("spark_script", "sail"),)),
    Contender("PySpark script, local[2]", (_script("spark_script", "local[2]"),)),
    Contender(
        "five PySpark jobs, local[2]",
        tuple(_script("spark_script", "local[2]", after=(table,)) for table in TABLES),
    ),
    Contender("DuckDB script", (_script("duckdb_script"),)),
    Contender("Polars script", (_script("polars_script"),)),
)

# How much memory a run is to take at each size, beside a run that may take what there is.
MEMORY = {100: "1500MB", 300: "4294MB", 1000: "8589MB"}


def run(contender: Contender, lake: Path, folder: Path) -> dict[str, Any]:
    """Let a contender compute the tables in a new folder; its figures and the rows of each table."""
    output = folder / "output"
    environment = {"STEDI_PSEUDONYM_KEY": KEY.decode(), "PYTHONPATH": str(Path.cwd()), "RUST_LOG": "error"}
    if contender.settings:
        link_landing(lake, output, FIELDS)
        environment |= contender.settings
    load = os.getloadavg()[0]
    costs = [
        measured([part.format(lake=lake, output=output) for part in command], environment)
        for command in contender.commands
    ]
    figures: dict[str, Any] = {
        "seconds": sum(cost.seconds for cost in costs),
        "cpu_seconds": sum(cost.cpu_seconds for cost in costs),
        "peak_bytes": max(cost.peak_bytes for cost in costs),
        "load_before": load,
    }
    if contender.settings:
        tables = _tables(costs[0])
        figures["seconds_of_steps"] = _seconds_of_steps(tables)
        rows = {name: tables[name]["rows_out"] for name in TABLES}
    else:
        rows = {name: _rows(output / name) for name in TABLES}
    figures["bytes_written"] = _bytes_beside_landing(output)
    if contender.settings:
        figures |= _delivery(contender, output, environment)
    shutil.rmtree(output)
    return figures | {"rows": rows}


def _delivery(contender: Contender, lake: Path, environment: dict[str, str]) -> dict[str, float]:
    """Deliver readings into a lake that is up to date, and let the product take them to the last table."""
    written = _bytes_beside_landing(lake)
    new = new_readings(lake)
    (lake / "accelerometer" / "landing" / "delivered.json").write_text(new)
    cost = measured([part.format(output=lake) for part in contender.commands[0]], environment)
    return {
        "delivery_seconds": cost.seconds,
        "delivery_cpu_seconds": cost.cpu_seconds,
        "delivery_seconds_of_steps": _seconds_of_steps(_tables(cost)),
        "delivery_bytes": len(new),
        "delivery_bytes_written": _bytes_beside_landing(lake) - written,
    }


def _tables(cost: Cost) -> dict[str, Any]:
    """What ``stedi run --json`` says of each table."""
    return {table["table"]: table for table in json.loads(cost.output)["tables"]}


def _seconds_of_steps(tables: dict[str, Any]) -> float:
    # Both tables of a source are made by one step.
    return float(sum(table["seconds"] for name, table in tables.items() if not name.endswith("_quarantine")))


def _bytes_beside_landing(lake: Path) -> int:
    landing = set(lake.glob("*/landing/*"))
    return sum(file.stat().st_size for file in lake.rglob("*") if file.is_file() and file not in landing)


def _rows(folder: Path) -> int:
    return sum(pq.read_metadata(file).num_rows for file in folder.glob("*.parquet"))


def compare(
    lake: Path, scale: int, rounds: int, contenders: tuple[Contender, ...] = CONTENDERS
) -> dict[str, Any]:
    """Measure contenders in turn, each round in the other direction.

    Raises:
        RuntimeError: Two contenders differ in the rows of a table.
    """
    found: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in contenders}
    rows: dict[str, int] = {}
    # Beside the lake, so that files can be linked.
    with tempfile.TemporaryDirectory(dir=lake.parent) as folder:
        for number in range(rounds):
            for contender in contenders[:: -1 if number % 2 else 1]:
                figures = run(contender, lake, Path(folder))
                if (rows := rows or figures["rows"]) != figures.pop("rows"):
                    raise RuntimeError(
                        f"{contender.name} gives other rows than {contenders[0].name}: {figures}"
                    )
                found[contender.name].append(figures)
                print(f"{contender.name:30} {figures['seconds']:7.2f} s", flush=True)
    return {
        "scale": scale,
        "rounds": rounds,
        "day": datetime.now(UTC).date().isoformat(),
        "machine": _machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "landing_bytes": sum(file.stat().st_size for file in lake.glob("*/landing/*")),
        "rows": rows,
        "contenders": {name: _summary(figures) for name, figures in found.items()},
    }


def _summary(figures: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of each figure the median, the least and the most."""
    return {
        name: {
            "median": round(statistics.median(each[name] for each in figures), 2),
            "least": round(min(each[name] for each in figures), 2),
            "most": round(max(each[name] for each in figures), 2),
        }
        for name in figures[0]
    }


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=1, help="how many times the reference's size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", default="", help="those whose names this regular expression finds")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "stedi-bench"))
    given = parser.parse_args()
    lake = well_formed(given.folder / f"scale-{given.scale}", given.scale)
    bounded = (_product("sail", MEMORY[given.scale]),) if given.scale in MEMORY else ()
    chosen = tuple(each for each in (*CONTENDERS, *bounded) if re.search(given.contenders, each.name))
    result = compare(lake, given.scale, given.rounds, chosen)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"scale-{given.scale}.json").write_text(json.dumps(result, indent=2) + "\n")
    write_page()


if __name__ == "__main__":
    main()
