"""A whole run of the product, process start to exit, against a bare Spark script of the same eight tables.

Run as ``python -m benchmarks.whole_run LAKE [TIMES]``; LAKE has well-formed landing files. The two take turns, so
that a noisy machine is as noisy for the one as for the other.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(command: list[str], **environment: str) -> float:
    began = time.monotonic()
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
    return time.monotonic() - began


def main(lake: Path, times: int) -> None:
    """Measure and print medians with their spread, and the ratio."""
    product, script = [], []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "lake")
            for landing in lake.glob("*/landing"):
                shutil.copytree(landing, copy / landing.relative_to(lake))
            home = Path(folder, "dagster")
            home.mkdir()
            (home / "dagster.yaml").write_text("telemetry: {enabled: false}")
            dagster = Path(sys.executable).with_name("dagster")
            product.append(
                seconds(
                    [str(dagster), "asset", "materialize", "--select", "*", "-m", "stedi_assets.definitions"],
                    STEDI_LAKE_URI=str(copy),
                    STEDI_PSEUDONYM_KEY="0123456789abcdef",
                    DAGSTER_HOME=str(home),
                )
            )
            script.append(
                seconds(
                    [sys.executable, "-m", "benchmarks.bare_spark", str(lake), str(Path(folder, "tables"))]
                )
            )
    for name, values in (("product on Sail, all checks", product), ("bare Spark script, no checks", script)):
        print(f"{name}: median {statistics.median(values):.1f} s, {min(values):.1f} to {max(values):.1f} s")
    ratios = [ours / bare for ours, bare in zip(product, script, strict=True)]
    print(f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
