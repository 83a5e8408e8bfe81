"""What a Spark task does with the ranges of landing files given to it: read, parse, write Parquet, report.

A file_range is a file or a byte range of one. A range of plain lines is settled by whoever has it; a range that is in
doubt is reported as such and read again, with its neighbours in doubt, from a place where a record is known to
begin: what is one record in damaged text depends on what stands before it.

Travels to executors by value, as the parsers do: imports only what every executor has.
"""

from __future__ import annotations

import ctypes
import errno
import json
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import fsspec
import polars as pl
import pyarrow as pa

from stedi_assets.records.content import ContentError, open_text
from stedi_assets.records.counts import Counts
from stedi_assets.records.csv_rows import Header, parse_csv
from stedi_assets.records.mixed import INDEPENDENT_RECORDS, parse_text
from stedi_assets.records.parse import parse_lines
from stedi_assets.records.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stedi_assets.records.source import Parsed, Source

# As what s3fs raises the answers SlowDown and InternalError. The latter's number is Linux's alone.
_S3_FAILED = {errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EBUSY)}
# Why a file was not read that is not there any more.
VANISHED = "it vanished after it was listed"
# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@dataclass(frozen=True)
class Sizes:
    """How many bytes are taken at a time.

    Attributes:
        range_bytes: A range of a file, and the text that is parsed at once. Large enough that a task's cost is its
            data, small enough that two tasks a core fit in memory many times over.
        overhang_bytes: How far behind its end a range looks for the end of its last line before it is in doubt.
        gathered_bytes: More rows than make up so much memory go to a Parquet file of their own.
    """

    range_bytes: int = 16 * 1024 * 1024
    overhang_bytes: int = 1024 * 1024
    gathered_bytes: int = 32 * 1024 * 1024


SIZES = Sizes()


@dataclass(frozen=True)
class FileRange:
    """Bytes ``start`` to ``end`` of a file.

    Attributes:
        file: Path below the lake.
        start: First byte.
        end: First byte behind it.
        size: Size of the whole file.
        is_csv: Whether it is CSV by its name; None if the name does not say so.
        is_packed: Whether it is packed by its name; such a file is one file_range.
        is_settled: Whether ``start`` and ``end`` are known to stand between records.
    """

    file: str
    start: int
    end: int
    size: int
    is_csv: bool | None
    is_packed: bool
    is_settled: bool


@dataclass
class RangeReport:
    """What became of a file_range: figures and file names, never a value of a record.

    Attributes:
        file: Path below the lake.
        start: First byte of its first line.
        end: First byte behind its last line.
        in_doubt: Whether it is to be read again with its neighbours; then nothing of it was written.
        failure: Why the file could not be read; then nothing of it was written.
        counts: Its records.
    """

    file: str
    start: int
    end: int
    in_doubt: bool = False
    failure: str | None = None
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class TaskReport:
    """What a task wrote, and what became of its ranges."""

    landed_files: tuple[str, ...]
    quarantined_files: tuple[str, ...]
    ranges: tuple[RangeReport, ...]

    def to_json(self) -> str:
        """The report as the text that the task sends to the driver."""
        return json.dumps(self, default=vars)

    @classmethod
    def from_json(cls, text: str) -> TaskReport:
        """Read a report back."""
        found = json.loads(text)
        ranges = [
            RangeReport(**(fields | {"counts": Counts.from_fields(fields["counts"])}))
            for fields in found.pop("ranges")
        ]
        return cls(**found, ranges=tuple(ranges))


@dataclass(frozen=True)
class ReadPlan:
    """What all tasks of a reading share.

    Attributes:
        source: Fields and row rules.
        lake: Address of the lake, with its scheme.
        storage_options: For fsspec.
        landed_folder: Where landed rows are staged.
        quarantined_folder: Where quarantined records are staged.
        ingested_at: Epoch ms UTC.
        sizes: How much is taken at a time.
    """

    source: Source
    lake: str
    storage_options: dict[str, Any]
    landed_folder: str
    quarantined_folder: str
    ingested_at: int
    sizes: Sizes = SIZES


def run_task(plan: ReadPlan, ranges: tuple[FileRange, ...]) -> TaskReport:
    """Read ranges, write their rows, and report. A file_range that fails has no row in a file that is reported."""
    _keep_freed_memory(plan.sizes)
    filesystem, _ = fsspec.url_to_fs(plan.lake, **plan.storage_options)
    landed, quarantined = (
        Staging(filesystem, folder, plan.sizes.gathered_bytes)
        for folder in (plan.landed_folder, plan.quarantined_folder)
    )
    reports = []
    for file_range in ranges:
        report = RangeReport(file_range.file, file_range.start, file_range.end)
        landed_of_piece, quarantined_of_piece = landed.part(), quarantined.part()
        try:
            for parsed in _parsed(plan, file_range, report, filesystem):
                report.counts += Counts.of(parsed)
                landed_of_piece.add(_with_provenance(parsed.landed, plan, file_range))
                quarantined_of_piece.add(_with_provenance(parsed.quarantined, plan, file_range))
        except (ContentError, OSError) as error:
            report = RangeReport(file_range.file, file_range.start, file_range.end, failure=_failure(error))
        else:
            landed.take(landed_of_piece)
            quarantined.take(quarantined_of_piece)
        reports.append(report)
    return TaskReport(landed.finish(), quarantined.finish(), tuple(reports))


