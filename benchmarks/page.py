"""The page ``docs/benchmarks.md`` and its plots, made of the results in ``benchmarks/results/``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
REQUESTS = RESULTS / "requests.json"
PAGE = Path("docs", "benchmarks.md")
PRODUCT = "stedi run, sail"
_GROWTH_IMAGE = "images/benchmarks-growth.svg"
_POINTS_OF_A_LINE = 2
# What grows with the data: name and unit by the figure's key.
_GROWING = {
    "seconds": ("first run, seconds", 1.0),
    "cpu_seconds": ("first run, processor seconds", 1.0),
    "peak_bytes": ("first run, memory, MB", 1e6),
    "delivery_seconds": ("delivery, seconds", 1.0),
}

_HEAD = """# Benchmarks

`make bench` writes this page from what it measures: edit `benchmarks/page.py`, not this page.

Each contender computes the same five tables, `customer_trusted` to `machine_learning_curated`, from the same generated
landing files, in processes of its own. The contenders take turns, and each round goes in the other direction. A run
whose contenders disagree on the rows of a table fails.

**Only this product checks, quarantines and publishes atomically.** The scripts get files without broken records, since
the first broken record would end them. They leave Parquet files in folders: no landing tables, no snapshots, no checks,
no history. The PySpark scripts have this product's transformations; "five PySpark jobs" is a job for each table, as on
AWS Glue.

- *Seconds* are from start to exit; *steps* are what the steps of a run take, without start-up.
- *Processor* is the time of all processes together. Where the load is above the number of cores, it says more than the
  seconds do.
- *Memory* is the most that all processes of a contender had at once, sampled four times a second; shared memory counts
  once.
