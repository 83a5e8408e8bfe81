"""What a Spark task does with the pieces of landing files given to it: read, parse, write Parquet, report.

A piece is a file or a byte range of one. A range of plain lines is settled by whoever has it; a range that is in
doubt is reported as such and read again, with its neighbours in doubt, from a place where a record is known to
begin: what is one record in damaged text depends on what stands before it.

Travels to executors by value, as the parsers do: imports only what every executor has.
"""

from __future__ import annotations

import ctypes
import errno
import json
import traceback
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import fsspec
import polars as pl
import pyarrow as pa

from stedi_assets.records.csv_rows import Header, parse_csv
from stedi_assets.records.mixed import INDEPENDENT_RECORDS, parse_text
from stedi_assets.records.parse import Parsed, Source, parse_lines
from stedi_assets.records.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Large enough that a task's cost is its data, small enough that two tasks a core fit in memory many times over.
PIECE_BYTES = 16 * 1024 * 1024
# How far behind its end a piece looks for the end of its last line before it is in doubt.
_OVERHANG_BYTES = 1024 * 1024
# As what s3fs raises the answers SlowDown and InternalError. The latter's number is Linux's alone.
_S3_FAILED = {errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EBUSY)}
# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@dataclass(frozen=True)
class Piece:
    """Bytes ``start`` to ``end`` of a file.

    Attributes:
        file: Path below the lake.
        start: First byte.
        end: First byte behind it.
        size: Size of the whole file.
        is_csv: Whether it is CSV.
        compression: How it is compressed, if it is; such a file is one piece.
        is_settled: Whether ``start`` and ``end`` are known to stand between records.
    """

    file: str
    start: int
    end: int
    size: int
    is_csv: bool
    compression: str | None
    is_settled: bool


@dataclass
class PieceReport:
    """What became of a piece: figures and file names, never a value of a record.

    Attributes:
        file: Path below the lake.
        start: First byte of its first line.
        end: First byte behind its last line.
        in_doubt: Whether it is to be read again with its neighbours; then nothing of it was written.
        failure: Why the file could not be read; then nothing of it was written.
        records: Records found by the scan of the text.
        landed: Records written as landed.
        quarantined: Records written as quarantined.
        repaired: Repairs by kind.
        drift: Records with an unknown field, by its name.
        reasons: Quarantined records by reason.
    """

    file: str
    start: int
    end: int
    in_doubt: bool = False
    failure: str | None = None
    records: int = 0
    landed: int = 0
    quarantined: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, parsed: Parsed) -> None:
        """Add the figures of a part."""
        self.records += parsed.records
        self.landed += parsed.landed.height
        self.quarantined += parsed.quarantined.height
        self.repaired.update(parsed.repaired)
        self.drift.update(parsed.drift)
        self.reasons.update(parsed.quarantined["reasons"].explode(empty_as_null=False).to_list())


@dataclass(frozen=True)
class TaskReport:
    """What a task wrote, and what became of its pieces."""

    landed_files: tuple[str, ...]
    quarantined_files: tuple[str, ...]
    pieces: tuple[PieceReport, ...]

    def to_json(self) -> str:
        """The report as the text that the task sends to the driver."""
        return json.dumps(self, default=vars)

    @classmethod
    def from_json(cls, text: str) -> TaskReport:
        """Read a report back."""
        found = json.loads(text)
        pieces = [PieceReport(**piece) for piece in found.pop("pieces")]
        for piece in pieces:
            piece.repaired, piece.drift, piece.reasons = map(
                Counter, (piece.repaired, piece.drift, piece.reasons)
            )
        return cls(**found, pieces=tuple(pieces))


@dataclass(frozen=True)
class Job:
    """What all tasks of a reading share.

    Attributes:
        source: Fields and row rules.
        lake: Address of the lake, with its scheme.
        storage_options: For fsspec.
        landed_folder: Where landed rows are staged.
        quarantined_folder: Where quarantined records are staged.
        ingested_at: Epoch ms UTC.
    """

    source: Source
    lake: str
    storage_options: dict[str, Any]
    landed_folder: str
    quarantined_folder: str
    ingested_at: int


def run_task(job: Job, pieces: tuple[Piece, ...]) -> TaskReport:
    """Read pieces, write their rows, and report. A piece that fails has no row in a file that is reported."""
    _keep_freed_memory()
    filesystem, _ = fsspec.url_to_fs(job.lake, **job.storage_options)
    landed, quarantined = (
        Staging(filesystem, folder) for folder in (job.landed_folder, job.quarantined_folder)
    )
    reports = []
    for piece in pieces:
        report = PieceReport(piece.file, piece.start, piece.end)
        landed_of_piece, quarantined_of_piece = landed.part(), quarantined.part()
        try:
            for parsed in _parsed(job, piece, report, filesystem):
                report.count(parsed)
                landed_of_piece.add(_with_provenance(parsed.landed, job, piece))
                quarantined_of_piece.add(_with_provenance(parsed.quarantined, job, piece))
        except (EOFError, OSError, zlib.error) as error:
            report = PieceReport(piece.file, piece.start, piece.end, failure=_failure(error))
        else:
            landed.take(landed_of_piece)
            quarantined.take(quarantined_of_piece)
        reports.append(report)
    return TaskReport(landed.finish(), quarantined.finish(), tuple(reports))