def _keep_freed_memory(sizes: Sizes) -> None:
    """Have glibc keep some of the memory of one window for the next.

    It returns large blocks to the system at once, and a fifth of a task's time went to fetching them again. Other
    libraries have no such function.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, 4 * sizes.range_bytes)
        mallopt(_M_TRIM_THRESHOLD, 16 * sizes.range_bytes)


def _failure(error: Exception) -> str:
    """Why a file cannot be read; the message of an error is left out where it may hold what was in the file.

    Raises:
        ConnectionError, TimeoutError: Not the file's fault: the run fails, and may be tried again.
    """
    if isinstance(error, ConnectionError | TimeoutError):
        raise error
    if isinstance(error, ContentError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return VANISHED
    if isinstance(error, PermissionError):
        return "reading it is not permitted"
    if isinstance(error, OSError) and error.errno in _S3_FAILED:
        raise ConnectionError(f"errno {error.errno}")
    return f"it cannot be read ({type(error).__name__})"


def _parsed(
    plan: ReadPlan, file_range: FileRange, report: RangeReport, filesystem: fsspec.AbstractFileSystem
) -> Iterator[Parsed]:
    return (_parse_settled if file_range.is_settled else _parse_range)(plan, file_range, report, filesystem)


def _parse_range(
    plan: ReadPlan, file_range: FileRange, report: RangeReport, filesystem: fsspec.AbstractFileSystem
) -> Iterator[Parsed]:
    """Settle the lines that begin in a range, if they are plain; the line across its start is its neighbour's.

    Unless it begins with the file, a range without two plain records shows nothing of where it stands: it may be
    inside a record.
    """
    before = max(0, file_range.start - 1)
    behind_overhang = min(file_range.end + plan.sizes.overhang_bytes, file_range.size)
    text = filesystem.cat_file(f"{plan.lake}/{file_range.file}", before, behind_overhang)
    first = 0 if file_range.start == 0 else text.find(b"\n") + 1
    behind = (
        len(text) if file_range.end == file_range.size else text.find(b"\n", file_range.end - 1 - before) + 1
    )
    report.in_doubt = True
    if (first == 0 and file_range.start > 0) or behind <= first:
        return
    parsed = parse_lines(text[first:behind], before + first, plan.source)
    if parsed is not None and (file_range.start == 0 or parsed.records >= INDEPENDENT_RECORDS):
        report.start, report.end, report.in_doubt = before + first, before + behind, False
        yield parsed


def _parse_settled(
    plan: ReadPlan, file_range: FileRange, _: RangeReport, filesystem: fsspec.AbstractFileSystem
) -> Iterator[Parsed]:
    """Read from one place between records to another, in windows, whatever the text is like."""
    with filesystem.open(f"{plan.lake}/{file_range.file}", "rb") as stream:
        yield from parse_stream(stream, file_range, plan.source, plan.sizes)


def parse_stream(
    stream: BinaryIO, file_range: FileRange, source: Source, sizes: Sizes = SIZES
) -> Iterator[Parsed]:
    """Parse a settled file_range of a file that is open; its records are in as many parts as it takes.

    Raises:
        ContentError: The file holds no text, or is damaged.
    """
    header: Header | None = None
    rest, offset = b"", file_range.start
    is_csv, is_plain = bool(file_range.is_csv), True
    if offset == 0:
        content, stream = open_text(stream, is_csv=file_range.is_csv, is_packed=file_range.is_packed)
        is_csv, is_plain = content.is_csv, content.is_plain
    else:
        stream.seek(offset)
    remaining = file_range.end - offset if is_plain else None
    while True:
        text = stream.read(sizes.range_bytes if remaining is None else min(sizes.range_bytes, remaining))
        if remaining is not None:
            remaining -= len(text)
        final = not text or remaining == 0
        window = rest + text
        if is_csv:
            rows, settled, header = parse_csv(window, offset, source, final=final, header=header)
            yield rows
        else:
            parsed, settled = parse_text(
                window, offset, source, final=final, before_object=final and file_range.end < file_range.size
            )
            yield parsed
        rest, offset = window[settled:], offset + settled
        if final:
            return


def _with_provenance(rows: pl.DataFrame, plan: ReadPlan, file_range: FileRange) -> pl.DataFrame:
    return rows.with_columns(
        source_file=pl.lit(file_range.file), ingested_at=pl.lit(plan.ingested_at, pl.Int64)
    )


def task_function(
    plan: ReadPlan, tasks: tuple[tuple[FileRange, ...], ...]
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    """The function that Spark maps over the numbers of the tasks; it yields one report, as JSON, for each."""

    def run_tasks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column("id").to_numpy():
                try:
                    report = run_task(plan, tasks[int(number)]).to_json()
                except Exception as error:  # noqa: BLE001 - raised again, without its message
                    # Spark and Dagster log messages, and this one may quote a record.
                    place = traceback.extract_tb(error.__traceback__)[-1]
                    raise RuntimeError(
                        f"a task of the record reader failed: {type(error).__name__} at {place.filename}:{place.lineno}"
                    ) from None
                yield pa.RecordBatch.from_pydict({"report": [report]})

    return run_tasks