- *Written* is what is in the contender's folder in the end. This product's folder holds the landing tables, too.
- *1500MB* and the like are `STEDI_MEMORY`, the most that the run is to take.
- A contender that is not in a table was not measured at that size.
"""


def page() -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *(_section(result) for result in results()), *_growth(), *_requests()])


def results() -> list[dict[str, Any]]:
    """The results of all sizes, the smallest first."""
    found = [json.loads(file.read_text()) for file in RESULTS.glob("scale-*.json")]
    return sorted(found, key=lambda result: result["scale"])


def write_page() -> None:
    """Write the page, and a plot for each size."""
    (REPOSITORY / PAGE).write_text(page())
    for result in results():
        _plot(result)
    _plot_growth()


def _section(result: dict[str, Any]) -> str:
    contenders = result["contenders"]
    duckdb = contenders.get("DuckDB script")
    lines = [
        f"## {result['scale']} x",
        "",
        _conditions(result),
        "",
        f"![Seconds and memory of each contender]({_image(result)})",
        "",
        "| contender | seconds | times DuckDB | steps | processor | memory, MB | written, MB |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {_spread(each['seconds'], 1, 1)} | {_times(each, duckdb)} "
            f"| {_spread(each['seconds_of_steps'], 1, 1) if 'seconds_of_steps' in each else ''} "
            f"| {_spread(each['cpu_seconds'], 1, 1)} | {_spread(each['peak_bytes'], 1e6, 0)} "
            f"| {each['bytes_written']['median'] / 1e6:,.1f} |"
            for name, each in contenders.items()
        ),
        "",
        *_deliveries(contenders),
    ]
    return "\n".join(lines)


def _times(each: dict[str, Any], other: dict[str, Any] | None) -> str:
    return f"{each['seconds']['median'] / other['seconds']['median']:.1f}" if other else ""


def _deliveries(contenders: dict[str, Any]) -> list[str]:
    """The lines on what a delivery costs beside a first run, for the contenders that can add to what is there."""
    measured = {name: each for name, each in contenders.items() if "delivery_seconds" in each}
    if not measured:
        return []
    return [
        "10,000 accelerometer readings more, from the file to the last table; shares are of the first run above:",
        "",
        "| contender | seconds | share | steps | share | processor | share | written, times delivered |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {name} | "
            + " | ".join(
                f"{_spread(each[f'delivery_{figure}'], 1, 2)} "
                f"| {each[f'delivery_{figure}']['median'] / each[figure]['median']:.1%}"
                for figure in ("seconds", "seconds_of_steps", "cpu_seconds")
            )
            + f" | {each['delivery_bytes_written']['median'] / each['delivery_bytes']['median']:.1f} |"
            for name, each in measured.items()
        ),
        "",
    ]


def _growth() -> list[str]:
    """The lines on how the costs of this product grow with the data."""
    figures = _of_product()
    return [
        "## Growth",
        "",
        (
            f"*{PRODUCT}* at each size, and a line through the medians, with equal weight for each size: what does not "
            "grow, and what each size of the reference more takes."
        ),
        "",
        f"![Seconds, processor time and memory by size]({_GROWTH_IMAGE})",
        "",
        "| figure | " + " | ".join(f"{scale:,} x" for scale in figures) + " | does not grow | each x more |",
        "|---|" + "---|" * (len(figures) + 2),
        *(
            f"| {label} | "
            + " | ".join(f"{each[key]['median'] / unit:,.1f}" for each in figures.values())
            + " | {:,.1f} | {:,.3f} |".format(*_line(key, unit))
            for key, (label, unit) in _GROWING.items()
        ),
        "",
    ]


def _of_product() -> dict[int, dict[str, Any]]:
    found = {result["scale"]: result["contenders"] for result in results()}
    return {scale: contenders[PRODUCT] for scale, contenders in found.items() if PRODUCT in contenders}


def _line(key: str, unit: float) -> tuple[float, float]:
    """What does not grow, and what each size of the reference more takes."""
    import numpy as np

    points = {scale: each[key]["median"] / unit for scale, each in _of_product().items()}
    scales, values = np.array(list(points)), np.array(list(points.values()))
    if len(points) < _POINTS_OF_A_LINE:
        return float(values[0]), 0.0
    # Relative misses count, or the largest size would decide alone.
    slope, start = np.polyfit(scales, values, 1, w=1 / values)
    return float(start), float(slope)


def _requests() -> list[str]:
    """The lines on what runs ask of S3 and of the Glue Data Catalog."""
    if not REQUESTS.exists():
        return []
    runs = json.loads(REQUESTS.read_text())
    kinds = ("reads", "writes and listings", "Glue")
    return [
        "## Requests",
        "",
        (
            "On S3 and the Glue Data Catalog (moto's server), at 1 x, by `python -m benchmarks.s3_requests`. The "
            f"delivery is of 10,000 readings, and writes {_written(runs):.2f} times its bytes."
        ),
        "",
        "| run | " + " | ".join(kinds) + " | bytes written |",
        "|---|" + "---|" * (len(kinds) + 1),
        *(
            f"| {name} | " + " | ".join(f"{run[kind]:,}" for kind in kinds) + f" | {run['bytes_written']:,} |"
            for name, run in runs.items()
        ),
        "",
    ]


def _written(runs: dict[str, dict[str, int]]) -> float:
    return runs["a delivery"]["bytes_written"] / runs["a delivery"]["bytes_delivered"]


def _plot_growth() -> None:
    plt = _pyplot()
    points = _of_product()
    figure, panels = plt.subplots(1, len(_GROWING), figsize=(11, 2.6), layout="constrained")
    for panel, (key, (label, unit)) in zip(panels, _GROWING.items(), strict=True):
        start, slope = _line(key, unit)
        panel.plot(list(points), [start + slope * scale for scale in points], color="#b0bec5", lw=1)
        panel.plot(
            list(points), [each[key]["median"] / unit for each in points.values()], "o", color="#00695c"
        )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("size, times the reference")
        panel.set_title(label, fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(REPOSITORY / PAGE.parent / _GROWTH_IMAGE, metadata={"Date": None})
    plt.close(figure)


def _spread(figure: dict[str, float], unit: float, digits: int) -> str:
    least, median, most = (f"{figure[name] / unit:,.{digits}f}" for name in ("least", "median", "most"))
    return f"{median} ({least} to {most})"


def _conditions(result: dict[str, Any]) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    loads = [each["load_before"] for each in result["contenders"].values()]
    least, most = min(load["least"] for load in loads), max(load["most"] for load in loads)
    return (
        f"{result['landing_bytes'] / 1e6:,.0f} MB of landing files, {result['rounds']} rounds on {result['day']}: "
        "medians, with the least and the most. "
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_bytes'] / 1e9:.0f} GB, "
        f"{machine['system']}, Python {machine['python']}; {versions}. Load before a contender began: "
        f"{least:.1f} to {most:.1f}."
    )


def _image(result: dict[str, Any]) -> str:
    return f"images/benchmarks-{result['scale']}.svg"


def _pyplot() -> Any:  # noqa: ANN401 - a module
    import matplotlib as mpl

    mpl.use("svg")
    # Equal results give equal files.
    mpl.rcParams["svg.hashsalt"] = "stedi"
    import matplotlib.pyplot as plt

    return plt


def _plot(result: dict[str, Any]) -> None:
    plt = _pyplot()
    names = list(result["contenders"])[::-1]
    figure, panels = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True, layout="constrained")
    for panel, (key, unit, label) in zip(
        panels, (("seconds", 1, "seconds"), ("peak_bytes", 1e6, "memory, MB")), strict=True
    ):
        figures = [result["contenders"][name][key] for name in names]
        medians = [each["median"] / unit for each in figures]
        below = [median - each["least"] / unit for median, each in zip(medians, figures, strict=True)]
        above = [each["most"] / unit - median for median, each in zip(medians, figures, strict=True)]
        colors = ["#00695c" if name.startswith("stedi") else "#b0bec5" for name in names]
        panel.barh(names, medians, color=colors, xerr=[below, above], error_kw={"lw": 0.8})
        panel.set_xlabel(label)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(REPOSITORY / PAGE.parent / _image(result), metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    write_page()
