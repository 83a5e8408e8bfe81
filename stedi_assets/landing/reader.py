"""Landing files read by Spark: cut into ranges, spread over tasks, staged as Parquet, accounted for by file.

What a task does belongs in ``read_task``. Rows do not pass through the engine: a task writes its own Parquet file,
as Spark's own writers do, and the driver publishes only the files of tasks that reported.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stedi_assets import records
from stedi_assets.records.counts import Counts
from stedi_assets.records.read_task import (
    NOT_ALONE,
    FileRange,
    ReadPlan,
    TaskReport,
    task_function,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from stedi_assets.engine.session import SparkEngine
    from stedi_assets.landing.files import LandingFile, Listing

# Why a file was not read that is another one now.
CHANGED = "it changed while it was read; the next run reads it"
# Opening a file costs about as much as reading this many bytes.
_OPEN_COST_BYTES = 64 * 1024
# Compressed text grows about so much; only the spread of work depends on it.
_COMPRESSION_RATIO = 8


@dataclass
class FileReport:
    """What became of a file.

    Attributes:
        file: The file as it was listed.
        failure: Why it could not be read, if so; then none of its records count.
        counts: Its records.
    """

    file: LandingFile
    failure: str | None = None
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class StagedRecords:
    """The records of landing files in staged Parquet files, and what became of each landing file."""

    landed_files: tuple[str, ...]
    quarantined_files: tuple[str, ...]
    reports: tuple[FileReport, ...]


def read_landing_files(
    plan: ReadPlan, files: Sequence[LandingFile], engine: SparkEngine, relist: Callable[[], Listing]
) -> StagedRecords:
    """Read landing files on the engine; each record is staged once, as landed or as quarantined.

    A file that is not the same when it is listed again may have been read half before and half after it changed: it
    counts as not read.

    A file that fails in one range counts as a whole as not read; what other ranges staged of it must not be published,
    so that its tasks are run again without it. So are those of a CSV file that cannot be read in ranges; another task
    reads it whole.
    """
    failures: dict[str, str] = {}
    reports: list[TaskReport] = []
    pending = _ranges(plan, files)
    ranges: dict[tuple[str, int], FileRange] = {}
    while pending:
        ranges |= {(found.file, found.start): found for found in pending}
        reports += _run(plan, pending, engine)
        found_failures = {
            found.file: found.failure
            for report in reports
            for found in report.ranges
            if found.failure is not None
        }
        identities = {file.path: file.identity for file in relist().files}
        failures |= found_failures | {
            file.path: CHANGED
            for file in files
            if file.path not in failures and identities.get(file.path, file.identity) != file.identity
        }
        reports, pending = _without(reports, failures, ranges)
        whole = [file for file in files if failures.get(file.path) == NOT_ALONE]
        pending += [found for file in whole for found in _ranges_of(file, file.size)]
        for file in whole:
            del failures[file.path]
    return _put_together(files, reports, failures)


def _without(
    reports: Iterable[TaskReport], files: Container[str], ranges: dict[tuple[str, int], FileRange]
) -> tuple[list[TaskReport], list[FileRange]]:
    """The reports of tasks that staged nothing of these files, without them; and what else the other tasks read."""
    kept, again = [], []
    for report in reports:
        others = tuple(found for found in report.ranges if found.file not in files)
        if any(found.counts.records for found in report.ranges if found.file in files):
            again += [ranges[found.file, found.start] for found in others]
        else:
            kept.append(replace(report, ranges=others))
    return kept, again


def _ranges(plan: ReadPlan, files: Iterable[LandingFile]) -> list[FileRange]:
    return [found for file in files for found in _ranges_of(file, plan.sizes.range_bytes)]


def _ranges_of(file: LandingFile, most: int) -> list[FileRange]:
    whole = file.is_packed or file.size <= most
    starts = [0] if whole else range(0, file.size, most)
    return [
        FileRange(
            file=file.path,
            start=start,
            end=file.size if whole else min(start + most, file.size),
            size=file.size,
            is_csv=file.is_csv,
            is_packed=file.is_packed,
        )
        for start in starts
    ]


def _run(plan: ReadPlan, ranges: Sequence[FileRange], engine: SparkEngine) -> list[TaskReport]:
    tasks = _packed(ranges, plan.sizes.range_bytes, engine.tasks_at_once)
    if not tasks:
        return []
    numbers = engine.session.range(0, len(tasks), 1, numPartitions=len(tasks))
    with _travelling_by_value(engine):
        rows = numbers.mapInArrow(task_function(plan, tasks), "report string").collect()
    return [TaskReport.from_json(row["report"]) for row in rows]


@contextmanager
def _travelling_by_value(engine: SparkEngine) -> Iterator[None]:
    """Send the reader with the plan, since workers need not have this package.

    Not to Sail, whose workers are this very process: unpickled there, classes of the reader would replace the
    methods of the ones that are loaded.
    """
    if engine.spark == "sail":
        yield
        return
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(records)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(records)


def _packed(ranges: Sequence[FileRange], full: int, most: int | None) -> tuple[tuple[FileRange, ...], ...]:
    """Pieces in order, as many to a task as make up one large file_range, or more where about ``most`` tasks may be."""
    costs = [
        (file_range.end - file_range.start) * (_COMPRESSION_RATIO if file_range.is_packed else 1)
        + _OPEN_COST_BYTES
        for file_range in ranges
    ]
    if most and costs:
        full = max(full, sum(costs) // most + max(costs))
    tasks: list[list[FileRange]] = []
    load = full
    for file_range, cost in zip(ranges, costs, strict=True):
        if load + cost > full:
            tasks.append([])
            load = 0
        tasks[-1].append(file_range)
        load += cost
    return tuple(map(tuple, tasks))


def _put_together(
    files: Sequence[LandingFile], reports: Sequence[TaskReport], failures: dict[str, str]
) -> StagedRecords:
    by_path = {file.path: FileReport(file, failures.get(file.path)) for file in files}
    for report in reports:
        for found in report.ranges:
            by_path[found.file].counts += found.counts
    return StagedRecords(
        tuple(file for report in reports for file in report.landed_files),
        tuple(file for report in reports for file in report.quarantined_files),
        tuple(by_path.values()),
    )
