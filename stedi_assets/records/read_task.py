"""What a Spark task does with the ranges of landing files given to it: read, parse, write Parquet, report.

A file_range is a file or a byte range of one. What is one record in damaged text depends on what stands before it, so
a range is read from the first cut (see ``cuts``; in CSV, a line) at its start or behind it to the first cut at its end
or behind it. Where no cut is near, the range before goes on. So each byte is read by one task, whatever the text is
like.

Travels to executors by value, as the parsers do: imports only what every executor has.
"""

from __future__ import annotations

import ctypes
import errno
import io
import json
import traceback
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import fsspec
import polars as pl
import pyarrow as pa

from stedi_assets.records.content import ContentError, open_text
from stedi_assets.records.counts import Counts
from stedi_assets.records.csv_header import first_header
from stedi_assets.records.csv_rows import CsvReader, NotAloneError
from stedi_assets.records.cuts import first_cut
from stedi_assets.records.envelope import ENVELOPE_BYTES, head_of
from stedi_assets.records.erased import Marks, without_erased
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stedi_assets.records.source import Parsed, Source
    from stedi_assets.records.text_reader import TextReader

# As what s3fs raises the answers SlowDown and InternalError. The latter's number is Linux's alone.
_S3_FAILED = {errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EBUSY)}
# Why a range was not read: the file must be read whole.
NOT_ALONE = "a part of it cannot be read alone"
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
        overhang_bytes: How far behind the end of a range a cut may be.
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
    """

    file: str
    start: int
    end: int
    size: int
    is_csv: bool | None
    is_packed: bool

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the file."""
        return self.start == 0 and self.end == self.size


@dataclass
class RangeReport:
    """What became of a file_range: figures and file names, never a value of a record.

    Attributes:
        file: Path below the lake.
        start: First byte.
        failure: Why it could not be read; then nothing of it was written.
        counts: Its records.
    """

    file: str
    start: int = 0
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
        erased: Whose records are not kept.
        sizes: How much is taken at a time.
    """

    source: Source
    lake: str
    storage_options: dict[str, Any]
    landed_folder: str
    quarantined_folder: str
    ingested_at: int
    erased: tuple[Marks, ...] = ()
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
        report = RangeReport(file_range.file, file_range.start)
        landed_of_piece, quarantined_of_piece = landed.part(), quarantined.part()
        try:
            for delivered in _parsed(plan, file_range, filesystem):
                parsed = without_erased(delivered, plan.erased, plan.ingested_at)
                report.counts += Counts.of(parsed)
                landed_of_piece.add(_with_provenance(parsed.landed, plan, file_range))
                quarantined_of_piece.add(_with_provenance(parsed.quarantined, plan, file_range))
        except (ContentError, OSError, NotAloneError) as error:
            report = RangeReport(file_range.file, file_range.start, _failure(error))
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
        OSError: Not the file's fault: the run fails, and may be tried again.
    """
    if isinstance(error, ConnectionError | TimeoutError) or _is_of_s3_client(error):
        raise error
    if isinstance(error, ContentError):
        return str(error)
    if isinstance(error, NotAloneError):
        return NOT_ALONE
    if isinstance(error, FileNotFoundError):
        return VANISHED
    if isinstance(error, PermissionError):
        return "reading it is not permitted"
    if isinstance(error, OSError) and error.errno in _S3_FAILED:
        raise ConnectionError(f"errno {error.errno}")
    return f"it cannot be read ({type(error).__name__})"


def _is_of_s3_client(error: Exception) -> bool:
    """Whether the client of S3 had no answer: its ``ReadTimeoutError`` is an ``OSError``, and no ``TimeoutError``."""
    try:
        from botocore.exceptions import HTTPClientError
    except ImportError:  # where a lake is a folder, executors need no client of S3
        return False
    return isinstance(error, HTTPClientError)


