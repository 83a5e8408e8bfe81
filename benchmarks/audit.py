"""What the audit costs: whole runs of a large lake, with the rules of the contracts and without.

Run: `python -m benchmarks.audit LAKE [ROUNDS]`, where LAKE was made by `stedi sample-data --scale 100 --lake LAKE`.
All on Sail, in one process, in turn; each run lands the files and makes all tables. Without the audit the staged
rows are counted and nothing else, since the checks beside `contract` need their number.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from benchmarks.sail_runs import link_landing, sail_session, step_seconds
from stedi_assets.assets import lake_table
from stedi_assets.contracts.audit import Audit, RuleVerdict, audit
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract


def no_audit(frame: DataFrame, _: Contract) -> Audit:
    counted = RuleVerdict("rows_counted", (), "warn", 0, "The benchmark leaves the rules out.")
    return Audit(rows=frame.count(), verdicts=(counted,))


def main(given: Path, rounds: int) -> None:
    variants = {"with the audit": audit, "without": no_audit}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    # Beside the lake, so that files can be linked.
    with tempfile.TemporaryDirectory(dir=given.parent) as folder:
        lake = Path(folder, "lake")
        # The first round warms up. Each goes first in every other one.
        for number in range(rounds + 1):
            for name in sorted(variants, reverse=bool(number % 2)):
                link_landing(given, lake, SOURCES)
                with mock.patch.object(lake_table, "audit", variants[name]):
                    steps = step_seconds(lake)
                shutil.rmtree(lake)
                seconds[name] += [sum(steps.values())] if number else []
    for name, values in seconds.items():
        print(f"{name:15} {statistics.median(values):6.2f} s   ({min(values):.2f} to {max(values):.2f})")
    ratios = [ours / bare for ours, bare in zip(*seconds.values(), strict=True)]
    print(
        f"the audit adds {statistics.median(ratios) - 1:.1%}   ({min(ratios) - 1:.1%} to {max(ratios) - 1:.1%})"
    )
    print("(at most 20 %)")


if __name__ == "__main__":
    with sail_session():
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