def _keep_freed_memory() -> None:
    """Have glibc keep some of the memory of one window for the next.

    It returns large blocks to the system at once, and a fifth of a task's time went to fetching them again. Other
    libraries have no such function.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, 4 * PIECE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 16 * PIECE_BYTES)


def _failure(error: Exception) -> str:
    """Why a file cannot be read; the message of the error is left out, as it may hold what was in the file.

    Raises:
        ConnectionError, TimeoutError: Not the file's fault: the run fails, and may be tried again.
    """
    if isinstance(error, ConnectionError | TimeoutError):
        raise error
    if isinstance(error, FileNotFoundError):
        return "it vanished after it was listed"
    if isinstance(error, PermissionError):
        return "reading it is not permitted"
    if isinstance(error, OSError) and error.errno in _S3_FAILED:
        raise ConnectionError(f"errno {error.errno}")
    return f"it cannot be read ({type(error).__name__}: damaged, or not compressed as its name says)"


def _parsed(
    job: Job, piece: Piece, report: PieceReport, filesystem: fsspec.AbstractFileSystem
) -> Iterator[Parsed]:
    return (_parse_settled if piece.is_settled else _parse_range)(job, piece, report, filesystem)


def _parse_range(
    job: Job, piece: Piece, report: PieceReport, filesystem: fsspec.AbstractFileSystem
) -> Iterator[Parsed]:
    """Settle the lines that begin in a range, if they are plain; the line across its start is its neighbour's.

    Unless it begins with the file, a range without two plain records shows nothing of where it stands: it may be
    inside a record.
    """
    before = max(0, piece.start - 1)
    text = filesystem.cat_file(
        f"{job.lake}/{piece.file}", before, min(piece.end + _OVERHANG_BYTES, piece.size)
    )
    first = 0 if piece.start == 0 else text.find(b"\n") + 1
    behind = len(text) if piece.end == piece.size else text.find(b"\n", piece.end - 1 - before) + 1
    report.in_doubt = True
    if (first == 0 and piece.start > 0) or behind <= first:
        return
    parsed = parse_lines(text[first:behind], before + first, job.source)
    if parsed is not None and (piece.start == 0 or parsed.records >= INDEPENDENT_RECORDS):
        report.start, report.end, report.in_doubt = before + first, before + behind, False
        yield parsed


def _parse_settled(
    job: Job, piece: Piece, _: PieceReport, filesystem: fsspec.AbstractFileSystem
) -> Iterator[Parsed]:
    """Read from one place between records to another, in windows, whatever the text is like."""
    with filesystem.open(f"{job.lake}/{piece.file}", "rb", compression=piece.compression) as stream:
        yield from parse_stream(stream, piece, job.source)


def parse_stream(stream: BinaryIO, piece: Piece, source: Source) -> Iterator[Parsed]:
    """Parse a settled piece of a file that is open, uncompressed; its records are in as many parts as it takes."""
    header: Header | None = None
    rest, offset = b"", piece.start
    if piece.compression is None:
        stream.seek(piece.start)
    remaining = None if piece.compression else piece.end - piece.start
    while True:
        text = stream.read(PIECE_BYTES if remaining is None else min(PIECE_BYTES, remaining))
        if remaining is not None:
            remaining -= len(text)
        final = not text or remaining == 0
        window = rest + text
        if piece.is_csv:
            rows, settled, header = parse_csv(window, offset, source, final=final, header=header)
            yield rows
        else:
            parsed, settled = parse_text(
                window, offset, source, final=final, before_object=final and piece.end < piece.size
            )
            yield parsed
        rest, offset = window[settled:], offset + settled
        if final:
            return


def _with_provenance(rows: pl.DataFrame, job: Job, piece: Piece) -> pl.DataFrame:
    return rows.with_columns(source_file=pl.lit(piece.file), ingested_at=pl.lit(job.ingested_at, pl.Int64))


def task_function(
    job: Job, tasks: tuple[tuple[Piece, ...], ...]
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    """The function that Spark maps over the numbers of the tasks; it yields one report, as JSON, for each."""

    def run_tasks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column("id").to_numpy():
                try:
                    report = run_task(job, tasks[int(number)]).to_json()
                except Exception as error:  # noqa: BLE001 - raised again, without its message
                    # Spark and Dagster log messages, and this one may quote a record.
                    place = traceback.extract_tb(error.__traceback__)[-1]
                    raise RuntimeError(
                        f"a task of the record reader failed: {type(error).__name__} at {place.filename}:{place.lineno}"
                    ) from None
                yield pa.RecordBatch.from_pydict({"report": [report]})

    return run_tasks