def _parsed(plan: ReadPlan, file_range: FileRange, filesystem: fsspec.AbstractFileSystem) -> Iterator[Parsed]:
    address = f"{plan.lake}/{file_range.file}"
    if not file_range.is_whole:
        read = partial(filesystem.cat_file, address)
        if parts := _parts_of(read(0, ENVELOPE_BYTES), file_range, plan):
            yield from _parse_range(plan.sizes, file_range, read, parts)
            return
        if file_range.start > 0:
            return  # The first range has all of the file.
    with filesystem.open(address, "rb") as stream:
        content, text = open_text(stream, is_csv=file_range.is_csv, is_packed=file_range.is_packed)
        reader = reader_of(plan.source, is_csv=content.is_csv)
        yield from read_all(text, reader, plan.sizes, most=file_range.size if content.is_plain else None)


@dataclass(frozen=True)
class _Parts:
    """How parts of a file are read alone.

    Attributes:
        reader: The reader of a part that begins there.
        first_cut: The first place at a start or behind it, and before a stop, where a part may begin; None if there is
            none. The text must have the byte before the start.
    """

    reader: Callable[[int], TextReader]
    first_cut: Callable[[bytes, int, int], int | None]


def _parts_of(head: bytes, file_range: FileRange, plan: ReadPlan) -> _Parts | None:
    """How parts of a file that begins so are read alone; None if the file is packed, an envelope, or has no header."""
    source = plan.source
    try:
        content, _ = open_text(io.BytesIO(head), is_csv=file_range.is_csv, is_packed=file_range.is_packed)
    except ContentError:
        return None
    if not content.is_plain:
        return None
    if content.is_csv:
        found = first_header(head, source)
        if found is None or found[1] > plan.sizes.range_bytes:
            return None
        return _Parts(
            lambda start: CsvReader(source, start, found[0] if start else None, is_part=True), _first_line
        )
    if head_of(head, source, final=False) > 0:
        return None
    return _Parts(partial(JsonReader, source), partial(first_cut, required=source.required_names()))


def _first_line(text: bytes, start: int, stop: int) -> int | None:
    newline = text.find(b"\n", start - 1, stop - 1)
    return None if newline < 0 else newline + 1


def _parse_range(
    sizes: Sizes, file_range: FileRange, read: Callable[[int, int], bytes], parts: _Parts
) -> Iterator[Parsed]:
    """Read from cut to cut; what stands before the first cut, or everything without one, is of the range before."""
    start, end = file_range.start, file_range.end
    reader = parts.reader(0) if start == 0 else None
    while True:
        # With the byte before, which shows whether a line begins at the start.
        offset = max(0, start - 1)
        text = read(offset, min(end + sizes.overhang_bytes, file_range.size))
        first: int | None = start - offset
        if reader is None:
            first = parts.first_cut(text, start - offset, start + sizes.overhang_bytes - offset)
            if first is None or offset + first >= end:
                return
            reader = parts.reader(offset + first)
        last = len(text) if end == file_range.size else parts.first_cut(text, end - offset, len(text))
        text = text[first : end - offset if last is None else last]
        if last is not None:
            yield reader.close(text)
            return
        yield reader.feed(text)
        start, end = end, min(end + sizes.range_bytes, file_range.size)


def read_all(
    text: BinaryIO, reader: TextReader, sizes: Sizes = SIZES, *, most: int | None = None
) -> Iterator[Parsed]:
    """Read a file that is open as text; its records are in as many parts as it takes.

    Args:
        text: The text, at its beginning.
        reader: The reader for it.
        sizes: How much is taken at a time.
        most: How many bytes are read; all by default.

    Raises:
        ContentError: The file is damaged.
    """
    position = 0
    while piece := text.read(sizes.range_bytes if most is None else min(sizes.range_bytes, most - position)):
        position += len(piece)
        if position == most:
            break
        yield reader.feed(piece)
    yield reader.close(piece)


def reader_of(source: Source, *, is_csv: bool) -> TextReader:
    """The reader of a file's format, for all of the file."""
    return CsvReader(source) if is_csv else JsonReader(source)


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
                    number_of = (
                        f" (os error {error.errno})" if isinstance(error, OSError) and error.errno else ""
                    )
                    raise RuntimeError(
                        f"a task of the record reader failed: {type(error).__name__}{number_of} "
                        f"at {place.filename}:{place.lineno}"
                    ) from None
                yield pa.RecordBatch.from_pydict({"report": [report]})

    return run_tasks
